//! OTLP/JSON over HTTP/1.1, read by serde into structs, and dropped.

use std::convert::Infallible;
use std::hint::black_box;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use tokio::net::TcpListener;

use crate::error::LoadError;

/// Until the listener fails.
pub(super) async fn serve(listener: TcpListener) -> Result<(), LoadError> {
    loop {
        let (stream, _) = listener.accept().await.map_err(LoadError::Accept)?;
        stream.set_nodelay(true).map_err(LoadError::Accept)?;
        let server = hyper::server::conn::http1::Builder::new();
        tokio::spawn(server.serve_connection(TokioIo::new(stream), service_fn(answer)));
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes());
    let read = body.is_ok_and(|body| {
        black_box(serde_json::from_slice::<ExportTraceServiceRequest>(&body)).is_ok()
    });
    let mut response = Response::new(Full::from("{}"));
    if !read {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(response)
}
