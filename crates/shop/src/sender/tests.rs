use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{BACKOFF, SendError, retry_after, run};
use crate::{Shop, ShopOptions};

const START_NS: u64 = 1_700_000_000_000_000_000;

/// Takes spans, and refuses the first request as a busy server does.
#[derive(Clone, Default)]
struct Sink {
    spans: Arc<Mutex<u64>>,
    refused: Arc<Mutex<bool>>,
}

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if !std::mem::replace(&mut *self.refused.lock().unwrap(), true) {
            return Err(Status::unavailable("busy"));
        }
        let count: usize = request
            .into_inner()
            .resource_spans
            .iter()
            .flat_map(|r| &r.scope_spans)
            .map(|s| s.spans.len())
            .sum();
        *self.spans.lock().unwrap() += count as u64;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test]
async fn a_busy_endpoint_gets_every_span_in_the_end_and_other_refusals_are_counted() {
    let sink = Sink::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(sink.clone()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(server);
    let shop = Shop::new(&ShopOptions::default(), START_NS);
    // Far more of the shop's time than it takes, so that a failure ends too.
    let end_ns = START_NS + 900_000_000_000;
    let (enough, stop) = tokio::sync::oneshot::channel::<()>();
    let mut enough = Some(enough);
    let stop = async {
        stop.await.ok();
    };
    let done = run(shop, &endpoint, 10.0, stop, |progress| {
        let complete = progress.spans > 3_000 && progress.requests_refused > 0;
        if complete && progress.retries > 0 || progress.shop_unix_ns > end_ns {
            enough.take();
        }
    })
    .await
    .expect("a good endpoint");
    server.abort();
    assert_eq!(done.spans, *sink.spans.lock().unwrap());
    assert!(done.retries >= 1);
    // Metrics and logs are not implemented there, which is final.
    assert_eq!((done.points, done.log_records), (0, 0));
    assert!(done.last_refusal.expect("refused").starts_with("Unimplemented"));
}

#[tokio::test]
async fn a_malformed_endpoint_or_speed_is_an_error() {
    let shop = || Shop::new(&ShopOptions::default(), 0);
    let bad = run(shop(), "not a uri", 1.0, async {}, |_| {}).await;
    assert!(matches!(bad, Err(SendError::Endpoint { .. })));
    for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let bad = run(shop(), "http://127.0.0.1:1", speed, async {}, |_| {}).await;
        assert!(matches!(bad, Err(SendError::Speed(_))), "{speed}");
    }
}

#[test]
fn retries_follow_the_status_and_the_advice() {
    let advice = std::time::Duration::from_secs(3);
    let advised = |code| {
        Status::with_error_details(code, "busy", ErrorDetails::with_retry_info(Some(advice)))
    };
    let plain = |code| retry_after(&Status::new(code, ""), BACKOFF);
    assert_eq!(plain(tonic::Code::Unavailable), Some(BACKOFF));
    assert_eq!(plain(tonic::Code::ResourceExhausted), None);
    assert_eq!(plain(tonic::Code::InvalidArgument), None);
    assert_eq!(retry_after(&advised(tonic::Code::ResourceExhausted), BACKOFF), Some(advice));
    assert_eq!(retry_after(&advised(tonic::Code::Unavailable), BACKOFF), Some(advice));
}
