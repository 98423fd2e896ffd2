//! Differences of cumulative streams.
//!
//! Rules: OpenTelemetry metrics data model, "Resets and Gaps", "Single-Writer" and "No recorded
//! value", with three choices where it leaves one. A number of events that drops under the same
//! start is a reset. A stream that is seen for the first time counts in full only if it started
//! while fogbell listened, or its source was heard without it before: then since the source told
//! the last time. A point whose start is before the one that is followed comes from a
//! second writer and is dropped, until the followed one has gone stale.

mod rows;
mod spread;
mod table;
mod told;

use std::time::Duration;

use ahash::RandomState;
use model::{Count, Counted, PointKind, StreamPoint, Timestamp};

pub use rows::{StreamRow, StreamRowKind};
pub use spread::{Increment, SPREAD_PANES_MAX};
pub use told::SOURCE_KNOWN_AFTER;

use table::{Slot, Table};
use told::Telling;

/// A stream without points for this long is stale: its baseline is kept while there is room.
pub const STREAM_STALE_AFTER: Duration = Duration::from_secs(300);
/// A stale stream is forgotten after this long.
pub const TOMBSTONE_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Room is made at most this often.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// Limits and times of [`Streams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// Streams that are followed, stale ones among them. When full, stale ones make room, oldest
    /// first; without any, new streams are not followed and are counted as refused.
    pub streams_max: usize,
    /// See [`STREAM_STALE_AFTER`].
    pub stale_after: Duration,
    /// A stream that is new here counts in full only if it started at or after this: when fogbell
    /// began to listen, less the allowed lateness.
    pub accept_start_after: Timestamp,
    /// How far in the future of the engine's time a point may lie.
    pub skew: Duration,
}

/// The newest point of every cumulative stream.
#[derive(Clone, Debug)]
pub struct Streams {
    options: StreamOptions,
    table: Table,
    stats: StreamStats,
    swept_at: Timestamp,
}

/// What a stream counts for. One stream may feed several series, and one series in several ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feed {
    /// A number that names the series for good.
    pub series: u32,
    /// In which way.
    pub kind: PointKind,
}

/// What a point added to the series of its feed, and to the one beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gain {
    /// For the series.
    pub counted: Increment,
    /// For the one beside, over the same time; each total and bad.
    pub beside: Increment,
}

/// What became of points that did not simply count, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamStats {
    /// Streams that began anew, told by their start time.
    pub resets: u64,
    /// Streams that began anew, told by their value alone.
    pub value_drops: u64,
    /// Points that only set a baseline, as nobody knows what came before.
    pub unknown_starts: u64,
    /// Points not newer than one that was seen before.
    pub repeats: u64,
    /// Points of a second writer of the same stream.
    pub overlaps: u64,
    /// Points beyond the allowed skew.
    pub future: u64,
    /// Points of streams that there was no room for.
    pub refused: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Baseline {
    start: Timestamp,
    time: Timestamp,
    /// When the engine last took a point of it.
    taken_at: Timestamp,
    counted: Counted,
    beside: Counted,
    ended: bool,
}

enum Step {
    /// Count what came on top of the baseline.
    Delta,
    /// Count all of it.
    Full {
        from: Timestamp,
    },
    /// Remember it only.
    Baseline,
    Drop,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            streams_max: 150_000,
            stale_after: STREAM_STALE_AFTER,
            accept_start_after: Timestamp::ZERO,
            skew: Duration::from_secs(60),
        }
    }
}

impl Streams {
    /// No streams yet; `seeds` are for the hash table.
    #[must_use]
    pub fn new(options: StreamOptions, seeds: [u64; 4]) -> Self {
        let [a, b, c, d] = seeds;
        Self {
            options,
            table: Table::new(RandomState::with_seeds(a, b, c, d)),
            stats: StreamStats::default(),
            swept_at: Timestamp::ZERO,
        }
    }

    /// What a point that came from this worker adds to what was counted of its stream, and over
    /// which time; `None` if it adds nothing.
    pub fn increment(
        &mut self,
        feed: Feed,
        worker: u32,
        point: &StreamPoint,
        now: Timestamp,
    ) -> Option<Gain> {
        if !point.time.is_set() || point.time > now.after(self.options.skew) {
            self.stats.future += u64::from(point.time.is_set());
            return None;
        }
        if point.is_delta {
            let from = if point.start.is_set() { point.start } else { point.time };
            return gain(feed.kind, point, from, &Baseline::default());
        }
        let Some(at) = self.table.find(feed, worker, point) else {
            return self.first_point(feed, worker, point, now);
        };
        self.table.tell(at, point.time);
        let baseline = self.table.change(at)?;
        if point.ended {
            baseline.ended = true;
            return None;
        }
        let stale_before = now.before(self.options.stale_after);
        let step = step(baseline, feed.kind, point, stale_before, &mut self.stats);
        let before = *baseline;
        if !matches!(step, Step::Drop) {
            *baseline = Baseline::of(point, now);
        }
        match step {
            Step::Delta => gain(feed.kind, point, before.time, &before),
            Step::Full { from } => gain(feed.kind, point, from, &Baseline::default()),
            Step::Baseline | Step::Drop => None,
        }
    }

    /// Forgets streams that have been stale for [`TOMBSTONE_KEPT`].
    pub fn evict(&mut self, now: Timestamp) {
        let kept = now.before(self.options.stale_after.saturating_add(TOMBSTONE_KEPT));
        self.table.retain(|slot| slot.baseline.taken_at >= kept);
    }

    /// How many streams are followed, stale ones among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no stream is followed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What became of points that did not simply count.
    #[must_use]
    pub const fn stats(&self) -> StreamStats {
        self.stats
    }

    /// The rows that have changed since they were last taken: what is needed to go on after a
    /// restart, together with those taken before. Their size follows what has changed.
    pub fn take_rows(&mut self) -> Vec<StreamRow> {
        rows::take(&mut self.table)
    }

    /// Goes on from rows, the last of each kind and number. Returns how many could not be read;
    /// the streams in them begin anew.
    pub fn restore(&mut self, rows: impl IntoIterator<Item = StreamRow>) -> usize {
        rows::restore(&mut self.table, rows)
    }

    fn first_point(
        &mut self,
        feed: Feed,
        worker: u32,
        point: &StreamPoint,
        now: Timestamp,
    ) -> Option<Gain> {
        if point.ended {
            return None;
        }
        if !self.has_room(now) {
            self.stats.refused += 1;
            return None;
        }
        let told = self.table.telling(point.stream, feed, point.time);
        let baseline = Baseline::of(point, now);
        self.table.insert(Slot::new(point.stream, feed, baseline), Some((worker, point.id)));
        let Some(from) = self.begun(point, told) else {
            self.stats.unknown_starts += 1;
            return None;
        };
        gain(feed.kind, point, from, &Baseline::default())
    }

    /// Since when a stream that is seen for the first time has counted, if all of it counts.
    fn begun(&self, point: &StreamPoint, told: Option<Telling>) -> Option<Timestamp> {
        let before = told.and_then(|told| told.before(point.time));
        let is_new = before.is_some() && told.is_some_and(|told| told.is_known(point.time));
        if start_is_known(point) {
            let counts = is_new || point.start >= self.options.accept_start_after;
            return counts.then(|| point.start.max(before.unwrap_or_default()));
        }
        before.filter(|_| is_new && !point.start.is_set())
    }

    fn has_room(&mut self, now: Timestamp) -> bool {
        if self.len() < self.options.streams_max {
            return true;
        }
        if self.swept_at.is_set() && now.since(self.swept_at) < SWEEP_EVERY {
            return false;
        }
        self.swept_at = now;
        let stale_before = now.before(self.options.stale_after);
        // In batches, so that a full table is not swept for every new stream.
        let batch = (self.options.streams_max / 8).max(1);
        self.table
            .remove_oldest(batch, |baseline| baseline.ended || baseline.taken_at < stale_before);
        self.len() < self.options.streams_max
    }
}

impl Baseline {
    fn of(point: &StreamPoint, now: Timestamp) -> Self {
        let StreamPoint { start, time, counted, beside, .. } = *point;
        Self { start, time, taken_at: now, counted, beside, ended: false }
    }

    fn is_above(&self, kind: PointKind, point: &StreamPoint) -> bool {
        let fall = self.counted.total.saturating_sub(point.counted.total);
        // Where one side of an SLI is a stream of its own, its events may be an estimate, too.
        let estimated = match kind {
            PointKind::Good | PointKind::Bad => self.counted.uncertain.max(point.counted.uncertain),
            PointKind::TotalAndBad | PointKind::Total | PointKind::TotalBesideBad => 0,
        };
        fall > estimated || !point.beside.is_from(self.beside)
    }
}

fn step(
    baseline: &Baseline,
    kind: PointKind,
    point: &StreamPoint,
    stale_before: Timestamp,
    stats: &mut StreamStats,
) -> Step {
    if point.time <= baseline.time {
        stats.repeats += 1;
        return Step::Drop;
    }
    // Zero duration: the stream begins anew, nobody knows since when.
    if point.start >= point.time {
        stats.unknown_starts += 1;
        return Step::Baseline;
    }
    let unknown = !point.start.is_set() || !baseline.start.is_set();
    let begun_since = point.start > baseline.time || (!unknown && point.start > baseline.start);
    if begun_since {
        stats.resets += 1;
        return Step::Full { from: point.start };
    }
    if !unknown && point.start < baseline.start {
        if baseline.taken_at >= stale_before && !baseline.ended {
            stats.overlaps += 1;
            return Step::Drop;
        }
        stats.unknown_starts += 1;
        return Step::Baseline;
    }
    if baseline.is_above(kind, point) {
        stats.value_drops += 1;
        return Step::Full { from: baseline.time };
    }
    Step::Delta
}

fn start_is_known(point: &StreamPoint) -> bool {
    point.start.is_set() && point.start < point.time
}

fn gain(
    kind: PointKind,
    point: &StreamPoint,
    from: Timestamp,
    baseline: &Baseline,
) -> Option<Gain> {
    let increment = |kind, counted, before| {
        let count = counted_as(kind, counted, before);
        Increment { from, until: point.time, count }
    };
    let counted = increment(kind, point.counted, baseline.counted);
    let beside = increment(PointKind::TotalAndBad, point.beside, baseline.beside);
    let is_any = !(counted.count.is_zero() && beside.count.is_zero());
    is_any.then_some(Gain { counted, beside })
}

/// What a stream's change means for its series. Estimates may fall: then bad is a correction.
fn counted_as(kind: PointKind, counted: Counted, before: Counted) -> Count {
    let total = counted.total.saturating_sub(before.total);
    let uncertain = counted.uncertain.saturating_sub(before.uncertain);
    let bad_signed = change(counted.bad, before.bad);
    let observed = |bad: i64| u64::try_from(bad).unwrap_or(0);
    match kind {
        PointKind::TotalAndBad => {
            Count { total, bad_signed, bad_observed: observed(bad_signed), uncertain }
        }
        // How many of them are bad only shows once the good ones are taken away.
        PointKind::Total => Count {
            total,
            bad_signed: change(counted.total, before.total),
            bad_observed: 0,
            uncertain: 0,
        },
        PointKind::Good => {
            let good = change(counted.total, before.total);
            Count { bad_signed: good.saturating_neg(), uncertain, ..Count::ZERO }
        }
        PointKind::Bad => {
            let bad_signed = change(counted.total, before.total).max(bad_signed);
            Count { total: 0, bad_signed, bad_observed: observed(bad_signed), uncertain }
        }
        PointKind::TotalBesideBad => Count { total, ..Count::ZERO },
    }
}

fn change(now: u64, before: u64) -> i64 {
    i64::try_from(i128::from(now) - i128::from(before)).unwrap_or(if now > before {
        i64::MAX
    } else {
        i64::MIN
    })
}

#[cfg(test)]
mod tests;
