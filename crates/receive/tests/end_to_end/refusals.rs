use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use otlp::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic_types::StatusExt;

use crate::client::{GrpcAnswer, HttpAnswer, frame, grpc, grpc_path, http, http_path, post};
use crate::harness::{REQUEST_BYTES_MAX, Server};
use crate::requests::{SIGNALS, pack, protobuf};

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");

/// Headers, body, and words of the answer.
type Row<'a> = (&'a [(&'a str, &'a str)], Bytes, &'a str);

async fn call(server: &Server, headers: &[(&str, &str)], body: Bytes) -> GrpcAnswer {
    grpc(server.grpc, grpc_path(Signal::Traces), headers, body).await
}

fn expect_grpc(answer: &GrpcAnswer, code: Code, words: &str) {
    assert_eq!(answer.status.code(), code, "{answer:?}");
    assert!(answer.status.message().contains(words), "{answer:?}");
    let details = answer.status.get_error_details();
    assert!(details.retry_info().is_none(), "it must not be sent again: {answer:?}");
    assert_eq!(details.bad_request().is_some(), code == Code::InvalidArgument, "{answer:?}");
}

/// Checks a refusal for good, and that its body is a `Status` in the encoding of the request.
fn expect_http(answer: &HttpAnswer, encoding: (&str, &str), status: u16, code: Code, words: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some(encoding.1));
    let (number, message) = answer.rpc_status();
    assert_eq!(number, i32::from(code));
    assert!(message.contains(words), "{message}");
    assert_eq!(answer.header("retry-after"), None, "it must not be sent again");
}

#[tokio::test]
async fn malformed_messages_are_invalid_arguments() {
    let server = Server::open();
    let whole = frame(0, &protobuf(Signal::Traces, 3));
    let two = Bytes::from([&whole[..], &whole[..]].concat());
    let rows: [Row<'_>; 9] = [
        (&[], frame(0, &[0x0a, 0x05, 1]), "malformed OTLP request at byte"),
        (&[], Bytes::new(), "ends before its message"),
        (&[], whole.slice(..3), "ends before its message"),
        (&[], whole.slice(..whole.len() / 2), "ends inside its message"),
        (&[], two, "more than one message"),
        (&[], frame(2, b""), "neither 0 nor 1"),
        (&[], frame(1, b"x"), "grpc-encoding names nothing"),
        (&[("grpc-encoding", "gzip")], frame(1, b"not gzip"), "cannot decompress"),
        (
            &[("grpc-encoding", "zstd")],
            frame(1, &pack("zstd", &[1; 999])[..9]),
            "cannot decompress",
        ),
    ];
    for (headers, body, words) in rows {
        expect_grpc(&call(&server, headers, body).await, Code::InvalidArgument, words);
    }
    assert_eq!(server.count(), 0);
    assert_eq!(server.gate.admission().in_flight(), 0);
}

#[tokio::test]
async fn malformed_bodies_are_bad_requests() {
    let server = Server::open();
    for signal in SIGNALS {
        let answer = post(server.http, signal, &[], vec![0x0a, 0x05, 1]).await;
        expect_http(
            &answer,
            PROTOBUF,
            400,
            Code::InvalidArgument,
            "malformed OTLP request at byte",
        );
        let body = "{\n  \"resourceSpans\": [}";
        let answer = http(server.http, "POST", http_path(signal), &[JSON], body).await;
        expect_http(&answer, JSON, 400, Code::InvalidArgument, "line 2, column 21");
        let violation = &answer.json()["details"][0]["fieldViolations"][0]["description"];
        assert!(violation.as_str().is_some_and(|text| text.contains("line 2")), "{violation}");
        for encoding in ["gzip", "zstd", "deflate"] {
            let whole = pack(encoding, &protobuf(signal, 100));
            let headers = [("content-encoding", encoding)];
            let answer =
                post(server.http, signal, &headers, whole[..whole.len() / 2].to_vec()).await;
            expect_http(&answer, PROTOBUF, 400, Code::InvalidArgument, "cannot decompress");
        }
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn too_large_before_inflating_must_not_be_sent_again() {
    let server = Server::open();
    let large = vec![0u8; REQUEST_BYTES_MAX + 1];
    let words = "receive.request_bytes_max";
    let answer = call(&server, &[], frame(0, &large)).await;
    expect_grpc(&answer, Code::ResourceExhausted, words);
    let answer = post(server.http, Signal::Traces, &[], large.clone()).await;
    expect_http(&answer, PROTOBUF, 413, Code::ResourceExhausted, words);
    let answer = http(server.http, "POST", "/v1/logs", &[JSON], large).await;
    expect_http(&answer, JSON, 413, Code::ResourceExhausted, words);
    // Announced, never sent: the announcement is enough.
    let announced = [&[0u8][..], &u32::MAX.to_be_bytes()].concat();
    let answer = call(&server, &[], announced.into()).await;
    expect_grpc(&answer, Code::ResourceExhausted, words);
    assert_eq!(server.gate.admission().in_flight(), 0);
}

#[tokio::test]
async fn too_large_after_inflating_must_not_be_sent_again() {
    let server = Server::open();
    let large = vec![0u8; 12_000_000];
    for encoding in ["gzip", "zstd"] {
        let packed = pack(encoding, &large);
        assert!(packed.len() < 20_000, "a bomb");
        let answer = call(&server, &[("grpc-encoding", encoding)], frame(1, &packed)).await;
        expect_grpc(&answer, Code::ResourceExhausted, "");
    }
    for encoding in ["gzip", "zstd", "deflate"] {
        let headers = [("content-encoding", encoding)];
        let answer = post(server.http, Signal::Traces, &headers, pack(encoding, &large)).await;
        expect_http(&answer, PROTOBUF, 413, Code::ResourceExhausted, "");
    }
    assert_eq!((server.count(), server.gate.admission().in_flight()), (0, 0));
}

#[tokio::test]
async fn a_foreign_compression_is_answered_with_those_spoken() {
    let server = Server::open();
    let answer = call(&server, &[("grpc-encoding", "snappy")], frame(1, b"x")).await;
    expect_grpc(&answer, Code::Unimplemented, "\"snappy\"");
    let spoken = answer.headers.get("grpc-accept-encoding").and_then(|v| v.to_str().ok());
    assert_eq!(spoken, Some("gzip,zstd,identity"));
    let answer = post(server.http, Signal::Traces, &[("content-encoding", "br")], "x").await;
    expect_http(&answer, PROTOBUF, 415, Code::Unimplemented, "\"br\"");
    assert_eq!(answer.header("accept-encoding"), Some("gzip, zstd, deflate"));
}

#[tokio::test]
async fn a_foreign_content_type_is_unsupported() {
    let server = Server::open();
    for kind in ["text/plain", "application/jsonl", "application/x-protobufs; charset=utf-8"] {
        let answer = http(server.http, "POST", "/v1/traces", &[("content-type", kind)], "{}").await;
        expect_http(&answer, PROTOBUF, 415, Code::Unimplemented, kind);
    }
    let answer = http(server.http, "POST", "/v1/traces", &[], "{}").await;
    expect_http(&answer, JSON, 415, Code::Unimplemented, "content-type \"\"");
    for kind in ["application/x-protobuf", "application/grpc+json", "application/grpc-web"] {
        let answer = call(&server, &[("content-type", kind)], frame(0, b"")).await;
        assert_eq!((answer.http.as_u16(), answer.status.code()), (415, Code::Unimplemented));
    }
    for kind in ["application/grpc", "application/grpc+proto", "application/grpc; x=y"] {
        let answer = call(&server, &[("content-type", kind)], frame(0, b"")).await;
        assert_eq!((answer.http.as_u16(), answer.status.code()), (200, Code::Ok));
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_named() {
    let server = Server::open();
    let answer = http(server.http, "POST", "/v1/spans", &[PROTOBUF], "").await;
    expect_http(&answer, PROTOBUF, 404, Code::Unimplemented, "/v1/traces, /v1/metrics or /v1/logs");
    let answer = http(server.http, "GET", "/v1/traces", &[], "").await;
    expect_http(&answer, JSON, 405, Code::Unimplemented, "POST");
    assert_eq!(answer.header("allow"), Some("POST"));
    let profiles = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";
    let answer = grpc(server.grpc, profiles, &[], frame(0, b"")).await;
    expect_grpc(&answer, Code::Unimplemented, profiles);
}

#[tokio::test]
async fn credentials_are_checked_before_the_body_is_read() {
    let server = Server::guarded();
    let rows = [
        (None, Code::Unauthenticated, 401),
        (Some("Bearer guess"), Code::Unauthenticated, 401),
        (Some("Bearer viewer"), Code::PermissionDenied, 403),
    ];
    for (credential, code, status) in rows {
        let headers: Vec<_> = credential.map(|c| ("authorization", c)).into_iter().collect();
        // Were this body read, it would be too large.
        let announced = Bytes::from([&[0u8][..], &u32::MAX.to_be_bytes()].concat());
        expect_grpc(&call(&server, &headers, announced).await, code, "credential");
        let answer = post(server.http, Signal::Logs, &headers, "not OTLP at all").await;
        expect_http(&answer, PROTOBUF, status, code, "credential");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge.is_some(), status == 401);
    }
    let headers = [("authorization", "Bearer sender")];
    let answer = call(&server, &headers, frame(0, &protobuf(Signal::Traces, 1))).await;
    assert_eq!(answer.status.code(), Code::Ok);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_client_that_is_still_sending_hears_why_it_is_refused() {
    let server = Server::guarded();
    let large = vec![0; 8 << 20];
    for (credential, status) in [("Bearer guess", "401"), ("Bearer sender", "413")] {
        let mut stream = TcpStream::connect(server.http).await.expect("connect");
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: door\r\ncontent-type: application/json\r\n\
             authorization: {credential}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            large.len()
        );
        stream.write_all(head.as_bytes()).await.expect("the head is written");
        stream.write_all(&large).await.expect("all of the body is written");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await.expect("the answer is read");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[tokio::test]
async fn while_it_drains_everything_is_to_come_again() {
    let server = Server::open();
    server.gate.drain();
    let answer = call(&server, &[], frame(0, &protobuf(Signal::Traces, 1))).await;
    assert_eq!(answer.status.code(), Code::Unavailable);
    let retry = answer.status.get_error_details().retry_info().and_then(|info| info.retry_delay);
    assert!(retry.is_some_and(|delay| delay >= Duration::from_secs(5)), "{answer:?}");
    for kind in [PROTOBUF, JSON] {
        let answer = http(server.http, "POST", "/v1/traces", &[kind], "{}").await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.rpc_status().0, i32::from(Code::Unavailable));
        let after = answer.header("retry-after").and_then(|text| text.parse::<u64>().ok());
        assert!(after.is_some_and(|seconds| seconds >= 5), "{answer:?}");
    }
}

#[tokio::test]
async fn a_tenant_without_a_place_is_to_come_again_and_counts_once_it_has_one() {
    let server = Server::open();
    server.intake.tenants_max.store(1, Ordering::Relaxed);
    let body = protobuf(Signal::Traces, 3);
    let (first, second) = ([("x-scope-orgid", "first")], [("x-scope-orgid", "second")]);
    assert_eq!(post(server.http, Signal::Traces, &first, body.clone()).await.status, 200);
    let answer = call(&server, &second, frame(0, &body)).await;
    assert_eq!(answer.status.code(), Code::Unavailable, "{answer:?}");
    let retry = answer.status.get_error_details().retry_info().and_then(|info| info.retry_delay);
    assert!(retry.is_some_and(|delay| delay >= Duration::from_secs(30)), "{answer:?}");
    let answer = post(server.http, Signal::Traces, &second, body.clone()).await;
    assert_eq!((answer.status.as_u16(), answer.rpc_status().0), (503, 14));
    let seconds = answer.header("retry-after").and_then(|value| value.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds >= 30), "{answer:?}");
    assert_eq!((server.count(), server.gate.admission().in_flight()), (1, 0));

    server.intake.tenants_max.store(2, Ordering::Relaxed);
    assert_eq!(call(&server, &second, frame(0, &body)).await.status.code(), Code::Ok);
    assert_eq!(server.count(), 2, "what was refused is no repeat");
}

#[tokio::test]
async fn a_message_with_any_text_reaches_the_client_as_it_is() {
    let server = Server::open();
    let path = "/a%20b/100%25\u{7e}";
    let answer = grpc(server.grpc, path, &[], frame(0, b"")).await;
    expect_grpc(&answer, Code::Unimplemented, path);
    let raw = answer.headers.get("grpc-message").map(|value| value.as_bytes().to_vec());
    assert!(
        raw.is_some_and(|raw| raw.windows(3).any(|w| w == b"%25")),
        "percent-encoded on the wire"
    );
}
