//! What is said of the signals of each service.

use std::collections::BTreeMap;
use std::sync::Arc;

use auth::Tenant;
use engine::{SourceStatus, View};
use model::Timestamp;

use super::labels::{push, push_service, push_tenant};
use super::writer::{Head, Kind, Labels, Writer};

/// One signal of a service.
struct Shown<'a> {
    labels: String,
    at: Timestamp,
    source: &'a SourceStatus,
}

/// A family of seconds, and what it says of one source; nothing where that is not known.
type OfSource = (Head, fn(&Shown<'_>) -> Option<f64>);

const STATE: Head = Head {
    name: "slo_source_state",
    kind: Kind::Gauge,
    unit: None,
    help: "Always 1; the label state tells how a signal of a service comes.",
};

const SECONDS: [OfSource; 4] = [
    (
        seconds(
            "slo_source_watermark_lag_seconds",
            "How far the newest event of a signal lies behind now.",
        ),
        |shown| {
            let watermark = Some(shown.source.watermark).filter(|watermark| watermark.is_set());
            watermark.map(|watermark| shown.at.since(watermark).as_secs_f64())
        },
    ),
    (
        seconds(
            "slo_source_lateness_seconds",
            "How old the oldest event of a signal was when it came, of the last 5 to 10 minutes.",
        ),
        |shown| Some(shown.source.lateness.as_secs_f64()),
    ),
    (
        seconds(
            "slo_source_clock_ahead_seconds",
            "How far in the future events of a signal lay when they came, of the last 5 to 10 minutes.",
        ),
        |shown| Some(shown.source.clock_ahead.as_secs_f64()),
    ),
    (
        seconds("slo_source_silence_seconds", "For how long nothing of a signal has come."),
        |shown| Some(shown.source.silence.as_secs_f64()),
    ),
];

const fn seconds(name: &'static str, help: &'static str) -> Head {
    Head { name, kind: Kind::Gauge, unit: Some("seconds"), help }
}

/// The families of all sources, each once, sorted by labels.
pub(super) fn write(writer: &mut Writer, views: &BTreeMap<Tenant, Arc<View>>) {
    let mut shown = Vec::new();
    for (tenant, view) in views {
        for source in &view.sources {
            shown.push(Shown { labels: identity(tenant, source), at: view.at, source });
        }
    }
    shown.sort_by(|a, b| a.labels.cmp(&b.labels));
    writer.begin(&STATE);
    for of in &shown {
        let further = Some(("state", of.source.state.as_str()));
        writer.sample(&STATE, Labels { own: &of.labels, further }, 1.0);
    }
    writer.end();
    for (head, value) in &SECONDS {
        writer.begin(head);
        for of in &shown {
            if let Some(value) = value(of) {
                writer.sample(head, Labels::alone(&of.labels), value);
            }
        }
        writer.end();
    }
}

fn identity(tenant: &Tenant, source: &SourceStatus) -> String {
    let mut out = String::new();
    push_service(&mut out, &source.service);
    push(&mut out, "signal", source.signal.as_str());
    push_tenant(&mut out, tenant);
    out
}
