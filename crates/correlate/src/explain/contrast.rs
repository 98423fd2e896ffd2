//! The time of the fault against the time before it.

use model::Timestamp;

use crate::correlator::Correlator;
use crate::names::ServiceId;
use crate::ring::{Ring, Tally};
use crate::series::{Bucket, TimeSeries, Times};
use crate::votes::Suspect;

/// How many buckets before the fault are compared with it: 10 minutes.
const BEFORE_BUCKETS: u32 = 60;
/// A fault is often older than the moment that is given for it: this many buckets before that
/// moment, a minute, may hold it already.
const UNSURE_BUCKETS: u32 = 6;
/// How far a change is believed that only the time surely before the fault shows.
pub(crate) const SURE_SHARE: f64 = 0.4;

/// The bucket in which the fault begins holds both times, and counts for neither where so many
/// buckets come after it.
const WHOLE_BUCKETS_MIN: u32 = 2;

/// What is compared: `from..until` with the buckets up to `before`.
#[derive(Clone, Copy)]
pub(crate) struct Contrast<'a> {
    pub(crate) correlator: &'a Correlator,
    before: Bucket,
    pub(crate) from: Bucket,
    pub(crate) until: Bucket,
}

impl<'a> Contrast<'a> {
    /// The stretch from `since` to the bucket before `until` against the time before it.
    pub(crate) fn new(correlator: &'a Correlator, since: Timestamp, until: Bucket) -> Self {
        let before = Bucket::of(since);
        let is_split = since > before.start();
        let from = if is_split { before.next() } else { before };
        let is_long = until.0 >= from.0.saturating_add(WHOLE_BUCKETS_MIN);
        Self { correlator, before, from: if is_long { from } else { before }, until }
    }

    /// What a ring holds of the time before, and of the fault.
    pub(crate) fn of<T: Tally>(&self, ring: &Ring<T>) -> (T, T) {
        (ring.sum(self.earliest(), self.before), ring.sum(self.from, self.until))
    }

    /// The same of durations.
    pub(crate) fn of_times(&self, series: &TimeSeries) -> (Times, Times) {
        (series.sum(self.earliest(), self.before), series.sum(self.from, self.until))
    }

    /// Durations of the time before that the fault cannot have reached.
    pub(crate) fn surely_before(&self, series: &TimeSeries) -> Times {
        series.sum(self.earliest(), self.sure())
    }

    /// The buckets that a gauge was heard in before the fault and during it.
    pub(crate) fn each<T: Tally>(&self, ring: &Ring<T>) -> (Vec<T>, Vec<T>) {
        (levels(ring, self.earliest(), self.before), levels(ring, self.from, self.until))
    }

    /// Those of the time before that the fault cannot have reached.
    pub(crate) fn each_surely_before<T: Tally>(&self, ring: &Ring<T>) -> Vec<T> {
        levels(ring, self.earliest(), self.sure())
    }

    /// For how many buckets a service could be heard before the fault, and during it.
    pub(crate) fn buckets(&self, service: ServiceId) -> (usize, usize) {
        let first = self.correlator.facts.first_heard.get(&service).copied().map(Bucket::of);
        let begin = self.earliest().max(first.unwrap_or(self.before));
        let count = |from: Bucket, until: Bucket| until.0.saturating_sub(from.0) as usize;
        (count(begin, self.before), count(self.from, self.until))
    }

    /// Where the time before the fault begins.
    fn earliest(&self) -> Bucket {
        self.before.less(BEFORE_BUCKETS)
    }

    /// Up to here it is surely before.
    fn sure(&self) -> Bucket {
        self.before.less(UNSURE_BUCKETS)
    }

    pub(crate) fn word(&self, id: crate::names::WordId) -> &str {
        self.correlator.names.word_at(id)
    }

    pub(crate) fn label(&self, id: ServiceId) -> String {
        self.correlator.names.label(id)
    }

    pub(crate) fn suspect_label(&self, suspect: Suspect) -> String {
        match suspect {
            Suspect::Service(id) => self.label(id),
            Suspect::Peer(id) => {
                self.correlator.names.peer_at(id).map_or(String::new(), |peer| peer.to_string())
            }
        }
    }
}

fn levels<T: Tally>(ring: &Ring<T>, from: Bucket, until: Bucket) -> Vec<T> {
    ring.range(from, until).map(|(_, slot)| slot).collect()
}

/// How far a deviation of so many standard errors is no chance: 0 up to `none`, 1 from `full` on.
/// Some thousand series are compared at once, so that three of them are nothing.
pub(crate) fn sureness(deviation: f64, none: f64, full: f64) -> f64 {
    ((deviation - none) / (full - none)).clamp(0.0, 1.0)
}
