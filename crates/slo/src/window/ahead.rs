use std::hint::black_box;

use model::Timestamp;

use super::SeriesWindows;
use crate::tier::Tier;

/// How many series are looked at together: what is fetched for them must not push each other out of
/// the nearest cache.
pub const AHEAD_MAX: usize = 32;

/// Looks at what the closing of panes will read of these series, so that it is in the cache when
/// [`SeriesWindows::advance`] comes.
///
/// Closing a pane follows five pointers, each of which is a miss where there are many series, and
/// each of which must be waited for. Here the misses of many series are waited for together: each
/// pass follows one pointer further. Nothing is changed.
pub fn look_ahead<'a>(series: impl Iterator<Item = &'a SeriesWindows> + Clone, now: Timestamp) {
    let floor = now.pane().0;
    let mut seen = 0_u32;
    for series in series.clone() {
        seen ^= series.floor;
    }
    for series in series.clone() {
        let first = series.runs.first().map_or(0, |run| run.first);
        seen ^= first ^ series.rings.first().map_or(0, |ring| ring.since);
    }
    for series in series.clone() {
        seen ^= series.rings.first().map_or(0, |ring| ring.first_number());
    }
    for series in series.clone() {
        series.leaving(floor, |chunk_of, pane| seen ^= chunk_of.peek_chunk(pane));
    }
    for series in series {
        series.leaving(floor, |chunk_of, pane| seen ^= chunk_of.get(pane).total as u32);
    }
    let _ = black_box(seen);
}

impl SeriesWindows {
    /// The panes of 5 s that leave windows when `floor` is the open pane.
    fn leaving(&self, floor: u32, mut look: impl FnMut(&crate::tier::Ring, u32)) {
        let Some(ring) = self.rings.first() else { return };
        for (run, window) in self.runs.iter().zip(&self.plan.windows) {
            if window.tier != Tier::FiveSeconds {
                return;
            }
            if floor >= run.due {
                look(ring, run.first);
            }
        }
    }
}
