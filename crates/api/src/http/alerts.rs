//! The intake of alerts, compatible with Alertmanager's `POST /api/v2/alerts`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use model::{Labels, RaisedAlert, Timestamp};
use serde::Deserialize;
use tonic::Code;

use super::sent;
use crate::fault::Fault;
use crate::shared::Shared;

/// The most alerts in one request; Prometheus sends 256 at once.
const ALERTS_MAX: usize = 10_000;
/// The most labels, and the most annotations, of one alert.
const LABELS_MAX: usize = 64;
/// The longest name of a label or annotation, and the longest value.
const NAME_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 4096;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    labels: Option<Labels>,
    #[serde(default)]
    annotations: Option<Labels>,
    #[serde(default)]
    starts_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
}

/// Takes alerts: 200 once they are queued, 400 if one of them cannot be read, and then none is
/// taken; 503 if the queue is full.
pub(super) async fn post(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let taken = async {
        let (caller, body) = sent(&shared, request).await?;
        let alerts = read(&body)?;
        if alerts.is_empty() || shared.control.raise(&caller.tenant, alerts) {
            return Ok(());
        }
        Err(Fault::new(Code::Unavailable, "the daemon is busy or drains; send the alerts again"))
    };
    match taken.await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(fault) => fault.into_response(),
    }
}

fn read(body: &[u8]) -> Result<Vec<RaisedAlert>, Fault> {
    let posted: Vec<Posted> = serde_json::from_slice(body).map_err(|error| {
        Fault::invalid("body", format_args!("an array of alerts with labels is needed: {error}"))
    })?;
    if posted.len() > ALERTS_MAX {
        let what = format!("{} are more than the {ALERTS_MAX} of one request", posted.len());
        return Err(Fault::invalid("alerts", what));
    }
    posted.into_iter().enumerate().map(|(index, alert)| checked(index, alert)).collect()
}

fn checked(index: usize, posted: Posted) -> Result<RaisedAlert, Fault> {
    let field = |name: &str| format!("alerts[{index}].{name}");
    let labels = bounded(&field("labels"), posted.labels.unwrap_or_default())?;
    if labels.is_empty() {
        return Err(Fault::invalid(&field("labels"), "at least one label with a value is needed"));
    }
    let annotations = bounded(&field("annotations"), posted.annotations.unwrap_or_default())?;
    let starts_at = moment(&field("startsAt"), posted.starts_at)?;
    let ends_at = moment(&field("endsAt"), posted.ends_at)?;
    if ends_at.is_set() && ends_at < starts_at {
        return Err(Fault::invalid(&field("endsAt"), "lies before startsAt"));
    }
    Ok(RaisedAlert { labels, annotations, starts_at, ends_at })
}

/// Without empty values, which Prometheus takes for no label.
fn bounded(field: &str, mut labels: Labels) -> Result<Labels, Fault> {
    labels.retain(|_, value| !value.is_empty());
    if labels.len() > LABELS_MAX {
        let what = format!("{} are more than {LABELS_MAX}", labels.len());
        return Err(Fault::invalid(field, what));
    }
    for (name, value) in &labels {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            let what = format!("a name of 1 to {NAME_BYTES_MAX} bytes is needed: {name:.32?}");
            return Err(Fault::invalid(field, what));
        }
        if value.len() > VALUE_BYTES_MAX {
            let what = format!("the value is longer than {VALUE_BYTES_MAX} bytes");
            return Err(Fault::invalid(&format!("{field}.{name}"), what));
        }
    }
    Ok(labels)
}

/// RFC 3339; the zero of Go's clock is no time.
pub(super) fn moment(field: &str, text: Option<String>) -> Result<Timestamp, Fault> {
    let Some(text) = text.filter(|text| !text.is_empty() && !text.starts_with("0001-01-01")) else {
        return Ok(Timestamp::ZERO);
    };
    contract::timestamp_of_rfc3339(&text)
        .ok_or_else(|| Fault::invalid(field, format_args!("{text:?} is no time as in RFC 3339")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_read_as_alertmanager_reads_them() {
        let body = br#"[
            {"labels": {"alertname": "Down", "job": "", "service": "cart"},
             "annotations": {"summary": "gone"}, "startsAt": "2026-11-27T08:00:00.5Z",
             "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus/graph"},
            {"labels": {"alertname": "Slow"}, "endsAt": "2026-11-27T09:00:00+01:00"}
        ]"#;
        let alerts = read(body).expect("well-formed");
        let at = Timestamp::from_unix_s(1_795_766_400);
        assert_eq!(alerts[0].labels.len(), 2);
        assert_eq!(alerts[0].starts_at.unix_ms(), at.unix_ms() + 500);
        assert!(!alerts[0].ends_at.is_set());
        assert_eq!((alerts[1].starts_at, alerts[1].ends_at), (Timestamp::ZERO, at));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        for (body, expected) in [
            (r#"{"labels": {}}"#, "body: an array of alerts"),
            (r#"[{"labels": {"a": "b"}}, {"labels": {"a": ""}}]"#, "alerts[1].labels: at least"),
            (r#"[{}]"#, "alerts[0].labels: at least"),
            (r#"[{"labels": {"a": "b"}, "startsAt": "noon"}]"#, "alerts[0].startsAt: \"noon\""),
            (
                r#"[{"labels": {"a": "b"}, "startsAt": "2026-01-02T00:00:00Z",
                     "endsAt": "2026-01-01T00:00:00Z"}]"#,
                "alerts[0].endsAt: lies before",
            ),
        ] {
            let fault = read(body.as_bytes()).expect_err(body);
            assert!(fault.message.starts_with(expected), "{}", fault.message);
        }
    }
}
