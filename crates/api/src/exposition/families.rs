use std::collections::BTreeMap;
use std::sync::Arc;

use auth::Tenant;
use engine::{Dropped, SloStatus, View, WindowStatus, duration_text};
use model::{AlertState, Timestamp};

use super::Format;
use super::labels::{description, identity, push, push_tenant};
use super::sources;
use super::writer::{Exemplar, Head, Kind, Labels, Writer};

/// SLOs, and groups of them, in one exposition: about 3 KiB each. Those beyond are left out and
/// counted; declared ones go first.
const SHOWN_MAX: usize = 20_000;
/// Samples of one SLO with the standard windows.
const SAMPLES_PER_SLO: usize = 48;
/// What a sample takes beside the labels of its SLO: name, window and value.
const SAMPLE_BYTES: usize = 64;

/// One SLO, or one group of it.
struct Shown<'a> {
    labels: String,
    at: Timestamp,
    slo: &'a SloStatus,
}

/// A family, and what it says of one SLO.
struct Family {
    head: Head,
    write: fn(&mut Writer, &Head, &Shown<'_>),
}

const fn gauge(name: &'static str, unit: Option<&'static str>, help: &'static str) -> Head {
    Head { name, kind: Kind::Gauge, unit, help }
}

const fn counter(name: &'static str, help: &'static str) -> Head {
    Head { name, kind: Kind::Counter, unit: None, help }
}

const RATIO: Option<&str> = Some("ratio");
const SECONDS: Option<&str> = Some("seconds");

const FAMILIES: [Family; 19] = [
    Family {
        head: Head {
            name: "slo",
            kind: Kind::Info,
            unit: None,
            help: "Always 1; the labels tell what is known of the SLO.",
        },
        write: |writer, head, shown| {
            let labels = format!("{},{}", shown.labels, description(shown.slo));
            writer.sample(head, Labels::alone(&labels), 1.0);
        },
    },
    Family {
        head: gauge("slo_objective_ratio", RATIO, "Share of good events that is promised."),
        write: |writer, head, shown| writer.sample(head, shown.alone(), shown.slo.objective),
    },
    Family {
        head: gauge("slo_error_budget_ratio", RATIO, "Share of events that may be bad."),
        write: |writer, head, shown| {
            writer.sample(head, shown.alone(), shown.slo.error_budget_ratio());
        },
    },
    Family {
        head: gauge("slo_window_seconds", SECONDS, "Window over which the promise is judged."),
        write: |writer, head, shown| {
            writer.sample(head, shown.alone(), shown.slo.window.as_secs_f64());
        },
    },
    Family {
        head: gauge(
            "slo_window_end_timestamp_seconds",
            SECONDS,
            "When the window ends and its budget begins anew; calendar windows only.",
        ),
        write: |writer, head, shown| {
            if let Some(end) = shown.slo.windows.last().and_then(|own| own.ends_at) {
                writer.sample(head, shown.alone(), end.unix_s() as f64);
            }
        },
    },
    Family {
        head: gauge(
            "slo_sli_error_ratio",
            RATIO,
            "Bad per total of a window, of events or of slices of time; absent without any.",
        ),
        write: |writer, head, shown| {
            shown.each_window(writer, head, |w| w.error_ratio);
        },
    },
    Family {
        head: gauge(
            "slo_burn_rate",
            None,
            "How many times faster than allowed a window burns the budget.",
        ),
        write: |writer, head, shown| {
            shown.each_window(writer, head, |w| Some(w.burn_rate));
        },
    },
    Family {
        head: gauge(
            "slo_budget_spent_ratio",
            RATIO,
            "Share of the whole error budget that the events of a window have spent.",
        ),
        write: |writer, head, shown| {
            shown.each_window(writer, head, |w| Some(shown.slo.budget_spent_ratio(w)));
        },
    },
    Family {
        head: gauge(
            "slo_burn_trend_ratio",
            RATIO,
            "How many times faster the newest quarter of a window burns than the whole of it.",
        ),
        write: |writer, head, shown| {
            shown.each_window(writer, head, |w| shown.slo.burn_trend_ratio(w));
        },
    },
    Family {
        head: gauge(
            "slo_window_coverage_ratio",
            RATIO,
            "Share of a window in which the source was heard.",
        ),
        write: |writer, head, shown| {
            shown.each_window(writer, head, |w| Some(w.coverage));
        },
    },
    Family {
        head: gauge(
            "slo_error_budget_remaining_ratio",
            RATIO,
            "Share of the error budget that is left; negative when overspent.",
        ),
        write: |writer, head, shown| {
            writer.sample(head, shown.alone(), shown.slo.budget_remaining_ratio);
        },
    },
    Family {
        head: gauge(
            "slo_time_to_exhaustion_seconds",
            SECONDS,
            "Time until the error budget is gone at the present rate; +Inf when that is not in sight.",
        ),
        write: |writer, head, shown| {
            let left = shown.slo.exhausted_at.map(|end| end.since(shown.at).as_secs_f64());
            writer.sample(head, shown.alone(), left.unwrap_or(f64::INFINITY));
        },
    },
    Family {
        head: counter("slo_events", "Events counted, by result."),
        write: |writer, head, shown| {
            let trace = shown.slo.exemplar.map(|(trace_id, at)| Exemplar { trace_id, at });
            writer.count(head, shown.with("result", "bad"), shown.slo.bad_total, trace);
            writer.count(head, shown.with("result", "good"), shown.slo.good_total, None);
        },
    },
    Family {
        head: gauge("slo_window_events", None, "Events in the SLO's own window, by result."),
        write: |writer, head, shown| {
            if let Some(own) = shown.slo.windows.last() {
                writer.count(head, shown.with("result", "bad"), own.bad, None);
                let good = own.total.saturating_sub(own.bad);
                writer.count(head, shown.with("result", "good"), good, None);
            }
        },
    },
    Family {
        head: gauge(
            "slo_window_bad_standard_error",
            None,
            "Standard error of a window's bad events, where spans are sampled; absent where each was seen.",
        ),
        write: |writer, head, shown| {
            shown.each_window(writer, head, |w| Some(w.bad_error).filter(|error| *error > 0.0));
        },
    },
    Family {
        head: gauge(
            "slo_window_slices",
            None,
            "Closed slices of time in the SLO's own window, by result.",
        ),
        write: |writer, head, shown| {
            if let Some(slices) = shown.slo.windows.last().and_then(|own| own.slices) {
                writer.sample(head, shown.with("result", "bad"), slices.bad);
                let good = slices.total as f64 - slices.bad;
                writer.sample(head, shown.with("result", "good"), good);
            }
        },
    },
    Family {
        head: gauge(
            "slo_window_excluded_events",
            None,
            "Events of the SLO's own window that lie in maintenance and count not; absent without any.",
        ),
        write: |writer, head, shown| {
            let own = shown.slo.windows.last().filter(|own| !own.excluded.is_zero());
            if let Some(own) = own {
                writer.count(head, shown.with("result", "bad"), own.excluded.bad(), None);
                writer.count(head, shown.with("result", "good"), own.excluded.good(), None);
            }
        },
    },
    Family {
        head: gauge(
            "slo_maintenance",
            None,
            "1 while maintenance lasts and events count toward no budget; else absent.",
        ),
        write: |writer, head, shown| {
            if shown.slo.in_maintenance {
                writer.sample(head, shown.alone(), 1.0);
            }
        },
    },
    Family {
        head: gauge(
            "slo_alert_state",
            None,
            "Burn-rate alert: 0 inactive, 1 pending, 2 firing; 2 also while a firing alert is frozen for want of data.",
        ),
        write: |writer, head, shown| {
            for (severity, state) in [("page", shown.slo.page), ("ticket", shown.slo.ticket)] {
                writer.sample(head, shown.with("severity", severity), alert_state(state));
            }
        },
    },
];

/// A family of what is told of a tenant as a whole: a number for each disposition.
type OfTenant = (Head, &'static [(&'static str, fn(&Dropped) -> u64)]);

/// What no window took, or no verdict on a slice.
const DROPPED: [OfTenant; 3] = [
    (
        counter("slo_late_events", "Events that came too late, by what became of them."),
        &[("dropped", |dropped| dropped.late), ("unjudged", |dropped| dropped.unjudged)],
    ),
    (
        counter(
            "slo_future_events",
            "Events further in the future than the allowed skew, by what became of them.",
        ),
        &[("dropped", |dropped| dropped.future)],
    ),
    (
        counter(
            "slo_series_refused",
            "Touches of series that there was no room for, by what became of them.",
        ),
        &[("dropped", |dropped| dropped.series_refused)],
    ),
];
const OMITTED: Head =
    gauge("slo_omitted", None, "SLOs and groups beyond what one exposition shows.");

impl Shown<'_> {
    fn alone(&self) -> Labels<'_> {
        Labels::alone(&self.labels)
    }

    /// With one more label, whose value needs no escapes.
    fn with<'a>(&'a self, name: &'static str, value: &'a str) -> Labels<'a> {
        Labels { own: &self.labels, further: Some((name, value)) }
    }

    fn each_window(
        &self,
        writer: &mut Writer,
        head: &Head,
        value: impl Fn(&WindowStatus) -> Option<f64>,
    ) {
        for window in &self.slo.windows {
            if let Some(value) = value(window) {
                writer.sample(head, self.with("window", &duration_text(window.window)), value);
            }
        }
    }
}

/// All families of these tenants' SLOs, sorted within each family. Ends without the `# EOF` of
/// OpenMetrics, since fogbell's own metrics follow.
pub(crate) fn render(views: &BTreeMap<Tenant, Arc<View>>, format: Format) -> String {
    // The map sorts, and keeps a second status of the same labels from making the whole
    // exposition invalid.
    let mut shown = BTreeMap::new();
    let mut omitted = 0_usize;
    for automatic in [false, true] {
        for (tenant, view) in views {
            for slo in view.slos.iter().filter(|slo| slo.automatic == automatic) {
                if shown.len() < SHOWN_MAX {
                    let _ = shown.entry(identity(tenant, slo)).or_insert((view.at, slo));
                } else {
                    omitted += 1;
                }
            }
        }
    }
    let shown: Vec<_> =
        shown.into_iter().map(|(labels, (at, slo))| Shown { labels, at, slo }).collect();
    // Room for all of it at once: a text that doubles as it grows takes three times its size.
    let bytes = shown.iter().map(|s| SAMPLES_PER_SLO * (s.labels.len() + SAMPLE_BYTES)).sum();
    let mut writer = Writer::with_capacity(format, bytes);
    for Family { head, write } in &FAMILIES {
        writer.begin(head);
        for slo in &shown {
            write(&mut writer, head, slo);
        }
        writer.end();
    }
    sources::write(&mut writer, views);
    of_tenants(&mut writer, views);
    if omitted > 0 {
        writer.begin(&OMITTED);
        writer.sample(&OMITTED, Labels::alone(""), omitted as f64);
        writer.end();
    }
    writer.out
}

fn of_tenants(writer: &mut Writer, views: &BTreeMap<Tenant, Arc<View>>) {
    for (head, dispositions) in &DROPPED {
        writer.begin(head);
        for (tenant, view) in views {
            for (disposition, count) in *dispositions {
                let mut labels = String::new();
                push(&mut labels, "disposition", disposition);
                push_tenant(&mut labels, tenant);
                writer.count(head, Labels::alone(&labels), count(&view.dropped), None);
            }
        }
        writer.end();
    }
}

const fn alert_state(state: AlertState) -> f64 {
    match state {
        AlertState::Inactive => 0.0,
        AlertState::Pending => 1.0,
        AlertState::Firing | AlertState::NoData => 2.0,
    }
}
