//! What was counted and timed: services, operations, edges and the service graph.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use borsh::{BorshDeserialize, BorshSerialize};
use model::{EdgeDelta, LatencyBucket, OperationDelta, ServiceDelta, SpanKind, Timestamp};

use crate::count::{EdgeCount, OperationCount};
use crate::names::{PeerId, ServiceId, WordId};
use crate::ring::{Ring, Tally};
use crate::series::{Bucket, TimeSeries, Times};

/// A share of bad events below this is a trifle.
const BAD_SHARE_MIN: f64 = 0.005;
/// A share of bad events stands out at this multiple of what is usual, or when it rose by this.
const BAD_SHARE_RATIO: f64 = 3.0;
const BAD_SHARE_RISE: f64 = 0.1;
/// How many operations are counted; further ones are not.
const OPERATIONS_MAX: usize = 10_000;
/// How many edges are counted; further ones are not.
const EDGES_MAX: usize = 10_000;
/// How many series of times by trace are kept, of each sort; further ones are not.
const TIMED_MAX: usize = 10_000;
/// How many services may stand behind one peer address.
const BEHIND_MAX: usize = 4;
/// How many distinct users or tenants of bad events are remembered, of all services; the oldest
/// leave first.
const SUBJECTS_MAX: usize = 65_536;

/// An operation of a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operation {
    pub(crate) counts: Ring<OperationCount>,
    pub(crate) times: TimeSeries,
}

/// Calls of a service to a peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edge {
    pub(crate) counts: Ring<EdgeCount>,
    pub(crate) times: TimeSeries,
}

/// All that is counted and timed. Ordered maps, since their order reaches the output.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Facts {
    #[borsh(skip)]
    pub(crate) operations: BTreeMap<(ServiceId, SpanKind, WordId), Operation>,
    #[borsh(skip)]
    pub(crate) edges: BTreeMap<(ServiceId, PeerId), Edge>,
    /// Which services were seen behind a peer, and how often.
    pub(crate) behind: BTreeMap<PeerId, BTreeMap<ServiceId, u32>>,
    /// The peers behind which a service was seen.
    fronts: BTreeMap<ServiceId, BTreeSet<PeerId>>,
    /// The callers of a peer.
    #[borsh(skip)]
    incoming: BTreeMap<PeerId, BTreeSet<ServiceId>>,
    /// The callers that traces show.
    traced_callers: BTreeMap<ServiceId, BTreeSet<ServiceId>>,
    /// Caller and callee, with the time that passes between them.
    pub(crate) gaps: BTreeMap<(ServiceId, ServiceId), TimeSeries>,
    /// Time that an operation spends itself.
    pub(crate) own: BTreeMap<(ServiceId, WordId), TimeSeries>,
    /// Time that a peer without spans of its own takes, by what is asked of it.
    pub(crate) peer_times: BTreeMap<(ServiceId, PeerId, WordId), TimeSeries>,
    /// Time that a whole request takes where it comes in.
    pub(crate) whole: BTreeMap<(ServiceId, WordId), TimeSeries>,
    /// When a service was first heard.
    pub(crate) first_heard: BTreeMap<ServiceId, Timestamp>,
    #[borsh(skip)]
    pub(crate) subjects: VecDeque<(Bucket, ServiceId, u64)>,
}

/// A share, 0 of nothing.
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part.min(whole) as f64 / whole as f64 }
}

/// Whether a share of bad events is more than usual: a multiple of what is usual, or so much more
/// that no multiple is needed, and no trifle.
#[must_use]
pub fn stands_out(now: f64, usual: f64) -> bool {
    now >= BAD_SHARE_MIN.max((usual * BAD_SHARE_RATIO).min(usual + BAD_SHARE_RISE))
}

/// The value of a capped map, made if there is room.
pub(crate) fn capped<K: Ord, V: Default>(
    map: &mut BTreeMap<K, V>,
    key: K,
    max: usize,
) -> Option<&mut V> {
    if map.len() >= max && !map.contains_key(&key) {
        return None;
    }
    Some(map.entry(key).or_default())
}

impl Facts {
    pub(crate) fn hear(&mut self, id: ServiceId, delta: &ServiceDelta, bucket: Bucket) {
        for subject in &delta.subjects {
            if self.subjects.len() >= SUBJECTS_MAX {
                let _ = self.subjects.pop_front();
            }
            self.subjects.push_back((bucket, id, *subject));
        }
    }

    pub(crate) fn count_operation(
        &mut self,
        key: (ServiceId, SpanKind, WordId),
        delta: &OperationDelta,
        bucket: Bucket,
    ) {
        let Some(operation) = capped(&mut self.operations, key, OPERATIONS_MAX) else { return };
        operation.counts.add(
            bucket,
            &OperationCount {
                total: delta.total,
                errors: delta.errors,
                slow: delta.slow,
                entry_total: delta.entry_total,
                entry_bad: delta.entry_bad,
            },
        );
        operation.times.merge(bucket, times_of(&delta.latency));
    }

    pub(crate) fn count_edge(
        &mut self,
        key: (ServiceId, PeerId),
        delta: &EdgeDelta,
        bucket: Bucket,
    ) {
        let Some(edge) = capped(&mut self.edges, key, EDGES_MAX) else { return };
        let _ = self.incoming.entry(key.1).or_default().insert(key.0);
        edge.counts.add(
            bucket,
            &EdgeCount {
                calls: delta.calls,
                errors: delta.errors,
                throttled: delta.throttled,
                unanswered: delta.unanswered,
            },
        );
        edge.times.merge(bucket, times_of(&delta.latency));
    }

    pub(crate) fn learn_behind(&mut self, peer: PeerId, callee: ServiceId) {
        let services = self.behind.entry(peer).or_default();
        if let Some(seen) = capped(services, callee, BEHIND_MAX) {
            *seen = seen.saturating_add(1);
            let _ = self.fronts.entry(callee).or_default().insert(peer);
        }
    }

    /// The service that stands behind a peer, if it is known to send telemetry.
    pub(crate) fn service_behind(&self, peer: PeerId) -> Option<ServiceId> {
        let seen = self.behind.get(&peer)?;
        seen.iter().max_by_key(|(id, seen)| (**seen, std::cmp::Reverse(**id))).map(|(id, _)| *id)
    }

    pub(crate) fn time<K: Ord + Copy>(
        map: &mut BTreeMap<K, TimeSeries>,
        key: K,
        (bucket, normal_before): (Bucket, Bucket),
        ms: f64,
    ) {
        if let Some(series) = capped(map, key, TIMED_MAX) {
            series.add(bucket, ms);
            series.refresh(normal_before);
        }
    }

    /// Services that a service calls.
    pub(crate) fn callees(&self, caller: ServiceId) -> BTreeSet<ServiceId> {
        let timed = self.gaps.range((caller, ServiceId(0))..=(caller, ServiceId(u32::MAX)));
        let called = self.edges.range((caller, PeerId(0))..=(caller, PeerId(u32::MAX)));
        timed
            .map(|((_, callee), _)| *callee)
            .chain(called.filter_map(|((_, peer), _)| self.service_behind(*peer)))
            .filter(|callee| *callee != caller)
            .collect()
    }

    /// Services that were seen behind a peer that somebody calls.
    pub(crate) fn called_services(&self) -> impl Iterator<Item = ServiceId> {
        self.fronts.keys().copied()
    }

    /// Durations of all calls to a service.
    pub(crate) fn call_times(&self, callee: ServiceId, from: Bucket, until: Bucket) -> Times {
        let mut sum = Times::default();
        for (_, edge) in self.calls_to(callee) {
            sum.add(&edge.times.sum(from, until));
        }
        sum
    }

    /// Services that call a service.
    pub(crate) fn callers(&self, callee: ServiceId) -> BTreeSet<ServiceId> {
        let traced = self.traced_callers.get(&callee).into_iter().flatten().copied();
        let counted = self.calls_to(callee).map(|((caller, _), _)| caller);
        traced.chain(counted).filter(|caller| *caller != callee).collect()
    }

    /// The edges that lead to a service.
    pub(crate) fn calls_to(
        &self,
        callee: ServiceId,
    ) -> impl Iterator<Item = ((ServiceId, PeerId), &Edge)> {
        let peers = self.fronts.get(&callee).into_iter().flatten();
        let peers = peers.filter(move |peer| self.service_behind(**peer) == Some(callee));
        peers.flat_map(move |peer| {
            let callers = self.incoming.get(peer).into_iter().flatten();
            callers.filter_map(move |caller| {
                let key = (*caller, *peer);
                self.edges.get(&key).map(|edge| (key, edge))
            })
        })
    }

    /// Times what passes between a caller and its callee.
    pub(crate) fn time_gap(
        &mut self,
        (caller, callee): (ServiceId, ServiceId),
        when: (Bucket, Bucket),
        ms: f64,
    ) {
        if self.gaps.len() < TIMED_MAX || self.gaps.contains_key(&(caller, callee)) {
            let _ = self.traced_callers.entry(callee).or_default().insert(caller);
        }
        Self::time(&mut self.gaps, (caller, callee), when, ms);
    }

    /// What a service counted of what it serves.
    pub(crate) fn served(&self, id: ServiceId, from: Bucket, until: Bucket) -> OperationCount {
        let mut sum = OperationCount::default();
        for ((_, kind, _), operation) in self.operations_of(id) {
            if kind.serves() {
                sum.add(&operation.counts.sum(from, until));
            }
        }
        sum
    }

    /// Bad events and all of them, by bucket, as a service and its callers counted them.
    pub(crate) fn badness(
        &self,
        id: ServiceId,
        from: Bucket,
        until: Bucket,
    ) -> BTreeMap<Bucket, (u64, u64)> {
        let mut served: BTreeMap<Bucket, OperationCount> = BTreeMap::new();
        for ((_, kind, _), operation) in self.operations_of(id) {
            if kind.serves() {
                for (bucket, count) in operation.counts.range(from, until) {
                    served.entry(bucket).or_default().add(&count);
                }
            }
        }
        let of_served = |(bucket, sum): (Bucket, OperationCount)| (bucket, (sum.bad(), sum.total));
        let mut badness: BTreeMap<_, _> = served.into_iter().map(of_served).collect();
        for (_, edge) in self.calls_to(id) {
            for (bucket, count) in edge.counts.range(from, until) {
                let (bad, total) = badness.entry(bucket).or_default();
                *bad += count.unanswered;
                *total += count.unanswered;
            }
        }
        badness
    }

    pub(crate) fn operations_of(
        &self,
        id: ServiceId,
    ) -> impl Iterator<Item = (&(ServiceId, SpanKind, WordId), &Operation)> {
        self.operations.range(
            (id, SpanKind::Unspecified, WordId(0))..=(id, SpanKind::Consumer, WordId(u32::MAX)),
        )
    }

    pub(crate) fn edges_of(
        &self,
        caller: ServiceId,
    ) -> impl Iterator<Item = (&(ServiceId, PeerId), &Edge)> {
        self.edges.range((caller, PeerId(0))..=(caller, PeerId(u32::MAX)))
    }

    /// All calls to a service, by its callers' count.
    pub(crate) fn called(&self, callee: ServiceId, from: Bucket, until: Bucket) -> EdgeCount {
        let mut sum = EdgeCount::default();
        for (_, edge) in self.calls_to(callee) {
            sum.add(&edge.counts.sum(from, until));
        }
        sum
    }

    /// Calls of one service to another.
    pub(crate) fn between(
        &self,
        caller: ServiceId,
        callee: ServiceId,
        from: Bucket,
        until: Bucket,
    ) -> EdgeCount {
        let mut sum = EdgeCount::default();
        for ((_, peer), edge) in self.edges_of(caller) {
            if self.service_behind(*peer) == Some(callee) {
                sum.add(&edge.counts.sum(from, until));
            }
        }
        sum
    }

    pub(crate) fn each_series(&mut self, mut f: impl FnMut(&mut TimeSeries)) {
        self.gaps.values_mut().for_each(&mut f);
        self.own.values_mut().for_each(&mut f);
        self.peer_times.values_mut().for_each(&mut f);
        self.whole.values_mut().for_each(&mut f);
        self.operations.values_mut().for_each(|operation| f(&mut operation.times));
        self.edges.values_mut().for_each(|edge| f(&mut edge.times));
    }

    /// What outlives a restart, with what was normal before a bucket in the histories: a copy
    /// without the rings, which are most of the room.
    pub(crate) fn remembered(&self, before: Bucket) -> Self {
        fn of<K: Ord + Copy>(
            map: &BTreeMap<K, TimeSeries>,
            before: Bucket,
        ) -> BTreeMap<K, TimeSeries> {
            map.iter().map(|(key, series)| (*key, series.remembered(before))).collect()
        }
        Self {
            operations: BTreeMap::new(),
            edges: BTreeMap::new(),
            behind: self.behind.clone(),
            fronts: self.fronts.clone(),
            incoming: BTreeMap::new(),
            traced_callers: self.traced_callers.clone(),
            gaps: of(&self.gaps, before),
            own: of(&self.own, before),
            peer_times: of(&self.peer_times, before),
            whole: of(&self.whole, before),
            first_heard: self.first_heard.clone(),
            subjects: VecDeque::new(),
        }
    }

    /// The peers and operations that are in use. Forgets who stood behind the other peers.
    pub(crate) fn used(&mut self) -> (BTreeSet<PeerId>, BTreeSet<WordId>) {
        let mut peers: BTreeSet<PeerId> = self.edges.keys().map(|(_, peer)| *peer).collect();
        peers.extend(self.peer_times.keys().map(|(_, peer, _)| *peer));
        let mut words: BTreeSet<WordId> = self.operations.keys().map(|(.., word)| *word).collect();
        words.extend(self.peer_times.keys().map(|(.., word)| *word));
        words.extend(self.own.keys().map(|(_, word)| *word));
        words.extend(self.whole.keys().map(|(_, word)| *word));
        self.behind.retain(|peer, _| peers.contains(peer));
        for fronts in self.fronts.values_mut() {
            fronts.retain(|peer| peers.contains(peer));
        }
        (peers, words)
    }

    /// Drops what was silent since before a bucket.
    pub(crate) fn forget(&mut self, before: Bucket) {
        self.operations.retain(|_, operation| operation.counts.end() > before);
        self.edges.retain(|_, edge| edge.counts.end() > before);
        self.gaps.retain(|_, series| series.end() > before);
        self.incoming.clear();
        for (caller, peer) in self.edges.keys() {
            let _ = self.incoming.entry(*peer).or_default().insert(*caller);
        }
        self.traced_callers.clear();
        for (caller, callee) in self.gaps.keys() {
            let _ = self.traced_callers.entry(*callee).or_default().insert(*caller);
        }
        self.own.retain(|_, series| series.end() > before);
        self.peer_times.retain(|_, series| series.end() > before);
        self.whole.retain(|_, series| series.end() > before);
    }
}

fn times_of(latency: &[(LatencyBucket, u32)]) -> Times {
    let mut times = Times::default();
    for (bucket, count) in latency {
        times.add(&Times::of(*count, bucket.middle_ns() as f64 / 1e6));
    }
    times
}
