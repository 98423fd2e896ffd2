//! A receiver that keeps what OTLP clients send, to try the clients without the daemon.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

use super::wait::RUNTIME;

/// What came in so far.
#[derive(Debug, Default, Clone)]
pub(crate) struct Captured {
    pub traces: Vec<ExportTraceServiceRequest>,
    pub metrics: Vec<ExportMetricsServiceRequest>,
    pub logs: Vec<ExportLogsServiceRequest>,
    /// The transport of each request: `grpc` or its content type, then its compression if any.
    pub transports: Vec<String>,
}

/// A gRPC and an HTTP receiver on free ports; they live as long as the process.
#[derive(Clone)]
pub(crate) struct Capture {
    captured: Arc<Mutex<Captured>>,
    grpc: SocketAddr,
    http: SocketAddr,
}

impl Capture {
    /// Starts both receivers.
    pub(crate) fn start() -> Self {
        let (grpc, http) = RUNTIME.block_on(async { (bind().await, bind().await) });
        let capture = Self {
            captured: Arc::default(),
            grpc: grpc.local_addr().unwrap(),
            http: http.local_addr().unwrap(),
        };
        let zstd = CompressionEncoding::Zstd;
        let gzip = CompressionEncoding::Gzip;
        let services = tonic::transport::Server::builder()
            .add_service(
                TraceServiceServer::new(capture.clone())
                    .accept_compressed(gzip)
                    .accept_compressed(zstd),
            )
            .add_service(
                MetricsServiceServer::new(capture.clone())
                    .accept_compressed(gzip)
                    .accept_compressed(zstd),
            )
            .add_service(
                LogsServiceServer::new(capture.clone())
                    .accept_compressed(gzip)
                    .accept_compressed(zstd),
            );
        RUNTIME.spawn(services.serve_with_incoming(TcpListenerStream::new(grpc)));
        let router = Router::new().route("/v1/{signal}", post(receive)).with_state(capture.clone());
        RUNTIME.spawn(async move { axum::serve(http, router).await });
        capture
    }

    /// Where OTLP/gRPC goes.
    pub(crate) fn grpc_url(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// Where OTLP/HTTP goes, without a path.
    pub(crate) fn http_url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// What came in so far.
    pub(crate) fn captured(&self) -> Captured {
        self.captured.lock().unwrap().clone()
    }

    fn keep(&self, transport: &str, compression: Option<&str>, add: impl FnOnce(&mut Captured)) {
        let mut captured = self.captured.lock().unwrap();
        add(&mut captured);
        captured.transports.push([transport, compression.unwrap_or("")].join(" ").trim().into());
    }

    fn keep_grpc<T>(&self, request: Request<T>, add: impl FnOnce(&mut Captured, T)) {
        let encoding = request.metadata().get("grpc-encoding").cloned();
        let encoding = encoding.as_ref().and_then(|value| value.to_str().ok());
        let encoding = encoding.filter(|encoding| *encoding != "identity");
        self.keep("grpc", encoding, |captured| add(captured, request.into_inner()));
    }
}

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("binds a free port")
}

#[tonic::async_trait]
impl TraceService for Capture {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.keep_grpc(request, |captured, traces| captured.traces.push(traces));
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Capture {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.keep_grpc(request, |captured, metrics| captured.metrics.push(metrics));
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Capture {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.keep_grpc(request, |captured, logs| captured.logs.push(logs));
        Ok(Response::new(Default::default()))
    }
}

async fn receive(
    State(capture): State<Capture>,
    Path(signal): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResponse {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = header("content-type").unwrap_or_default().to_owned();
    let compression = header("content-encoding");
    let body = match compression {
        Some("gzip") => gunzip(&body),
        _ => body.to_vec(),
    };
    let json = content_type == "application/json";
    let add: Box<dyn FnOnce(&mut Captured)> = match (signal.as_str(), json) {
        ("traces", true) => {
            let traces = serde_json::from_slice(&body).expect("OTLP JSON");
            Box::new(|captured| captured.traces.push(traces))
        }
        ("traces", false) => {
            let traces = ExportTraceServiceRequest::decode(&body[..]).expect("OTLP");
            Box::new(|captured| captured.traces.push(traces))
        }
        ("metrics", false) => {
            let metrics = ExportMetricsServiceRequest::decode(&body[..]).expect("OTLP");
            Box::new(|captured| captured.metrics.push(metrics))
        }
        ("logs", false) => {
            let logs = ExportLogsServiceRequest::decode(&body[..]).expect("OTLP");
            Box::new(|captured| captured.logs.push(logs))
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    capture.keep(&content_type, compression, add);
    let answer = if json { "{}" } else { "" };
    ([("content-type", content_type)], answer).into_response()
}

fn gunzip(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(body), &mut plain)
        .expect("gzip");
    plain
}
