use std::fmt;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

/// A service within a tenant. Environments are kept apart; version, pod, node and zone are tags.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Service {
    /// `service.name`; `__overflow__` for what is beyond the cap of services.
    pub name: String,
    /// `service.namespace`, empty if not given.
    pub namespace: String,
    /// `deployment.environment.name`, empty if not given.
    pub environment: String,
}

/// `SpanKind` of OTLP.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum SpanKind {
    /// Not told; OTLP says to read it as internal.
    #[default]
    Unspecified,
    /// Work inside a service.
    Internal,
    /// Serves a synchronous request.
    Server,
    /// Makes a synchronous request.
    Client,
    /// Hands a message to a broker.
    Producer,
    /// Takes a message from a broker.
    Consumer,
}

/// A signal of OTLP.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Telemetry {
    /// Spans.
    Traces,
    /// Metric points.
    Metrics,
    /// Log records.
    Logs,
}

/// How a peer is spoken to.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum PeerKind {
    /// An HTTP server.
    Http,
    /// An RPC server.
    Rpc,
    /// A database or cache.
    Database,
    /// A message broker.
    Messaging,
    /// Something whose protocol the span does not tell.
    Other,
}

/// Whom a client span calls, as the span itself says it. Which service stands behind a peer is
/// learnt by joining client and server spans.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Peer {
    /// How it is spoken to.
    pub kind: PeerKind,
    /// `peer.service`, else `server.address` with its port, else the database or destination name.
    pub address: String,
    /// `db.system.name`, `rpc.system`, `messaging.system`; empty if not told.
    pub system: String,
}

/// An SLI that every serving service gets.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum AutomaticSli {
    /// Requests that did not fail.
    Availability,
    /// Requests that were fast enough.
    Latency,
}

/// Where an automatic SLI takes its events from; never both for one service at one time.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum AutomaticSource {
    /// Server and consumer spans.
    Spans,
    /// HTTP and RPC server histograms, which are not sampled.
    Histograms,
}

/// The identity of an SLI series: what one pair of counters belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum SeriesKey {
    /// Made by fogbell for a service that serves.
    Automatic {
        /// The service.
        service: Arc<Service>,
        /// Which of its SLIs.
        sli: AutomaticSli,
        /// Where the events come from.
        source: AutomaticSource,
    },
    /// Declared in an OpenSLO document.
    Declared {
        /// `metadata.name` of the SLO.
        slo: Arc<str>,
        /// Values of `groupBy`, in its order; empty without it.
        group: Vec<Arc<str>>,
    },
}

impl Service {
    /// The service that takes what is beyond the cap of services.
    pub const OVERFLOW: &'static str = "__overflow__";

    /// A service known by its name alone.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

impl fmt::Display for Service {
    /// `namespace/name@environment`, without the parts that are empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)?;
        if !self.environment.is_empty() {
            write!(f, "@{}", self.environment)?;
        }
        Ok(())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address.is_empty(), self.system.is_empty()) {
            (false, false)
                if self.kind == PeerKind::Database || self.kind == PeerKind::Messaging =>
            {
                write!(f, "{} ({})", self.address, self.system)
            }
            (false, _) => f.write_str(&self.address),
            (true, false) => f.write_str(&self.system),
            (true, true) => f.write_str("unknown peer"),
        }
    }
}

impl SpanKind {
    /// From the number that OTLP carries; unknown numbers are `Unspecified`.
    #[must_use]
    pub const fn from_otlp(number: i32) -> Self {
        match number {
            1 => Self::Internal,
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => Self::Unspecified,
        }
    }

    /// The word that TraceQL uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    /// Whether the span serves someone: what automatic SLOs count.
    #[must_use]
    pub const fn serves(self) -> bool {
        matches!(self, Self::Server | Self::Consumer)
    }

    /// Whether the span calls someone: what edges count.
    #[must_use]
    pub const fn calls(self) -> bool {
        matches!(self, Self::Client | Self::Producer)
    }
}

impl Telemetry {
    /// All signals, in their order.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// The word in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

impl AutomaticSli {
    /// The word in SLO names and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Availability => "availability",
            Self::Latency => "latency",
        }
    }
}
