use contract::v1;
use model::{Actor, ActorKind, Fingerprint, Timestamp};
use tonic::{Code, Request, Status};

use super::fixture::{Port, id, incident, publish};
use engine::Verb;

fn request(number: u64) -> v1::CommandRequest {
    v1::CommandRequest { id: id(number).to_string(), ..v1::CommandRequest::default() }
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Status>) -> (Code, String) {
    let status = outcome.expect_err("refused");
    (status.code(), status.message().to_owned())
}

#[tokio::test]
async fn an_acknowledgement_makes_a_revision_that_everybody_sees() {
    let port = Port::open().await;
    publish(&port.daemon.feed, incident("default", 1), &[]);
    let actor = v1::Actor { kind: v1::actor::Kind::Person.into(), name: "ada".to_owned() };
    let request = v1::CommandRequest {
        expected_revision: 1,
        request_id: "r-1".to_owned(),
        reason: "mine".to_owned(),
        actor: Some(actor.clone()),
        ..request(1)
    };
    let mut client = port.grpc().await;
    let done = client.acknowledge(request).await.expect("carried out").into_inner();
    assert_eq!((done.revision, done.status()), (2, v1::Status::Acknowledged));
    assert_eq!(done.assignee, Some(actor));
    let (tenant, command) = port.daemon.commands.lock()[0].clone();
    assert_eq!((&*tenant, command.request_id.as_str()), ("default", "r-1"));
    assert_eq!((command.reason.as_str(), command.expected_revision), ("mine", 1));

    let get = |revision| v1::GetRequest { id: id(1).to_string(), revision };
    let newest = client.get(get(0)).await.expect("known").into_inner();
    assert_eq!(newest, done);
    let first = client.get(get(1)).await.expect("in the journal").into_inner();
    assert_eq!((first.revision, first.status()), (1, v1::Status::Open));
    assert_eq!(refused(client.get(get(9)).await).0, Code::NotFound);
}

#[tokio::test]
async fn a_refusal_says_what_it_is() {
    let port = Port::open().await;
    publish(&port.daemon.feed, incident("default", 1), &[]);
    let mut client = port.grpc().await;
    assert_eq!(refused(client.resolve(request(2)).await).0, Code::NotFound);
    let _ = client.close(request(1)).await.expect("carried out");
    let stale = v1::CommandRequest { expected_revision: 1, ..request(1) };
    let (code, message) = refused(client.resolve(stale).await);
    assert_eq!(code, Code::Aborted);
    assert!(message.contains("revision 2"), "{message}");
    let closed = refused(client.reopen(request(1)).await);
    assert_eq!(closed, (Code::FailedPrecondition, "it is closed".to_owned()));
}

#[tokio::test]
async fn every_verb_arrives_with_what_it_needs() {
    let port = Port::open().await;
    publish(&port.daemon.feed, incident("default", 1), &[]);
    let mut client = port.grpc().await;
    let command = Some(request(1));
    let until = Timestamp::from_unix_s(2_000_000);
    let snooze = v1::SnoozeRequest { command: command.clone(), until: contract::timestamp(until) };
    let _ = client.snooze(snooze).await.expect("carried out");
    let losers = vec![id(2).to_string(), id(3).to_string()];
    let _ = client.merge(v1::MergeRequest { command: command.clone(), losers }).await.expect("ok");
    let fingerprints = vec!["00000000000000ff".to_owned()];
    let split = v1::SplitRequest { command: command.clone(), fingerprints };
    let _ = client.split(split).await.expect("carried out");
    let url = "https://wiki.example/run".to_owned();
    let link = v1::Link { url: url.clone(), ..v1::Link::default() };
    let text = "see there".to_owned();
    let annotate = v1::AnnotateRequest { command: command.clone(), text, links: vec![link] };
    let _ = client.annotate(annotate).await.expect("carried out");
    let (system, number) = ("jira".to_owned(), "OPS-1".to_owned());
    let reference = v1::ExternalRef { system, id: number, ..v1::ExternalRef::default() };
    let report = v1::ReportRequest { command, refs: vec![reference], outcomes: Vec::new() };
    let _ = client.report(report).await.expect("carried out");

    let commands = port.daemon.commands.lock();
    let verbs: Vec<_> = commands.iter().map(|(_, command)| &command.verb).collect();
    assert!(matches!(verbs[0], Verb::Snooze { until: at } if *at == until), "{verbs:?}");
    assert!(matches!(verbs[1], Verb::Merge { losers } if *losers == [id(2), id(3)]));
    assert!(
        matches!(verbs[2], Verb::Split { fingerprints } if *fingerprints == [Fingerprint(255)])
    );
    assert!(matches!(verbs[3], Verb::Annotate { text, links }
        if text == "see there" && links[0].url == url));
    assert!(matches!(verbs[4], Verb::Report { refs }
        if refs[0].system == "jira" && refs[0].id == "OPS-1"));
    // Nobody acts as the engine: who says nothing is a person without a name.
    let nobody = Actor { kind: ActorKind::Person, name: String::new() };
    assert!(commands.iter().all(|(_, command)| command.actor == nobody));
}

fn is_named(field: &str, outcome: Result<tonic::Response<v1::Incident>, Status>) {
    let (code, message) = refused(outcome);
    assert_eq!(code, Code::InvalidArgument, "{field}: {message}");
    assert!(message.starts_with(&format!("{field}: ")), "{field}: {message}");
}

#[tokio::test]
async fn a_field_of_a_command_that_cannot_be_read_is_named() {
    let port = Port::open().await;
    let mut client = port.grpc().await;
    let odd_id = v1::CommandRequest { id: "7".to_owned(), ..v1::CommandRequest::default() };
    is_named("id", client.acknowledge(odd_id).await);
    let long = v1::CommandRequest { reason: "x".repeat(5000), ..request(1) };
    is_named("reason", client.resolve(long).await);
    let command = Some(request(1));
    let never = v1::SnoozeRequest { command: command.clone(), until: None };
    is_named("until", client.snooze(never).await);
    let until = contract::timestamp(Timestamp::MAX);
    is_named("command", client.snooze(v1::SnoozeRequest { command: None, until }).await);
    for losers in [vec!["x".to_owned()], Vec::new(), vec![id(1).to_string(); 101]] {
        let merge = v1::MergeRequest { command: command.clone(), losers };
        is_named("losers", client.merge(merge).await);
    }
    let fingerprints = vec!["+0000000000000ff".to_owned()];
    let split = v1::SplitRequest { command: command.clone(), fingerprints };
    is_named("fingerprints", client.split(split).await);
    let links = vec![v1::Link { url: "javascript:alert(1)".to_owned(), ..v1::Link::default() }];
    let annotate = v1::AnnotateRequest { command: command.clone(), text: String::new(), links };
    is_named("links.url", client.annotate(annotate).await);
    let report = v1::ReportRequest { command, ..v1::ReportRequest::default() };
    is_named("refs", client.report(report).await);
    is_named("id", client.get(v1::GetRequest::default()).await);
    assert!(port.daemon.commands.lock().is_empty());
}

#[tokio::test]
async fn a_field_of_a_list_that_cannot_be_read_is_named() {
    let port = Port::open().await;
    let mut client = port.grpc().await;
    let none = v1::ListRequest::default;
    let filter = v1::Filter { statuses: vec![99], ..v1::Filter::default() };
    for (field, request) in [
        ("page_size", v1::ListRequest { page_size: 1001, ..none() }),
        ("page_token", v1::ListRequest { page_token: "x".to_owned(), ..none() }),
        ("filter.statuses", v1::ListRequest { filter: Some(filter), ..none() }),
    ] {
        let (code, message) = refused(client.list(request).await);
        assert_eq!(code, Code::InvalidArgument, "{field}: {message}");
        assert!(message.starts_with(&format!("{field}: ")), "{field}: {message}");
    }
}

#[tokio::test]
async fn the_credential_names_the_actor_and_bounds_what_may_be_done() {
    let port = Port::guarded().await;
    publish(&port.daemon.feed, incident("shop", 1), &[]);
    let mut client = port.grpc().await;
    let with = |token: &str| {
        let mut request = Request::new(v1::CommandRequest {
            actor: Some(v1::Actor { kind: 0, name: "mallory".to_owned() }),
            ..request(1)
        });
        let value = format!("Bearer {token}").parse().expect("ASCII");
        let _ = request.metadata_mut().insert("authorization", value);
        request
    };
    assert_eq!(refused(client.acknowledge(request(1)).await).0, Code::Unauthenticated);
    assert_eq!(refused(client.acknowledge(with("wrong")).await).0, Code::Unauthenticated);
    for token in ["shop-viewer", "shop-ingest"] {
        assert_eq!(refused(client.acknowledge(with(token)).await).0, Code::PermissionDenied);
    }
    // Another tenant's incident is no incident.
    assert_eq!(refused(client.acknowledge(with("bank-admin")).await).0, Code::NotFound);
    let done = client.acknowledge(with("shop-responder")).await.expect("may").into_inner();
    assert_eq!(done.assignee.expect("taken").name, "shop/responder");
    assert_eq!(refused(client.get(v1::GetRequest::default()).await).0, Code::Unauthenticated);
}
