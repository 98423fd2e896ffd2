use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Method, header};
use http_body::Body;
use otlp::Signal;
use tonic::Status;

use crate::answer::{Encoding, response_message};
use crate::body::{self, Announced, FRAME_HEADER_BYTES};
use crate::clerk::{Clerk, Held};
use crate::inflate::Compression;
use crate::meters::{Transport, refused};
use crate::workload::Kind;
use crate::{Answer, Refusal};

const CONTENT_TYPE: &str = "application/grpc";
/// The message of whoever has nothing to say: not compressed, no bytes.
const EMPTY_MESSAGE: &[u8] = &[0; FRAME_HEADER_BYTES];
/// Digits in a `grpc-timeout`, by gRPC over HTTP/2.
const TIMEOUT_DIGITS_MAX: usize = 8;

/// The three OTLP services. Requests stay bytes: no message is ever built.
///
/// The frame around the one message of a call is read here, since a body must be metered and capped
/// as it is decompressed, and copied at most once.
pub(crate) struct Grpc {
    pub(crate) clerk: Arc<Clerk>,
}

/// What goes back for a call.
#[derive(Debug)]
pub(crate) struct Reply {
    head: http::Response<()>,
    /// The message in its frame, before the trailers that say OK; a refusal is all in its head.
    message: Option<Bytes>,
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
        let mut head = http::Response::new(());
        let content_type = HeaderValue::from_static(CONTENT_TYPE);
        let _ = head.headers_mut().insert(header::CONTENT_TYPE, content_type);
        Self { head, message: Some(frame) }
    }

    pub(crate) fn refused(refusal: &Refusal) -> Self {
        let mut head = refusal.status().into_http();
        // What is no gRPC call at all is answered in HTTP's terms, as gRPC over HTTP/2 demands.
        if matches!(refusal, Refusal::ContentType(_) | Refusal::Method) {
            *head.status_mut() = refusal.http_status();
        }
        Self { head, message: None }
    }

    /// # Errors
    /// If the caller is gone.
    pub(crate) fn send(self, to: &mut SendResponse<Bytes>) -> Result<(), h2::Error> {
        let mut stream = to.send_response(self.head, self.message.is_none())?;
        let Some(message) = self.message else { return Ok(()) };
        stream.send_data(message, false)?;
        let ok = (Status::GRPC_STATUS, HeaderValue::from_static("0"));
        stream.send_trailers(HeaderMap::from_iter([ok]))
    }
}

impl Grpc {
    /// Serves one call.
    pub(crate) async fn serve<B>(&self, request: http::Request<B>) -> Reply
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: fmt::Display,
    {
        let signal = match call_of(&request) {
            Ok(signal) => signal,
            Err(refusal) => {
                refused(&refusal);
                return Reply::refused(&refusal);
            }
        };
        let answer = self.export(request, signal).await.unwrap_or_else(Answer::Refused);
        self.clerk.gate.meters().answered(Transport::Grpc, signal, &answer);
        match &answer {
            Answer::Refused(refusal) => Reply::refused(refusal),
            answer => Reply::ok(&response_message(signal, answer)),
        }
    }

    async fn export<B>(&self, request: http::Request<B>, signal: Signal) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: fmt::Display,
    {
        let (clerk, gate) = (&self.clerk, &self.clerk.gate);
        let headers = request.headers();
        let visitor = clerk.admit(headers)?;
        let compression = Compression::from_grpc_encoding(headers.get("grpc-encoding"))?;
        let mut permit = gate.permit(&visitor);
        let bytes_max = gate.request_bytes_max();
        let body = request.into_body();
        let frame = body::read(body, Announced::Frame, bytes_max, &mut permit).await?;
        let (is_packed, message) = message_of(frame)?;
        let compression = if is_packed { compression } else { Compression::None };
        if is_packed && compression == Compression::None {
            let what = "the message is flagged as compressed, but grpc-encoding names nothing";
            return Err(Refusal::Malformed(what.to_owned()));
        }
        let kind = Kind { signal, compression, encoding: Encoding::Protobuf };
        let mut started = clerk.start(kind, &message)?;
        let request = match compression {
            Compression::None => message,
            Compression::Packed(packing) => gate.inflate(packing, message, &mut permit)?,
        };
        started.inflated(request.len());
        let held = Held { request, permit, started };
        Ok(clerk.take(&visitor, (Transport::Grpc, signal), held).await)
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

/// How long the caller waits for its answer, if it says so and can be understood.
pub(crate) fn timeout_of(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.len() > TIMEOUT_DIGITS_MAX || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_a_number_and_its_unit() {
        let of = |value: &'static str| {
            timeout_of(&HeaderMap::from_iter([(
                header::HeaderName::from_static("grpc-timeout"),
                HeaderValue::from_static(value),
            )]))
        };
        assert_eq!(of("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(of("3M"), Some(Duration::from_secs(180)));
        assert_eq!(of("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(of("100m"), Some(Duration::from_millis(100)));
        assert_eq!(of("5u"), Some(Duration::from_micros(5)));
        assert_eq!(of("7n"), Some(Duration::from_nanos(7)));
        for nonsense in ["", "m", "1", "1x", "-1S", "+1S", "1.5S", "999999999S"] {
            assert_eq!(of(nonsense), None, "{nonsense:?}");
        }
        assert_eq!(timeout_of(&HeaderMap::new()), None);
    }
}
