use std::time::Duration;

use tonic::Code;
use tonic_types::StatusExt;

use super::*;

const RETRY_AFTER: Duration = Duration::from_millis(1500);

fn overloaded() -> Refusal {
    Refusal::Overloaded { reason: "memory", retry_after: RETRY_AFTER }
}

fn text() -> String {
    "x".to_owned()
}

#[test]
fn each_refusal_has_the_codes_of_the_specification() {
    let rows = [
        (Refusal::Malformed(text()), Code::InvalidArgument, 400, false),
        (Refusal::TooLarge { bytes_max: 1 }, Code::ResourceExhausted, 413, false),
        (Refusal::TooDense { ratio_max: 1 }, Code::ResourceExhausted, 413, false),
        (Refusal::ContentType(text()), Code::Unimplemented, 415, false),
        (Refusal::Compression(text()), Code::Unimplemented, 415, false),
        (Refusal::Path(text()), Code::Unimplemented, 404, false),
        (Refusal::Method, Code::Unimplemented, 405, false),
        (Refusal::Unauthenticated, Code::Unauthenticated, 401, false),
        (Refusal::Forbidden, Code::PermissionDenied, 403, false),
        (Refusal::BrokenOff("x"), Code::Cancelled, 408, false),
        (Refusal::OverQuota { retry_after: RETRY_AFTER }, Code::ResourceExhausted, 429, true),
        (overloaded(), Code::Unavailable, 503, true),
    ];
    for (refusal, code, http, retryable) in rows {
        let status = refusal.status();
        assert_eq!(status.code(), code, "{refusal:?}");
        assert_eq!(status.get_error_details().retry_info().is_some(), retryable, "{refusal:?}");
        let json = refusal.json();
        assert_eq!(json["code"], i32::from(code));
        let retry = json["details"][0]["@type"].as_str().is_some_and(|t| t.ends_with("RetryInfo"));
        assert_eq!(retry, retryable, "{json}");
        let response = http_response(Signal::Traces, Encoding::Json, &Answer::Refused(refusal));
        assert_eq!(response.status().as_u16(), http);
        assert_eq!(response.headers().contains_key(header::RETRY_AFTER), retryable);
    }
}

#[test]
fn a_refusal_body_is_a_google_rpc_status() {
    for (refusal, details) in [(overloaded(), 1), (Refusal::Forbidden, 0)] {
        let status = tonic_types::Status::decode(&status_message(&refusal)[..]).expect("a Status");
        assert_eq!(status.code, i32::from(refusal.code()));
        assert_eq!(status.details.len(), details);
        assert!(!status.message.is_empty());
    }
}

#[test]
fn retry_after_is_rounded_up_to_whole_seconds() {
    let response = refusal_response(&overloaded(), Encoding::Protobuf);
    assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    assert_eq!(overloaded().json()["details"][0]["retryDelay"], "1.500s");
}

#[test]
fn partial_success_counts_in_the_field_of_its_signal() {
    let answer = Answer::Partial { rejected: 3, message: "why".to_owned() };
    let logs = ExportLogsServiceResponse::decode(&response_message(Signal::Logs, &answer)[..]);
    let partial = logs.ok().and_then(|r| r.partial_success).expect("partial");
    assert_eq!((partial.rejected_log_records, partial.error_message.as_str()), (3, "why"));
    let json: serde_json::Value =
        serde_json::from_slice(&response_json(Signal::Metrics, &answer)).expect("JSON");
    assert_eq!(json["partialSuccess"]["rejectedDataPoints"], "3");
    assert!(response_message(Signal::Traces, &Answer::Accepted).is_empty());
}
