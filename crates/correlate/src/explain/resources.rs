//! Processor, memory, disk, pools, restarts: who has run short.

use std::collections::{BTreeMap, BTreeSet};

use model::Signal;

use super::Finding;
use super::contrast::{Contrast, SURE_SHARE};
use crate::evidence::Found;
use crate::names::{ServiceId, WordId};
use crate::usage::Level;
use crate::votes::Suspect;

/// How far full strength convinces.
const RELIABILITY: f64 = 0.6;
/// A level that rose by less than so many times what it varied before is no news.
const SPREADS: f64 = 3.0;
/// A share of a limit that rose by less is no news, either.
const RISE_MIN: f64 = 0.25;
/// What the least rise that counts is worth, and the further rise that is worth everything.
const STRENGTH_MIN: f64 = 0.4;
const RISE_FULL: f64 = 0.5;
/// Where no limit is known: the least multiple that counts, and how many doublings are worth
/// everything.
const MULTIPLE_MIN: f64 = 2.0;
const DOUBLINGS_FULL: f64 = 3.0;
/// Fewer levels surely before the fault do not tell what they varied.
const SURE_MIN: usize = 2;
/// What a use of which the limit is not known is worth of one of which it is.
const WITHOUT_LIMIT: f64 = 0.7;
/// So many that wait are few, whatever they were before.
const WAITING_FEW: f64 = 2.0;

/// What a metric tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    /// How much is used of what a pod, container or process may use.
    ShareOfLimit,
    /// How much is used.
    Use,
    /// How many wait for a connection.
    Waiting,
    /// How often it was started anew.
    Restarts,
}

/// A level that rose.
#[derive(Clone, Copy)]
struct Rise {
    instance: WordId,
    metric: WordId,
    strength: f64,
    was: f64,
    is: f64,
}

/// Of each service the strongest rise, and its restarts.
pub(crate) fn weigh(contrast: &Contrast<'_>) -> Vec<Finding> {
    let gauges = &contrast.correlator.usages.gauges;
    let told = |metric: WordId| Tells::of(contrast.word(metric));
    let limited: BTreeSet<(ServiceId, &str)> = gauges
        .keys()
        .filter(|(.., metric)| told(*metric) == Some(Tells::ShareOfLimit))
        .map(|(service, _, metric)| (*service, resource(contrast.word(*metric))))
        .collect();
    let mut strongest: BTreeMap<(ServiceId, bool), Rise> = BTreeMap::new();
    for ((service, instance, metric), ring) in gauges {
        let word = contrast.word(*metric);
        let Some(tells) = Tells::of(word) else { continue };
        if tells == Tells::Use && limited.contains(&(*service, resource(word))) {
            continue;
        }
        let (before, after) = contrast.each(ring);
        let surely = || {
            let sure = contrast.each_surely_before(ring);
            let (strength, was, is) =
                tells.rise(&sure, &after).filter(|_| sure.len() >= SURE_MIN)?;
            Some((SURE_SHARE * strength, was, is))
        };
        let Some((strength, was, is)) = tells.rise(&before, &after).or_else(surely) else {
            continue;
        };
        let key = (*service, tells == Tells::Restarts);
        let held = strongest.get(&key).map_or(0.0, |held| held.strength);
        if strength > held {
            let (instance, metric) = (*instance, *metric);
            let _ = strongest.insert(key, Rise { instance, metric, strength, was, is });
        }
    }
    let finding = |((service, _), rise): ((ServiceId, bool), Rise)| {
        let name = contrast.label(service);
        let (instance, metric) = (contrast.word(rise.instance), contrast.word(rise.metric));
        let found = Found {
            signal: Signal::ResourceMetric,
            strength: rise.strength,
            reliability: RELIABILITY,
            subject: format!("{metric} of {name} {instance}").trim_end().to_owned(),
            observed: rise.is,
            baseline: rise.was,
            unit: "1",
            since: contrast.from.start(),
            trace_ids: Vec::new(),
        };
        let instance = Some(rise.instance);
        Finding { suspect: Suspect::Service(service), doing: None, instance, found }
    };
    strongest.into_iter().map(finding).collect()
}

impl Tells {
    /// None of a node or host: it is shared by many, and tells of none of them.
    fn of(metric: &str) -> Option<Self> {
        let of_one = ["k8s.pod.", "k8s.container.", "container.", "process.", "jvm."];
        if metric.ends_with("pending_requests") {
            return Some(Self::Waiting);
        }
        if !of_one.iter().any(|prefix| metric.starts_with(prefix)) {
            return None;
        }
        match metric {
            _ if metric.ends_with("utilization") => Some(Self::ShareOfLimit),
            _ if metric.ends_with("restarts") || metric.ends_with("restart.count") => {
                Some(Self::Restarts)
            }
            _ => Some(Self::Use),
        }
    }

    /// Strength, median before and highest level during the fault.
    fn rise(self, before: &[Level], after: &[Level]) -> Option<(f64, f64, f64)> {
        let mut was: Vec<f64> = before.iter().map(|level| level.mean()).collect();
        was.sort_by(f64::total_cmp);
        let (least, median, most) = (*was.first()?, *was.get(was.len() / 2)?, *was.last()?);
        let is = after.iter().map(|level| level.mean()).reduce(f64::max)?;
        if self == Self::Restarts {
            return (is >= most + 1.0).then_some((1.0, most, is));
        }
        let rise = is - median;
        let is_news = rise > SPREADS * (most - least);
        let few = if self == Self::Waiting { WAITING_FEW } else { 0.0 };
        let multiple = (is + few) / (median + few).max(f64::MIN_POSITIVE);
        let strength = match self {
            Self::ShareOfLimit if rise > RISE_MIN => STRENGTH_MIN + (rise - RISE_MIN) / RISE_FULL,
            Self::Use | Self::Waiting if multiple > MULTIPLE_MIN && median + few > 0.0 => {
                WITHOUT_LIMIT * (multiple.log2() / DOUBLINGS_FULL).min(1.0)
            }
            _ => return None,
        };
        is_news.then_some((strength.min(1.0), median, is))
    }
}

/// The resource that a metric is of.
fn resource(metric: &str) -> &'static str {
    ["cpu", "memory", "filesystem"].into_iter().find(|name| metric.contains(name)).unwrap_or("")
}
