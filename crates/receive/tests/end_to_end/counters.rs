use std::collections::BTreeMap;
use std::sync::OnceLock;

use otlp::Signal;
use prost::Message;
use telemetry::Recorder;
use tonic::Code;

use crate::client::{export, frame, grpc, grpc_path, http, post};
use crate::harness::Server;
use crate::requests::{metrics, protobuf, traces};

/// The one recorder of this process. Tests tell their numbers apart by tenants of their own, or look
/// at what no other test moves.
pub(crate) fn recorder() -> &'static Recorder {
    static RECORDER: OnceLock<Recorder> = OnceLock::new();
    RECORDER.get_or_init(|| Recorder::install().expect("the first"))
}

/// All samples that carry these labels: name and the labels in between, to value.
fn samples(name: &str, labels: &[&str]) -> BTreeMap<String, u64> {
    recorder()
        .render()
        .lines()
        .filter(|line| {
            line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} "))
        })
        .filter(|line| labels.iter().all(|label| line.contains(label)))
        .filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        })
        .collect()
}

pub(crate) fn sum(name: &str, labels: &[&str]) -> u64 {
    samples(name, labels).values().sum()
}

/// Received, accepted, rejected and shed of a tenant's signal.
pub(crate) fn items(tenant: &str, signal: &str) -> [u64; 4] {
    let labels = [format!("tenant=\"{tenant}\""), format!("signal=\"{signal}\"")];
    let labels = [&*labels[0], &*labels[1]];
    ["received", "accepted", "rejected", "shed"]
        .map(|what| sum(&format!("fogbell_items_{what}_total"), &labels))
}

#[tokio::test]
async fn what_is_received_is_accepted_rejected_or_shed() {
    let _ = recorder();
    let server = Server::durable();
    let tenant = [("x-scope-orgid", "conserved")];
    let send = async |body: Vec<u8>| {
        let path = grpc_path(Signal::Traces);
        grpc(server.grpc, path, &tenant, frame(0, &body)).await.status.code()
    };
    let body = traces(5, 2).encode_to_vec();
    assert_eq!(send(body.clone()).await, Code::Ok);
    assert_eq!(items("conserved", "traces"), [7, 5, 2, 0]);
    assert_eq!(send(body.clone()).await, Code::Ok);
    assert_eq!(items("conserved", "traces"), [7, 5, 2, 0], "a repeat is none of these");
    assert_eq!(send(body[..body.len() - 1].to_vec()).await, Code::InvalidArgument);
    assert_eq!(items("conserved", "traces"), [7, 5, 2, 0], "what cannot be read has no items");

    let _ = server.intake.journal.send_replace(Some(false));
    let body = traces(10, 1).encode_to_vec();
    assert_eq!(send(body.clone()).await, Code::Unavailable);
    assert_eq!(items("conserved", "traces"), [18, 5, 2, 11]);
    let _ = server.intake.journal.send_replace(Some(true));
    assert_eq!(send(body).await, Code::Ok);
    assert_eq!(items("conserved", "traces"), [29, 15, 3, 11], "the retry is received anew");

    let answer = post(server.http, Signal::Metrics, &tenant, metrics(3, 1).encode_to_vec()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(items("conserved", "metrics"), [4, 3, 1, 0]);
    let reason = ["tenant=\"conserved\"", "signal=\"metrics\"", "reason=\"time_missing\""];
    assert_eq!(sum("fogbell_items_rejected_total", &reason), 1);
    assert_eq!(items("conserved", "logs"), [0; 4]);
}

#[tokio::test]
async fn requests_are_counted_by_transport_signal_code_and_reason() {
    let _ = recorder();
    let server = Server::guarded();
    let name = "fogbell_requests_total";
    let of = |labels: &[&str]| sum(name, labels);
    let forbidden = ["transport=\"grpc\"", "signal=\"logs\"", "code=\"PermissionDenied\""];
    let missing = ["transport=\"http\"", "signal=\"logs\"", "code=\"403\""];
    let refused = ["reason=\"forbidden\""];
    let before = [of(&forbidden), of(&missing)];
    let refused_before = sum("fogbell_requests_refused_total", &refused);
    let viewer = [("authorization", "Bearer viewer")];
    let body = || protobuf(Signal::Logs, 1);
    let _ = grpc(server.grpc, grpc_path(Signal::Logs), &viewer, frame(0, &body())).await;
    let _ = post(server.http, Signal::Logs, &viewer, body()).await;
    assert_eq!([of(&forbidden), of(&missing)], [before[0] + 1, before[1] + 1]);
    assert!(sum("fogbell_requests_refused_total", &refused) >= refused_before + 2);

    let paths = sum("fogbell_requests_refused_total", &["reason=\"path\""]);
    let _ = http(server.http, "POST", "/v1/nothing", &[], "").await;
    assert!(sum("fogbell_requests_refused_total", &["reason=\"path\""]) > paths);

    let draining = sum("fogbell_requests_shed_total", &["reason=\"draining\""]);
    server.gate.drain();
    let _ = export(server.grpc, Signal::Traces, b"").await;
    assert!(sum("fogbell_requests_shed_total", &["reason=\"draining\""]) > draining);
}

#[tokio::test]
async fn bytes_durations_repeats_and_connections_are_measured() {
    let _ = recorder();
    let server = Server::open();
    let bytes = || sum("fogbell_request_bytes_total", &["signal=\"logs\""]);
    let timed = || sum("fogbell_request_seconds_count", &["transport=\"http\""]);
    let repeats = || sum("fogbell_repeated_requests_total", &[]);
    let before = (bytes(), timed(), repeats());
    let body = protobuf(Signal::Logs, 100);
    for _ in 0..2 {
        assert_eq!(post(server.http, Signal::Logs, &[], body.clone()).await.status, 200);
    }
    assert!(bytes() >= before.0 + 2 * body.len() as u64);
    assert!(timed() >= before.1 + 2);
    assert!(repeats() > before.2);
    let gauge = samples("fogbell_connections", &[]);
    assert_eq!(gauge.len(), 2, "one per transport: {gauge:?}");
}
