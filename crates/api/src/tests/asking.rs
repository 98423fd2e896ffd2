//! Alerts of other systems, and what changed.

use contract::v1;
use model::Timestamp;
use tonic::Code;

use super::fixture::Port;

#[tokio::test]
async fn alerts_are_taken_as_alertmanager_takes_them() {
    let port = Port::open().await;
    let body = r#"[{"labels": {"alertname": "Down", "service": "cart"}}]"#;
    let answer = port.post("/api/v2/alerts", body).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, ""));
    let (tenant, alert) = port.daemon.raised.lock()[0].clone();
    assert_eq!((&*tenant, alert.labels["service"].as_str()), ("default", "cart"));
    let (status, _, message) = port.post("/api/v2/alerts", r#"[{"labels": {}}]"#).await.refusal();
    assert_eq!(status, 400);
    assert!(message.starts_with("alerts[0].labels"), "{message}");
    assert_eq!(port.daemon.raised.lock().len(), 1);
}

#[tokio::test]
async fn only_a_credential_that_may_send_raises_alerts() {
    let port = Port::guarded().await;
    let body = r#"[{"labels": {"alertname": "Down"}}]"#;
    let post = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
        port.send(http::Method::POST, "/api/v2/alerts", &headers, body).await.status.as_u16()
    };
    assert_eq!(port.post("/api/v2/alerts", body).await.status, 401);
    assert_eq!((post("shop-viewer").await, post("shop-ingest").await), (403, 200));
    assert_eq!(&*port.daemon.raised.lock()[0].0, "shop");
}

#[tokio::test]
async fn changes_are_taken_one_by_one_or_many_at_once() {
    let port = Port::open().await;
    let one = r#"{"kind": "deploy", "service": "cart", "summary": "cart 2.4.0"}"#;
    assert_eq!(port.post("/api/v1/changes", one).await.status, 202);
    assert_eq!(port.post("/api/v1/changes", &format!("[{one}, {one}]")).await.status, 202);
    let (tenant, change) = port.daemon.changed.lock()[0].clone();
    assert_eq!((&*tenant, &*change.service), ("default", "cart"));
    assert_eq!(port.daemon.changed.lock().len(), 3);
    let (status, _, message) = port.post("/api/v1/changes", r#"{"kind": "x"}"#).await.refusal();
    assert_eq!(status, 400);
    assert!(message.starts_with("changes[0].kind"), "{message}");
}

#[tokio::test]
async fn what_changed_is_told_over_grpc_and_over_http() {
    let port = Port::open().await;
    let since = Timestamp::from_unix_s(1_795_766_400);
    let request = v1::ExplainRequest {
        since: contract::timestamp(since),
        service: "cart".to_owned(),
        ..v1::ExplainRequest::default()
    };
    let mut client = port.grpc().await;
    let told = client.explain(request.clone()).await.expect("told").into_inner();
    assert_eq!((told.causes[0].service.as_str(), told.causes[0].score), ("cart", 0.5));
    let path = "/api/v1/explain?since=2026-11-27T08:00:00Z&service=cart";
    assert_eq!(port.get(path).await.json()["summary"], "cart is slow by itself");
    let questions = port.daemon.questions.lock().clone();
    assert_eq!(questions[0], questions[1]);
    assert_eq!((questions[0].1.since, questions[0].1.until.is_set()), (since, false));
    let without = client.explain(v1::ExplainRequest::default()).await.expect_err("refused");
    assert_eq!(without.code(), Code::InvalidArgument);
    let unheard = v1::ExplainRequest { service: "unheard".to_owned(), ..request };
    let refused = client.explain(unheard).await.expect_err("refused");
    assert_eq!(refused.message(), "service: unheard is not known");
    let (status, _, message) = port.get("/api/v1/explain?since=noon").await.refusal();
    assert_eq!((status, message.as_str()), (400, "since: is no time as in RFC 3339"));
}

#[tokio::test]
async fn maintenance_is_told_under_the_name_of_the_credential_and_taken_back() {
    let port = Port::guarded().await;
    let body = r#"{"name": "db", "services": ["cart"], "author": "ada",
                   "from": "2026-11-27T08:00:00Z", "until": "2026-11-27T09:00:00Z"}"#;
    let send = async |method: http::Method, path: &str, token: &str, body: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
        port.send(method, path, &headers, body).await
    };
    let post = async |token: &str| {
        send(http::Method::POST, "/api/v1/maintenance", token, body).await.status.as_u16()
    };
    assert_eq!((post("shop-viewer").await, post("shop-responder").await), (403, 202));
    let (tenant, name, told) = port.daemon.maintained.lock().remove(0);
    let told = told.expect("it is told");
    assert_eq!((&*tenant, &*name, &*told.author), ("shop", "db", "shop/responder"));
    let path = "/api/v1/maintenance/db";
    let answer = send(http::Method::DELETE, path, "shop-responder", "").await;
    assert_eq!(answer.status, 404, "the last look does not hold it yet");
    let empty = send(http::Method::GET, "/api/v1/maintenance", "shop-viewer", "").await;
    assert_eq!(empty.json()["maintenance"], serde_json::json!([]));
}
