//! Who may send, look and act.

use serde_json::{Value, json};
use tonic::Code;

use crate::harness::clients::Client;
use crate::harness::fogbell::{self, Fogbell};
use crate::harness::http;
use crate::harness::incidents::{Incidents, command};
use crate::harness::ports;

const FILES: [(&str, &str); 5] = [
    ("ingest.token", "ingest-0123456789abcdef\n"),
    ("viewer.token", "viewer-0123456789abcdef\n"),
    ("responder.token", "responder-0123456789abcdef\n"),
    ("admin.token", "admin-0123456789abcdef\n"),
    ("other.token", "other-0123456789abcdef\n"),
];

fn tenants() -> Value {
    let tenant = |name: &str, role: &str, file: &str| json!({ "name": name, "role": role, "token_file": format!("{file}.token") });
    json!({ "auth": { "tenants": [
        tenant("shop", "ingest", "ingest"),
        tenant("shop", "viewer", "viewer"),
        tenant("shop", "responder", "responder"),
        tenant("shop", "admin", "admin"),
        tenant("other", "viewer", "other"),
    ] } })
}

fn token(role: &str) -> String {
    format!("{role}-0123456789abcdef")
}

#[test]
fn off_loopback_needs_tokens_or_a_plain_word() {
    let port = ports::free();
    let open = json!({ "api": { "listen": format!("0.0.0.0:{port}") } });
    let refused = Fogbell::prepare(&open, &[]);
    let output = fogbell::command()
        .arg("serve")
        .arg("--config")
        .arg(refused.config_file())
        .arg("--data-dir")
        .arg(refused.data_dir())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    for words in ["api.listen", "is not loopback", "auth.tenants", "auth.insecure: true"] {
        assert!(said.contains(words), "{words} is missing in {said}");
    }
    assert!(!refused.data_dir().exists());

    let variable = fogbell::command()
        .args(["serve", "--data-dir"])
        .arg(refused.data_dir())
        .env("FOGBELL_API_LISTEN", format!("0.0.0.0:{port}"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&variable.stderr);
    assert_eq!(variable.status.code(), Some(64), "{said}");
    assert!(said.contains("FOGBELL_API_LISTEN"), "{said}");
}

#[test]
fn a_token_opens_intake_and_another_the_api() {
    let fogbell = Fogbell::start_with(&tenants(), &FILES);
    let (grpc, http) = (fogbell.grpc_url(), fogbell.http_url());
    let few = ["traces", "--requests", "5"];
    for (role, taken) in
        [(None, false), (Some("nobody"), false), (Some("viewer"), false), (Some("ingest"), true)]
    {
        let token = role.map(token);
        let token: Vec<_> = token.iter().flat_map(|token| ["--token", token]).collect();
        let over_grpc = ["--endpoint", &grpc];
        let over_http = ["--protocol", "http", "--endpoint", &http];
        for transport in [&over_grpc[..], &over_http] {
            let summary = Client::python(&[&few, transport, &token].concat()).summary();
            assert_eq!(summary["failed_exports"] == 0, taken, "{role:?}: {summary}");
        }
    }
}

#[test]
fn each_role_may_do_its_part_and_no_more() {
    let fogbell = Fogbell::start_with(&tenants(), &FILES);
    let bearer = |role: &str| format!("Bearer {}", token(role));
    let status = |path: &str, role: Option<&str>| {
        let value = role.map(bearer);
        let headers: Vec<_> = value.iter().map(|value| ("authorization", value.as_str())).collect();
        http::get(&fogbell.api_url(path), &headers).unwrap().status
    };
    for path in ["/healthz", "/readyz"] {
        assert_eq!(status(path, None), 200, "{path}");
    }
    for path in ["/metrics", "/api/v1/slos", "/api/v1/incidents"] {
        for (role, expected) in [
            (None, 401),
            (Some("nobody"), 401),
            (Some("ingest"), 403),
            (Some("viewer"), 200),
            (Some("responder"), 200),
            (Some("admin"), 200),
        ] {
            assert_eq!(status(path, role), expected, "{path} {role:?}");
        }
    }
    let call = |role: &str| Incidents::at(&fogbell.api_url("")).with_token(&token(role));
    let anybody = Incidents::at(&fogbell.api_url(""));
    assert_eq!(anybody.list().unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(anybody.subscribe(Default::default()).err().unwrap().code(), Code::Unauthenticated);
    assert_eq!(call("ingest").list().unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(call("viewer").list().unwrap(), []);
    for (role, expected) in [
        ("viewer", Code::PermissionDenied),
        ("responder", Code::NotFound),
        ("admin", Code::NotFound),
    ] {
        let refused = call(role).acknowledge(command("000000-000001", 0, "")).unwrap_err();
        assert_eq!(refused.code(), expected, "{role}: {refused}");
    }
}

#[test]
fn tenants_see_nothing_of_each_other() {
    let fogbell = Fogbell::start_with(&tenants(), &FILES);
    let summary = Client::python(&[
        "traces",
        "--endpoint",
        &fogbell.grpc_url(),
        "--token",
        &token("ingest"),
        "--requests",
        "20",
    ])
    .summary();
    assert_eq!(summary["failed_exports"], 0, "{summary}");
    let look = |path: &str, role: &str| {
        let bearer = format!("Bearer {}", token(role));
        http::get(&fogbell.api_url(path), &[("authorization", &bearer)]).unwrap().text()
    };
    crate::harness::wait::until("the SLOs", std::time::Duration::from_secs(10), || {
        look("/api/v1/slos", "viewer").contains("storefront").then_some(())
    });
    for path in ["/api/v1/slos", "/metrics"] {
        assert!(look(path, "viewer").contains("storefront"), "{path}");
        assert!(!look(path, "other").contains("storefront"), "{path}");
    }
}
