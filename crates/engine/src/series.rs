//! The SLI series of a tenant and the SLOs that they belong to.

mod table;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::{
    AutomaticSli, BadEvent, Count, Fingerprint, Pane, SeriesKey, Service, Telemetry, Timestamp,
    Urgency,
};
use slo::composite::Composition;
use slo::judge::{Found, Held, JudgeOptions, NoDataRule};
use slo::slices::{Slices, Slicing};
use slo::window::{Disposition, SeriesWindows, WindowPlan};

pub(crate) use table::SeriesTable;

use crate::judging::labels;

/// Bad events that a series remembers, newest last.
const EXEMPLARS_MAX: usize = 32;
/// How far in the future an event may lie: the clocks of senders differ.
pub(crate) const SKEW: Duration = Duration::from_secs(60);

/// An SLO as the engine judges it.
#[derive(Debug)]
pub(crate) struct Slo {
    pub(crate) name: Arc<str>,
    pub(crate) service_name: Arc<str>,
    /// The first of all services of that name.
    pub(crate) service_first: Arc<Service>,
    /// What a declared SLO reads, if it is no composite.
    pub(crate) signal: Option<Telemetry>,
    pub(crate) judging: Arc<JudgeOptions>,
    pub(crate) group_by: Vec<Arc<str>>,
    pub(crate) runbook: Option<String>,
    pub(crate) automatic: Option<AutomaticSli>,
    pub(crate) plan: Arc<WindowPlan>,
    pub(crate) no_data: Vec<NoDataRule>,
    /// Of the alert that a declared SLO matches nothing.
    pub(crate) mismatch: Fingerprint,
    /// None where events are judged one by one.
    pub(crate) slicing: Option<Slicing>,
    /// How its parts make it; it counts no events itself.
    pub(crate) composition: Option<Composition>,
    /// The names of its parts, in their order.
    pub(crate) part_names: Vec<Arc<str>>,
    /// The composite that it is a part of, and that alerts in its place.
    pub(crate) whole: Option<Arc<str>>,
}

/// One pair of counters: an SLO, or a group of it.
#[derive(Debug)]
pub(crate) struct Series {
    /// Names the series in the store, for good.
    pub(crate) ordinal: u32,
    pub(crate) key: Arc<SeriesKey>,
    pub(crate) slo: Arc<Slo>,
    pub(crate) service: Option<Arc<Service>>,
    /// Of its page and of its ticket alert.
    pub(crate) page: Fingerprint,
    pub(crate) ticket: Fingerprint,
    pub(crate) windows: SeriesWindows,
    /// The verdicts that are judged instead of the events, where slices of time are.
    pub(crate) slices: Option<Slices>,
    /// Events in each window that is told, where slices are judged in their place.
    pub(crate) seen: Vec<Count>,
    /// Slices whose verdicts changed since its composite was judged.
    pub(crate) corrected: BTreeSet<u32>,
    /// Where the parts of a composite are.
    pub(crate) parts: Vec<u32>,
    /// When it took another group's place; zero if it did not.
    pub(crate) named_at: Timestamp,
    /// When it was last judged.
    pub(crate) judged_at: Timestamp,
    /// Events that were counted too late for the verdict on their slice.
    pub(crate) unjudged_total: u64,
    pub(crate) exemplars: VecDeque<BadEvent>,
    /// What was found then.
    pub(crate) found: Option<Found>,
    /// Since when conditions hold that must last.
    pub(crate) held: Held,
    /// It has changed since it was last written down.
    pub(crate) held_is_dirty: bool,
    /// Since it is known. Signed: where good and total are two metrics, a hand-over may bring more
    /// good than total.
    pub(crate) good_total: i64,
    pub(crate) bad_total: i64,
    /// Counted since it was last judged.
    pub(crate) touched: bool,
    /// The least share of bad events that was ever seen over its shortest window, at most, of an
    /// automatic latency SLO; `None` = not yet.
    pub(crate) least_bad_ratio: Option<f64>,
    /// One of its alerts fires, so that it is judged at every turn.
    pub(crate) alerting: bool,
    /// The first entry of the log that its last checkpoint does not cover.
    pub(crate) dirty_from: Option<u64>,
}

impl Slo {
    /// The slices on which verdicts are given; none where the verdicts are those of the parts.
    pub(crate) fn verdicts_by(&self) -> Option<Slicing> {
        self.slicing.filter(|_| !matches!(self.composition, Some(Composition::Sum(_))))
    }
}

impl Series {
    fn new(ordinal: u32, key: SeriesKey, slo: Arc<Slo>) -> Self {
        let service = match &key {
            SeriesKey::Automatic { service, .. } => Some(Arc::clone(service)),
            SeriesKey::Declared { .. } => None,
        };
        let mut series = Self {
            ordinal,
            key: Arc::new(key),
            windows: SeriesWindows::new(Arc::clone(&slo.plan)),
            slices: slo.verdicts_by().map(|slicing| Slices::new(slicing, Arc::clone(&slo.plan))),
            seen: Vec::new(),
            corrected: BTreeSet::new(),
            parts: Vec::new(),
            named_at: Timestamp::ZERO,
            judged_at: Timestamp::ZERO,
            unjudged_total: 0,
            slo,
            service,
            page: Fingerprint::default(),
            ticket: Fingerprint::default(),
            exemplars: VecDeque::new(),
            found: None,
            held: Held::default(),
            held_is_dirty: false,
            good_total: 0,
            bad_total: 0,
            touched: false,
            least_bad_ratio: None,
            alerting: false,
            dirty_from: None,
        };
        series.page = Fingerprint::of(&labels(&series, Urgency::Page));
        series.ticket = Fingerprint::of(&labels(&series, Urgency::Ticket));
        series
    }

    /// Of the alert of this urgency.
    pub(crate) fn fingerprint(&self, urgency: Urgency) -> Fingerprint {
        match urgency {
            Urgency::Page => self.page,
            Urgency::Ticket => self.ticket,
        }
    }

    /// Counts; `false` if the events are older than any window or too far in the future.
    pub(crate) fn add(&mut self, pane: Pane, count: Count, now: Timestamp) -> bool {
        let taken = match self.take(pane, count, now) {
            Disposition::Fresh | Disposition::Late => true,
            Disposition::TooOld | Disposition::Future => false,
        };
        if taken {
            let total = i64::try_from(count.total).unwrap_or(i64::MAX);
            let good = total.saturating_sub(count.bad_signed);
            self.good_total = self.good_total.saturating_add(good);
            self.bad_total = self.bad_total.saturating_add(count.bad_signed);
            self.touched = true;
        }
        taken
    }

    /// Keeps what was found of it.
    pub(crate) fn conclude(&mut self, found: Found, now: Timestamp) {
        self.touched = false;
        self.judged_at = now;
        self.found = Some(found);
    }

    /// Remembers bad events.
    pub(crate) fn remember(&mut self, exemplars: &[BadEvent]) {
        let keep = exemplars.len().min(EXEMPLARS_MAX);
        self.exemplars.extend(exemplars[exemplars.len() - keep..].iter().cloned());
        let surplus = self.exemplars.len().saturating_sub(EXEMPLARS_MAX);
        let _ = self.exemplars.drain(..surplus);
    }

    /// Whether it counts the events of all groups that there is no room for.
    pub(crate) fn is_of_all_others(&self) -> bool {
        matches!(&*self.key, SeriesKey::Declared { group, .. } if !group.is_empty() && is_overflow(group))
    }

    /// Names and values of `groupBy`.
    pub(crate) fn group(&self) -> Vec<(Arc<str>, Arc<str>)> {
        match &*self.key {
            SeriesKey::Automatic { .. } => Vec::new(),
            SeriesKey::Declared { group, .. } => {
                let names = self.slo.group_by.iter().cloned();
                names.zip(group.iter().cloned()).collect()
            }
        }
    }
}

/// Whether these are the values of the group of all others.
pub(crate) fn is_overflow(group: &[Arc<str>]) -> bool {
    group.iter().all(|value| **value == *Service::OVERFLOW)
}
