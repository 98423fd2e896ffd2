use std::time::Duration;

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
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

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

/// Why a request was refused as a whole: the rows of the OTLP specification's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be read.
    Malformed(String),
    /// It is larger than allowed, before or after decompression.
    TooLarge {
        /// `receive.request_bytes_max`.
        bytes_max: usize,
    },
    /// Its content type or compression is not one that is spoken here.
    Unsupported(String),
    /// No credential, or one that nobody knows.
    Unauthenticated,
    /// The credential may not send telemetry.
    Forbidden,
    /// Too much is in flight, or the daemon drains: come again after `retry_after`.
    Overloaded {
        /// Why, for a metric label: `memory`, `draining`, `journal`.
        reason: &'static str,
        /// When to come again.
        retry_after: Duration,
    },
}

impl Refusal {
    /// A short name for a metric label.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::TooLarge { .. } => "too_large",
            Self::Unsupported(_) => "unsupported",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Overloaded { reason, .. } => reason,
        }
    }

    /// The gRPC status, with `RetryInfo` exactly where a retry makes sense.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Overloaded { retry_after, .. } => {
                let details = ErrorDetails::with_retry_info(Some(*retry_after));
                Status::with_error_details(Code::Unavailable, self.message(), details)
            }
            Self::Malformed(what) => {
                let details = ErrorDetails::with_bad_request_violation("request", what.as_str());
                Status::with_error_details(Code::InvalidArgument, self.message(), details)
            }
            Self::TooLarge { .. } => Status::resource_exhausted(self.message()),
            Self::Unsupported(_) => Status::unimplemented(self.message()),
            Self::Unauthenticated => Status::unauthenticated(self.message()),
            Self::Forbidden => Status::permission_denied(self.message()),
        }
    }

    const fn http_status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Overloaded { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Malformed(what) | Self::Unsupported(what) => what.clone(),
            Self::TooLarge { bytes_max } => format!(
                "the request is larger than {bytes_max} bytes after decompression; send smaller \
                 batches or raise receive.request_bytes_max"
            ),
            Self::Unauthenticated => {
                "no valid credential; send 'authorization: Bearer <token of the tenant>'".to_owned()
            }
            Self::Forbidden => "this credential may not send telemetry".to_owned(),
            Self::Overloaded { reason, retry_after } => {
                format!("overloaded ({reason}); retry after {retry_after:?}")
            }
        }
    }
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
) -> http::Response<http_body_util::Full<bytes::Bytes>> {
    let (status, body) = match answer {
        Answer::Accepted | Answer::Partial { .. } => {
            let body = match encoding {
                Encoding::Protobuf => response_message(signal, answer),
                Encoding::Json => response_json(signal, answer),
            };
            (StatusCode::OK, body)
        }
        Answer::Refused(refusal) => (refusal.http_status(), refusal_body(refusal, encoding)),
    };
    let mut response = http::Response::new(http_body_util::Full::new(bytes::Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let _ = headers.insert(header::CONTENT_TYPE, encoding.content_type());
    match answer {
        Answer::Refused(Refusal::Overloaded { retry_after, .. }) => {
            // Whole seconds, never zero: Retry-After knows no fractions.
            let seconds = retry_after.as_secs_f64().ceil().max(1.0) as u64;
            let _ = headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        Answer::Refused(Refusal::Unauthenticated) => {
            let _ = headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Answer::Refused(Refusal::Unsupported(_)) => {
            let accepted = HeaderValue::from_static("gzip, zstd, deflate");
            let _ = headers.insert(header::ACCEPT_ENCODING, accepted);
        }
        _ => {}
    }
    response
}

fn response_json(signal: Signal, answer: &Answer) -> Vec<u8> {
    let Answer::Partial { rejected, message } = answer else { return b"{}".to_vec() };
    let key = match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
    };
    // int64 is a string in protobuf JSON.
    let value = serde_json::json!({
        "partialSuccess": { key: rejected.to_string(), "errorMessage": message }
    });
    value.to_string().into_bytes()
}

/// `google.rpc.Status`, as the specification demands for every 4xx and 5xx.
fn refusal_body(refusal: &Refusal, encoding: Encoding) -> Vec<u8> {
    let status = refusal.status();
    match encoding {
        Encoding::Protobuf if !status.details().is_empty() => status.details().to_vec(),
        Encoding::Protobuf => tonic_types::Status {
            code: i32::from(status.code()),
            message: status.message().to_owned(),
            details: Vec::new(),
        }
        .encode_to_vec(),
        Encoding::Json => {
            let code = i32::from(status.code());
            let value = serde_json::json!({ "code": code, "message": status.message() });
            value.to_string().into_bytes()
        }
    }
}

#[cfg(test)]
mod tests;
