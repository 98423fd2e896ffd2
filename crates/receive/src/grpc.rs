use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use auth::{Caller, Tenant};
use bytes::{Buf, BufMut, Bytes};
use http::HeaderValue;
use otlp::Signal;
use telemetry::Counter;
use tonic::body::Body;
use tonic::codec::{
    Codec, CompressionEncoding, DecodeBuf, Decoder, EnabledCompressionEncodings, EncodeBuf, Encoder,
};
use tonic::{Code, Status};

use crate::answer::response_message;
use crate::{Answer, Gate, Intake, MeteredBody, Refusal};

const STATUS_HEADER: &str = "grpc-status";

/// The three OTLP services. Requests stay bytes: no message is ever built.
#[derive(Clone)]
pub(crate) struct Grpc {
    pub(crate) gate: Arc<Gate>,
    pub(crate) intake: Arc<dyn Intake>,
}

/// Hands a message over as the bytes that it is.
#[derive(Clone, Copy, Default)]
struct RawCodec;

/// One call: who, what, and where it goes.
struct Export {
    gate: Arc<Gate>,
    intake: Arc<dyn Intake>,
    tenant: Tenant,
    signal: Signal,
}

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buf.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = buf.remaining();
        Ok(Some(buf.copy_to_bytes(length)))
    }
}

impl tonic::server::UnaryService<Bytes> for Export {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<tonic::Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (gate, intake) = (Arc::clone(&self.gate), Arc::clone(&self.intake));
        let (tenant, signal) = (Arc::clone(&self.tenant), self.signal);
        Box::pin(async move {
            let request = request.into_inner();
            match gate.take(&*intake, &tenant, signal, &request).await {
                Answer::Refused(refusal) => Err(refusal.status()),
                answer => Ok(tonic::Response::new(response_message(signal, &answer).into())),
            }
        })
    }
}

impl Grpc {
    async fn serve<B>(self, request: http::Request<B>) -> http::Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        let Some(signal) = signal_of(request.uri().path()) else {
            let what = format!("{} is not served here", request.uri().path());
            return Status::unimplemented(what).into_http();
        };
        let caller = match self.gate.admit(request.headers()) {
            Ok(caller) => caller,
            Err(refusal) => return counted(signal, refusal.status().into_http()),
        };
        counted(signal, self.export(request, signal, caller).await)
    }

    async fn export<B>(
        self,
        request: http::Request<B>,
        signal: Signal,
        caller: Caller,
    ) -> http::Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        let bytes_max = self.gate.request_bytes_max();
        let admission = Arc::clone(self.gate.admission());
        let request = request.map(|body| MeteredBody::new(body, &admission, bytes_max));
        let mut accept = EnabledCompressionEncodings::default();
        accept.enable(CompressionEncoding::Gzip);
        accept.enable(CompressionEncoding::Zstd);
        let mut grpc = tonic::server::Grpc::new(RawCodec)
            .apply_compression_config(accept, EnabledCompressionEncodings::default())
            .max_decoding_message_size(bytes_max);
        let Self { gate, intake } = self;
        let export = Export { gate, intake, tenant: caller.tenant, signal };
        as_specified(grpc.unary(export, request).await, bytes_max)
    }
}

impl<B> tower_service::Service<http::Request<B>> for Grpc
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let grpc = self.clone();
        Box::pin(async move { Ok(grpc.serve(request).await) })
    }
}

fn signal_of(path: &str) -> Option<Signal> {
    match path {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Some(Signal::Traces),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Some(Signal::Metrics),
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Some(Signal::Logs),
        _ => None,
    }
}

/// The framing layer refuses with codes of its own; the OTLP specification wants others. Statuses
/// that come from [`Refusal`] are never OUT_OF_RANGE or INTERNAL, so that those two are the
/// framing's.
fn as_specified(response: http::Response<Body>, bytes_max: usize) -> http::Response<Body> {
    let code = response.headers().get(STATUS_HEADER).map(|value| Code::from_bytes(value.as_bytes()));
    match code {
        Some(Code::OutOfRange) => Refusal::TooLarge { bytes_max }.status().into_http(),
        Some(Code::ResourceExhausted) => Refusal::TooLarge { bytes_max }.status().into_http(),
        Some(Code::Internal) => {
            let message = response.headers().get("grpc-message").map(HeaderValue::as_bytes);
            let message = String::from_utf8_lossy(message.unwrap_or_default()).replace("%20", " ");
            Refusal::Malformed(message).status().into_http()
        }
        _ => response,
    }
}

fn counted(signal: Signal, response: http::Response<Body>) -> http::Response<Body> {
    let code = response
        .headers()
        .get(STATUS_HEADER)
        .map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()));
    let labels = [
        ("transport", "grpc".to_owned()),
        ("signal", signal_label(signal).to_owned()),
        ("code", format!("{code:?}")),
    ];
    Counter::Requests.add(1, &labels);
    response
}

/// The value of a metric's `signal` label.
pub(crate) const fn signal_label(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "traces",
        Signal::Metrics => "metrics",
        Signal::Logs => "logs",
    }
}
