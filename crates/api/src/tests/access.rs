use http::Method;

use super::fixture::{Port, id, incident, publish};

fn acknowledge() -> String {
    format!("/api/v1/incidents/{}/acknowledge", id(1))
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn commands_come_as_the_json_of_their_messages_or_as_nothing() {
    let port = Port::open().await;
    publish(&port.daemon.feed, incident("default", 1), &[]);
    let done = port.post(&acknowledge(), "").await;
    assert_eq!(done.json()["status"], "ACKNOWLEDGED");
    let path = |verb: &str| format!("/api/v1/incidents/{}/{verb}", id(1));
    let body =
        r#"{"command":{"requestId":"r","expectedRevision":"2"},"until":"2030-01-01T00:00:00Z"}"#;
    assert_eq!(port.post(&path("snooze"), body).await.json()["revision"], "3");
    let note = port.post(&path("annotate"), r#"{"text":"seen"}"#).await;
    assert_eq!(note.json()["revision"], "4");
    assert_eq!(port.daemon.commands.lock()[1].1.request_id, "r");
    for (verb, body, expected) in [
        ("resolve", r#"{"expectedRevision":"1"}"#, (409, 10)),
        ("resolve", r#"{"id":"k3f9a2-000001"}"#, (400, 3)),
        ("resolve", r#"{"idd":"x"}"#, (400, 3)),
        ("resolve", "{", (400, 3)),
        ("snooze", "", (400, 3)),
        ("annotate", "", (400, 3)),
        ("explode", "", (404, 5)),
    ] {
        let (status, code, message) = port.post(&path(verb), body).await.refusal();
        assert_eq!((status, code), expected, "{verb} {body}: {message}");
    }
    let _ = port.post(&path("close"), "").await;
    assert_eq!(port.post(&path("reopen"), "").await.refusal(), (400, 9, "it is closed".to_owned()));
    let large = "x".repeat(super::super::http::REQUEST_BYTES_MAX + 1);
    assert_eq!(port.post(&path("resolve"), &large).await.refusal().0, 400);
    assert_eq!(port.get(&acknowledge()).await.refusal().0, 405);
    assert_eq!(
        port.get("/nowhere").await.refusal(),
        (404, 5, "/nowhere is not served here".to_owned())
    );
}

#[tokio::test]
async fn no_web_page_can_send_a_command() {
    let port = Port::open().await;
    publish(&port.daemon.feed, incident("default", 1), &[]);
    let own = format!("http://{}", port.address);
    for (headers, status) in [
        (vec![JSON, ("origin", own.as_str())], 200),
        (vec![JSON, ("host", "fogbell.example"), ("origin", "https://fogbell.example")], 200),
        (vec![JSON, ("origin", "http://evil.example")], 403),
        (vec![JSON, ("origin", "null")], 403),
        (vec![JSON, ("host", "evil.example")], 403),
        (vec![JSON, ("host", "evil.example"), ("origin", "http://evil.example")], 403),
        (vec![("content-type", "text/plain")], 400),
        (vec![("content-type", "application/x-www-form-urlencoded")], 400),
        (vec![], 400),
    ] {
        let answer = port.send(Method::POST, &acknowledge(), &headers, "").await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
    }
    assert_eq!(port.daemon.commands.lock().len(), 2);
    // Nor look at what a daemon on this machine knows, under a name that its owner points here.
    for path in ["/api/v1/incidents", "/api/v1/slos", "/metrics"] {
        let answer = port.send(Method::GET, path, &[("host", "evil.example")], "").await;
        assert_eq!(answer.status.as_u16(), 403, "{path}");
    }
}

#[tokio::test]
async fn a_web_page_cannot_speak_grpc_either() {
    let port = Port::open().await;
    let grpc = ("content-type", "application/grpc");
    let path = "/fogbell.v1.IncidentService/Acknowledge";
    let answer = port.send(Method::POST, path, &[grpc], "").await;
    assert_eq!(answer.status.as_u16(), 505);
    let mut client = port.grpc().await;
    let mut request = tonic::Request::new(contract::v1::ListRequest::default());
    let origin = "http://evil.example".parse().expect("ASCII");
    let _ = request.metadata_mut().insert("origin", origin);
    let status = client.list(request).await.expect_err("a page of another origin");
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
}

#[tokio::test]
async fn a_credential_opens_what_its_role_may_do_under_any_name() {
    let port = Port::guarded().await;
    publish(&port.daemon.feed, incident("shop", 1), &[]);
    let read = "/api/v1/incidents";
    let write = acknowledge();
    for (token, path, status) in [
        (None, read, 401),
        (Some("wrong"), read, 401),
        (Some("shop-ingest"), read, 403),
        (Some("shop-viewer"), read, 200),
        (Some("shop-viewer"), write.as_str(), 403),
        (Some("bank-admin"), write.as_str(), 404),
        (Some("shop-responder"), write.as_str(), 200),
    ] {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![JSON, ("host", "any.example")];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let method = if path == read { Method::GET } else { Method::POST };
        let answer = port.send(method, path, &headers, "").await;
        assert_eq!(answer.status.as_u16(), status, "{token:?} {path}");
        assert_eq!(answer.header("www-authenticate").is_empty(), status != 401);
    }
    for path in ["/", "/healthz", "/readyz"] {
        assert_eq!(port.get(path).await.status.as_u16(), 200, "{path}");
    }
    assert_eq!(port.get("/metrics").await.status.as_u16(), 401);
}
