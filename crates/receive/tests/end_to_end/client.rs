//! Clients that can misbehave.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use otlp::Signal;
use prost::Message;
use tokio::net::TcpStream;
use tonic::{Code, Status};

/// What came back over HTTP.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl HttpAnswer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The `google.rpc.Status` in the body, of whichever encoding it is in.
    pub(crate) fn rpc_status(&self) -> (i32, String) {
        if self.header("content-type") == Some("application/json") {
            let value = self.json();
            let code = value["code"].as_i64().and_then(|code| i32::try_from(code).ok());
            return (code.expect("code"), value["message"].as_str().expect("text").to_owned());
        }
        assert_eq!(self.header("content-type"), Some("application/x-protobuf"));
        let status = tonic_types::Status::decode(self.body.clone()).expect("a Status");
        (status.code, status.message)
    }
}

pub(crate) const fn http_path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/v1/traces",
        Signal::Metrics => "/v1/metrics",
        Signal::Logs => "/v1/logs",
    }
}

pub(crate) const fn grpc_path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

/// One HTTP/1 request on a connection of its own.
pub(crate) async fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> HttpAnswer {
    let stream = TcpStream::connect(address).await.expect("connect");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("handshake");
    let connection = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "door");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).expect("request");
    let response = sender.send_request(request).await.expect("a response");
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    connection.abort();
    HttpAnswer { status: parts.status, headers: parts.headers, body }
}

/// Posts protobuf to a signal.
pub(crate) async fn post(
    address: SocketAddr,
    signal: Signal,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> HttpAnswer {
    let mut all = vec![("content-type", "application/x-protobuf")];
    all.extend_from_slice(headers);
    http(address, "POST", http_path(signal), &all, body).await
}

/// What came back over gRPC.
#[derive(Debug)]
pub(crate) struct GrpcAnswer {
    pub(crate) http: StatusCode,
    pub(crate) status: Status,
    pub(crate) headers: HeaderMap,
    pub(crate) message: Bytes,
}

/// A message in its frame.
pub(crate) fn frame(flag: u8, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(flag);
    frame.put_u32(u32::try_from(message.len()).expect("short"));
    frame.put_slice(message);
    frame.freeze()
}

/// One gRPC call with these very bytes as its body, on a connection of its own.
pub(crate) async fn grpc(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> GrpcAnswer {
    let stream = TcpStream::connect(address).await.expect("connect");
    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        TokioIo::new(stream),
    )
    .await
    .expect("handshake");
    let connection = tokio::spawn(connection);
    let mut request = Request::builder().method("POST").uri(format!("http://door{path}"));
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/grpc");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body)).expect("request");
    let response = sender.send_request(request).await.expect("a response");
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body");
    let trailers = body.trailers().unwrap_or(&parts.headers).clone();
    connection.abort();
    let status =
        Status::from_header_map(&trailers).unwrap_or_else(|| Status::new(Code::Unknown, "none"));
    GrpcAnswer { http: parts.status, status, headers: parts.headers, message: body.to_bytes() }
}

/// Exports one message that is not compressed.
pub(crate) async fn export(address: SocketAddr, signal: Signal, message: &[u8]) -> GrpcAnswer {
    grpc(address, grpc_path(signal), &[], frame(0, message)).await
}
