use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;

use crate::limit::{Limit, Totals, serve, walk};
use crate::{Compression, LoadError, LoadOptions, Protocol, Requests, Shape, run};

const NOW: u64 = 1_800_000_000_000_000_000;
const SHAPE: Shape = Shape { batch: 100, services: 5, routes: 120 };

fn spans(message: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(message).unwrap();
    assert_eq!(request.resource_spans.len(), 1);
    let scopes = request.resource_spans.into_iter().flat_map(|one| one.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    Some(format!("{:?}", found.value.as_ref()?.value.as_ref()?))
}

#[test]
fn a_span_has_about_480_bytes_and_10_attributes() {
    let shape = Shape { batch: 1000, services: 50, routes: 40 };
    let requests = Requests::new(shape, 1).unwrap();
    let message = requests.message(7, NOW);
    let bytes = message.len() / shape.batch;
    assert!((470..=490).contains(&bytes), "{bytes} bytes a span");
    for span in spans(&message) {
        assert_eq!(span.attributes.len(), 10);
        assert_eq!(span.end_time_unix_nano, NOW);
        assert!(NOW - span.start_time_unix_nano < 500_000_000);
    }
}

#[test]
fn every_server_span_is_the_child_of_a_client_span_of_the_same_round() {
    let requests = Requests::new(SHAPE, 1).unwrap();
    for round in 0..3 {
        let first = round * SHAPE.services as u64;
        let all: Vec<Span> = (first..first + SHAPE.services as u64)
            .flat_map(|n| spans(&requests.message(n, NOW)))
            .collect();
        let by_id: HashMap<_, _> =
            all.iter().map(|span| ((span.trace_id.clone(), span.span_id.clone()), span)).collect();
        assert_eq!(by_id.len(), SHAPE.batch * SHAPE.services, "ids repeat");
        let (served, called): (Vec<&Span>, Vec<&Span>) =
            all.iter().partition(|span| !span.parent_span_id.is_empty());
        assert_eq!(served.len(), called.len());
        for span in served {
            let parent = by_id[&(span.trace_id.clone(), span.parent_span_id.clone())];
            assert_eq!((parent.kind, span.kind), (3, 2));
            assert_eq!(attribute(parent, "server.address"), attribute(span, "server.address"));
            assert_eq!(attribute(parent, "url.template"), attribute(span, "http.route"));
            assert_eq!(parent.status, span.status);
            assert!(parent.start_time_unix_nano < span.start_time_unix_nano);
        }
    }
}

#[test]
fn copies_differ_and_visit_all_routes_with_one_error_in_two_thousand_calls() {
    let requests = Requests::new(SHAPE, 1).unwrap();
    let rounds = 2000 / (SHAPE.batch as u64 / 2);
    let (mut ids, mut routes, mut errors) = (HashSet::new(), HashSet::new(), 0);
    for n in 0..rounds * SHAPE.services as u64 {
        for span in spans(&requests.message(n, NOW)) {
            errors += u64::from(span.status.as_ref().is_some_and(|status| status.code == 2));
            routes.extend(attribute(&span, "http.route"));
            assert!(ids.insert((span.trace_id, span.span_id)));
        }
    }
    assert_eq!(routes.len(), SHAPE.routes);
    assert_eq!(errors, 2 * SHAPE.services as u64, "one call of each service, seen from both ends");
    let other = Requests::new(SHAPE, 2).unwrap();
    assert!(
        spans(&other.message(0, NOW)).into_iter().all(|s| !ids.contains(&(s.trace_id, s.span_id)))
    );
}

#[test]
fn the_walk_reads_what_prost_reads() {
    let requests = Requests::new(SHAPE, 1).unwrap();
    for n in [0, 39 * SHAPE.services as u64] {
        let message = requests.message(n, NOW);
        let mut expected = Totals::default();
        let word = |id: &[u8]| id.first_chunk().map_or(0, |id| u64::from_le_bytes(*id));
        for span in spans(&message) {
            expected.spans += 1;
            expected.service_bytes += "service-00".len() as u64;
            expected.name_bytes += span.name.len() as u64;
            expected.kinds += u64::try_from(span.kind).unwrap();
            expected.duration_ns += span.end_time_unix_nano - span.start_time_unix_nano;
            expected.ids ^= word(&span.trace_id) ^ word(&span.span_id) ^ word(&span.parent_span_id);
            expected.errors += u64::from(span.status.as_ref().unwrap().code == 2);
            if attribute(&span, "http.route").is_some() {
                expected.route_bytes += "/api/v1/resource-000/{id}".len() as u64;
            }
            expected.status_codes += if span.status.unwrap().code == 2 { 500 } else { 200 };
        }
        assert_eq!(walk(&message), Some(expected));
        assert_eq!(walk(&message[..message.len() - 1]), None);
    }
    assert_eq!(walk(b"\x0a\x05hello"), None);
}

fn short(endpoint: String) -> LoadOptions {
    LoadOptions {
        endpoint,
        batch: 100,
        connections: 2,
        in_flight: 2,
        services: 3,
        warm_up: Duration::from_millis(50),
        duration: Duration::from_millis(300),
        server_pid: Some(std::process::id()),
        ..LoadOptions::default()
    }
}

async fn limit_server(limit: Limit) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(limit, listener));
    endpoint
}

#[tokio::test]
async fn the_walk_server_takes_every_compression() {
    let endpoint = limit_server(Limit::Walk).await;
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let report = run(LoadOptions { compression, ..short(endpoint.clone()) }).await.unwrap();
        assert!(report.requests > 0, "{compression}");
        assert_eq!(report.spans_accepted, report.requests * 100, "{compression}: {report}");
        assert_eq!(report.latencies.count(), report.requests);
        let bytes = report.body_bytes / report.spans_sent;
        let packed = compression != Compression::None;
        assert!(if packed { bytes < 150 } else { bytes > 450 }, "{compression}: {bytes} bytes");
    }
}

#[tokio::test]
async fn an_open_loop_sends_at_its_rate() {
    let endpoint = limit_server(Limit::Touch).await;
    let rate = Some(20_000.0);
    let duration = Duration::from_secs(1);
    let report = run(LoadOptions { rate, duration, warm_up: Duration::ZERO, ..short(endpoint) })
        .await
        .unwrap();
    assert_eq!(report.requests + report.requests_unsent, 200, "{report}");
}

/// Checks what arrives, takes the first request whole, and then rejects, refuses and takes again.
struct Picky {
    requests: AtomicU64,
}

#[tonic::async_trait]
impl TraceService for Picky {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        if request.metadata().get("authorization").is_none_or(|token| token != "Bearer secret") {
            return Err(tonic::Status::unauthenticated("no"));
        }
        let rejected_spans = match self.requests.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => return Ok(tonic::Response::new(ExportTraceServiceResponse::default())),
            1 => 30,
            _ => return Err(tonic::Status::resource_exhausted("later")),
        };
        let partial_success = ExportTracePartialSuccess { rejected_spans, ..Default::default() };
        Ok(tonic::Response::new(ExportTraceServiceResponse {
            partial_success: Some(partial_success),
        }))
    }
}

#[tokio::test]
async fn rejections_and_refusals_are_counted_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let picky = TraceServiceServer::from_arc(Arc::new(Picky { requests: AtomicU64::new(0) }))
        .accept_compressed(CompressionEncoding::Gzip);
    let server = tonic::transport::Server::builder().add_service(picky);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let options = LoadOptions { warm_up: Duration::ZERO, ..short(endpoint) };
    let report = run(LoadOptions { token: Some("secret".to_owned()), ..options.clone() });
    let report = report.await.unwrap();
    let refused = report.spans_refused["RESOURCE_EXHAUSTED"];
    assert!(report.requests >= 3, "{report}");
    assert_eq!(report.spans_refused.len(), 1, "{report}");
    assert_eq!(report.spans_accepted + report.spans_rejected + refused, report.spans_sent);
    // Every third each, give or take the last round.
    assert!(refused.abs_diff(report.spans_sent / 3) <= 100, "{report}");
    assert!(report.spans_rejected.abs_diff(report.spans_sent / 10) <= 100, "{report}");

    let report = run(options).await.unwrap();
    assert_eq!(report.spans_refused["UNAUTHENTICATED"], report.spans_sent);
    assert_eq!(report.server_ns_per_span(), None);
}

#[tokio::test]
async fn http_requests_carry_protobuf_and_name_their_encoding() {
    use http_body_util::{BodyExt, Full};
    use hyper::service::service_fn;

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let check = |request: http::Request<hyper::body::Incoming>| async move {
        let headers = request.headers().clone();
        let known = request.uri() == "/v1/traces"
            && headers["content-type"] == "application/x-protobuf"
            && headers["content-encoding"] == "zstd";
        let body = request.into_body().collect().await?.to_bytes();
        let spans = zstd::decode_all(&body[..]).ok().and_then(|body| walk(&body));
        let ok = known && spans.is_some_and(|totals| totals.spans == 100);
        let mut response = http::Response::new(Full::<bytes::Bytes>::default());
        *response.status_mut() =
            if ok { http::StatusCode::OK } else { http::StatusCode::BAD_REQUEST };
        Ok::<_, hyper::Error>(response)
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let io = hyper_util::rt::TokioIo::new(stream);
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(io, service_fn(check)));
        }
    });
    let (protocol, compression) = (Protocol::Http, Compression::Zstd);
    let report = run(LoadOptions { protocol, compression, ..short(endpoint) }).await.unwrap();
    assert!(report.requests > 0);
    assert_eq!(report.spans_accepted, report.spans_sent, "{report}");
}

#[tokio::test]
async fn options_without_sense_and_deaf_endpoints_are_errors() {
    let good = short("http://127.0.0.1:1".to_owned());
    assert!(matches!(run(good.clone()).await, Err(LoadError::Connect { .. })));
    for bad in [
        LoadOptions { endpoint: "127.0.0.1:4317".to_owned(), ..good.clone() },
        LoadOptions { batch: 7, ..good.clone() },
        LoadOptions { batch: 1 << 40, ..good.clone() },
        LoadOptions { connections: 0, ..good.clone() },
        LoadOptions { rate: Some(f64::NAN), ..good.clone() },
        LoadOptions { duration: Duration::ZERO, ..good },
    ] {
        let endpoint = bad.endpoint.clone();
        assert!(matches!(run(bad).await, Err(LoadError::Option(_))), "{endpoint}");
    }
}
