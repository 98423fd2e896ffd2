//! Processor and memory: who has run short of them.

use std::collections::BTreeMap;

use model::Signal;

use super::Finding;
use super::contrast::Contrast;
use crate::evidence::Found;
use crate::names::{ServiceId, WordId};
use crate::usage::Level;
use crate::votes::Suspect;

/// How far full strength convinces.
const RELIABILITY: f64 = 0.6;
/// A share of a limit that rose by less is no news, nor by less than so many times what it varied.
const RISE_MIN: f64 = 0.25;
const SPREADS: f64 = 3.0;
/// What the least rise that counts is worth, and the further rise that is worth everything.
const STRENGTH_MIN: f64 = 0.4;
const RISE_FULL: f64 = 0.5;

/// Utilizations of limits, of each service the strongest.
pub(crate) fn weigh(contrast: &Contrast<'_>) -> Vec<Finding> {
    let mut strongest: BTreeMap<ServiceId, (f64, WordId, WordId, f64, f64)> = BTreeMap::new();
    for ((service, instance, metric), ring) in &contrast.correlator.usages.gauges {
        if !is_of_a_limit(contrast.word(*metric)) {
            continue;
        }
        let (before, after) = contrast.each(ring);
        let Some((strength, was, is)) = rise(&before, &after) else { continue };
        let held = strongest.get(service).map_or(0.0, |(strength, ..)| *strength);
        if strength > held {
            let _ = strongest.insert(*service, (strength, *instance, *metric, was, is));
        }
    }
    let finding = |(service, (strength, instance, metric, was, is))| {
        let name = contrast.label(service);
        let (instance, metric) = (contrast.word(instance), contrast.word(metric));
        let found = Found {
            signal: Signal::ResourceMetric,
            strength,
            reliability: RELIABILITY,
            subject: format!("{metric} of {name} {instance}").trim_end().to_owned(),
            observed: is,
            baseline: was,
            unit: "1",
            since: contrast.from.start(),
            trace_ids: Vec::new(),
        };
        Finding { suspect: Suspect::Service(service), doing: None, found }
    };
    strongest.into_iter().map(finding).collect()
}

/// Whether a metric tells how much is used of what a pod, container or process may use. A node is
/// shared by many, and tells of none of them.
fn is_of_a_limit(metric: &str) -> bool {
    let of_one = ["k8s.pod.", "k8s.container.", "container.", "process.", "jvm."];
    metric.ends_with("utilization") && of_one.iter().any(|prefix| metric.starts_with(prefix))
}

/// Strength, median before and highest level during the fault.
fn rise(before: &[Level], after: &[Level]) -> Option<(f64, f64, f64)> {
    let mut was: Vec<f64> = before.iter().map(|level| level.mean()).collect();
    was.sort_by(f64::total_cmp);
    let median = *was.get(was.len() / 2)?;
    let spread = was.last()? - was.first()?;
    let is = after.iter().map(|level| level.mean()).reduce(f64::max)?;
    let rise = is - median;
    let counts = rise > RISE_MIN && rise > SPREADS * spread;
    let strength = (STRENGTH_MIN + (rise - RISE_MIN) / RISE_FULL).min(1.0);
    counts.then_some((strength, median, is))
}
