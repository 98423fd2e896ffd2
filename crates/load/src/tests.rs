use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;

use crate::limit::{Limit, serve, walk};
use crate::{Compression, Content, LoadError, LoadOptions, Protocol, run};

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
        assert_eq!(report.items_accepted, report.requests * 100, "{compression}: {report}");
        assert_eq!(report.latencies.count(), report.requests);
        let bytes = report.body_bytes / report.items_sent;
        let packed = compression != Compression::None;
        assert!(if packed { bytes < 150 } else { bytes > 450 }, "{compression}: {bytes} bytes");
    }
}

#[tokio::test]
async fn limit_servers_take_every_content() {
    for (limit, protocol, content) in [
        (Limit::Walk, Protocol::Grpc, Content::Points),
        (Limit::Walk, Protocol::Grpc, Content::Records),
        (Limit::Touch, Protocol::Grpc, Content::Records),
        (Limit::Json, Protocol::Http, Content::JsonSpans),
    ] {
        let endpoint = limit_server(limit).await;
        let report = run(LoadOptions { protocol, content, ..short(endpoint) }).await.unwrap();
        assert!(report.requests > 0, "{content}");
        assert_eq!(report.items_accepted, report.items_sent, "{content}: {report}");
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
    let refused = report.items_refused["RESOURCE_EXHAUSTED"];
    assert!(report.requests >= 3, "{report}");
    assert_eq!(report.items_refused.len(), 1, "{report}");
    assert_eq!(report.items_accepted + report.items_rejected + refused, report.items_sent);
    // Every third each, give or take the last round.
    assert!(refused.abs_diff(report.items_sent / 3) <= 100, "{report}");
    assert!(report.items_rejected.abs_diff(report.items_sent / 10) <= 100, "{report}");

    let report = run(options).await.unwrap();
    assert_eq!(report.items_refused["UNAUTHENTICATED"], report.items_sent);
    assert_eq!(report.server_ns_per_item(), None);
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
    assert_eq!(report.items_accepted, report.items_sent, "{report}");
}

#[tokio::test]
async fn options_without_sense_and_deaf_endpoints_are_errors() {
    let good = short("http://127.0.0.1:1".to_owned());
    assert!(matches!(run(good.clone()).await, Err(LoadError::Connect { .. })));
    for bad in [
        LoadOptions { endpoint: "127.0.0.1:4317".to_owned(), ..good.clone() },
        LoadOptions { batch: 7, ..good.clone() },
        LoadOptions { content: Content::Points, batch: 150, ..good.clone() },
        LoadOptions { content: Content::JsonSpans, ..good.clone() },
        LoadOptions { batch: 1 << 40, ..good.clone() },
        LoadOptions { connections: 0, ..good.clone() },
        LoadOptions { rate: Some(f64::NAN), ..good.clone() },
        LoadOptions { duration: Duration::ZERO, ..good },
    ] {
        let endpoint = bad.endpoint.clone();
        assert!(matches!(run(bad).await, Err(LoadError::Option(_))), "{endpoint}");
    }
}
