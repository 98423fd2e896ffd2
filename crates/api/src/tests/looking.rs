use contract::v1;
use futures_util::StreamExt;
use model::{Ownership, Severity, Status};
use tonic::Code;

use super::fixture::{Port, id, incident, publish};

async fn list(port: &Port, request: v1::ListRequest) -> (Vec<String>, String) {
    let page = port.grpc().await.list(request).await.expect("listed").into_inner();
    (page.incidents.into_iter().map(|i| i.id).collect(), page.next_page_token)
}

fn ids(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(|number| id(*number).to_string()).collect()
}

#[tokio::test]
async fn pages_come_newest_first_and_neither_skip_nor_repeat_while_others_come() {
    let port = Port::open().await;
    for number in 1..=5 {
        publish(&port.daemon.feed, incident("default", number), &[]);
    }
    let page =
        |page_token| v1::ListRequest { page_size: 2, page_token, ..v1::ListRequest::default() };
    let (first, token) = list(&port, page(String::new())).await;
    assert_eq!(first, ids(&[5, 4]));
    publish(&port.daemon.feed, incident("default", 6), &[]);
    let mut changed = incident("default", 3);
    changed.revision = 2;
    publish(&port.daemon.feed, changed, &[]);
    let (second, token) = list(&port, page(token)).await;
    assert_eq!(second, ids(&[3, 2]));
    assert_eq!(list(&port, page(token)).await, (ids(&[1]), String::new()));
}

#[tokio::test]
async fn a_page_stays_below_what_a_client_takes() {
    let port = Port::open().await;
    for number in 1..=5 {
        let mut large = incident("default", number);
        large.grouping_reason = "x".repeat(1 << 20);
        publish(&port.daemon.feed, large, &[]);
    }
    let (first, page_token) = list(&port, v1::ListRequest::default()).await;
    assert_eq!(first, ids(&[5, 4]));
    let next = v1::ListRequest { page_token, ..v1::ListRequest::default() };
    assert_eq!(list(&port, next).await.0, ids(&[3, 2]));
}

#[tokio::test]
async fn a_filter_is_and_between_fields_and_or_within() {
    let port = Port::open().await;
    let feed = &port.daemon.feed;
    publish(feed, incident("default", 1), &[]);
    let mut two = incident("default", 2);
    two.status = Status::Resolved;
    two.severity = Severity::Critical;
    two.ownership = Ownership { team: "pay".to_owned(), ..Ownership::default() };
    publish(feed, two, &[]);
    let mut three = incident("default", 3);
    three.impact.services[0].service = "billing".to_owned();
    publish(feed, three, &[]);
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let statuses = |all: &[v1::Status]| all.iter().map(|status| (*status).into()).collect();
    let none = v1::Filter::default;
    for (filter, expected) in [
        (none(), ids(&[3, 2, 1])),
        (v1::Filter { statuses: statuses(&[v1::Status::Open]), ..none() }, ids(&[3, 1])),
        (
            v1::Filter { statuses: statuses(&[v1::Status::Open, v1::Status::Resolved]), ..none() },
            ids(&[3, 2, 1]),
        ),
        (v1::Filter { services: texts(&["shop/checkout@prod"]), ..none() }, ids(&[2, 1])),
        (v1::Filter { services: texts(&["shop/checkout"]), ..none() }, ids(&[2, 1])),
        (v1::Filter { services: texts(&["checkout", "billing"]), ..none() }, ids(&[3, 2, 1])),
        (v1::Filter { services: texts(&["check", "shop"]), ..none() }, ids(&[])),
        (v1::Filter { severity_min: v1::Severity::Error.into(), ..none() }, ids(&[2])),
        (v1::Filter { teams: texts(&["pay"]), ..none() }, ids(&[2])),
        (
            v1::Filter {
                teams: texts(&["pay"]),
                statuses: statuses(&[v1::Status::Open]),
                ..none()
            },
            ids(&[]),
        ),
    ] {
        let what = format!("{filter:?}");
        let request = v1::ListRequest { filter: Some(filter), ..v1::ListRequest::default() };
        assert_eq!(list(&port, request).await.0, expected, "{what}");
    }
}

#[tokio::test]
async fn the_http_api_lists_and_shows_the_same() {
    let port = Port::open().await;
    for number in 1..=3 {
        publish(&port.daemon.feed, incident("default", number), &[]);
    }
    publish(&port.daemon.feed, incident("other", 9), &[]);
    let ids_at = |json: &serde_json::Value| -> Vec<String> {
        let incidents = json["incidents"].as_array().expect("a list");
        incidents.iter().map(|i| i["id"].as_str().expect("an id").to_owned()).collect()
    };
    let page = port.get("/api/v1/incidents?page_size=2&status=open,closed&urgency=PAGE").await;
    assert_eq!(page.header("content-type"), "application/json");
    assert_eq!(ids_at(&page.json()), ids(&[3, 2]));
    let token = page.json()["nextPageToken"].as_str().expect("more").to_owned();
    let next = port.get(&format!("/api/v1/incidents?page_token={token}")).await;
    assert_eq!(ids_at(&next.json()), ids(&[1]));
    // 1_000_003 seconds since the epoch.
    let since = port.get("/api/v1/incidents?since=1970-01-12T13:46:43Z&service=checkout").await;
    assert_eq!(ids_at(&since.json()), ids(&[3]));

    let one = port.get(&format!("/api/v1/incidents/{}", id(2))).await;
    assert_eq!((one.json()["title"].as_str(), one.status.as_u16()), (Some("incident 2"), 200));
    let gone = port.get(&format!("/api/v1/incidents/{}?revision=8", id(2))).await.refusal();
    assert_eq!((gone.0, gone.1), (404, 5));
    for (path, field) in [
        ("/api/v1/incidents/x", "id"),
        ("/api/v1/incidents?status=ajar", "status"),
        ("/api/v1/incidents?since=yesterday", "since"),
        ("/api/v1/incidents?page_size=many", "page_size"),
        ("/api/v1/incidents?colour=red", "colour"),
    ] {
        let (status, code, message) = port.get(path).await.refusal();
        assert_eq!((status, code), (400, 3), "{path}");
        assert!(message.starts_with(&format!("{field}: ")), "{path}: {message}");
    }
}

#[tokio::test]
async fn a_subscriber_hears_of_changes_over_the_wire_until_the_drain() {
    let port = Port::open().await;
    publish(&port.daemon.feed, incident("default", 1), &[]);
    let mut client = port.grpc().await;
    let request =
        v1::SubscribeRequest { include_snapshot: true, ..v1::SubscribeRequest::default() };
    let mut stream = client.subscribe(request).await.expect("subscribed").into_inner();
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(stream.next().await.expect("open").expect("no error").token);
    }
    publish(&port.daemon.feed, incident("default", 2), &["default"]);
    let change = stream.next().await.expect("open").expect("no error");
    let Some(v1::subscribe_response::Kind::Change(change)) = change.kind else {
        panic!("a change was due: {change:?}");
    };
    assert_eq!(change.delivery.as_ref().expect("a page").route, "default");
    assert!(change.event.is_some());

    let resume_token = tokens.pop().expect("three");
    let request = v1::SubscribeRequest { resume_token, ..v1::SubscribeRequest::default() };
    let mut again = client.subscribe(request).await.expect("kept").into_inner();
    let missed = again.next().await.expect("open").expect("no error").kind;
    assert_eq!(missed, Some(v1::subscribe_response::Kind::Change(change)));
    for token in ["0000000100000000000000ff", "nonsense"] {
        let resume_token = token.to_owned();
        let request = v1::SubscribeRequest { resume_token, ..v1::SubscribeRequest::default() };
        let status = client.subscribe(request).await.expect_err("foreign");
        assert_eq!(status.code(), Code::OutOfRange, "{token}");
    }

    port.stop.send(true).expect("heard");
    let status = stream.next().await.expect("told").expect_err("ended");
    assert_eq!(status.code(), Code::Unavailable);
    drop((stream, again, client));
    port.served.await.expect("no panic").expect("drained");
}
