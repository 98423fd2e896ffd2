use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// What a gRPC request may be compressed with; the same is spoken over HTTP, and deflate there.
const GRPC_ENCODINGS: &str = "gzip,zstd,identity";
const HTTP_ENCODINGS: &str = "gzip, zstd, deflate";

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
    /// It grows more than telemetry does when decompressed.
    TooDense {
        /// How many times its size it may grow.
        ratio_max: usize,
    },
    /// Its HTTP/1 head is longer than allowed, or has too many fields.
    HeadTooLong,
    /// Its content type is not one that is spoken here.
    ContentType(String),
    /// Its compression is not one that is spoken here.
    Compression(String),
    /// Nothing is served at its path.
    Path(String),
    /// OTLP is sent with POST.
    Method,
    /// No credential, or one that nobody knows.
    Unauthenticated,
    /// The credential may not send telemetry.
    Forbidden,
    /// It ended before it was whole, or did not become whole in time. Nobody waits for the answer.
    BrokenOff(&'static str),
    /// Its tenant has too much in flight: come again after `retry_after`.
    OverQuota {
        /// When to come again.
        retry_after: Duration,
    },
    /// Too much is in flight or to be done, no further tenant has a place, or the daemon drains: come
    /// again after `retry_after`.
    Overloaded {
        /// Why, for a metric label: `memory`, `work`, `behind`, `draining`, `journal`,
        /// `tenants`.
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
            Self::TooDense { .. } => "too_dense",
            Self::HeadTooLong => "head_too_long",
            Self::ContentType(_) => "content_type",
            Self::Compression(_) => "compression",
            Self::Path(_) => "path",
            Self::Method => "method",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::BrokenOff(_) => "broken_off",
            Self::OverQuota { .. } => "quota",
            Self::Overloaded { reason, .. } => reason,
        }
    }

    /// When the client should come again; nothing if it must not.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::OverQuota { retry_after } | Self::Overloaded { retry_after, .. } => {
                Some(*retry_after)
            }
            _ => None,
        }
    }

    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::InvalidArgument,
            Self::TooLarge { .. }
            | Self::TooDense { .. }
            | Self::HeadTooLong
            | Self::OverQuota { .. } => Code::ResourceExhausted,
            Self::ContentType(_) | Self::Compression(_) | Self::Path(_) | Self::Method => {
                Code::Unimplemented
            }
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Forbidden => Code::PermissionDenied,
            Self::BrokenOff(_) => Code::Cancelled,
            Self::Overloaded { .. } => Code::Unavailable,
        }
    }

    /// The gRPC status, with `RetryInfo` exactly where a retry makes sense.
    #[must_use]
    pub fn status(&self) -> Status {
        let details = match (self, self.retry_after()) {
            (_, Some(retry_after)) => ErrorDetails::with_retry_info(Some(retry_after)),
            (Self::Malformed(what), None) => {
                ErrorDetails::with_bad_request_violation("request", what.as_str())
            }
            _ => {
                let mut status = Status::new(self.code(), self.message());
                if let Self::Compression(_) = self {
                    let encodings = MetadataValue::from_static(GRPC_ENCODINGS);
                    let _ = status.metadata_mut().insert("grpc-accept-encoding", encodings);
                }
                return status;
            }
        };
        Status::with_error_details(self.code(), self.message(), details)
    }

    pub(crate) const fn http_status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } | Self::TooDense { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLong => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::ContentType(_) | Self::Compression(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Path(_) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::BrokenOff(_) => StatusCode::REQUEST_TIMEOUT,
            Self::OverQuota { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Overloaded { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Headers that HTTP wants beside the status.
    pub(crate) fn http_headers(&self, headers: &mut HeaderMap) {
        if let Some(retry_after) = self.retry_after() {
            // Whole seconds, never zero: Retry-After knows no fractions.
            let seconds = retry_after.as_secs_f64().ceil().max(1.0) as u64;
            let _ = headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        let (name, value) = match self {
            Self::Unauthenticated => (header::WWW_AUTHENTICATE, "Bearer"),
            Self::Compression(_) => (header::ACCEPT_ENCODING, HTTP_ENCODINGS),
            Self::Method => (header::ALLOW, "POST"),
            _ => return,
        };
        let _ = headers.insert(name, HeaderValue::from_static(value));
    }

    /// `google.rpc.Status` in protobuf's JSON mapping.
    pub(crate) fn json(&self) -> Value {
        let mut details = Vec::new();
        if let Some(retry_after) = self.retry_after() {
            let delay = format!("{:.3}s", retry_after.as_secs_f64());
            let kind = "type.googleapis.com/google.rpc.RetryInfo";
            details.push(json!({ "@type": kind, "retryDelay": delay }));
        }
        if let Self::Malformed(what) = self {
            let kind = "type.googleapis.com/google.rpc.BadRequest";
            let violation = json!({ "field": "request", "description": what });
            details.push(json!({ "@type": kind, "fieldViolations": [violation] }));
        }
        json!({ "code": i32::from(self.code()), "message": self.message(), "details": details })
    }

    fn message(&self) -> String {
        match self {
            Self::Malformed(what)
            | Self::ContentType(what)
            | Self::Compression(what)
            | Self::Path(what) => what.clone(),
            Self::TooLarge { bytes_max } => format!(
                "the request is larger than {bytes_max} bytes, before or after decompression; send \
                 smaller batches or raise receive.request_bytes_max"
            ),
            Self::TooDense { ratio_max } => format!(
                "the request grows to more than {ratio_max} times its size when decompressed, which \
                 telemetry does not"
            ),
            Self::HeadTooLong => {
                "the head of the request is longer than 16 KiB, or has more than 100 fields"
                    .to_owned()
            }
            Self::Method => "OTLP is sent with POST".to_owned(),
            Self::Unauthenticated => {
                "no valid credential; send 'authorization: Bearer <token of the tenant>'".to_owned()
            }
            Self::Forbidden => "this credential may not send telemetry".to_owned(),
            Self::BrokenOff(what) => (*what).to_owned(),
            Self::OverQuota { retry_after } => format!(
                "this tenant has more in flight than its share; retry after {retry_after:?}"
            ),
            Self::Overloaded { reason, retry_after } => {
                format!("overloaded ({reason}); retry after {retry_after:?}")
            }
        }
    }
}
