//! More than the worker has time for.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use otlp::Signal;
use receive::GateOptions;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::client::{export, frame, grpc_path, http_path, post};
use crate::counters::{items, recorder, sum};
use crate::harness::{Server, options};
use crate::requests::{pack, protobuf};

const SPANS: usize = 10;
const REQUESTS: usize = 40;

/// A worker that has time for one request a round.
fn hurried() -> Server {
    let _ = recorder();
    Server::start(GateOptions { work_ahead: Duration::from_nanos(1), ..options() }, Vec::new())
}

async fn connect(address: std::net::SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("connect");
    let (sender, connection) =
        handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("handshake");
    drop(tokio::spawn(connection));
    sender
}

/// Sends all of these at once on one connection; back come those that were refused retryably.
async fn flood(server: &Server, tenant: &'static str, requests: &[Bytes]) -> Vec<Bytes> {
    let mut sender = connect(server.grpc).await;
    let mut calls = JoinSet::new();
    for body in requests.iter().cloned() {
        sender.ready().await.expect("open");
        let request = Request::post(format!("http://door{}", grpc_path(Signal::Traces)))
            .header("content-type", "application/grpc")
            .header("x-scope-orgid", tenant)
            .body(Full::new(frame(0, &body)))
            .expect("request");
        let response = sender.send_request(request);
        let _ = calls.spawn(async move {
            let response = response.await.expect("a response");
            let (parts, message) = response.into_parts();
            let message = message.collect().await.expect("a body");
            let trailers = message.trailers().unwrap_or(&parts.headers).clone();
            (Status::from_header_map(&trailers).expect("a status"), body)
        });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.len(), requests.len());
    let refused = answers.into_iter().filter(|(status, _)| status.code() != Code::Ok);
    refused
        .map(|(status, body)| {
            assert_eq!(status.code(), Code::Unavailable, "{status}");
            assert!(status.message().contains("work"), "{status}");
            let retry = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
            assert!(retry.is_some_and(|delay| delay >= Duration::from_secs(1)), "{status}");
            body
        })
        .collect()
}

#[tokio::test]
async fn what_there_is_no_time_for_is_refused_retryably_and_nothing_is_lost() {
    let server = hurried();
    let shed = || sum("fogbell_requests_shed_total", &["reason=\"work\""]);
    let shed_before = shed();
    let mut waiting: Vec<Bytes> =
        (0..REQUESTS).map(|_| protobuf(Signal::Traces, SPANS).into()).collect();
    let (mut taken, mut refused) = (0, 0);
    while !waiting.is_empty() {
        let sent = waiting.len();
        waiting = flood(&server, "hurried", &waiting).await;
        taken += sent - waiting.len();
        refused += waiting.len();
        assert!(sent > waiting.len(), "some are taken each time");
        assert_eq!(server.count(), taken, "what was accepted was observed, and nothing else");
        let spans = (taken * SPANS) as u64;
        assert_eq!(items("hurried", "traces"), [spans, spans, 0, 0]);
        assert_eq!(server.gate.admission().in_flight(), 0);
    }
    assert_eq!(taken, REQUESTS, "a refused one is no repeat when it comes again");
    assert!(refused > 0);
    assert!(shed() >= shed_before + refused as u64);
}

#[tokio::test]
async fn over_http_it_is_503_with_a_time_to_come_again() {
    let server = hurried();
    let mut sender = connect(server.http).await;
    let mut calls = JoinSet::new();
    let packed = |_| Bytes::from(pack("gzip", &protobuf(Signal::Traces, SPANS)));
    for body in (0..REQUESTS).map(packed) {
        sender.ready().await.expect("open");
        let request = Request::post(format!("http://door{}", http_path(Signal::Traces)))
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "gzip")
            .body(Full::new(body))
            .expect("request");
        let _ = calls.spawn(sender.send_request(request));
    }
    let answers = calls.join_all().await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("a response")).collect();
    let taken = answers.iter().filter(|answer| answer.status() == 200).count();
    assert_eq!(taken, server.count());
    assert!((1..REQUESTS).contains(&taken), "{taken}");
    for answer in answers.iter().filter(|answer| answer.status() != 200) {
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));
    }
}

#[tokio::test]
async fn who_sends_one_after_the_other_is_never_refused() {
    let server = hurried();
    for number in 1..=REQUESTS {
        let body = protobuf(Signal::Traces, SPANS);
        assert_eq!(export(server.grpc, Signal::Traces, &body).await.status.code(), Code::Ok);
        let body = protobuf(Signal::Traces, SPANS);
        assert_eq!(post(server.http, Signal::Traces, &[], body).await.status, 200);
        assert_eq!(server.count(), 2 * number);
    }
}

#[tokio::test]
async fn while_what_was_observed_is_not_judged_nothing_further_is_taken() {
    let server = Server::open();
    let body = protobuf(Signal::Traces, SPANS);
    server.intake.backlog_s.store(3, Ordering::Relaxed);
    let answer = export(server.grpc, Signal::Traces, &body).await;
    assert_eq!(answer.status.code(), Code::Unavailable, "{answer:?}");
    assert!(answer.status.message().contains("behind"), "{answer:?}");
    assert!(answer.status.get_error_details().retry_info().is_some());
    let answer = post(server.http, Signal::Traces, &[], body.clone()).await;
    assert_eq!(answer.status, 503);
    assert_eq!(server.count(), 0);
    server.intake.backlog_s.store(1, Ordering::Relaxed);
    assert_eq!(export(server.grpc, Signal::Traces, &body).await.status.code(), Code::Ok);
}
