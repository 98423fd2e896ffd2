//! What the correlator knows, and how it learns it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::{Alert, Change, LogLine, PaneDelta, Service, SpanKind, TagDelta, Timestamp, TraceTree};

use crate::blame::{Reader, ms, requests, served_child};
use crate::facts::{Facts, share};
use crate::habits::Habits;
use crate::names::{NameLists, Names, ServiceId, WordId};
use crate::own_time::own_ns;
use crate::records::Records;
use crate::series::{Bucket, buckets_in};
use crate::tags::{TagClass, Tags};
use crate::usage::Usages;
use crate::votes::Votes;

/// The newest buckets tell nothing of what is normal: a fault may have begun in them.
const NORMAL_LAG: u32 = 2;
/// When an incident opens, the fault is taken to be at most this much older.
const FREEZE_LAG: u32 = 6;
/// A service is young for this long: what it shows first is no change.
const YOUNG_FOR: Duration = Duration::from_secs(30);
/// How many changes are remembered; the oldest leave first.
const CHANGES_MAX: usize = 1_000;
/// What was silent for this long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);
/// The same when room for new names runs out.
const FORGET_CROWDED_AFTER: Duration = Duration::from_secs(3600);
/// How many buckets pass between two looks at what to forget.
const FORGET_EVERY: u32 = 30;
/// A trace is counted at its end, but no further back than this.
const TRACE_LATE_MAX: Duration = Duration::from_secs(120);
/// From this share of requests without a parent on, a service is user-facing.
const ENTRY_SHARE: f64 = 0.05;
/// Format of the snapshot.
const SNAPSHOT_VERSION: u8 = 2;

/// Learns the service graph and what is normal from pane deltas and traces, says which alerts
/// belong together, and which cause explains them.
///
/// Deterministic: equal inputs in equal order give equal answers. All that it holds is capped.
#[derive(Clone, Debug)]
pub struct Correlator {
    pub(crate) names: Names,
    pub(crate) facts: Facts,
    pub(crate) habits: Habits,
    pub(crate) usages: Usages,
    pub(crate) records: Records,
    pub(crate) tags: Tags,
    pub(crate) votes: Votes,
    pub(crate) changes: VecDeque<Change>,
    pub(crate) slow_ms: f64,
    frozen_at: Option<Bucket>,
    now: Timestamp,
    advanced: Bucket,
}

impl Correlator {
    /// Knows nothing yet. Requests that take longer than `slow` are bad even where nothing is
    /// known of what is normal. `seed` is for the hash tables; it does not show in any answer.
    #[must_use]
    pub fn new(seed: u64, slow: Duration) -> Self {
        Self {
            names: Names::new(seed),
            facts: Facts::default(),
            habits: Habits::default(),
            usages: Usages::default(),
            records: Records::default(),
            tags: Tags::default(),
            votes: Votes::default(),
            changes: VecDeque::new(),
            slow_ms: slow.as_secs_f64() * 1e3,
            frozen_at: None,
            now: Timestamp::ZERO,
            advanced: Bucket::default(),
        }
    }

    /// Takes what a worker saw. Counts go into the bucket of `now`.
    pub fn observe(&mut self, delta: &PaneDelta, now: Timestamp) {
        self.now = self.now.max(now);
        let bucket = Bucket::of(now);
        for heard in &delta.services {
            if let Some(id) = self.meet(&heard.service, now) {
                self.facts.hear(id, heard, bucket);
                self.records.hear(id, heard, bucket);
            }
        }
        for operation in &delta.operations {
            let key = self.meet(&operation.service, now).zip(self.names.word(&operation.operation));
            if let Some((service, word)) = key {
                self.facts.count_operation((service, operation.kind, word), operation, bucket);
            }
        }
        for edge in &delta.edges {
            let key = self.meet(&edge.caller, now).zip(self.names.peer(&edge.peer));
            if let Some(key) = key {
                self.facts.count_edge(key, edge, bucket);
            }
        }
        for tag in &delta.tags {
            self.observe_tag(tag, now);
        }
        for logs in &delta.logs {
            let key = self.meet(&logs.service, now).zip(self.names.word(&logs.template));
            if let Some(key) = key {
                self.records.count(key, logs, bucket);
            }
        }
        for usage in &delta.usages {
            let key = self.meet(&usage.service, now).zip(self.names.word(&usage.instance));
            if let Some(((service, instance), metric)) = key.zip(self.names.word(&usage.metric)) {
                self.usages.count((service, instance, metric), usage, bucket);
            }
        }
    }

    /// Takes a trace of the consistent sample, once, with what it logged.
    pub fn trace(&mut self, tree: &TraceTree, lines: &[LogLine], now: Timestamp) {
        self.now = self.now.max(now);
        let at = Bucket::of(tree.end().clamp(now.before(TRACE_LATE_MAX), now));
        let normal_before = self.normal_before();
        self.learn(tree, at, normal_before, now);
        self.habits.learn(tree, lines, &mut self.names, at);
        let blames =
            Reader { facts: &self.facts, names: &self.names, normal_before, slow_ms: self.slow_ms }
                .read(tree);
        let mut passed = BTreeSet::new();
        for span in tree.spans() {
            passed.extend(self.names.find_service(&span.service));
        }
        let Some(poll) = self.votes.at(at) else { return };
        for blame in &blames {
            poll.cast(blame);
        }
        for id in passed {
            let (good, bad) = poll.spectrum.entry(id).or_default();
            let side = if blames.is_empty() { good } else { bad };
            *side = side.saturating_add(1);
        }
    }

    /// Takes what was logged in a trace of the consistent sample that no span came of.
    pub fn logged(&mut self, lines: &[LogLine], now: Timestamp) {
        self.now = self.now.max(now);
        for line in lines {
            let _ = self.meet(&line.service, now);
        }
        self.habits.learn_lines(None, lines, &mut self.names, Bucket::of(now));
    }

    /// Takes a change. It takes the place of one with the same id.
    pub fn change(&mut self, change: Change) {
        self.changes.retain(|known| known.id != change.id);
        if self.changes.len() >= CHANGES_MAX {
            let _ = self.changes.pop_front();
        }
        self.changes.push_back(change);
    }

    /// The changes that are remembered, in the order in which they were told.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }

    /// Lets time pass: histories grow, what is long silent is forgotten.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        let bucket = Bucket::of(self.now);
        if bucket <= self.advanced {
            return;
        }
        self.advanced = bucket;
        self.votes.forget(bucket);
        if self.frozen_at.is_none() {
            let upto = bucket.less(NORMAL_LAG);
            self.facts.each_series(|series| series.advance(upto));
        }
        let is_crowded = self.names.is_crowded();
        if bucket.0.is_multiple_of(FORGET_EVERY) {
            let after = if is_crowded { FORGET_CROWDED_AFTER } else { FORGET_AFTER };
            let before = bucket.less(buckets_in(after));
            self.facts.forget(before);
            self.habits.forget(before);
            self.usages.forget(before);
            self.records.forget(before);
            self.tags.forget(before);
            if is_crowded {
                self.release();
            }
        }
    }

    /// Makes room for new names.
    fn release(&mut self) {
        let (mut peers, mut words) = self.facts.used();
        let (voted_peers, voted_words) = self.votes.used();
        peers.extend(voted_peers);
        words.extend(voted_words);
        words.extend(self.habits.words());
        words.extend(self.usages.words());
        words.extend(self.records.words());
        words.extend(self.tags.words());
        self.names.release(&peers, &words);
    }

    /// Holds what is normal where it is for as long as an incident is open.
    pub fn freeze(&mut self, frozen: bool) {
        if !frozen {
            self.frozen_at = None;
        } else if self.frozen_at.is_none() {
            let before = Bucket::of(self.now).less(FREEZE_LAG);
            self.frozen_at = Some(before);
            self.facts.each_series(|series| series.remember(Bucket::default(), before));
        }
    }

    /// Whether users reach the service directly: it serves requests without a parent, or nobody
    /// whom fogbell knows calls it.
    #[must_use]
    pub fn is_entry(&self, service: &Service) -> bool {
        self.names.service_named(service).is_some_and(|id| self.is_entry_id(id))
    }

    /// The service that an alert is about: what it says itself, else the conventional labels where
    /// they name a service that is known.
    #[must_use]
    pub fn service_of(&self, alert: &Alert) -> Option<Arc<Service>> {
        let id = self.id_of(alert)?;
        self.names.service_at(id).cloned()
    }

    /// All that must outlive a restart, in bounded size: names, graph, what is normal, versions.
    /// The counters of the last minutes are not in it.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let facts = self.facts.remembered(self.normal_before());
        let parts = (SNAPSHOT_VERSION, &self.names, &facts, &self.tags, &self.changes, self.now);
        borsh::to_vec(&parts).unwrap_or_default()
    }

    /// A correlator that goes on from a snapshot.
    ///
    /// # Errors
    /// When the bytes are no snapshot of this version.
    pub fn restore(seed: u64, slow: Duration, bytes: &[u8]) -> std::io::Result<Self> {
        type Parts = (u8, NameLists, Facts, Tags, VecDeque<Change>, Timestamp);
        let (version, names, facts, tags, changes, now): Parts = borsh::from_slice(bytes)?;
        if version != SNAPSHOT_VERSION {
            let text = format!("correlator snapshot of version {version}");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
        }
        let mut restored = Self { facts, tags, changes, now, ..Self::new(seed, slow) };
        restored.names.refill(names);
        Ok(restored)
    }

    pub(crate) fn is_entry_id(&self, id: ServiceId) -> bool {
        let (mut served, mut entered) = (0, 0);
        for ((_, kind, _), operation) in self.facts.operations_of(id) {
            if *kind == SpanKind::Server {
                let sum = operation.counts.sum(Bucket::default(), Bucket(u32::MAX));
                served += sum.total;
                entered += sum.entry_total;
            }
        }
        served > 0 && (share(entered, served) >= ENTRY_SHARE || self.facts.callers(id).is_empty())
    }

    pub(crate) fn id_of(&self, alert: &Alert) -> Option<ServiceId> {
        if let Some(service) = &alert.service {
            return self.names.find_service(service);
        }
        let keys = ["service.name", "service_name", "service", "job", "deployment", "app"];
        let values = keys.iter().filter_map(|key| alert.labels.get(*key));
        values.into_iter().find_map(|value| self.known_as(value))
    }

    /// What was so before this bucket is normal.
    pub(crate) fn normal_before(&self) -> Bucket {
        let lag = Bucket::of(self.now).less(NORMAL_LAG);
        self.frozen_at.map_or(lag, |frozen| frozen.min(lag))
    }

    pub(crate) fn class_of(&self, key: WordId) -> TagClass {
        TagClass::of(self.names.word_at(key))
    }

    pub(crate) fn meet(&mut self, service: &Arc<Service>, now: Timestamp) -> Option<ServiceId> {
        let id = self.names.service(service)?;
        let _ = self.facts.first_heard.entry(id).or_insert(now);
        Some(id)
    }

    fn observe_tag(&mut self, tag: &TagDelta, now: Timestamp) {
        let Some(service) = self.meet(&tag.service, now) else { return };
        if &*tag.value == Service::OVERFLOW {
            // What is beyond the cap of values is many things, and explains nothing.
            return;
        }
        let Some((key, value)) = self.names.word(&tag.key).zip(self.names.word(&tag.value)) else {
            return;
        };
        let class = TagClass::of(&tag.key);
        if matches!(class, TagClass::Version | TagClass::Flag) {
            let known: Vec<WordId> = self.tags.values_of(service, key).collect();
            let (is_first, is_new) = (known.is_empty(), !known.contains(&value));
            let first_heard = self.facts.first_heard.get(&service).copied().unwrap_or(now);
            if is_new && !is_first && now.since(first_heard) >= YOUNG_FOR {
                self.change(observed_change(tag, class, now));
            }
        }
        self.tags.count((service, key, value), tag, now);
    }

    /// Joins callers with callees, and times each part.
    fn learn(&mut self, tree: &TraceTree, at: Bucket, normal_before: Bucket, now: Timestamp) {
        let when = (at, normal_before);
        for (index, span) in tree.spans().iter().enumerate() {
            let Some(by) = self.meet(&span.service, now) else { continue };
            let Some(word) = self.names.word(&span.operation) else { continue };
            let own_ms = ms(own_ns(tree, index));
            let peer = span.peer.as_ref().and_then(|peer| self.names.peer(peer));
            let callee = served_child(tree, index).and_then(|child| tree.span(child));
            let callee = callee.and_then(|child| self.names.service(&child.service));
            match (callee, peer) {
                (Some(callee), peer) if span.kind.calls() => {
                    if let Some(peer) = peer.filter(|_| span.kind == SpanKind::Client) {
                        self.facts.learn_behind(peer, callee);
                    }
                    self.facts.time_gap((by, callee), when, own_ms);
                }
                (None, Some(peer)) if span.kind.calls() => {
                    Facts::time(&mut self.facts.peer_times, (by, peer, word), when, own_ms);
                }
                _ => Facts::time(&mut self.facts.own, (by, word), when, own_ms),
            }
            if let Some(callee) = callee.filter(|callee| *callee != by && !span.kind.calls()) {
                // No span of the call itself: the graph still learns who calls whom.
                self.facts.time_gap((by, callee), when, 0.0);
            }
        }
        for root in requests(tree) {
            let Some(span) = tree.span(root) else { continue };
            let key = self.names.find_service(&span.service);
            if let Some(key) = key.zip(self.names.find_word(&span.operation)) {
                Facts::time(&mut self.facts.whole, key, when, ms(span.duration_ns));
            }
        }
    }
}

fn observed_change(tag: &TagDelta, class: TagClass, now: Timestamp) -> Change {
    let (name, value) = (&tag.service.name, &tag.value);
    let kind = if class == TagClass::Version { "deploy" } else { "flag" };
    Change {
        id: format!("observed:{}:{}:{value}", tag.service, tag.key),
        kind: kind.to_owned(),
        service: name.clone(),
        summary: format!("{name} shows {} {value} for the first time", tag.key),
        at: now,
        url: String::new(),
        source: "observed".to_owned(),
    }
}
