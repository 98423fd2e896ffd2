//! The intake of changes: deploys, flags, configuration, migrations, infrastructure.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use model::{Change, Fingerprint, Labels};
use serde::Deserialize;
use serde_json::Value;
use tonic::Code;

use super::alerts::moment;
use super::sent;
use crate::fault::Fault;
use crate::shared::Shared;

/// The most changes in one request.
const CHANGES_MAX: usize = 100;
/// The longest text of each field.
const TEXT_BYTES_MAX: usize = 1024;
const KINDS: [&str; 5] = ["deploy", "flag", "config", "migration", "infrastructure"];

/// `fogbell.v1.Change` as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    #[serde(default)]
    id: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    service: String,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    at: Option<String>,
    #[serde(default)]
    url: String,
    #[serde(default)]
    source: String,
}

/// Takes a change, or an array of them: 202 once they are queued, 400 if one of them cannot be read, and then none is
/// taken; 503 if the queue is full.
pub(super) async fn post(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let taken = async {
        let (caller, body) = sent(&shared, request).await?;
        let changes = read(&body)?;
        if changes.is_empty() || shared.control.change(&caller.tenant, changes) {
            return Ok(());
        }
        Err(Fault::new(Code::Unavailable, "the daemon is busy or drains; send the changes again"))
    };
    match taken.await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(fault) => fault.into_response(),
    }
}

fn read(body: &[u8]) -> Result<Vec<Change>, Fault> {
    let fault = |error: serde_json::Error| {
        Fault::invalid(
            "body",
            format_args!(
                "a change or an array of them is needed, with kind, service, summary, and if need \
                 be id, at, url, source: {error}"
            ),
        )
    };
    let body: Value = serde_json::from_slice(body).map_err(fault)?;
    let posted: Vec<Posted> = match body {
        Value::Array(_) => serde_json::from_value(body).map_err(fault)?,
        one => vec![serde_json::from_value(one).map_err(fault)?],
    };
    if posted.len() > CHANGES_MAX {
        let what = format!("{} are more than the {CHANGES_MAX} of one request", posted.len());
        return Err(Fault::invalid("changes", what));
    }
    posted.into_iter().enumerate().map(|(index, change)| checked(index, change)).collect()
}

fn checked(index: usize, posted: Posted) -> Result<Change, Fault> {
    let field = |name: &str| format!("changes[{index}].{name}");
    let Posted { mut id, kind, service, summary, at, url, mut source } = posted;
    if !KINDS.contains(&&*kind) {
        let what = format!("{kind:.32?} is none of {}", KINDS.join(", "));
        return Err(Fault::invalid(&field("kind"), what));
    }
    let texts = [("id", &id), ("service", &service), ("summary", &summary), ("url", &url)];
    for (name, text) in texts.into_iter().chain([("source", &source)]) {
        if text.len() > TEXT_BYTES_MAX {
            let what = format!("is longer than {TEXT_BYTES_MAX} bytes");
            return Err(Fault::invalid(&field(name), what));
        }
    }
    for (name, text) in [("service", &service), ("summary", &summary)] {
        if text.is_empty() {
            return Err(Fault::invalid(&field(name), "is needed"));
        }
    }
    let told_at = at.clone().unwrap_or_default();
    let at = moment(&field("at"), at)?;
    if id.is_empty() {
        // The same change that is sent again is no other one.
        let parts = [("kind", &kind), ("service", &service), ("summary", &summary)];
        let parts = parts.into_iter().chain([("at", &told_at)]);
        let labels: Labels = parts.map(|(key, text)| (key.to_owned(), text.clone())).collect();
        id = format!("posted:{:016x}", Fingerprint::of(&labels).0);
    }
    if source.is_empty() {
        "posted".clone_into(&mut source);
    }
    Ok(Change { id, kind, service, summary, at, url, source })
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;

    #[test]
    fn one_change_or_many_are_read_and_each_has_an_id() {
        let one = br#"{"kind": "deploy", "service": "cart", "summary": "cart 2.4.0",
                       "at": "2026-11-27T08:00:00Z", "url": "https://ci.example/7"}"#;
        let change = read(one).expect("well-formed").remove(0);
        assert_eq!(change.at, Timestamp::from_unix_s(1_795_766_400));
        assert_eq!((&*change.source, &*change.url), ("posted", "https://ci.example/7"));
        assert_eq!(read(one).expect("well-formed")[0].id, change.id);
        let many = br#"[{"id": "a", "kind": "flag", "service": "cart", "summary": "on"},
                        {"kind": "flag", "service": "cart", "summary": "off"}]"#;
        let many = read(many).expect("well-formed");
        assert_eq!((&*many[0].id, many[0].at), ("a", Timestamp::ZERO));
        assert_ne!(many[1].id, change.id);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        for (body, expected) in [
            ("[1]", "body: a change or an array"),
            (
                r#"{"kind": "rename", "service": "a", "summary": "b"}"#,
                "changes[0].kind: \"rename\"",
            ),
            (r#"{"kind": "deploy", "summary": "b"}"#, "changes[0].service: is needed"),
            (r#"[{"kind": "deploy", "service": "a"}]"#, "changes[0].summary: is needed"),
            (
                r#"{"kind": "deploy", "service": "a", "summary": "b", "at": "noon"}"#,
                "changes[0].at: \"noon\"",
            ),
        ] {
            let fault = read(body.as_bytes()).expect_err(body);
            assert!(fault.message.starts_with(expected), "{}", fault.message);
        }
    }
}
