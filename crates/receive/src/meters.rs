use std::sync::OnceLock;
use std::time::Duration;

use otlp::Signal;
use telemetry::{Counter, Gauge, Histogram};
use tonic::Code;

use crate::{Answer, Refusal};

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Grpc,
    Http,
}

impl Transport {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

/// Handles of the metrics that every request moves, resolved once. What only refusals move is
/// looked up each time.
#[derive(Default)]
pub(crate) struct Meters {
    ok: [[OnceLock<metrics::Counter>; 3]; 2],
    seconds: [OnceLock<metrics::Histogram>; 2],
    bytes: [OnceLock<metrics::Counter>; 3],
    repeats: OnceLock<metrics::Counter>,
}

impl Meters {
    /// A request was read whole: so many bytes, decompressed.
    pub(crate) fn read(&self, signal: Signal, bytes: usize) {
        let labels = || [("signal", signal_label(signal).to_owned())];
        self.bytes[signal as usize]
            .get_or_init(|| Counter::RequestBytes.handle(&labels()))
            .increment(bytes as u64);
    }

    /// A request was recognised as a repeat.
    pub(crate) fn repeat(&self) {
        self.repeats.get_or_init(|| Counter::Repeats.handle(&[])).increment(1);
    }

    /// A whole request was answered after so long.
    pub(crate) fn took(&self, transport: Transport, duration: Duration) {
        self.seconds[transport as usize]
            .get_or_init(|| {
                metrics::histogram!(Histogram::Request.name(), "transport" => transport.as_str())
            })
            .record(duration.as_secs_f64());
    }

    /// A request was answered.
    pub(crate) fn answered(&self, transport: Transport, signal: Signal, answer: &Answer) {
        match answer {
            Answer::Accepted | Answer::Partial { .. } => self.ok[transport as usize]
                [signal as usize]
                .get_or_init(|| Counter::Requests.handle(&request_labels(transport, signal, None)))
                .increment(1),
            Answer::Refused(refusal) => {
                let labels = request_labels(transport, signal, Some(refusal));
                Counter::Requests.add(1, &labels);
                refused(refusal);
            }
        }
    }
}

/// A request was refused.
pub(crate) fn refused(refusal: &Refusal) {
    let labels = [("reason", refusal.reason().to_owned())];
    match refusal.retry_after() {
        Some(_) => Counter::RequestsShed.add(1, &labels),
        None => Counter::RequestsRefused.add(1, &labels),
    }
}

/// The gauge of open connections.
pub(crate) fn connections(transport: Transport) -> metrics::Gauge {
    metrics::gauge!(Gauge::Connections.name(), "transport" => transport.as_str())
}

fn request_labels(
    transport: Transport,
    signal: Signal,
    refusal: Option<&Refusal>,
) -> [telemetry::Label; 3] {
    let code = match (transport, refusal) {
        (Transport::Grpc, refusal) => format!("{:?}", refusal.map_or(Code::Ok, Refusal::code)),
        (Transport::Http, None) => "200".to_owned(),
        (Transport::Http, Some(refusal)) => refusal.http_status().as_str().to_owned(),
    };
    [
        ("transport", transport.as_str().to_owned()),
        ("signal", signal_label(signal).to_owned()),
        ("code", code),
    ]
}

/// The value of a metric's `signal` label.
pub(crate) const fn signal_label(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "traces",
        Signal::Metrics => "metrics",
        Signal::Logs => "logs",
    }
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}
