//! What a delta says of series: what was counted for them.

use std::sync::Arc;

use model::{PaneDelta, PointKind, PointsDelta, SeriesDelta, SeriesKey, Timestamp};
use slo::pairing::Side;
use slo::panes::PaneCounts;
use slo::stream::{Feed, Increment};

use crate::Engine;
use crate::series::SKEW;

/// What streams have counted for a series in a hand-over.
struct Fed {
    index: u32,
    ordinal: u32,
    /// What began earlier is the other source's.
    from: Timestamp,
    panes: PaneCounts,
}

impl Fed {
    fn add(&mut self, increment: &Increment) {
        // What began while the other source still ruled is only the baseline.
        if increment.from >= self.from && !increment.count.is_zero() {
            increment.spread(&mut self.panes);
        }
    }
}

impl Engine {
    /// Adds counts to their series.
    pub(crate) fn count(&mut self, delta: &PaneDelta) {
        for touched in &delta.series {
            let SeriesDelta { id, key, panes, exemplars } = touched;
            let key = self.judged_as(key);
            let Some(from) = self.counts_from(&key) else { continue };
            let Some(index) = self.series.resolve(delta.worker, *id, &key) else { continue };
            let Some(series) = self.series.get_mut(index) else { continue };
            let mut bad = 0_u64;
            for counted in panes.iter().filter(|counted| counted.pane.end() > from) {
                if series.add(counted.pane, counted.count, self.now) {
                    bad = bad.saturating_add(counted.count.bad());
                    self.log.counts.push((series.ordinal, counted.pane, counted.count));
                }
            }
            series.remember(exemplars);
            self.unwritten.note(series, self.log_seq);
            if bad > 0 && series.is_of_all_others() {
                let slo = Arc::clone(&series.slo);
                self.note_unnamed(&key, &slo, bad);
            }
        }
    }

    /// Turns points of streams into counts.
    pub(crate) fn difference(&mut self, delta: &PaneDelta) {
        for PointsDelta { id, key, kind, beside, points } in &delta.points {
            let Some(mut counted) = self.fed(delta.worker, *id, key) else { continue };
            let mut beside = beside.as_ref().and_then(|(id, key)| self.fed(delta.worker, *id, key));
            let feed = Feed { series: counted.ordinal, kind: *kind };
            let mut sides = side_of(*kind).map(|side| (side, self.pairings.touch(feed.series)));
            for point in points {
                let gain = self.streams.increment(feed, delta.worker, point, self.now);
                if let Some((side, pairing)) = &mut sides {
                    // A side that has not grown has told so all the same.
                    if !point.ended && point.time <= self.now.after(SKEW) {
                        pairing.reach(*side, point.source(), point.time, self.now);
                    }
                    let held = gain.and_then(|gain| {
                        pairing.hold(*side, point.source(), gain.counted, self.now)
                    });
                    held.iter().for_each(|oldest| counted.add(oldest));
                } else if let Some(gain) = gain {
                    counted.add(&gain.counted);
                    beside.iter_mut().for_each(|beside| beside.add(&gain.beside));
                }
            }
            self.count_fed(counted);
            beside.into_iter().for_each(|beside| self.count_fed(beside));
        }
        self.count_pairs();
    }

    /// Counts what both sides of an SLI have told, and what has waited for long enough.
    pub(crate) fn count_pairs(&mut self) {
        for (ordinal, released) in self.pairings.release(self.now) {
            let Some(index) = self.series.index_of_ordinal(ordinal) else { continue };
            let mut fed =
                Fed { index, ordinal, from: Timestamp::ZERO, panes: PaneCounts::default() };
            released.iter().for_each(|increment| fed.add(increment));
            self.count_fed(fed);
        }
    }

    /// A series that streams count for; `None` if another source rules it, or it is not judged.
    fn fed(&mut self, worker: u32, id: u32, key: &Arc<SeriesKey>) -> Option<Fed> {
        let key = self.judged_as(key);
        let from = self.counts_from(&key)?;
        let index = self.series.resolve(worker, id, &key)?;
        let series = self.series.get_mut(index)?;
        // Baselines know it by its number, which must be written down with them.
        self.unwritten.note(series, self.log_seq);
        Some(Fed { index, ordinal: series.ordinal, from, panes: PaneCounts::default() })
    }

    fn count_fed(&mut self, mut fed: Fed) {
        let Some(series) = self.series.get_mut(fed.index) else { return };
        self.unwritten.note(series, self.log_seq);
        for counted in fed.panes.drain() {
            if series.add(counted.pane, counted.count, self.now) {
                self.log.counts.push((series.ordinal, counted.pane, counted.count));
            }
        }
    }
}

/// The side that a stream counts, of an SLI whose sides are streams of their own.
fn side_of(kind: PointKind) -> Option<Side> {
    match kind {
        PointKind::TotalAndBad => None,
        PointKind::Total | PointKind::TotalBesideBad => Some(Side::Total),
        PointKind::Good | PointKind::Bad => Some(Side::Selected),
    }
}
