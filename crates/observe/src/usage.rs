//! Points of metrics that tell how much of a resource is used, and how often it was started anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::UsageDelta;
use otlp::{Metric, MetricKind, Number, Temporality};

use crate::tables::Tables;

/// How many gauges one hand-over holds; further ones wait for their next point.
const GAUGES_MAX: usize = 4_096;
/// Resource attributes that name one of several that do the same, the most telling first.
const INSTANCE_TAGS: [&str; 2] = ["k8s.pod.name", "host.name"];

/// Of whom a gauge tells: service, tag set of the resource, and metric, by their ids.
pub(crate) type Gauge = (u32, u32, u32);

/// Gauges since the last hand-over: the number of their points, and their sum.
#[derive(Debug, Default)]
pub(crate) struct Usages {
    gauges: BTreeMap<Gauge, (u32, f64)>,
}

impl Usages {
    /// A point without a value, or with one that is no number, tells nothing.
    pub(crate) fn add(&mut self, gauge: Gauge, value: Option<Number>) {
        let value = match value {
            Some(Number::Int(value)) => value as f64,
            Some(Number::Double(value)) if value.is_finite() => value,
            _ => return,
        };
        if self.gauges.len() >= GAUGES_MAX && !self.gauges.contains_key(&gauge) {
            return;
        }
        let (count, sum) = self.gauges.entry(gauge).or_default();
        *count = count.saturating_add(1);
        *sum += value;
    }

    pub(crate) fn hand_over(&mut self, tables: &Tables) -> Vec<UsageDelta> {
        let gauges = std::mem::take(&mut self.gauges);
        let delta = |((service, tag_set, metric), (count, sum)): (Gauge, (u32, f64))| {
            let tags = tables.tag_sets.get(tag_set);
            let named = |key: &&str| tags.iter().find(|(tag, _)| &**tag == *key);
            let instance = INSTANCE_TAGS.iter().find_map(named);
            UsageDelta {
                service: tables.services.get(service).service.clone(),
                instance: instance.map_or_else(|| Arc::from(""), |(_, value)| value.clone()),
                metric: tables.texts.get(metric).clone(),
                count,
                sum,
            }
        };
        gauges.into_iter().map(delta).collect()
    }
}

/// Whether a metric of the semantic conventions tells how much of a resource is used, how many wait
/// for it, or how often something was started anew: a level, not a count that only grows.
pub(crate) fn is_usage(metric: &Metric<'_>) -> bool {
    const OF: [&[u8]; 6] =
        [b"k8s.", b"container.", b"process.", b"system.", b"jvm.", b"db.client."];
    const ENDINGS: [&[u8]; 7] = [
        b"utilization",
        b"cpu.usage",
        b"memory.usage",
        b"memory.working_set",
        b"pending_requests",
        b"restarts",
        b"restart.count",
    ];
    let is_level = metric.kind == MetricKind::Gauge
        || metric.kind == MetricKind::Sum
            && !metric.monotonic
            && metric.temporality == Temporality::Cumulative;
    is_level
        && ENDINGS.iter().any(|ending| metric.name.ends_with(ending))
        && OF.iter().any(|prefix| metric.name.starts_with(prefix))
}
