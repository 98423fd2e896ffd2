//! What a daemon says that it did with the spans that it was sent, beside what its clients saw.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::error::LoadError;

/// A scrape that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Keeps the counts of spans apart from those of other signals.
const SPANS: &str = "signal=\"traces\"";

/// Spans, since the daemon began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Read by the daemon.
    pub received: u64,
    /// Taken by it.
    pub accepted: u64,
    /// Rejected one by one.
    pub rejected: u64,
    /// Read, and then refused with their request.
    pub shed: u64,
    /// Taken, as its clients were told.
    pub accepted_seen: u64,
}

impl Ledger {
    /// Reads the daemon's own metrics. Nothing may be on its way meanwhile.
    pub(crate) async fn scrape(api: SocketAddr, accepted_seen: u64) -> Result<Self, LoadError> {
        let failed = |reason: String| LoadError::Scrape { api, reason };
        let text = tokio::time::timeout(TIMEOUT, body_of("/metrics", api))
            .await
            .map_err(|_| failed(format!("no answer within {TIMEOUT:?}")))?
            .map_err(failed)?;
        let sum = |name| sum(&text, name);
        let received = sum("fogbell_items_received_total");
        Ok(Self {
            // A daemon that received nothing need not name the metric, a renamed one must not pass.
            received: received.ok_or_else(|| failed("it counts no spans".to_owned()))?,
            accepted: sum("fogbell_items_accepted_total").unwrap_or(0),
            rejected: sum("fogbell_items_rejected_total").unwrap_or(0),
            shed: sum("fogbell_items_shed_total").unwrap_or(0),
            accepted_seen,
        })
    }

    /// How many spans the two equations that hold do not account for: received = accepted +
    /// rejected + shed, and what the daemon took is what its clients were told.
    #[must_use]
    pub const fn unaccounted(&self) -> u64 {
        let told = self.accepted + self.rejected + self.shed;
        self.received.abs_diff(told) + self.accepted.abs_diff(self.accepted_seen)
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { received, accepted, rejected, shed, accepted_seen } = self;
        write!(
            f,
            "received {received} = accepted {accepted} + rejected {rejected} + shed {shed}; \
             clients saw {accepted_seen} accepted"
        )?;
        match self.unaccounted() {
            0 => write!(f, ": exact"),
            spans => write!(f, ": OFF BY {spans}"),
        }
    }
}

async fn body_of(path: &'static str, api: SocketAddr) -> Result<String, String> {
    let stream = TcpStream::connect(api).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = http::Uri::from_static(path);
    let host = HeaderValue::from_str(&api.to_string()).map_err(|error| error.to_string())?;
    let _ = request.headers_mut().insert(HOST, host);
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
    connection.abort();
    match status {
        StatusCode::OK => Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned()),
        other => Err(format!("HTTP {}", other.as_u16())),
    }
}

/// The samples of a counter of spans, together; `None` if there is none.
fn sum(exposition: &str, name: &str) -> Option<u64> {
    let samples = exposition.lines().filter_map(|line| {
        let labels = line.strip_prefix(name)?.strip_prefix('{')?;
        let (labels, value) = labels.rsplit_once("} ")?;
        labels.split(',').any(|label| label == SPANS).then(|| value.trim().parse::<u64>().ok())?
    });
    samples.fold(None, |sum, value| Some(sum.unwrap_or(0) + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_all_tenants_and_reasons_are_added_and_other_signals_are_not() {
        let text = "# TYPE fogbell_items_rejected_total counter\n\
            fogbell_items_rejected_total{tenant=\"a\",signal=\"traces\",reason=\"no_id\"} 3\n\
            fogbell_items_rejected_total{tenant=\"b\",signal=\"traces\",reason=\"time\"} 4\n\
            fogbell_items_rejected_total{tenant=\"b\",signal=\"logs\",reason=\"time\"} 100\n\
            fogbell_items_rejected_total_other{signal=\"traces\"} 1000\n";
        assert_eq!(sum(text, "fogbell_items_rejected_total"), Some(7));
        assert_eq!(sum(text, "fogbell_items_received_total"), None);
    }

    #[test]
    fn a_span_that_is_lost_on_either_side_is_unaccounted_for() {
        let even = Ledger { received: 10, accepted: 6, rejected: 3, shed: 1, accepted_seen: 6 };
        assert_eq!(even.unaccounted(), 0);
        assert!(even.to_string().ends_with("exact"), "{even}");
        assert_eq!(Ledger { shed: 0, ..even }.unaccounted(), 1);
        assert_eq!(Ledger { accepted_seen: 5, ..even }.unaccounted(), 1);
        assert!(Ledger { received: 12, ..even }.to_string().ends_with("OFF BY 2"));
    }
}
