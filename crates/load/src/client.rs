//! One request after the other over HTTP/2 (gRPC) or HTTP/1.1, straight on hyper: the body is
//! handed over as it is, without a copy.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, TE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tonic::Status;

use crate::error::LoadError;
use crate::feed::PREFIX_BYTES;
use crate::options::{LoadOptions, Protocol};
use crate::payload::Content;
use crate::refusal::Refusal;

/// A request without an answer for this long counts as refused.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Taken, less what a partial success rejects.
    Accepted { items_rejected: u64 },
    /// Not taken.
    Refused(Refusal),
}

/// Where requests go, and all that they have in common.
#[derive(Debug)]
pub(crate) struct Target {
    address: String,
    uri: Uri,
    protocol: Protocol,
    content: Content,
    headers: HeaderMap,
}

impl Target {
    pub(crate) fn new(options: &LoadOptions) -> Result<Self, LoadError> {
        let endpoint = options.uri()?;
        let bad = |what: &str| LoadError::Option(format!("{what} cannot be a header or path"));
        let host = endpoint.host().unwrap_or("127.0.0.1");
        let authority = endpoint.authority().map_or(host, http::uri::Authority::as_str);
        let (grpc_path, http_path) = paths(options.content);
        let (path, content_type) = match (options.protocol, options.content) {
            (Protocol::Grpc, _) => (grpc_path, "application/grpc"),
            (Protocol::Http, Content::JsonSpans) => (http_path, "application/json"),
            (Protocol::Http, _) => (http_path, "application/x-protobuf"),
        };
        // HTTP/1.1 wants the path alone and a host header, HTTP/2 the whole.
        let uri = match options.protocol {
            Protocol::Grpc => format!("http://{authority}{path}"),
            Protocol::Http => path.to_owned(),
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let encoding = match options.protocol {
            Protocol::Grpc => {
                headers.insert(TE, HeaderValue::from_static("trailers"));
                HeaderName::from_static("grpc-encoding")
            }
            Protocol::Http => {
                let host = HeaderValue::from_str(authority).map_err(|_| bad("the endpoint"))?;
                headers.insert(HOST, host);
                CONTENT_ENCODING
            }
        };
        if let Some(name) = options.compression.encoding() {
            headers.insert(encoding, HeaderValue::from_static(name));
        }
        if let Some(token) = &options.token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            headers.insert(AUTHORIZATION, value.map_err(|_| bad("the token"))?);
        }
        Ok(Self {
            address: format!("{host}:{}", endpoint.port_u16().unwrap_or(80)),
            uri: uri.parse().map_err(|_| bad("the endpoint"))?,
            protocol: options.protocol,
            content: options.content,
            headers,
        })
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        request.uri_mut().clone_from(&self.uri);
        request.headers_mut().clone_from(&self.headers);
        request
    }

    async fn connect(&self) -> Result<TokioIo<TcpStream>, String> {
        let stream = TcpStream::connect(&self.address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(TokioIo::new(stream))
    }
}

type Http2 = http2::SendRequest<Full<Bytes>>;
type Http1 = http1::SendRequest<Full<Bytes>>;

/// A connection that several senders share; made when first needed and after it broke.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    target: Arc<Target>,
    shared: Arc<Mutex<Option<Http2>>>,
}

/// Sends one request at a time over its connection.
#[derive(Debug)]
pub(crate) struct Sender {
    connection: Connection,
    state: State,
}

#[derive(Debug)]
enum State {
    Closed,
    Http2(Http2),
    Http1(Http1),
}

impl Connection {
    pub(crate) fn to(target: Arc<Target>) -> Self {
        Self { target, shared: Arc::default() }
    }

    pub(crate) fn sender(&self) -> Sender {
        Sender { connection: self.clone(), state: State::Closed }
    }

    async fn http2(&self) -> Result<Http2, String> {
        let mut shared = self.shared.lock().await;
        if let Some(open) = shared.as_ref().filter(|open| !open.is_closed()) {
            return Ok(open.clone());
        }
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), self.target.connect().await?)
                .await
                .map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(shared.insert(sender).clone())
    }

    async fn http1(&self) -> Result<Http1, String> {
        let (sender, connection) = http1::handshake(self.target.connect().await?)
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

impl Sender {
    /// Sends `body` and waits for what becomes of it.
    pub(crate) async fn send(&mut self, body: Bytes) -> Outcome {
        match tokio::time::timeout(TIMEOUT, self.exchange(body)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(reason)) => {
                self.state = State::Closed;
                Outcome::Refused(Refusal::unanswered(format!("transport: {reason}")))
            }
            Err(_) => {
                self.state = State::Closed;
                Outcome::Refused(Refusal::unanswered(format!("no answer within {TIMEOUT:?}")))
            }
        }
    }

    async fn exchange(&mut self, body: Bytes) -> Result<Outcome, String> {
        let closed = match &self.state {
            State::Closed => true,
            State::Http2(sender) => sender.is_closed(),
            State::Http1(sender) => sender.is_closed(),
        };
        if closed {
            self.state = match self.connection.target.protocol {
                Protocol::Grpc => State::Http2(self.connection.http2().await?),
                Protocol::Http => State::Http1(self.connection.http1().await?),
            };
        }
        let request = self.connection.target.request(body);
        match &mut self.state {
            State::Closed => Err("not connected".to_owned()),
            State::Http2(sender) => {
                sender.ready().await.map_err(reason)?;
                grpc_outcome(sender.send_request(request).await.map_err(reason)?).await
            }
            State::Http1(sender) => {
                sender.ready().await.map_err(reason)?;
                let response = sender.send_request(request).await.map_err(reason)?;
                http_outcome(response, self.connection.target.content).await
            }
        }
    }
}

/// An error with the one below it, which says more.
fn reason(error: hyper::Error) -> String {
    match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

async fn grpc_outcome(response: Response<Incoming>) -> Result<Outcome, String> {
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Ok(Outcome::Refused(Refusal::of_http(head.status, &head.headers)));
    }
    let body = body.collect().await.map_err(reason)?;
    let trailers = body.trailers().unwrap_or(&head.headers);
    if trailers.get("grpc-status").is_none_or(|status| status != "0") {
        let refusal = Status::from_header_map(trailers)
            .map_or_else(|| Refusal::senseless("no gRPC status"), |s| Refusal::of_grpc(&s));
        return Ok(Outcome::Refused(refusal));
    }
    let mut message = body.to_bytes();
    message.advance(PREFIX_BYTES.min(message.len()));
    Ok(accepted(message))
}

async fn http_outcome(response: Response<Incoming>, content: Content) -> Result<Outcome, String> {
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(reason)?.to_bytes();
    if head.status != StatusCode::OK {
        return Ok(Outcome::Refused(Refusal::of_http(head.status, &head.headers)));
    }
    Ok(match content {
        Content::JsonSpans => accepted_json(&body),
        Content::Spans | Content::Points | Content::Records => accepted(body),
    })
}

/// The answers of all three signals have the same fields under the same numbers.
fn accepted(message: Bytes) -> Outcome {
    match ExportTraceServiceResponse::decode(message) {
        Ok(response) => accepted_less(&response),
        Err(_) => Outcome::Refused(Refusal::senseless("an answer that is no export response")),
    }
}

fn accepted_json(message: &[u8]) -> Outcome {
    match serde_json::from_slice(message) {
        Ok(response) => accepted_less(&response),
        Err(_) => {
            Outcome::Refused(Refusal::senseless("an answer that is no export response in JSON"))
        }
    }
}

fn accepted_less(response: &ExportTraceServiceResponse) -> Outcome {
    let rejected = response.partial_success.as_ref().map_or(0, |partial| partial.rejected_spans);
    Outcome::Accepted { items_rejected: u64::try_from(rejected).unwrap_or(0) }
}

/// Where requests go, over gRPC and over HTTP.
const fn paths(content: Content) -> (&'static str, &'static str) {
    match content {
        Content::Spans | Content::JsonSpans => {
            ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", "/v1/traces")
        }
        Content::Points => {
            ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "/v1/metrics")
        }
        Content::Records => {
            ("/opentelemetry.proto.collector.logs.v1.LogsService/Export", "/v1/logs")
        }
    }
}
