//! Root-cause tags among good and bad events, and what they tell.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use model::{TagDelta, Timestamp};

use crate::memory::rings;
use crate::names::{ServiceId, WordId};
use crate::ring::{Ring, Tally, narrow};
use crate::series::Bucket;

/// How many tag values are counted, over all services and keys; further ones are not.
const VALUES_MAX: usize = 20_000;
/// Fewer bad events than this halve what a tag tells.
const BAD_HALF: f64 = 5.0;
/// How many buckets before the fault are compared with it.
const BEFORE_BUCKETS: u32 = 30;

/// What sort of thing a tag names, in the order in which one is preferred to another that tells
/// as much: what people change comes before where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TagClass {
    /// What was deployed.
    Version,
    /// What was switched.
    Flag,
    /// A process that has not warmed up.
    ColdStart,
    /// Where it runs, as several services share it, the widest first.
    Region,
    Zone,
    Node,
    /// One process of the service.
    Instance,
    /// For whom.
    Tenant,
    /// What was asked, or how it failed: tells what is hurt, not why.
    Symptom,
}

/// Events with a tag value in a bucket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TagCount {
    pub(crate) total: u64,
    pub(crate) bad: u64,
}

#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct TagValue {
    #[borsh(skip)]
    counts: Ring<TagCount>,
    pub(crate) first_at: Timestamp,
    last: Bucket,
}

/// All tag values.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Tags {
    values: BTreeMap<(ServiceId, WordId, WordId), TagValue>,
}

/// A tag value among a service's events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) key: WordId,
    pub(crate) value: WordId,
    pub(crate) during: TagCount,
    pub(crate) before: TagCount,
    first_at: Timestamp,
}

/// The tag values of a service among its events during the fault and before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeenTags {
    pub(crate) values: Vec<Seen>,
    pub(crate) all_during: TagCount,
    pub(crate) all_before: TagCount,
}

/// How well a tag tells a service's bad events from its good ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lift {
    pub(crate) key: WordId,
    pub(crate) value: WordId,
    pub(crate) class: TagClass,
    /// The phi coefficient (Matthews, 1975) of "has the tag" and "is bad", shrunk by few events.
    pub(crate) phi: f64,
    /// Share of bad events among those with the tag.
    pub(crate) bad_with: f64,
    /// Share of bad events among those without.
    pub(crate) bad_without: f64,
    pub(crate) first_at: Timestamp,
}

impl TagClass {
    /// From the key of the semantic conventions.
    pub(crate) fn of(key: &str) -> Self {
        match key {
            "service.version"
            | "k8s.deployment.revision"
            | "container.image.tag"
            | "container.image.tags" => Self::Version,
            "faas.coldstart" => Self::ColdStart,
            "cloud.region" => Self::Region,
            "cloud.availability_zone" | "k8s.cluster.name" => Self::Zone,
            "k8s.node.name" | "host.name" | "host.id" => Self::Node,
            "k8s.pod.name"
            | "service.instance.id"
            | "container.id"
            | "container.name"
            | "k8s.pod.uid" => Self::Instance,
            "tenant.id" | "tenant" | "user.tenant" | "app.tenant" => Self::Tenant,
            _ if key.starts_with("feature_flag") => Self::Flag,
            _ => Self::Symptom,
        }
    }

    /// Whether several services share what the tag names.
    pub(crate) fn is_shared(self) -> bool {
        matches!(self, Self::Region | Self::Zone | Self::Node)
    }
}

impl Tally for TagCount {
    type Packed = [u32; 2];

    fn pack(&self) -> Self::Packed {
        [narrow(self.total), narrow(self.bad)]
    }

    fn unpack(packed: &Self::Packed) -> Self {
        let [total, bad] = packed.map(u64::from);
        Self { total, bad }
    }

    fn add(&mut self, other: &Self) {
        self.total = self.total.saturating_add(other.total);
        self.bad = self.bad.saturating_add(other.bad);
    }
}

impl Tags {
    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        rings(&self.values, |value| value.counts.heap_bytes())
    }

    pub(crate) fn count(
        &mut self,
        key: (ServiceId, WordId, WordId),
        delta: &TagDelta,
        now: Timestamp,
    ) {
        if self.values.len() >= VALUES_MAX && !self.values.contains_key(&key) {
            return;
        }
        let value = self
            .values
            .entry(key)
            .or_insert_with(|| TagValue { first_at: now, ..TagValue::default() });
        let bucket = Bucket::of(now);
        value.last = value.last.max(bucket);
        let bad = delta.errors.saturating_add(delta.slow).min(delta.total);
        value.counts.add(bucket, &TagCount { total: delta.total, bad });
    }

    /// Values of a key of a service.
    pub(crate) fn values_of(
        &self,
        service: ServiceId,
        key: WordId,
    ) -> impl Iterator<Item = WordId> {
        let range = (service, key, WordId(0))..=(service, key, WordId(u32::MAX));
        self.values.range(range).map(|((_, _, value), _)| *value)
    }

    /// What was counted of a service by its tags in `from..until`, and in the time before.
    pub(crate) fn seen(&self, service: ServiceId, from: Bucket, until: Bucket) -> SeenTags {
        let range = (service, WordId(0), WordId(0))..=(service, WordId(u32::MAX), WordId(u32::MAX));
        let mut seen = SeenTags::default();
        let mut by_key: BTreeMap<WordId, (TagCount, TagCount)> = BTreeMap::new();
        for ((_, key, value), state) in self.values.range(range) {
            let during = state.counts.sum(from, until);
            let before = state.counts.sum(from.less(BEFORE_BUCKETS), from);
            let sums = by_key.entry(*key).or_default();
            sums.0.add(&during);
            sums.1.add(&before);
            let (key, value, first_at) = (*key, *value, state.first_at);
            seen.values.push(Seen { key, value, during, before, first_at });
        }
        // The whole of a service is what the most complete of its keys has counted: a tag that
        // only some events carry is told apart from events without it.
        let most = |pick: fn(&(TagCount, TagCount)) -> TagCount| {
            by_key.values().map(pick).max_by_key(|sum| sum.total).unwrap_or_default()
        };
        (seen.all_during, seen.all_before) = (most(|sums| sums.0), most(|sums| sums.1));
        seen
    }

    /// How each tag value of a service tells bad from good in `from..until`, compared with the
    /// other values at that time and with the time before.
    pub(crate) fn lifts(
        &self,
        service: ServiceId,
        from: Bucket,
        until: Bucket,
        class_of: impl Fn(WordId) -> TagClass,
    ) -> Vec<Lift> {
        let seen = self.seen(service, from, until);
        let lift = |of: &Seen| {
            let now = Table::of(of.during, seen.all_during);
            let both = now.joined(&Table::of(of.before, seen.all_before));
            let table = if both.phi() > now.phi() { both } else { now };
            let (bad_with, bad_without) = table.rates();
            Lift {
                key: of.key,
                value: of.value,
                class: class_of(of.key),
                phi: table.phi() * shrink(of.during.bad as f64),
                bad_with,
                bad_without,
                first_at: of.first_at,
            }
        };
        seen.values.iter().map(lift).collect()
    }

    /// Keys and values in use.
    pub(crate) fn words(&self) -> impl Iterator<Item = WordId> {
        self.values.keys().flat_map(|(_, key, value)| [*key, *value])
    }

    /// Drops values that were silent since before a bucket.
    pub(crate) fn forget(&mut self, before: Bucket) {
        self.values.retain(|_, value| value.last > before);
    }
}

/// The four-fold table of "has the tag" and "is bad".
#[derive(Clone, Copy, Debug)]
struct Table {
    bad_with: f64,
    good_with: f64,
    bad_without: f64,
    good_without: f64,
}

impl Table {
    fn of(with: TagCount, all: TagCount) -> Self {
        let rest = all.total.saturating_sub(with.total);
        let bad_rest = all.bad.saturating_sub(with.bad).min(rest);
        Self {
            bad_with: with.bad as f64,
            good_with: (with.total - with.bad.min(with.total)) as f64,
            bad_without: bad_rest as f64,
            good_without: (rest - bad_rest) as f64,
        }
    }

    fn sum(&self) -> f64 {
        self.bad_with + self.good_with + self.bad_without + self.good_without
    }

    /// With another table, scaled so that it weighs as much at most.
    fn joined(&self, other: &Self) -> Self {
        let scale = if other.sum() > 0.0 { (self.sum() / other.sum()).min(1.0) } else { 0.0 };
        Self {
            bad_with: self.bad_with + other.bad_with * scale,
            good_with: self.good_with + other.good_with * scale,
            bad_without: self.bad_without + other.bad_without * scale,
            good_without: self.good_without + other.good_without * scale,
        }
    }

    fn phi(&self) -> f64 {
        let (with, without) =
            (self.bad_with + self.good_with, self.bad_without + self.good_without);
        let (bad, good) = (self.bad_with + self.bad_without, self.good_with + self.good_without);
        let scale = (with * without * bad * good).sqrt();
        if scale <= 0.0 {
            return 0.0;
        }
        ((self.bad_with * self.good_without - self.good_with * self.bad_without) / scale).max(0.0)
    }

    fn rates(&self) -> (f64, f64) {
        let rate = |bad: f64, good: f64| {
            if bad + good > 0.0 { bad / (bad + good) } else { 0.0 }
        };
        (rate(self.bad_with, self.good_with), rate(self.bad_without, self.good_without))
    }
}

fn shrink(bad: f64) -> f64 {
    bad / (bad + BAD_HALF)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(total: u64, bad: u64) -> TagCount {
        TagCount { total, bad }
    }

    #[test]
    fn phi_prefers_the_tag_that_holds_all_bad_events_and_no_good_ones() {
        let all = count(400, 100);
        let version = Table::of(count(100, 100), all).phi();
        let zone = Table::of(count(200, 100), all).phi();
        let pod = Table::of(count(50, 50), all).phi();
        let everywhere = Table::of(count(400, 100), all).phi();
        assert!(version > 0.99 && version > zone && version > pod);
        assert_eq!(everywhere, 0.0);
    }

    #[test]
    fn what_replaced_everything_stands_out_against_the_time_before() {
        let now = Table::of(count(100, 90), count(100, 90));
        assert_eq!(now.phi(), 0.0, "nothing to compare with now");
        let before = Table::of(count(0, 0), count(5_000, 10));
        assert!(now.joined(&before).phi() > 0.8);
    }

    #[test]
    fn classes_come_from_the_conventional_keys() {
        for (key, class) in [
            ("service.version", TagClass::Version),
            ("cloud.region", TagClass::Region),
            ("k8s.pod.name", TagClass::Instance),
            ("feature_flag.result.variant", TagClass::Flag),
            ("http.route", TagClass::Symptom),
            ("error.type", TagClass::Symptom),
        ] {
            assert_eq!(TagClass::of(key), class, "{key}");
        }
        assert!(TagClass::Version < TagClass::Region && TagClass::Region < TagClass::Instance);
    }
}
