use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use otlp::Signal;
use prost::Message;

use crate::Refusal;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All of it was taken.
    Accepted,
    /// Some items were left out; the client must not send them again.
    Partial {
        /// How many were left out.
        rejected: u64,
        /// Why, in English.
        message: String,
    },
    /// Nothing of it was taken.
    Refused(Refusal),
}

/// How an HTTP body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    const fn content_type(self) -> HeaderValue {
        match self {
            Self::Protobuf => HeaderValue::from_static("application/x-protobuf"),
            Self::Json => HeaderValue::from_static("application/json"),
        }
    }
}

/// The protobuf of the signal's export response; empty if all was taken.
pub(crate) fn response_message(signal: Signal, answer: &Answer) -> Vec<u8> {
    let Answer::Partial { rejected, message } = answer else { return Vec::new() };
    let (rejected, error_message) = (i64::try_from(*rejected).unwrap_or(i64::MAX), message.clone());
    match signal {
        Signal::Traces => ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans: rejected,
                error_message,
            }),
        }
        .encode_to_vec(),
        Signal::Metrics => ExportMetricsServiceResponse {
            partial_success: Some(ExportMetricsPartialSuccess {
                rejected_data_points: rejected,
                error_message,
            }),
        }
        .encode_to_vec(),
        Signal::Logs => ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess {
                rejected_log_records: rejected,
                error_message,
            }),
        }
        .encode_to_vec(),
    }
}

/// The HTTP response, in the encoding of the request.
pub(crate) fn http_response(
    signal: Signal,
    encoding: Encoding,
    answer: &Answer,
) -> http::Response<Bytes> {
    if let Answer::Refused(refusal) = answer {
        return refusal_response(refusal, encoding);
    }
    let body = match encoding {
        Encoding::Protobuf => Bytes::from(response_message(signal, answer)),
        Encoding::Json => response_json(signal, answer),
    };
    let mut response = http::Response::new(body);
    let _ = response.headers_mut().insert(header::CONTENT_TYPE, encoding.content_type());
    response
}

/// The HTTP response of a refusal: its body is a `google.rpc.Status`, as the specification demands
/// for every 4xx and 5xx.
pub(crate) fn refusal_response(refusal: &Refusal, encoding: Encoding) -> http::Response<Bytes> {
    let body = match encoding {
        Encoding::Protobuf => status_message(refusal),
        Encoding::Json => refusal.json().to_string().into_bytes(),
    };
    let mut response = http::Response::new(Bytes::from(body));
    let status: StatusCode = refusal.http_status();
    *response.status_mut() = status;
    let _ = response.headers_mut().insert(header::CONTENT_TYPE, encoding.content_type());
    refusal.http_headers(response.headers_mut());
    response
}

fn response_json(signal: Signal, answer: &Answer) -> Bytes {
    let Answer::Partial { rejected, message } = answer else { return Bytes::from_static(b"{}") };
    let key = match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
    };
    // int64 is a string in protobuf JSON.
    let value = serde_json::json!({
        "partialSuccess": { key: rejected.to_string(), "errorMessage": message }
    });
    value.to_string().into()
}

fn status_message(refusal: &Refusal) -> Vec<u8> {
    let status = refusal.status();
    // A status with details carries itself in full; one without carries nothing.
    if !status.details().is_empty() {
        return status.details().to_vec();
    }
    let (code, message) = (i32::from(status.code()), status.message().to_owned());
    tonic_types::Status { code, message, details: Vec::new() }.encode_to_vec()
}

#[cfg(test)]
mod tests;
