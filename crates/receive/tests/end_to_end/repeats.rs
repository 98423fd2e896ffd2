use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use otlp::Signal;
use prost::Message;
use tonic::Code;
use tonic_types::StatusExt;

use crate::client::{export, frame, grpc, grpc_path, post};
use crate::harness::Server;
use crate::requests::{pack, protobuf, traces};

#[tokio::test]
async fn the_same_bytes_count_once_however_they_come() {
    let server = Server::open();
    let bytes = protobuf(Signal::Traces, 50);
    for _ in 0..2 {
        assert_eq!(export(server.grpc, Signal::Traces, &bytes).await.status.code(), Code::Ok);
        assert_eq!(post(server.http, Signal::Traces, &[], bytes.clone()).await.status, 200);
        let headers = [("content-encoding", "gzip")];
        let packed = pack("gzip", &bytes);
        assert_eq!(post(server.http, Signal::Traces, &headers, packed).await.status, 200);
    }
    assert_eq!(server.count(), 1);
    let headers = [("x-scope-orgid", "other")];
    assert_eq!(post(server.http, Signal::Traces, &headers, bytes).await.status, 200);
    assert_eq!(server.count(), 2, "another tenant's are its own");
}

#[tokio::test]
async fn a_repeat_of_a_partly_rejected_request_is_told_so_again() {
    let server = Server::open();
    let bytes = traces(2, 3).encode_to_vec();
    for _ in 0..2 {
        let answer = export(server.grpc, Signal::Traces, &bytes).await;
        let response = ExportTraceServiceResponse::decode(answer.message.slice(5..));
        let partial = response.ok().and_then(|r| r.partial_success);
        assert_eq!(partial.map(|partial| partial.rejected_spans), Some(3));
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn what_was_refused_counts_when_it_comes_again() {
    let server = Server::open();
    let bytes = protobuf(Signal::Traces, 50);
    let truncated = &bytes[..bytes.len() - 1];
    for _ in 0..2 {
        let answer = export(server.grpc, Signal::Traces, truncated).await;
        assert_eq!(answer.status.code(), Code::InvalidArgument, "refused each time");
    }
    assert_eq!(export(server.grpc, Signal::Traces, &bytes).await.status.code(), Code::Ok);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn durable_answers_only_once_the_journal_has_and_a_retry_meanwhile_waits() {
    let server = Server::durable();
    let _ = server.intake.journal.send_replace(None);
    let bytes = protobuf(Signal::Traces, 50);
    let call = || {
        let (address, bytes) = (server.grpc, bytes.clone());
        tokio::spawn(async move { export(address, Signal::Traces, &bytes).await.status.code() })
    };
    let first = call();
    server.until(|server| server.count() == 1).await;
    let retry = call();
    // The retry is read whole and waits for the first: its bytes are in flight, the first's not.
    server.until(|server| server.gate.admission().in_flight() >= bytes.len()).await;
    assert!(!first.is_finished() && !retry.is_finished());
    let _ = server.intake.journal.send_replace(Some(true));
    assert_eq!(first.await.ok(), Some(Code::Ok));
    assert_eq!(retry.await.ok(), Some(Code::Ok));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_journal_that_fails_is_told_retryably_and_the_retry_is_not_observed_again() {
    let server = Server::durable();
    let _ = server.intake.journal.send_replace(Some(false));
    let bytes = protobuf(Signal::Traces, 50);
    let answer = export(server.grpc, Signal::Traces, &bytes).await;
    assert_eq!(answer.status.code(), Code::Unavailable);
    assert!(answer.status.get_error_details().retry_info().is_some());
    let answer = post(server.http, Signal::Traces, &[], bytes.clone()).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    let _ = server.intake.journal.send_replace(Some(true));
    assert_eq!(export(server.grpc, Signal::Traces, &bytes).await.status.code(), Code::Ok);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_client_that_gives_up_on_the_journal_and_retries_counts_once() {
    let server = Server::durable();
    let _ = server.intake.journal.send_replace(None);
    let bytes = protobuf(Signal::Traces, 50);
    let (address, sent) = (server.grpc, bytes.clone());
    let first = tokio::spawn(async move {
        let headers = [("grpc-timeout", "100m")];
        grpc(address, grpc_path(Signal::Traces), &headers, frame(0, &sent)).await.status.code()
    });
    server.until(|server| server.count() == 1).await;
    let code = first.await.expect("no panic");
    assert!(matches!(code, Code::Cancelled | Code::DeadlineExceeded), "{code:?}");
    let _ = server.intake.journal.send_replace(Some(true));
    assert_eq!(export(server.grpc, Signal::Traces, &bytes).await.status.code(), Code::Ok);
    assert_eq!(server.count(), 1);
}
