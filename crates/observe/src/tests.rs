//! What requests come to as pane deltas.

mod bounds;
mod declared;
mod evidence;
mod logs;
mod measured;
mod metrics;
mod otel;
mod plan;
mod recall;
mod spans;
mod streams;
mod whole;

use std::collections::BTreeMap;
use std::sync::Arc;

use enrich::Redactor;
use model::{
    AutomaticSli, AutomaticSource, Count, EdgeDelta, OperationDelta, Pane, PaneDelta, SeriesKey,
    ServiceDelta, TagDelta, Timestamp,
};

use crate::{Limits, Observer, ObserverOptions, SliPlan};

/// The time of all tests, in the middle of a pane.
const NOW: Timestamp = Timestamp::from_unix_ms(1_800_000_002_500);

fn options() -> ObserverOptions {
    ObserverOptions {
        worker: 3,
        seed: 7,
        limits: Limits::default(),
        automatic: Some(crate::AutomaticSettings::default()),
        redactor: Arc::new(Redactor::new(&[], &[]).unwrap()),
        slis: Arc::new(SliPlan::default()),
    }
}

fn observer() -> Observer {
    Observer::new(&options())
}

fn limited(limits: Limits) -> Observer {
    Observer::new(&ObserverOptions { limits, ..options() })
}

/// The counts of the automatic SLI of the first service that has it, over all panes.
fn automatic(delta: &PaneDelta, wanted: AutomaticSli, from: AutomaticSource) -> Option<Count> {
    let series = delta.series.iter().find(|series| {
        matches!(&*series.key, SeriesKey::Automatic { sli, source, .. }
            if (*sli, *source) == (wanted, from))
    })?;
    Some(series.panes.iter().fold(Count::ZERO, |mut sum, pane| {
        sum += pane.count;
        sum
    }))
}

fn availability(delta: &PaneDelta) -> Option<Count> {
    automatic(delta, AutomaticSli::Availability, AutomaticSource::Spans)
}

fn latency(delta: &PaneDelta) -> Option<Count> {
    automatic(delta, AutomaticSli::Latency, AutomaticSource::Spans)
}

/// Total and bad events by group of a declared SLO.
fn declared(delta: &PaneDelta, wanted: &str) -> BTreeMap<Vec<String>, (u64, i64)> {
    let mut groups = BTreeMap::new();
    for series in &delta.series {
        let SeriesKey::Declared { slo, group } = &*series.key else { continue };
        if **slo != *wanted {
            continue;
        }
        let sum: &mut (u64, i64) =
            groups.entry(group.iter().map(|value| value.to_string()).collect()).or_default();
        for pane in &series.panes {
            sum.0 += pane.count.total;
            sum.1 += pane.count.bad_signed;
        }
    }
    groups
}

fn operations(delta: &PaneDelta) -> Vec<&str> {
    let mut names: Vec<_> = delta.operations.iter().map(|o| &*o.operation).collect();
    names.sort_unstable();
    names
}

fn only_edge(delta: &PaneDelta) -> &EdgeDelta {
    let [edge] = delta.edges.as_slice() else { panic!("{:?}", delta.edges) };
    edge
}

fn only_operation(delta: &PaneDelta) -> &OperationDelta {
    let [operation] = delta.operations.as_slice() else { panic!("{:?}", delta.operations) };
    operation
}

fn only_service(delta: &PaneDelta) -> &ServiceDelta {
    let [service] = delta.services.as_slice() else { panic!("{:?}", delta.services) };
    service
}

fn tag<'d>(delta: &'d PaneDelta, key: &str, value: &str) -> Option<&'d TagDelta> {
    delta.tags.iter().find(|tag| &*tag.key == key && &*tag.value == value)
}

/// All counts of a delta in one comparable form, by name: what adds up.
fn sums(deltas: &[PaneDelta]) -> BTreeMap<String, Vec<i128>> {
    let mut sums: BTreeMap<String, Vec<i128>> = BTreeMap::new();
    let mut add = |name: String, values: &[i128]| {
        let sum = sums.entry(name).or_insert_with(|| vec![0; values.len()]);
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    };
    for delta in deltas {
        for series in &delta.series {
            for pane in &series.panes {
                let Count { total, bad_signed, bad_observed, uncertain } = pane.count;
                let counts =
                    [total.into(), bad_signed.into(), bad_observed.into(), uncertain.into()];
                add(format!("series {:?} {:?}", series.key, pane.pane), &counts);
            }
        }
        for o in &delta.operations {
            let name = format!("operation {} {:?} {}", o.service, o.kind, o.operation);
            let counts = [o.total, o.errors, o.slow, o.entry_total, o.entry_bad].map(i128::from);
            for (bucket, count) in &o.latency {
                add(format!("{name} {bucket:?}"), &[i128::from(*count)]);
            }
            add(name, &counts);
        }
        for e in &delta.edges {
            let counts = [e.calls, e.errors, e.throttled, e.unanswered].map(i128::from);
            add(format!("edge {} {:?}", e.caller, e.peer), &counts);
        }
        for t in &delta.tags {
            let counts = [t.total, t.errors, t.slow].map(i128::from);
            add(format!("tag {} {} {}", t.service, t.key, t.value), &counts);
        }
        for s in &delta.services {
            let counts = [s.spans, s.points, s.logs, s.error_logs].map(i128::from);
            add(format!("service {}", s.service), &counts);
        }
        for l in &delta.logs {
            add(format!("log {} {}", l.service, l.template), &[i128::from(l.count)]);
        }
        add("dropped".to_owned(), &[delta.late_dropped.into(), delta.future_dropped.into()]);
    }
    sums
}

fn pane_of(now: Timestamp) -> Pane {
    now.pane()
}
