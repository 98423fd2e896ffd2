use std::time::Duration;

use auth::{Credential, Role};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use otlp::Signal;
use prost::Message;
use receive::GateOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic_types::StatusExt;

use crate::client::{frame, grpc, grpc_path, http, post};
use crate::harness::{IN_FLIGHT_BYTES_MAX, REQUEST_BYTES_MAX, Server, options};
use crate::requests::{pack, protobuf, traces};

/// A request that has sent so much of its body and leaves the rest open.
async fn hold(server: &Server, token: &str, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.http).await.expect("connect");
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: door\r\ncontent-type: application/x-protobuf\r\n\
         authorization: Bearer {token}\r\ncontent-length: {REQUEST_BYTES_MAX}\r\n\r\n"
    );
    let before = server.gate.admission().in_flight();
    stream.write_all(head.as_bytes()).await.expect("head");
    stream.write_all(&vec![0; bytes]).await.expect("body");
    server.until(|server| server.gate.admission().in_flight() == before + bytes).await;
    stream
}

#[tokio::test]
async fn a_full_budget_refuses_retryably_and_is_given_back() {
    let server = Server::open();
    let share = REQUEST_BYTES_MAX - 1;
    let mut held = Vec::new();
    for _ in 0..IN_FLIGHT_BYTES_MAX / share {
        held.push(hold(&server, "", share).await);
    }
    assert!(server.gate.admission().in_flight() > IN_FLIGHT_BYTES_MAX - 100);
    let body = protobuf(Signal::Traces, 10);
    let message = frame(0, &body);
    let answer = grpc(server.grpc, grpc_path(Signal::Traces), &[], message.clone()).await;
    assert_eq!(answer.status.code(), Code::Unavailable, "{answer:?}");
    let retry = answer.status.get_error_details().retry_info().and_then(|info| info.retry_delay);
    assert!(retry.is_some_and(|delay| delay >= Duration::from_secs(1)));
    let answer = post(server.http, Signal::Traces, &[], body.clone()).await;
    assert_eq!((answer.status.as_u16(), answer.rpc_status().0), (503, 14));
    assert!(answer.header("retry-after").is_some());
    assert_eq!((server.count(), server.gate.admission().refused()), (0, 2));

    drop(held);
    server.until(|server| server.gate.admission().in_flight() == 0).await;
    let answer = grpc(server.grpc, grpc_path(Signal::Traces), &[], message).await;
    assert_eq!((answer.status.code(), server.count()), (Code::Ok, 1), "a retry counts");
}

#[tokio::test]
async fn a_tenant_over_its_share_waits_and_others_do_not() {
    let credentials = ["shop", "bank"]
        .map(|name| Credential::new(name.into(), Role::Ingest, name.to_owned()))
        .into();
    let server = Server::start(options(), credentials);
    let bank = [("authorization", "Bearer bank")];
    let shop = [("authorization", "Bearer shop")];
    let body = || protobuf(Signal::Traces, 10);
    assert_eq!(post(server.http, Signal::Traces, &bank, body()).await.status, 200);
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(hold(&server, "shop", REQUEST_BYTES_MAX - 1).await);
    }
    let answer = post(server.http, Signal::Traces, &shop, body()).await;
    assert_eq!((answer.status.as_u16(), answer.rpc_status().0), (429, 8));
    assert!(answer.header("retry-after").is_some());
    let message = frame(0, &body());
    let answer = grpc(server.grpc, grpc_path(Signal::Traces), &shop, message).await;
    assert_eq!(answer.status.code(), Code::ResourceExhausted);
    assert!(answer.status.get_error_details().retry_info().is_some());
    assert_eq!(post(server.http, Signal::Traces, &bank, body()).await.status, 200);
}

#[tokio::test]
async fn a_client_that_breaks_off_leaves_nothing_behind() {
    let server = Server::open();
    drop(hold(&server, "", 1000).await);
    server.until(|server| server.gate.admission().in_flight() == 0).await;
    // Half a request, and then the end of what it sends: it may still listen.
    let mut stream = hold(&server, "", 1000).await;
    stream.shutdown().await.expect("shutdown");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    server.until(|server| server.gate.admission().in_flight() == 0).await;
    // A reset of a gRPC call in the middle of its message.
    let (mut sender, connection) =
        h2::client::handshake(TcpStream::connect(server.grpc).await.expect("connect"))
            .await
            .expect("handshake");
    let connection = tokio::spawn(connection);
    let request = http::Request::builder()
        .method("POST")
        .uri(format!("http://door{}", grpc_path(Signal::Traces)))
        .header("content-type", "application/grpc")
        .body(())
        .expect("request");
    let (_response, mut body) = sender.send_request(request, false).expect("send");
    let part = frame(0, &protobuf(Signal::Traces, 100)).slice(..500);
    body.send_data(part, false).expect("data");
    server.until(|server| server.gate.admission().in_flight() == 500).await;
    body.send_reset(h2::Reason::CANCEL);
    server.until(|server| server.gate.admission().in_flight() == 0).await;
    connection.abort();
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn what_many_requests_inflate_to_together_stays_within_the_budget() {
    // The journal takes its time, so that all of them are in the daemon at once.
    let server = Server::durable();
    let _ = server.intake.journal.send_replace(None);
    let started: Vec<_> = (0..40)
        .map(|_| {
            let packed = frame(1, &pack("zstd", &traces(8_000, 0).encode_to_vec()));
            let address = server.grpc;
            tokio::spawn(async move {
                let headers = [("grpc-encoding", "zstd")];
                grpc(address, grpc_path(Signal::Traces), &headers, packed).await.status.code()
            })
        })
        .collect();
    server.until(|server| server.count() == started.len()).await;
    assert_eq!(server.gate.admission().in_flight(), 0, "who waits for the journal holds no memory");
    let _ = server.intake.journal.send_replace(Some(true));
    for call in started {
        assert_eq!(call.await.expect("no panic"), Code::Ok);
    }
}

#[tokio::test]
async fn a_dense_bomb_within_the_size_limit_is_refused_for_its_ratio() {
    let roomy =
        GateOptions { request_bytes_max: 16 << 20, in_flight_bytes_max: 64 << 20, ..options() };
    let server = Server::start(roomy, Vec::new());
    let bomb = pack("zstd", &vec![0; 12_000_000]);
    assert!(bomb.len() < 4096);
    let headers = [("content-encoding", "zstd")];
    let answer = post(server.http, Signal::Traces, &headers, bomb.clone()).await;
    assert_eq!((answer.status.as_u16(), answer.rpc_status().0), (413, 8));
    let headers = [("grpc-encoding", "zstd")];
    let answer = grpc(server.grpc, grpc_path(Signal::Traces), &headers, frame(1, &bomb)).await;
    assert_eq!(answer.status.code(), Code::ResourceExhausted);
    assert!(answer.status.message().contains("200 times"), "{answer:?}");
    assert!(answer.status.get_error_details().retry_info().is_none());
}

#[tokio::test]
async fn millions_of_empty_spans_are_rejected_one_by_one() {
    let roomy =
        GateOptions { request_bytes_max: 16 << 20, in_flight_bytes_max: 64 << 20, ..options() };
    let server = Server::start(roomy, Vec::new());
    // One resource with one scope that holds 4 MiB of empty spans.
    let spans = [0x12, 0x00].repeat(2 << 20);
    let nest = |field: u8, inner: &[u8]| {
        let mut outer = vec![field];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend_from_slice(inner);
        outer
    };
    let request = nest(0x0a, &nest(0x12, &spans));
    let packed = pack("gzip", &request);
    assert!(packed.len() * 200 < request.len(), "{}", packed.len());
    let headers = [("content-encoding", "gzip")];
    assert_eq!(post(server.http, Signal::Traces, &headers, packed).await.status, 413);
    let answer = post(server.http, Signal::Traces, &[], request).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() < 1000 && server.gate.admission().in_flight() == 0);
    let body = ExportTraceServiceResponse::decode(answer.body);
    let rejected = body.ok().and_then(|body| body.partial_success).map(|p| p.rejected_spans);
    assert_eq!(rejected, Some(2 << 20));
}

#[tokio::test]
async fn a_body_without_announced_length_is_capped_all_the_same() {
    let server = Server::open();
    let stream = TcpStream::connect(server.http).await.expect("connect");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("handshake");
    let connection = tokio::spawn(connection);
    let piece =
        || Ok::<_, std::convert::Infallible>(http_body::Frame::data(Bytes::from(vec![0; 99_999])));
    let pieces = tokio_stream::iter((0..20).map(move |_| piece()));
    let request = http::Request::post("/v1/traces")
        .header("host", "door")
        .header("content-type", "application/x-protobuf")
        .body(http_body_util::StreamBody::new(pieces))
        .expect("request");
    let response = sender.send_request(request).await.expect("a response");
    assert_eq!(response.status(), 413);
    let _ = response.into_body().collect().await.expect("a body");
    assert_eq!(server.gate.admission().in_flight(), 0);
    connection.abort();
    let answer = http(server.http, "GET", "/v1/logs", &[], "").await;
    assert_eq!(answer.status, 405, "and the door stands");
}
