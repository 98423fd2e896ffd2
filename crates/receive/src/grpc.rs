use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, header};
use http_body::{Body, Frame};
use otlp::Signal;

use crate::answer::response_message;
use crate::body::{self, Announced, FRAME_HEADER_BYTES};
use crate::gate::Held;
use crate::inflate::Compression;
use crate::meters::{Transport, refused};
use crate::{Answer, Gate, Intake, Refusal};

const CONTENT_TYPE: &str = "application/grpc";
/// The message of whoever has nothing to say: not compressed, no bytes.
const EMPTY_MESSAGE: &[u8] = &[0; FRAME_HEADER_BYTES];

/// The three OTLP services. Requests stay bytes: no message is ever built.
///
/// The transport and its statuses are tonic's. The frame around the one message of a call is read
/// here, since a body must be metered and capped as it is decompressed, and copied at most once.
#[derive(Clone)]
pub(crate) struct Grpc {
    pub(crate) gate: Arc<Gate>,
    pub(crate) intake: Arc<dyn Intake>,
}

/// A response: one message and the trailers that say OK, or nothing behind the headers.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    message: Option<Bytes>,
    has_trailers: bool,
}

impl Reply {
    fn ok(message: &[u8]) -> Self {
        let frame = match u32::try_from(message.len()) {
            Ok(length) if length > 0 => {
                let mut frame = BytesMut::with_capacity(FRAME_HEADER_BYTES + message.len());
                frame.put_u8(0);
                frame.put_u32(length);
                frame.put_slice(message);
                frame.freeze()
            }
            _ => Bytes::from_static(EMPTY_MESSAGE),
        };
        Self { message: Some(frame), has_trailers: true }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(message) = self.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        if std::mem::take(&mut self.has_trailers) {
            let ok = (tonic::Status::GRPC_STATUS, HeaderValue::from_static("0"));
            let trailers = HeaderMap::from_iter([ok]);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_none() && !self.has_trailers
    }
}

impl Grpc {
    async fn serve<B>(self, request: http::Request<B>) -> http::Response<Reply>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: fmt::Display,
    {
        let signal = match call_of(&request) {
            Ok(signal) => signal,
            Err(refusal) => {
                refused(&refusal);
                return refusal_response(&refusal);
            }
        };
        let answer = self.export(request, signal).await.unwrap_or_else(Answer::Refused);
        self.gate.meters().answered(Transport::Grpc, signal, &answer);
        if let Answer::Refused(refusal) = answer {
            return refusal_response(&refusal);
        }
        let mut response = http::Response::new(Reply::ok(&response_message(signal, &answer)));
        let _ = response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        response
    }

    async fn export<B>(&self, request: http::Request<B>, signal: Signal) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: fmt::Display,
    {
        let headers = request.headers();
        let visitor = self.gate.admit(headers)?;
        let compression = Compression::from_grpc_encoding(headers.get("grpc-encoding"))?;
        let mut permit = self.gate.permit(&visitor);
        let bytes_max = self.gate.request_bytes_max();
        let body = request.into_body();
        let frame = body::read(body, Announced::Frame, bytes_max, &mut permit).await?;
        let (is_packed, message) = message_of(frame)?;
        let request = match (is_packed, compression) {
            (false, _) => message,
            (true, Compression::Packed(packing)) => {
                self.gate.inflate(packing, message, &mut permit)?
            }
            (true, Compression::None) => {
                let what = "the message is flagged as compressed, but grpc-encoding names nothing";
                return Err(Refusal::Malformed(what.to_owned()));
            }
        };
        let held = Held { request, permit };
        Ok(self.gate.take(&*self.intake, &visitor, (Transport::Grpc, signal), held).await)
    }
}

impl<B> tower_service::Service<http::Request<B>> for Grpc
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: fmt::Display,
{
    type Response = http::Response<Reply>;
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

/// Which service is called, if it is a gRPC call at all.
fn call_of<B>(request: &http::Request<B>) -> Result<Signal, Refusal> {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    match content_type.and_then(|value| value.strip_prefix(CONTENT_TYPE.as_bytes())) {
        Some(b"" | b"+proto") => {}
        Some(rest) if rest.starts_with(b";") => {}
        _ => {
            let what = "this port speaks gRPC (content-type application/grpc); OTLP/HTTP has a \
                        port of its own, 4318 unless configured otherwise";
            return Err(Refusal::ContentType(what.to_owned()));
        }
    }
    if request.method() != Method::POST {
        return Err(Refusal::Method);
    }
    match request.uri().path() {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Ok(Signal::Traces),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Ok(Signal::Metrics),
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Ok(Signal::Logs),
        path => Err(Refusal::Path(format!("{path} is not served here"))),
    }
}

/// The one message of a call, and whether it is flagged as compressed.
fn message_of(mut frame: Bytes) -> Result<(bool, Bytes), Refusal> {
    let malformed = |what: &str| Err(Refusal::Malformed(what.to_owned()));
    let Some(header) = frame.first_chunk::<FRAME_HEADER_BYTES>() else {
        return malformed("the call ends before its message");
    };
    let [flag, length @ ..] = *header;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if flag > 1 {
        return malformed("the message's compression flag is neither 0 nor 1");
    }
    match frame.split_off(FRAME_HEADER_BYTES) {
        message if message.len() < length => malformed("the call ends inside its message"),
        message if message.len() > length => malformed("the call brings more than one message"),
        message => Ok((flag == 1, message)),
    }
}

fn refusal_response(refusal: &Refusal) -> http::Response<Reply> {
    let mut response = refusal.status().into_http::<Reply>();
    // What is no gRPC call at all is answered in HTTP's terms, as gRPC over HTTP/2 demands.
    if matches!(refusal, Refusal::ContentType(_) | Refusal::Method) {
        *response.status_mut() = refusal.http_status();
    }
    response
}
