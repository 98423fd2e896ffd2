//! An incident as a person would read it at 3 a.m.: what broke, since when, who is hurt, the root
//! cause with its evidence, the traces that prove it, and the runbook.

use contract::timestamp_from;
use contract::v1::{self, Incident};
use model::Timestamp;

use crate::paint::Paint;

/// Causes, pieces of evidence and spans that fit one screen.
const CAUSES_MAX: usize = 3;
const EVIDENCE_MAX: usize = 4;
const TRACES_MAX: usize = 2;
const SLOS_MAX: usize = 3;
const MARGIN: usize = 10;

/// One screen of text.
pub(crate) fn page(incident: &Incident, now: Timestamp, paint: Paint) -> String {
    let mut out = Vec::new();
    headline(incident, paint, &mut out);
    when(incident, now, paint, &mut out);
    hurt(incident, paint, &mut out);
    causes(&incident.causes, "not known yet", paint, &mut out);
    path(incident, paint, &mut out);
    for trace in incident.traces.iter().take(TRACES_MAX) {
        exemplar(trace, paint, &mut out);
    }
    for change in &incident.changes {
        let at = timestamp_from(change.at.as_ref());
        row(
            &mut out,
            paint,
            "change",
            &format!("{} {} at {}", change.kind, change.summary, clock(at)),
        );
    }
    if !incident.grouping_reason.is_empty() && incident.member_count > 1 {
        let why = format!("{} alerts: {}", incident.member_count, incident.grouping_reason);
        row(&mut out, paint, "together", &why);
    }
    for link in &incident.links {
        row(&mut out, paint, &link.kind, &format!("{} {}", link.title, link.url));
    }
    out.join("\n")
}

/// One line of a list.
pub(crate) fn line(incident: &Incident, paint: Paint) -> String {
    let status = status(incident);
    let urgency = match incident.urgency() {
        v1::Urgency::Page => paint.red("PAGE  "),
        _ => paint.yellow("TICKET"),
    };
    let at = timestamp_from(incident.started_at.as_ref());
    format!("{}  {urgency}  {status:<12}  since {}  {}", incident.id, at, incident.title)
}

fn headline(incident: &Incident, paint: Paint, out: &mut Vec<String>) {
    let urgency = match incident.urgency() {
        v1::Urgency::Page => paint.red("PAGE"),
        _ => paint.yellow("TICKET"),
    };
    let severity = incident.severity().as_str_name().to_lowercase();
    let (id, revision) = (&incident.id, incident.revision);
    out.push(format!("{urgency}  {id} revision {revision}  {severity}  {}", status(incident)));
    out.push(paint.bold(&incident.title));
    out.push(String::new());
}

fn status(incident: &Incident) -> String {
    incident.status().as_str_name().to_lowercase()
}

fn when(incident: &Incident, now: Timestamp, paint: Paint, out: &mut Vec<String>) {
    let started = timestamp_from(incident.started_at.as_ref());
    let detected = timestamp_from(incident.detected_at.as_ref());
    let ago = span_text(now.since(started).as_secs_f64());
    let text = format!("{started} ({ago} ago), detected {}", clock(detected));
    row(out, paint, "since", &text);
    if let Some(resolved) = incident.resolved_at.as_ref() {
        let resolved = timestamp_from(Some(resolved));
        let lasted = span_text(resolved.since(started).as_secs_f64());
        row(out, paint, "resolved", &format!("{resolved}, after {lasted}"));
    }
}

fn hurt(incident: &Incident, paint: Paint, out: &mut Vec<String>) {
    let Some(impact) = &incident.impact else { return };
    let mut text = if impact.entry_operations.is_empty() {
        "no user-facing route is known to be hit".to_owned()
    } else {
        format!(
            "{}: {:.1} % of entry requests, {} bad events",
            impact.entry_operations.join(", "),
            impact.bad_ratio * 100.0,
            impact.bad_events
        )
    };
    if impact.users > 0 {
        text.push_str(&format!(", {} users", impact.users));
    }
    row(out, paint, "hurt", &text);
    let services: Vec<_> = impact.services.iter().map(|hop| hop.service.as_str()).collect();
    if !services.is_empty() {
        row(out, paint, "services", &services.join(", "));
    }
    for slo in impact.slos.iter().take(SLOS_MAX) {
        let window = |d: &Option<pbjson_types::Duration>| {
            let seconds = d.as_ref().map_or(0, |d| d.seconds.max(0) as u64);
            engine::duration_text(std::time::Duration::from_secs(seconds))
        };
        let text = format!(
            "{} burns {:.1}x over {} and {:.1}x over {}; {}",
            slo.name,
            slo.burn_rate_short,
            window(&slo.short_window),
            slo.burn_rate_long,
            window(&slo.long_window),
            budget(slo.budget_remaining_ratio),
        );
        row(out, paint, "burning", &text);
    }
}

/// A young service overspends within minutes: what it has served so far earns little budget.
fn budget(remaining_ratio: f64) -> String {
    if remaining_ratio < 0.0 {
        format!("what it has earned of its budget is spent {:.1} times", 1.0 - remaining_ratio)
    } else {
        format!("{:.1} % of its budget is left", remaining_ratio * 100.0)
    }
}

/// What an explanation says.
pub(crate) fn explanation(answer: &v1::ExplainResponse, paint: Paint) -> String {
    let mut out = Vec::new();
    if !answer.causes.is_empty() {
        out.push(paint.bold(&answer.summary));
    }
    causes(&answer.causes, "nothing stands out against the time before", paint, &mut out);
    let traces = answer.causes.iter().flat_map(|cause| &cause.evidence);
    let mut ids: Vec<&str> =
        traces.flat_map(|evidence| &evidence.trace_ids).map(String::as_str).collect();
    ids.dedup();
    for id in ids.into_iter().take(TRACES_MAX) {
        row(&mut out, paint, "trace", id);
    }
    out.join("\n")
}

fn causes(causes: &[v1::Cause], unknown: &str, paint: Paint, out: &mut Vec<String>) {
    if causes.is_empty() {
        row(out, paint, "cause", unknown);
    }
    for (index, cause) in causes.iter().take(CAUSES_MAX).enumerate() {
        let mut what = cause.service.clone();
        if !cause.tag_key.is_empty() {
            what.push_str(&format!("  {}={}", cause.tag_key, cause.tag_value));
        }
        if !cause.operation.is_empty() {
            what.push_str(&format!("  {}", cause.operation));
        }
        let kind = match cause.kind() {
            v1::cause::Kind::Unspecified => String::new(),
            kind => format!("{}, ", kind.as_str_name().to_lowercase()),
        };
        let head = format!("{}. {}  {kind}score {:.2}", index + 1, paint.bold(&what), cause.score);
        row(out, paint, if index == 0 { "cause" } else { "" }, &head);
        row(out, paint, "", &format!("   {}", cause.summary));
        if index > 0 {
            continue;
        }
        for evidence in cause.evidence.iter().take(EVIDENCE_MAX) {
            let text = format!(
                "   {:<14} {}: {} against {} {}",
                evidence.signal,
                evidence.subject,
                number(evidence.observed),
                number(evidence.baseline),
                unit(&evidence.unit),
            );
            row(out, paint, "", &paint.dim(text.trim_end()));
        }
    }
}

fn path(incident: &Incident, paint: Paint, out: &mut Vec<String>) {
    let Some(first) = incident.path.first() else { return };
    let mut text = first.from_service.clone();
    for hop in &incident.path {
        text.push_str(&format!(" -> {} ({:.0} % bad)", hop.to_service, hop.bad_ratio * 100.0));
    }
    row(out, paint, "path", &text);
}

fn exemplar(trace: &v1::ExemplarTrace, paint: Paint, out: &mut Vec<String>) {
    let whole = if trace.complete { "whole" } else { "in part" };
    let shown = if trace.url.is_empty() { &trace.trace_id } else { &trace.url };
    row(out, paint, "trace", &format!("{shown}  {whole}: {}", trace.reason));
    for (depth, span) in trace.path.iter().enumerate() {
        let indent = "  ".repeat(depth.min(12));
        let took = span_text(seconds(span.duration.as_ref()));
        let own = span_text(seconds(span.exclusive.as_ref()));
        let mut text = format!(
            "   {indent}{} {} [{}] {took}, {own} of its own",
            span.service, span.operation, span.kind
        );
        if span.error {
            text.push_str(&paint.red(&format!("  ERROR {}", span.message)));
        }
        row(out, paint, "", &text);
    }
}

fn row(out: &mut Vec<String>, paint: Paint, name: &str, text: &str) {
    out.push(format!("{} {text}", paint.dim(&format!("{name:<MARGIN$}"))));
}

fn seconds(duration: Option<&pbjson_types::Duration>) -> f64 {
    duration.map_or(0.0, |d| d.seconds as f64 + f64::from(d.nanos) / 1e9)
}

/// Time of day of a moment, in UTC.
fn clock(at: Timestamp) -> String {
    at.to_string().split('T').nth(1).map(str::to_owned).unwrap_or_default()
}

fn number(value: f64) -> String {
    if value == value.trunc() || value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// UCUM's "1" says that there is no unit; `{...}` is an annotation, for people as it stands.
fn unit(ucum: &str) -> String {
    if ucum == "1" { String::new() } else { ucum.trim_matches(['{', '}']).to_owned() }
}

/// A stretch of time in the unit that a person would choose.
pub(crate) fn span_text(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.0} us", s * 1e6),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} d", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_in_the_unit_that_a_person_would_choose() {
        for (seconds, text) in [
            (0.000_25, "250 us"),
            (0.25, "250 ms"),
            (75.0, "75.0 s"),
            (600.0, "10 min"),
            (36_000.0, "10.0 h"),
            (864_000.0, "10.0 d"),
        ] {
            assert_eq!(span_text(seconds), text);
        }
    }

    #[test]
    fn the_page_tells_what_broke_and_what_proves_it() {
        let cause = v1::Cause {
            service: "payment".to_owned(),
            tag_key: "service.version".to_owned(),
            tag_value: "2.4.0".to_owned(),
            summary: "payment 2.4.0 returns errors".to_owned(),
            score: 0.93,
            ..v1::Cause::default()
        };
        let incident = Incident {
            id: "k3f9a2-000001".to_owned(),
            title: "frontend fails for 23 % of requests".to_owned(),
            causes: vec![cause],
            ..Incident::default()
        };
        let text = page(&incident, Timestamp::from_unix_s(1), Paint::off());
        for expected in ["k3f9a2-000001", "23 %", "service.version=2.4.0", "score 0.93"] {
            assert!(text.contains(expected), "{expected} in:\n{text}");
        }
    }
}
