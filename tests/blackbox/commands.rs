//! What people and their programs do to an incident, over gRPC and over HTTP.

use std::time::Duration;

use contract::v1;
use contract::v1::subscribe_response::Kind;
use serde_json::{Value, json};
use tonic::Code;

use crate::harness::fogbell::Fogbell;
use crate::harness::http::{self, Answer};
use crate::harness::incidents::{Incidents, Sink, Subscriber, command};
use crate::harness::otlp::{Exporter, Outcome, Shop};
use crate::harness::wait;

const LIMIT: Duration = Duration::from_secs(10);
/// What fogbell learns in the first seconds makes revisions of its own; then it is quiet.
const SETTLED: Duration = Duration::from_secs(6);
const JSON: (&str, &str) = ("content-type", "application/json");

fn post(fogbell: &Fogbell, id: &str, verb: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
    let url = fogbell.api_url(&format!("/api/v1/incidents/{id}/{verb}"));
    http::post(&url, headers, body.to_string().as_bytes()).expect("the API answers")
}

fn incident(answer: &Answer) -> v1::Incident {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).expect("an incident as protobuf JSON")
}

/// A settled incident, and what followed it.
fn broken_shop(sink: &Sink) -> (Fogbell, Incidents, Subscriber, v1::Incident) {
    let push = json!([{ "name": "on-call", "endpoint": sink.url(), "urgencies": ["page"] }]);
    let fogbell = Fogbell::start(&json!({ "emit": { "grpc": push } }));
    let incidents = Incidents::at(&fogbell.api_url(""));
    let subscriber = incidents.follow();
    let (exporter, shop) = (Exporter::to(&fogbell.grpc_url()), Shop::new());
    exporter.be_healthy(&[&shop]);
    exporter.send(shop.requests(60, Outcome::Broken));
    let (page, _) = subscriber.page(LIMIT);
    subscriber.rest(SETTLED);
    let incident = incidents.get(&page.incident.unwrap().id).unwrap();
    (fogbell, incidents, subscriber, incident)
}

#[test]
fn people_take_and_end_incidents_over_grpc_and_http() {
    let sink = Sink::start();
    let (fogbell, incidents, subscriber, paged) = broken_shop(&sink);
    let (id, revision) = (paged.id.as_str(), paged.revision);
    let code = |outcome: Result<v1::Incident, tonic::Status>| outcome.unwrap_err().code();
    let beside = format!("{}-999999", id.split_once('-').unwrap().0);
    assert_eq!(code(incidents.acknowledge(command(id, revision + 5, ""))), Code::Aborted);
    assert_eq!(code(incidents.acknowledge(command(&beside, 0, ""))), Code::NotFound);
    assert_eq!(code(incidents.acknowledge(command("nonsense", 0, ""))), Code::InvalidArgument);
    let stale = post(&fogbell, id, "acknowledge", &json!({ "expectedRevision": "99" }), &[JSON]);
    assert_eq!(stale.status, 409, "{}", stale.text());

    let taken = incidents.acknowledge(command(id, revision, "once")).expect("acknowledged");
    assert_eq!((taken.status(), taken.revision), (v1::Status::Acknowledged, revision + 1));
    assert_eq!(taken.assignee.as_ref().unwrap().name, "ada");
    let again = incidents.acknowledge(command(id, revision, "once")).expect("the same command");
    assert_eq!((again.revision, again.status()), (taken.revision, taken.status()));
    let (change, _) = subscriber.change("the acknowledgement", LIMIT);
    assert_eq!(change.event.unwrap().r#type(), v1::incident_event::Type::Acknowledged);
    let update = format!("{id}:{}:page:default:0", taken.revision);
    wait::until("the sink hears of it", LIMIT, || {
        sink.taken().into_iter().map(|(delivery, _)| delivery).find(|d| d.id == update)
    });

    // A page of another origin, and a form, may do nothing.
    let (none, foreign) = (json!({}), [JSON, ("origin", "http://evil.example")]);
    assert_eq!(post(&fogbell, id, "resolve", &none, &foreign).status, 403);
    assert_eq!(post(&fogbell, id, "resolve", &none, &[("content-type", "text/plain")]).status, 400);
    assert_eq!(post(&fogbell, id, "nonsense", &none, &[JSON]).status, 404);

    let body = json!({ "expectedRevision": taken.revision.to_string(), "requestId": "two" });
    let resolved = incident(&post(&fogbell, id, "resolve", &body, &[JSON]));
    assert_eq!((resolved.status(), resolved.revision), (v1::Status::Resolved, revision + 2));
    assert!(resolved.resolved_at.is_some());
    let repeated = incident(&post(&fogbell, id, "resolve", &body, &[JSON]));
    assert_eq!(repeated.revision, resolved.revision);
    assert_eq!(code(incidents.resolve(command(id, 0, ""))), Code::FailedPrecondition);
    let over = wait::until("the sink hears that it is over", LIMIT, || {
        let taken = sink.taken().into_iter().map(|(delivery, _)| delivery);
        taken.into_iter().find(|d| d.action() == v1::delivery::Action::Resolve)
    });
    assert_eq!(over.incident.unwrap().id, id);

    let list = http::get(&fogbell.api_url("/api/v1/incidents?status=resolved"), &[]).unwrap();
    let list: v1::ListResponse = serde_json::from_slice(&list.body).unwrap();
    assert_eq!(list.incidents.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), [id]);
    let first = http::get(&fogbell.api_url(&format!("/api/v1/incidents/{id}?revision=1")), &[]);
    assert_eq!(incident(&first.unwrap()).revision, 1);
    let reopened = incident(&post(&fogbell, id, "reopen", &none, &[JSON]));
    assert_eq!(reopened.status(), v1::Status::Open);
    check_resumption(&incidents, &reopened);
}

/// That a subscriber who comes back with its token gets what it missed, and nothing twice.
fn check_resumption(incidents: &Incidents, open: &v1::Incident) {
    let before = incidents.subscribe(v1::SubscribeRequest {
        include_snapshot: true,
        ..v1::SubscribeRequest::default()
    });
    let before = before.expect("subscribes");
    let mut snapshot = Vec::new();
    let token = loop {
        let received = before.next(LIMIT).expect("the snapshot").expect("goes on");
        match received.kind {
            Kind::Change(change) => snapshot.push(change.incident.unwrap()),
            Kind::SnapshotEnd(_) => break received.token,
            Kind::Heartbeat(_) => {}
        }
    };
    assert!(snapshot.iter().any(|i| (&i.id, i.revision) == (&open.id, open.revision)));
    drop(before);
    let acknowledged = incidents.acknowledge(command(&open.id, 0, "")).unwrap();
    let resolved = incidents.resolve(command(&open.id, 0, "")).unwrap();

    let resume = |token: &str| {
        let resume_token = token.to_owned();
        incidents.subscribe(v1::SubscribeRequest { resume_token, ..Default::default() })
    };
    let back = resume(&token).expect("the token is good");
    for expected in [&acknowledged, &resolved] {
        let (change, _) = back.change("what was missed", LIMIT);
        assert_eq!(change.incident.unwrap().revision, expected.revision);
    }
    let refused = resume("ffffffffffffffffffffffff").err().expect("no such position");
    assert_eq!(refused.code(), Code::OutOfRange);
}
