use std::net::SocketAddr;

use crate::compare::Server;
use crate::objectives::Objectives;
use crate::options::{Compression, Protocol};
use crate::payload::{Content, Shape};

/// One row of the comparison: what is sent, what it may cost, and next to what.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// As on the command line.
    pub name: &'static str,
    /// What is sent.
    pub content: Content,
    /// How the payload is cut and spread.
    pub shape: Shape,
    /// Of the request bodies.
    pub compression: Compression,
    /// How the daemon is driven.
    pub protocol: Protocol,
    /// What the daemon judges beside its automatic SLOs.
    pub objectives: Option<Objectives>,
    /// What the daemon is compared with.
    pub base: Base,
    /// The most that the daemon may cost, in costs of the base.
    pub bound: f64,
    /// The least that the Collector costs, in costs of the daemon; `None` if it has no such row.
    pub peer_bound: Option<f64>,
    /// The most resident memory that the daemon may have, in MiB.
    pub rss_bound_mib: Option<f64>,
}

/// What a daemon is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The bare walk of the same bytes over gRPC.
    Walk,
    /// serde_json into structs over HTTP.
    Json,
    /// The daemon over gRPC.
    Grpc,
    /// The daemon with the first of its SLOs only.
    OneObjective,
}

/// A server and how it is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub server: Server,
    pub protocol: Protocol,
    pub objectives: Option<Objectives>,
    /// Where a daemon's pages go over gRPC; nowhere for most.
    pub pages_to: Option<SocketAddr>,
}

const SHAPE: Shape = Shape { batch: 1000, services: 50, routes: 40 };
const SLOS_BY_ROUTE: usize = 1000;
const SLOS_ON_ALL: usize = 100;

impl Case {
    /// The rows whose bounds fogbell promises, in their order.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let spans = Self {
            name: "batch-1000",
            content: Content::Spans,
            shape: SHAPE,
            compression: Compression::None,
            protocol: Protocol::Grpc,
            objectives: None,
            base: Base::Walk,
            bound: 1.3,
            peer_bound: Some(20.0),
            rss_bound_mib: Some(150.0),
        };
        let batch = |batch| Shape { batch, ..SHAPE };
        let row = || Self { peer_bound: None, ..spans.clone() };
        vec![
            spans.clone(),
            Self { name: "batch-512", shape: batch(512), ..spans.clone() },
            Self {
                name: "batch-100",
                shape: batch(100),
                bound: 1.35,
                peer_bound: Some(14.0),
                ..spans.clone()
            },
            Self { name: "zstd", compression: Compression::Zstd, bound: 1.25, ..row() },
            Self { name: "gzip", compression: Compression::Gzip, bound: 1.25, ..row() },
            Self {
                name: "wide",
                shape: Shape { routes: 800, ..SHAPE },
                bound: 1.8,
                rss_bound_mib: None,
                ..row()
            },
            Self { name: "http", protocol: Protocol::Http, base: Base::Grpc, bound: 1.0, ..row() },
            Self {
                name: "json",
                content: Content::JsonSpans,
                protocol: Protocol::Http,
                base: Base::Json,
                bound: 0.5,
                ..row()
            },
            Self {
                name: "points",
                content: Content::Points,
                bound: 2.5,
                rss_bound_mib: None,
                ..row()
            },
            Self { name: "records", content: Content::Records, bound: 3.0, ..row() },
            Self {
                name: "slos-by-route",
                shape: Shape { services: 1, routes: SLOS_BY_ROUTE, ..SHAPE },
                objectives: Some(Objectives::ByRoute(SLOS_BY_ROUTE)),
                base: Base::OneObjective,
                bound: 2.0,
                rss_bound_mib: None,
                ..row()
            },
            Self {
                name: "slos-on-all",
                objectives: Some(Objectives::OnAll(SLOS_ON_ALL)),
                base: Base::OneObjective,
                bound: 3.0,
                rss_bound_mib: None,
                ..row()
            },
        ]
    }

    /// What was sent, in words.
    #[must_use]
    pub fn payload(&self) -> String {
        let Self { content, shape: Shape { batch, services, routes }, .. } = self;
        format!("{batch} {content} {} {services}x{routes}", self.compression)
    }

    pub(crate) fn ours(&self) -> Run {
        Run { objectives: self.objectives, ..Run::of(Server::Fogbell, self.protocol) }
    }

    pub(crate) fn base_run(&self) -> Run {
        match self.base {
            Base::Walk => Run::of(Server::Walk, Protocol::Grpc),
            Base::Json => Run::of(Server::Json, Protocol::Http),
            Base::Grpc => Run { protocol: Protocol::Grpc, ..self.ours() },
            Base::OneObjective => {
                Run { objectives: self.objectives.map(Objectives::first), ..self.ours() }
            }
        }
    }

    /// The transport alone, where there is a limit for it.
    pub(crate) fn touch(&self) -> Option<Run> {
        (self.base == Base::Walk).then(|| Run::of(Server::Touch, Protocol::Grpc))
    }
}

impl Base {
    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Walk => "walk",
            Self::Json => "serde",
            Self::Grpc => "gRPC",
            Self::OneObjective => "one SLO",
        }
    }
}

impl Run {
    /// A server as it is by itself.
    pub(crate) const fn of(server: Server, protocol: Protocol) -> Self {
        Self { server, protocol, objectives: None, pages_to: None }
    }
}
