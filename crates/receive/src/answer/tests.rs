use super::*;

fn overloaded() -> Refusal {
    Refusal::Overloaded { reason: "memory", retry_after: Duration::from_millis(1500) }
}

#[test]
fn each_refusal_has_the_codes_of_the_specification() {
    let rows = [
        (Refusal::Malformed("x".to_owned()), Code::InvalidArgument, 400, false),
        (Refusal::TooLarge { bytes_max: 1 }, Code::ResourceExhausted, 413, false),
        (Refusal::Unsupported("x".to_owned()), Code::Unimplemented, 415, false),
        (Refusal::Unauthenticated, Code::Unauthenticated, 401, false),
        (Refusal::Forbidden, Code::PermissionDenied, 403, false),
        (overloaded(), Code::Unavailable, 503, true),
    ];
    for (refusal, code, http, retryable) in rows {
        let status = refusal.status();
        assert_eq!(status.code(), code, "{refusal:?}");
        assert_eq!(status.get_error_details().retry_info().is_some(), retryable, "{refusal:?}");
        let response = http_response(Signal::Traces, Encoding::Json, &Answer::Refused(refusal));
        assert_eq!(response.status().as_u16(), http);
        assert_eq!(response.headers().contains_key(header::RETRY_AFTER), retryable);
    }
}

#[test]
fn a_refusal_body_is_a_google_rpc_status() {
    for refusal in [overloaded(), Refusal::Forbidden] {
        let body = refusal_body(&refusal, Encoding::Protobuf);
        let status = tonic_types::Status::decode(&body[..]).expect("a Status");
        assert_eq!(status.code, i32::from(refusal.status().code()));
        assert!(!status.message.is_empty());
    }
}

#[test]
fn retry_after_is_rounded_up_to_whole_seconds() {
    let response =
        http_response(Signal::Logs, Encoding::Protobuf, &Answer::Refused(overloaded()));
    assert_eq!(response.headers()[header::RETRY_AFTER], "2");
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
