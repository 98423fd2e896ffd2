use std::sync::Arc;
use std::time::Duration;

use model::{
    Action, Actor, ActorKind, Cause, CauseKind, Delivery, EventType, Evidence, ExemplarTrace,
    Fingerprint, Impact, Incident, IncidentEvent, IncidentId, Labels, Member, MemberState,
    Outgoing, Signal, SloImpact, SpanId, SpanKind, Status, Timestamp, TraceId, TraceSpan, Urgency,
};
use prost::Message as _;

use crate::{
    FILE_DESCRIPTOR_SET, Message, Unspecified, duration, json, timestamp, timestamp_from, v1,
};

const AT: Timestamp = Timestamp::from_unix_ms(1_795_403_045_678);

fn span() -> TraceSpan {
    TraceSpan {
        span_id: SpanId([0xab; 8]),
        parent_span_id: SpanId::NONE,
        service: "payment".to_owned(),
        operation: "POST /charge".to_owned(),
        kind: SpanKind::Server,
        start: AT,
        duration_ns: 1_500_000_000,
        exclusive_ns: 250_000,
        error: true,
        message: "boom".to_owned(),
    }
}

fn incident() -> Incident {
    let trace_id = TraceId([0x0f; 16]);
    let labels = Labels::from([("alertname".to_owned(), "burn".to_owned())]);
    Incident {
        id: IncidentId { epoch: 35, number: 123 },
        revision: 2,
        tenant: "shop".into(),
        status: Status::Acknowledged,
        urgency: Urgency::Page,
        severity: model::Severity::Critical,
        title: "checkout fails".to_owned(),
        started_at: AT,
        impact: Impact {
            bad_events: 1 << 60,
            slos: vec![SloImpact { long_window_s: 3600, ..SloImpact::default() }],
            ..Impact::default()
        },
        causes: vec![Cause {
            kind: CauseKind::Dependency,
            service: "payment".to_owned(),
            evidence: vec![Evidence {
                signal: Signal::DeepestError,
                subject: "errors".to_owned(),
                observed: 0.5,
                baseline: 0.0,
                unit: "1".to_owned(),
                weight: 1.0,
                since: Timestamp::ZERO,
                trace_ids: vec![trace_id],
            }],
            ..Cause::default()
        }],
        members: vec![Member {
            fingerprint: Fingerprint(0xff),
            labels,
            annotations: Labels::new(),
            state: MemberState::NoData,
            first_at: AT,
            last_at: AT,
            repeats: 3,
            external: true,
        }],
        traces: vec![ExemplarTrace {
            trace_id,
            url: String::new(),
            reason: "slowest".to_owned(),
            duration_ns: 2_000_000_001,
            path: vec![span()],
            complete: true,
        }],
        assignee: Some(Actor { kind: ActorKind::Person, name: "ada".to_owned() }),
        merged_into: Some(IncidentId { epoch: 35, number: 7 }),
        ..Incident::default()
    }
}

#[test]
fn an_incident_keeps_its_meaning_on_the_wire() {
    let wire = v1::Incident::from(&incident());
    assert_eq!(wire.id, "00000z-000123");
    assert_eq!((wire.status(), wire.urgency()), (v1::Status::Acknowledged, v1::Urgency::Page));
    assert_eq!(wire.severity(), v1::Severity::Critical);
    assert_eq!(wire.resolved_at, None, "an unset time is left out");
    assert_eq!(wire.merged_into, "00000z-000007");
    assert_eq!(wire.split_from, "");
    assert_eq!(wire.causes[0].kind(), v1::cause::Kind::Dependency);
    assert_eq!(wire.causes[0].evidence[0].signal, "deepest_error");
    assert_eq!(wire.members[0].fingerprint, "00000000000000ff");
    assert_eq!(wire.members[0].state(), v1::member::State::NoData);
    let span = &wire.traces[0].path[0];
    assert_eq!((span.span_id.as_str(), span.parent_span_id.as_str()), ("abababababababab", ""));
    assert_eq!((span.kind.as_str(), span.error), ("server", true));
    assert_eq!(span.duration, Some(duration(Duration::from_millis(1500))));
    assert_eq!(v1::Incident::decode(wire.encode_to_vec().as_slice()).unwrap(), wire);
}

#[test]
fn json_is_that_of_protobuf() {
    let wire = v1::Incident::from(&incident());
    let text = json(&wire);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["id"], "00000z-000123");
    assert_eq!(value["revision"], "2", "64-bit integers are strings");
    assert_eq!(value["status"], "ACKNOWLEDGED");
    assert_eq!(value["startedAt"], "2026-11-23T03:04:05.678+00:00");
    assert_eq!(value["impact"]["badEvents"], "1152921504606846976");
    assert_eq!(value["impact"]["slos"][0]["longWindow"], "3600s");
    assert_eq!(value["traces"][0]["duration"], "2.000000001s");
    assert_eq!(value["members"][0]["labels"]["alertname"], "burn");
    assert_eq!(value.get("resolvedAt"), None);
    assert_eq!(serde_json::from_str::<v1::Incident>(&text).unwrap(), wire);
}

#[test]
fn a_delivery_carries_the_id_of_the_model() {
    let delivery = Delivery {
        route: "night".to_owned(),
        step: 1,
        urgency: Urgency::Page,
        action: Action::Resolve,
        incident: Arc::new(incident()),
        test: true,
    };
    let wire = v1::Delivery::from(&delivery);
    assert_eq!(wire.id, "00000z-000123:2:page:night:1");
    assert_eq!((wire.action(), wire.test), (v1::delivery::Action::Resolve, true));
    let message = Message::from(&Outgoing::Delivery(delivery.clone()));
    assert_eq!(v1::Delivery::decode(message.encode().as_slice()).unwrap(), wire);
    let change = v1::subscribe_response::Change::from(&Outgoing::Delivery(delivery));
    assert_eq!((change.delivery, change.event), (Some(wire), None));
    assert_eq!(change.incident, Some((&incident()).into()));
}

#[test]
fn an_event_says_what_happened_and_who_did_it() {
    let event = IncidentEvent {
        incident_id: incident().id,
        revision: 2,
        tenant: "shop".into(),
        kind: EventType::Acknowledged,
        at: AT,
        actor: Actor { kind: ActorKind::Automation, name: "bot".to_owned() },
        reason: "on it".to_owned(),
        changed: vec!["status".to_owned()],
    };
    let message = Message::from(&Outgoing::Event(event, Arc::new(incident())));
    let value: serde_json::Value = serde_json::from_str(&message.json()).unwrap();
    assert_eq!(value["type"], "ACKNOWLEDGED");
    assert_eq!(value["actor"], serde_json::json!({"kind": "AUTOMATION", "name": "bot"}));
    assert_eq!(value["changed"], serde_json::json!(["status"]));
}

#[test]
fn enums_read_back_and_unspecified_is_told() {
    for status in [Status::Open, Status::Snoozed, Status::Merged, Status::Closed] {
        assert_eq!(Status::try_from(v1::Status::from(status)), Ok(status));
    }
    assert_eq!(Urgency::try_from(v1::Urgency::Unspecified), Err(Unspecified));
}

#[test]
fn nobody_outside_acts_as_the_engine() {
    let actor = |kind: v1::actor::Kind| {
        Actor::from(&v1::Actor { kind: kind.into(), name: "x".to_owned() }).kind
    };
    assert_eq!(actor(v1::actor::Kind::Engine), ActorKind::Person);
    assert_eq!(actor(v1::actor::Kind::Unspecified), ActorKind::Person);
    assert_eq!(actor(v1::actor::Kind::Automation), ActorKind::Automation);
}

#[test]
fn times_read_back_and_what_cannot_be_told_saturates() {
    assert_eq!(timestamp_from(timestamp(AT).as_ref()), AT);
    assert_eq!(timestamp_from(timestamp(Timestamp::MAX).as_ref()), Timestamp::MAX);
    assert_eq!(timestamp_from(None), Timestamp::ZERO);
    let beyond = |seconds| pbjson_types::Timestamp { seconds, nanos: -1 };
    assert_eq!(timestamp_from(Some(&beyond(i64::MAX))), Timestamp::MAX);
    assert_eq!(timestamp_from(Some(&beyond(-1))), Timestamp::ZERO);
    assert_eq!(json(&beyond(i64::MAX)), "null");
}

#[test]
fn the_descriptors_name_both_services() {
    let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let names: Vec<_> = set.file.iter().flat_map(|file| &file.service).map(|s| s.name()).collect();
    assert_eq!(names, ["IncidentService", "IncidentSink"]);
}
