use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use otlp::Signal;

use crate::admission::Permit;
use crate::answer::{Encoding, http_response, refusal_response};
use crate::body::{self, Announced};
use crate::buffer::Buffer;
use crate::clerk::{Clerk, Held};
use crate::inflate::Compression;
use crate::meters::{Transport, refused};
use crate::workload::Kind;
use crate::{Answer, Refusal};

/// OTLP over HTTP.
#[derive(Clone)]
pub(crate) struct Http {
    pub(crate) clerk: Arc<Clerk>,
}

/// The body of a request, however it comes.
pub(crate) trait RequestBody {
    /// Reads all of it, at most `bytes_max` bytes. Each is taken from `permit`.
    async fn read(&mut self, bytes_max: usize, permit: &mut Permit<'_>) -> Result<Bytes, Refusal>;

    /// Lets a client that was refused finish, where the protocol cannot tell it to stop.
    async fn hear_out(&mut self);
}

impl RequestBody for Incoming {
    async fn read(&mut self, bytes_max: usize, permit: &mut Permit<'_>) -> Result<Bytes, Refusal> {
        body::read(self, Announced::Header, bytes_max, permit).await
    }

    /// HTTP/2 resets the stream.
    async fn hear_out(&mut self) {}
}

impl Http {
    /// Serves a request of HTTP/2.
    pub(crate) async fn serve(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, mut body) = request.into_parts();
        Ok(self.answer(&head, &mut body).await.map(Full::new))
    }

    /// Answers a request of which only the head has been read.
    pub(crate) async fn answer<B: RequestBody>(
        &self,
        head: &Parts,
        body: &mut B,
    ) -> Response<Bytes> {
        let answer_in = answer_encoding(&head.headers);
        let signal = match signal_of(head) {
            Ok(signal) => signal,
            Err(refusal) => {
                refused(&refusal);
                body.hear_out().await;
                return refusal_response(&refusal, answer_in);
            }
        };
        let answer = self.export(head, body, signal).await.unwrap_or_else(Answer::Refused);
        self.clerk.gate.meters().answered(Transport::Http, signal, &answer);
        if let Answer::Refused(refusal) = &answer
            && !matches!(refusal, Refusal::BrokenOff(_))
        {
            body.hear_out().await;
        }
        http_response(signal, answer_in, &answer)
    }

    async fn export<B: RequestBody>(
        &self,
        head: &Parts,
        body: &mut B,
        signal: Signal,
    ) -> Result<Answer, Refusal> {
        let (clerk, gate) = (&self.clerk, &self.clerk.gate);
        let visitor = clerk.admit(&head.headers)?;
        let encoding = encoding_of(&head.headers)?;
        let packing = head.headers.get(header::CONTENT_ENCODING);
        let compression = Compression::from_content_encoding(packing)?;
        let mut permit = gate.permit(&visitor);
        let bytes_max = gate.request_bytes_max();
        let mut request = body.read(bytes_max, &mut permit).await?;
        let mut started = clerk.start(Kind { signal, compression, encoding }, &request)?;
        if let Compression::Packed(packing) = compression {
            request = gate.inflate(packing, request, &mut permit)?;
        }
        started.inflated(request.len());
        if encoding == Encoding::Json {
            request = transcode(signal, &request, bytes_max, &mut permit)?;
        }
        let held = Held { request, permit, started };
        Ok(clerk.take(&visitor, (Transport::Http, signal), held).await)
    }
}

/// From JSON to protobuf; the text's bytes are given back.
fn transcode(
    signal: Signal,
    json: &[u8],
    bytes_max: usize,
    permit: &mut Permit<'_>,
) -> Result<Bytes, Refusal> {
    permit.grow(json.len())?;
    let protobuf = Buffer::written(json.len(), |out| otlp::json::transcode(signal, json, out))
        .map_err(|error| Refusal::Malformed(error.to_string()))?;
    let bytes = protobuf.as_ref().len();
    if bytes > bytes_max {
        return Err(Refusal::TooLarge { bytes_max });
    }
    // Text is longer than its protobuf, but for what nobody sends.
    permit.grow(bytes.saturating_sub(json.len()))?;
    permit.shrink(json.len());
    Ok(protobuf.into_bytes())
}

fn signal_of(head: &Parts) -> Result<Signal, Refusal> {
    let signal = match head.uri.path() {
        "/v1/traces" => Signal::Traces,
        "/v1/metrics" => Signal::Metrics,
        "/v1/logs" => Signal::Logs,
        path => {
            let what = format!(
                "{path} is not served here; POST OTLP to /v1/traces, /v1/metrics or /v1/logs"
            );
            return Err(Refusal::Path(what));
        }
    };
    if head.method == Method::POST { Ok(signal) } else { Err(Refusal::Method) }
}

fn encoding_of(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let value = headers.get(header::CONTENT_TYPE).map_or("", |v| v.to_str().unwrap_or("?"));
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-protobuf") {
        Ok(Encoding::Protobuf)
    } else if essence.eq_ignore_ascii_case("application/json") {
        Ok(Encoding::Json)
    } else {
        let what = format!(
            "content-type {value:?} is neither application/x-protobuf nor application/json"
        );
        Err(Refusal::ContentType(what))
    }
}

/// In what an answer is written: as the request was. Who names no content type is a person who
/// tries the port out, and reads JSON; who names a foreign one reads what every exporter does.
fn answer_encoding(headers: &HeaderMap) -> Encoding {
    match encoding_of(headers) {
        Ok(encoding) => encoding,
        Err(_) if headers.contains_key(header::CONTENT_TYPE) => Encoding::Protobuf,
        Err(_) => Encoding::Json,
    }
}
