use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, Version, header};
use http_body::Body;
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

impl Http {
    pub(crate) async fn serve(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, mut body) = request.into_parts();
        let answer_in = answer_encoding(&head.headers);
        let signal = match signal_of(&head) {
            Ok(signal) => signal,
            Err(refusal) => {
                refused(&refusal);
                hear_out(&head, body, &refusal).await;
                return Ok(refusal_response(&refusal, answer_in));
            }
        };
        let answer = self.export(&head, &mut body, signal).await.unwrap_or_else(Answer::Refused);
        self.clerk.gate.meters().answered(Transport::Http, signal, &answer);
        if let Answer::Refused(refusal) = &answer {
            hear_out(&head, body, refusal).await;
        }
        Ok(http_response(signal, answer_in, &answer))
    }

    async fn export(
        &self,
        head: &Parts,
        body: &mut Incoming,
        signal: Signal,
    ) -> Result<Answer, Refusal> {
        let (clerk, gate) = (&self.clerk, &self.clerk.gate);
        let visitor = clerk.admit(&head.headers)?;
        let encoding = encoding_of(&head.headers)?;
        let packing = head.headers.get(header::CONTENT_ENCODING);
        let compression = Compression::from_content_encoding(packing)?;
        let mut permit = gate.permit(&visitor);
        let bytes_max = gate.request_bytes_max();
        let mut request = body::read(body, Announced::Header, bytes_max, &mut permit).await?;
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

/// Lets a client that was refused finish, where the protocol cannot tell it to stop.
async fn hear_out(head: &Parts, body: Incoming, refusal: &Refusal) {
    // HTTP/2 resets the stream; who asked whether to continue has not begun.
    let can_stop = head.version >= Version::HTTP_2 || head.headers.contains_key(header::EXPECT);
    let is_gone = matches!(refusal, Refusal::BrokenOff(_));
    if !can_stop && !is_gone && !body.is_end_stream() {
        body::discard(body).await;
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
