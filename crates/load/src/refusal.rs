//! Why a server did not take a request, and whether OTLP lets the client send it again.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// A request that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The status, or the transport's fault.
    pub why: String,
    /// How long a client waits before it sends the request again; `None` if it must not.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// No whole answer came, so that nobody knows what became of the request: it may be sent again.
    pub(crate) fn unanswered(why: String) -> Self {
        Self { why, retry_after: Some(Duration::ZERO) }
    }

    /// An answer that no OTLP server gives.
    pub(crate) fn senseless(why: &str) -> Self {
        Self { why: why.to_owned(), retry_after: None }
    }

    /// By the table of the OTLP specification ("Failures" of OTLP/gRPC).
    pub(crate) fn of_grpc(status: &Status) -> Self {
        let told = status.get_details_retry_info().map(|info| info.retry_delay.unwrap_or_default());
        let retry_after = match status.code() {
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => Some(told.unwrap_or_default()),
            Code::ResourceExhausted => told,
            _ => None,
        };
        Self { why: code_name(status.code()), retry_after }
    }

    /// By the table of the OTLP specification ("Failures" of OTLP/HTTP).
    pub(crate) fn of_http(status: StatusCode, headers: &HeaderMap) -> Self {
        let is_retryable = matches!(status.as_u16(), 429 | 502 | 503 | 504);
        let told = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            why: format!("HTTP {}", status.as_u16()),
            retry_after: is_retryable.then(|| Duration::from_secs(told.unwrap_or_default())),
        }
    }
}

fn code_name(code: Code) -> String {
    // `ResourceExhausted` becomes `RESOURCE_EXHAUSTED`, as the gRPC specification writes it.
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn exhaustion_is_retryable_only_if_the_server_says_when() {
        let after = Duration::from_millis(1500);
        let with = |code| {
            let details = ErrorDetails::with_retry_info(Some(after));
            Refusal::of_grpc(&Status::with_error_details(code, "later", details)).retry_after
        };
        let without = |code| Refusal::of_grpc(&Status::new(code, "no")).retry_after;
        assert_eq!(with(Code::ResourceExhausted), Some(after));
        assert_eq!(without(Code::ResourceExhausted), None);
        assert_eq!(with(Code::Unavailable), Some(after));
        assert_eq!(without(Code::Unavailable), Some(Duration::ZERO));
        assert_eq!(with(Code::InvalidArgument), None);
        let named = Refusal::of_grpc(&Status::new(Code::ResourceExhausted, "no")).why;
        assert_eq!(named, "RESOURCE_EXHAUSTED");
    }

    #[test]
    fn http_names_the_wait_in_a_header() {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, "3".parse().unwrap())]);
        let of = |status| Refusal::of_http(status, &headers).retry_after;
        assert_eq!(of(StatusCode::SERVICE_UNAVAILABLE), Some(Duration::from_secs(3)));
        assert_eq!(of(StatusCode::BAD_REQUEST), None);
    }
}
