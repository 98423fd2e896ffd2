//! CloudEvents 1.0 in the binary mode of the Kafka protocol binding, with its extensions for
//! partitioning, sequence, severity and distributed tracing. Routing attributes are headers, so
//! that a consumer filters without decoding.

use config::EmitFormat;
use model::{Incident, Outgoing, Severity, Timestamp};

/// `Action` of a delivery in words.
const fn action(action: model::Action) -> &'static str {
    match action {
        model::Action::Trigger => "trigger",
        model::Action::Update => "update",
        model::Action::Resolve => "resolve",
    }
}

/// The headers of a message. Equal on every attempt.
pub(crate) fn headers(
    source: &str,
    format: EmitFormat,
    outgoing: &Outgoing,
) -> Vec<(&'static str, String)> {
    let incident = outgoing.incident();
    let mut headers = vec![
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", outgoing.id()),
        ("ce_source", source.to_owned()),
        ("ce_type", event_type(outgoing)),
        ("ce_time", time(outgoing).to_string()),
        ("ce_sequence", format!("{:020}", incident.revision)),
        ("ce_partitionkey", incident.id.to_string()),
        ("ce_severitytext", incident.severity.as_str().to_owned()),
        ("ce_severitynumber", severity_number(incident.severity).to_string()),
        ("ce_urgency", urgency(outgoing).to_owned()),
        ("ce_status", incident.status.as_str().to_owned()),
        ("ce_tenant", incident.tenant.to_string()),
        ("content-type", content_type(format).to_owned()),
    ];
    if let Outgoing::Delivery(delivery) = outgoing {
        headers.push(("ce_action", action(delivery.action).to_owned()));
    }
    if let Some(service) = root_service(incident) {
        headers.push(("ce_subject", service.to_owned()));
    }
    if let Some(traceparent) = traceparent(incident) {
        headers.push(("ce_traceparent", traceparent.clone()));
        headers.push(("traceparent", traceparent));
    }
    headers
}

fn event_type(outgoing: &Outgoing) -> String {
    match outgoing {
        Outgoing::Delivery(delivery) => format!("fogbell.{}.v1", delivery.urgency.as_str()),
        Outgoing::Snapshot(_) => "fogbell.incident.snapshot.v1".to_owned(),
        Outgoing::Event(event, _) => format!("fogbell.incident.{}.v1", event.kind.as_str()),
    }
}

fn time(outgoing: &Outgoing) -> Timestamp {
    match outgoing {
        Outgoing::Event(event, _) => event.at,
        Outgoing::Delivery(_) | Outgoing::Snapshot(_) => outgoing.incident().updated_at,
    }
}

fn urgency(outgoing: &Outgoing) -> &'static str {
    match outgoing {
        Outgoing::Delivery(delivery) => delivery.urgency.as_str(),
        Outgoing::Snapshot(incident) | Outgoing::Event(_, incident) => incident.urgency.as_str(),
    }
}

fn content_type(format: EmitFormat) -> &'static str {
    match format {
        EmitFormat::Protobuf => "application/protobuf",
        EmitFormat::Json => "application/json",
    }
}

/// `SeverityNumber` of OpenTelemetry, the first of each range.
const fn severity_number(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 9,
        Severity::Warning => 13,
        Severity::Error => 17,
        Severity::Critical => 21,
    }
}

/// The service of the first cause; without one, that nearest to it.
fn root_service(incident: &Incident) -> Option<&str> {
    let cause = incident.causes.first().map(|cause| cause.service.as_str());
    let nearest = || incident.impact.services.iter().min_by_key(|service| service.hops);
    cause
        .filter(|service| !service.is_empty())
        .or_else(|| nearest().map(|service| service.service.as_str()))
        .filter(|service| !service.is_empty())
}

/// The failing span of the first exemplar, as W3C Trace Context writes it.
fn traceparent(incident: &Incident) -> Option<String> {
    let trace = incident.traces.first().filter(|trace| !trace.trace_id.is_zero())?;
    let failing = trace.path.iter().rev().find(|span| span.error);
    let span = failing.or_else(|| trace.path.last()).filter(|span| !span.span_id.is_none())?;
    Some(format!("00-{}-{}-01", trace.trace_id, span.span_id))
}
