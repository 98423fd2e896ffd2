use std::collections::BTreeMap;
use std::sync::Arc;

use config::EmitFormat;
use model::{Outgoing, ServiceHop};

use super::harness::{event, incident, page, snapshot, ticket};
use crate::cloudevent::headers;

fn of(outgoing: &Outgoing) -> BTreeMap<&'static str, String> {
    headers("/fogbell", EmitFormat::Protobuf, outgoing).into_iter().collect()
}

#[test]
fn a_page_can_be_routed_by_its_headers_alone() {
    let headers = of(&page(5, 3));
    let expected = [
        ("ce_action", "trigger"),
        ("ce_id", "000007-000005:3:page:default:0"),
        ("ce_partitionkey", "000007-000005"),
        ("ce_sequence", "00000000000000000003"),
        ("ce_severitynumber", "21"),
        ("ce_severitytext", "critical"),
        ("ce_source", "/fogbell"),
        ("ce_specversion", "1.0"),
        ("ce_status", "open"),
        ("ce_subject", "payment"),
        ("ce_tenant", "shop"),
        ("ce_time", "2026-11-23T03:04:05.678Z"),
        ("ce_traceparent", "00-0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f-abababababababab-01"),
        ("ce_type", "fogbell.page.v1"),
        ("ce_urgency", "page"),
        ("content-type", "application/protobuf"),
        ("traceparent", "00-0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f-abababababababab-01"),
    ];
    assert_eq!(headers, expected.map(|(key, value)| (key, value.to_owned())).into());
}

#[test]
fn the_type_tells_what_it_is() {
    assert_eq!(of(&ticket(1, 1))["ce_type"], "fogbell.ticket.v1");
    assert_eq!(of(&snapshot(1, 1))["ce_type"], "fogbell.incident.snapshot.v1");
    assert_eq!(of(&event(1, 1))["ce_type"], "fogbell.incident.opened.v1");
}

#[test]
fn what_is_not_known_is_left_out_and_the_nearest_service_stands_in() {
    let mut unknown = (*incident(1, 1)).clone();
    unknown.causes.clear();
    unknown.traces.clear();
    let headers = of(&Outgoing::Snapshot(Arc::new(unknown.clone())));
    assert!(!headers.contains_key("ce_subject") && !headers.contains_key("traceparent"));
    unknown.impact.services = [("frontend", 2), ("cart", 1)]
        .map(|(service, hops)| ServiceHop { service: service.to_owned(), hops })
        .to_vec();
    assert_eq!(of(&Outgoing::Snapshot(Arc::new(unknown)))["ce_subject"], "cart");
}
