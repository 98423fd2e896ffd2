use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use otlp::Signal;
use telemetry::Counter;
use tonic::Code;

use crate::answer::{Encoding, http_response};
use crate::grpc::signal_label;
use crate::inflate::{Compression, inflate};
use crate::{Answer, Gate, Intake, MeteredBody, Refusal};

/// OTLP over HTTP.
#[derive(Clone)]
pub(crate) struct Http {
    pub(crate) gate: Arc<Gate>,
    pub(crate) intake: Arc<dyn Intake>,
}

impl Http {
    pub(crate) async fn serve(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let Some(signal) = signal_of(request.uri().path()) else {
            let what = "POST OTLP to /v1/traces, /v1/metrics or /v1/logs\n";
            return Ok(plain(StatusCode::NOT_FOUND, what));
        };
        if request.method() != Method::POST {
            return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "OTLP is sent with POST\n"));
        }
        let (encoding, answer) = match encoding_of(request.headers()) {
            Ok(encoding) => (encoding, self.export(request, signal, encoding).await),
            // What the client reads is not known, either: protobuf is what every client speaks.
            Err(refusal) => (Encoding::Protobuf, Answer::Refused(refusal)),
        };
        let response = http_response(signal, encoding, &answer);
        let labels = [
            ("transport", "http".to_owned()),
            ("signal", signal_label(signal).to_owned()),
            ("code", response.status().as_u16().to_string()),
        ];
        Counter::Requests.add(1, &labels);
        Ok(response)
    }

    async fn export(
        &self,
        request: Request<Incoming>,
        signal: Signal,
        encoding: Encoding,
    ) -> Answer {
        match self.read_and_take(request, signal, encoding).await {
            Ok(answer) => answer,
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    async fn read_and_take(
        &self,
        request: Request<Incoming>,
        signal: Signal,
        encoding: Encoding,
    ) -> Result<Answer, Refusal> {
        let caller = self.gate.admit(request.headers())?;
        let compression = Compression::from_header(request.headers().get(header::CONTENT_ENCODING))?;
        let bytes_max = self.gate.request_bytes_max();
        let mut permit = self.gate.admission().permit();
        let metered = MeteredBody::new(request.into_body(), self.gate.admission(), bytes_max);
        let mut body = metered.collect().await.map_err(|status| refusal_of(&status, bytes_max))?;
        let body = body_bytes(&mut body);
        let inflated;
        let mut bytes = &body[..];
        if compression != Compression::None {
            permit.grow(body.len())?;
            inflated = inflate(compression, &body, bytes_max)?;
            permit.grow(inflated.len().saturating_sub(body.len()))?;
            bytes = &inflated;
        }
        let transcoded = match encoding {
            Encoding::Protobuf => None,
            Encoding::Json => Some(transcode(signal, bytes)?),
        };
        let bytes = transcoded.as_deref().unwrap_or(bytes);
        Ok(self.gate.take(&*self.intake, &caller.tenant, signal, bytes).await)
    }
}

fn body_bytes(collected: &mut http_body_util::Collected<Bytes>) -> Bytes {
    std::mem::take(collected).to_bytes()
}

fn transcode(signal: Signal, json: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut protobuf = Vec::with_capacity(json.len());
    otlp::json::transcode(signal, json, &mut protobuf)
        .map_err(|error| Refusal::Malformed(error.to_string()))?;
    Ok(protobuf)
}

/// The metered body ends with a gRPC status; here it becomes the refusal that it stands for.
fn refusal_of(status: &tonic::Status, bytes_max: usize) -> Refusal {
    match status.code() {
        Code::ResourceExhausted => Refusal::TooLarge { bytes_max },
        Code::Unavailable => {
            let retry_after = std::time::Duration::from_secs(1);
            Refusal::Overloaded { reason: "memory", retry_after }
        }
        _ => Refusal::Malformed(status.message().to_owned()),
    }
}

fn signal_of(path: &str) -> Option<Signal> {
    match path {
        "/v1/traces" => Some(Signal::Traces),
        "/v1/metrics" => Some(Signal::Metrics),
        "/v1/logs" => Some(Signal::Logs),
        _ => None,
    }
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
        Err(Refusal::Unsupported(what))
    }
}

fn plain(status: StatusCode, what: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(what.as_bytes())));
    *response.status_mut() = status;
    response
}
