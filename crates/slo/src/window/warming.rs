//! Reading early what very many series are about to read.

use model::Timestamp;

use super::SeriesWindows;
use crate::tier::{Ring, Tier};

/// How many pointers lie between a series and its panes, and one more.
const STEPS: usize = 5;

impl SeriesWindows {
    /// Reads what letting time pass up to `now` will read of these series, so that it finds that in
    /// the cache. Series lie all over memory, and each holds its panes some pointers away: one by
    /// one they would wait for each of these reads in turn, while so, at each step, all of them wait
    /// together. Worth it for some ten to a hundred series at a time.
    pub fn warm<'a>(all: impl Iterator<Item = &'a Self> + Clone, now: Timestamp) {
        let floor = now.pane().0;
        for step in 0..STEPS {
            let read = all.clone().fold(0, |read: u32, series| read ^ series.read(step, floor));
            // Otherwise the compiler would see that nobody needs it.
            let _ = std::hint::black_box(read);
        }
    }

    /// Reads what is so many steps away.
    fn read(&self, step: usize, floor: u32) -> u32 {
        match step {
            0 => self.floor,
            1 => {
                let runs = self.runs.iter().fold(0, |read, run| read ^ run.due);
                self.rings.iter().fold(runs, |read, ring| read ^ ring.since)
            }
            2 => self.rings.iter().fold(0, |read, ring| read ^ ring.first_chunk()),
            3 => self.moving(floor, |ring, index| ring.likely_chunk(index)),
            _ => self.moving(floor, |ring, index| ring.glance(index)),
        }
    }

    /// What `read` finds of the panes that leave windows once `floor` is the open pane, and of those
    /// that what waits is added to.
    fn moving(&self, floor: u32, read: impl Fn(&Ring, u32) -> u32) -> u32 {
        let mut sum = 0;
        let is_coarse_due = floor >= self.coarse_due;
        for (run, window) in self.runs.iter().zip(&self.plan.windows) {
            if floor == self.floor || (window.tier != Tier::FiveSeconds && !is_coarse_due) {
                break;
            }
            if let Some(ring) = self.rings.get(window.tier as usize).filter(|_| floor >= run.due) {
                sum ^= read(ring, window.tier.index(run.first));
            }
        }
        if let Some(held) = self.pending.first() {
            for (ring, tier) in self.rings.iter().zip(Tier::ALL) {
                sum ^= read(ring, tier.index(held.pane.0));
            }
        }
        sum
    }
}
