//! Everything that bears on one diagnosis: who is hurt, since when, and what the traces say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use model::{Alert, Timestamp, TraceTree};

use crate::alert_kind::AlertKind;
use crate::blame::Reader;
use crate::correlator::Correlator;
use crate::facts::{share, stands_out};
use crate::names::{ServiceId, WordId};
use crate::series::Bucket;
use crate::votes::{Blame, Poll, Suspect};

/// How many buckets before the alert the fault may have begun: 10 minutes.
const LOOK_BACK: u32 = 60;
/// Good buckets that end the way back to the fault's beginning.
const GAP_MAX: u32 = 3;
/// A bucket with fewer bad events is not bad.
const BAD_EVENTS_MIN: u64 = 2;
/// How many recalled traces are read.
const TRACES_MAX: usize = 500;
/// How many calls away a cause is looked for.
pub(crate) const HOPS_MAX: u32 = 8;

/// The question that a diagnosis answers.
pub(crate) struct Case<'a> {
    pub(crate) correlator: &'a Correlator,
    pub(crate) members: BTreeSet<ServiceId>,
    pub(crate) alerts_on: BTreeMap<ServiceId, u32>,
    pub(crate) alert_count: u32,
    /// The most telling kind of the alerts of each service.
    pub(crate) kinds: BTreeMap<ServiceId, AlertKind>,
    pub(crate) traces: Vec<&'a TraceTree>,
    pub(crate) blames: Vec<Blame>,
    pub(crate) poll: Arc<Poll>,
    /// The bucket in which the fault began.
    pub(crate) from: Bucket,
    /// The bucket after now.
    pub(crate) until: Bucket,
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        correlator: &'a Correlator,
        alerts: &[&Alert],
        traces: &'a [TraceTree],
        since: Timestamp,
        now: Timestamp,
    ) -> Self {
        let mut alerts_on: BTreeMap<ServiceId, u32> = BTreeMap::new();
        let mut kinds: BTreeMap<ServiceId, AlertKind> = BTreeMap::new();
        for alert in alerts {
            let Some(id) = correlator.id_of(alert) else { continue };
            *alerts_on.entry(id).or_default() += 1;
            let name = alert.labels.get("alertname").map_or("", String::as_str);
            let kind = kinds.entry(id).or_insert(AlertKind::Absence);
            *kind = (*kind).max(AlertKind::of(name));
        }
        let members: BTreeSet<ServiceId> = alerts_on.keys().copied().collect();
        let until = Bucket::of(now).next();
        let from = correlator.began(&members, Bucket::of(since.min(now)), until);
        let mut case = Self {
            correlator,
            members,
            alerts_on,
            alert_count: alerts.len() as u32,
            kinds,
            traces: Vec::new(),
            blames: Vec::new(),
            poll: correlator.votes.news(from, until),
            from,
            until,
        };
        case.read(traces);
        case
    }

    /// The services whose bad traces tell: the members, or all if they passed none.
    pub(crate) fn told_by(&self) -> BTreeSet<ServiceId> {
        let passed: BTreeSet<ServiceId> = self.poll.votes.keys().map(|key| key.passed).collect();
        let members: BTreeSet<ServiceId> = self.members.intersection(&passed).copied().collect();
        if self.members.is_empty() { passed } else { members }
    }

    /// Services that the members depend on, with their distance; the members themselves too.
    pub(crate) fn downstream(&self) -> BTreeMap<ServiceId, u32> {
        let facts = &self.correlator.facts;
        reach(self.members.iter().copied(), |id| facts.callees(id))
    }

    /// When the first bad event came that the evidence reaches back to.
    pub(crate) fn started_at(&self) -> Timestamp {
        let earliest = self.from.less(1).start();
        let bad = |tree: &&&TraceTree| {
            self.blames.iter().any(|blame| blame.trace_id == tree.trace_id())
                && tree.start() >= earliest
        };
        let first = self.traces.iter().filter(bad).map(|tree| tree.start()).min();
        let start = self.from.start();
        first.map_or(start, |first| if first < self.from.next().start() { first } else { start })
    }

    pub(crate) fn word(&self, id: WordId) -> &str {
        self.correlator.names.word_at(id)
    }

    pub(crate) fn label(&self, id: ServiceId) -> String {
        self.correlator.names.label(id)
    }

    /// What people call a suspect.
    pub(crate) fn suspect_label(&self, suspect: Suspect) -> String {
        match suspect {
            Suspect::Service(id) => self.label(id),
            Suspect::Peer(id) => {
                self.correlator.names.peer_at(id).map_or(String::new(), |peer| peer.to_string())
            }
        }
    }

    fn read(&mut self, traces: &'a [TraceTree]) {
        let earliest = self.from.less(GAP_MAX).start();
        let reader = Reader {
            facts: &self.correlator.facts,
            names: &self.correlator.names,
            normal_before: self.from.min(self.correlator.normal_before()),
            slow_ms: self.correlator.slow_ms,
        };
        for tree in traces.iter().filter(|tree| tree.end() >= earliest).take(TRACES_MAX) {
            for blame in reader.read(tree) {
                let concerns = self.members.is_empty()
                    || blame.chain.iter().any(|id| self.members.contains(id));
                if concerns {
                    Arc::make_mut(&mut self.poll).cast(&blame);
                    self.blames.push(blame);
                }
            }
            self.traces.push(tree);
        }
    }
}

impl Correlator {
    /// The bucket in which the badness of these services began that holds on at `at`.
    pub(crate) fn began(
        &self,
        services: &BTreeSet<ServiceId>,
        at: Bucket,
        until: Bucket,
    ) -> Bucket {
        let earliest = at.less(LOOK_BACK);
        let mut shares = vec![(0, 0); until.0.saturating_sub(earliest.0) as usize];
        for id in services {
            for (bucket, (bad, total)) in self.facts.badness(*id, earliest, until) {
                let place = bucket.0.saturating_sub(earliest.0) as usize;
                if let Some(sum) = shares.get_mut(place) {
                    *sum = (sum.0 + bad, sum.1 + total);
                }
            }
        }
        let shares: Vec<(u64, f64)> =
            shares.into_iter().map(|(bad, total)| (bad, share(bad, total))).collect();
        let mut usual: Vec<f64> = shares.iter().map(|(_, share)| *share).collect();
        usual.sort_by(f64::total_cmp);
        let usual = usual.get(usual.len() / 4).copied().unwrap_or_default();
        let (mut began, mut gap) = (at, 0);
        for place in (0..=(at.0 - earliest.0)).rev() {
            let Some((bad, share)) = shares.get(place as usize) else { continue };
            if *bad >= BAD_EVENTS_MIN && stands_out(*share, usual) {
                (began, gap) = (Bucket(earliest.0 + place), 0);
            } else {
                gap += 1;
            }
            if gap > GAP_MAX {
                break;
            }
        }
        began
    }
}

/// Breadth first from `starts`, with the distance of each that is reached.
pub(crate) fn reach(
    starts: impl IntoIterator<Item = ServiceId>,
    next: impl Fn(ServiceId) -> BTreeSet<ServiceId>,
) -> BTreeMap<ServiceId, u32> {
    let mut distance: BTreeMap<ServiceId, u32> = starts.into_iter().map(|id| (id, 0)).collect();
    let mut queue: VecDeque<ServiceId> = distance.keys().copied().collect();
    while let Some(id) = queue.pop_front() {
        let hops = distance.get(&id).copied().unwrap_or(0) + 1;
        if hops > HOPS_MAX {
            continue;
        }
        for neighbour in next(id) {
            if let std::collections::btree_map::Entry::Vacant(vacant) = distance.entry(neighbour) {
                let _ = vacant.insert(hops);
                queue.push_back(neighbour);
            }
        }
    }
    distance
}
