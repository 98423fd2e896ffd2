//! Cases that take the same requests and are compared with the first of them.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use load::limit::{walk, walk_points, walk_records};
use load::{Content, Objectives, Shape};
use observe::SliPlan;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use otlp::Signal;
use prost::Message;

use crate::case::{Case, Form};
use crate::objectives::compile;
use crate::visitor::{Wanted, totals};

/// A thousand items a request, 50 services, 40 routes each.
pub const SHAPE: Shape = Shape { batch: 1000, services: 50, routes: 40 };
/// Its requests are twice as large.
const JSON_SHAPE: Shape = Shape { services: 15, ..SHAPE };
/// 40,000 pairs of a service and a route.
const WIDE_SHAPE: Shape = Shape { routes: 800, ..SHAPE };
const SLOS_BY_ROUTE: usize = 1000;
/// One service, so that every request is of the one that has the SLOs.
const BY_ROUTE_SHAPE: Shape = Shape { services: 1, routes: SLOS_BY_ROUTE, ..SHAPE };
const SLOS_ON_ALL: usize = 100;

/// What is measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Spans, next to the bare walk.
    Spans,
    /// Spans of 40,000 operations.
    Wide,
    /// Data points of 100,000 cumulative histograms.
    Points,
    /// Log records.
    Records,
    /// Spans as JSON, next to serde.
    Json,
    /// 1,000 SLOs over one service, each with its own route, next to one.
    SlosByRoute,
    /// 100 SLOs that all match every span, next to one.
    SlosOnAll,
}

impl Group {
    /// In the order in which they run.
    pub const ALL: [Self; 7] = [
        Self::Spans,
        Self::Wide,
        Self::Points,
        Self::Records,
        Self::Json,
        Self::SlosByRoute,
        Self::SlosOnAll,
    ];

    /// As on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spans => "spans",
            Self::Wide => "wide",
            Self::Points => "points",
            Self::Records => "records",
            Self::Json => "json",
            Self::SlosByRoute => "slos-by-route",
            Self::SlosOnAll => "slos-on-all",
        }
    }

    /// What its requests hold.
    #[must_use]
    pub const fn content(self) -> Content {
        match self {
            Self::Spans | Self::Wide | Self::SlosByRoute | Self::SlosOnAll => Content::Spans,
            Self::Points => Content::Points,
            Self::Records => Content::Records,
            Self::Json => Content::JsonSpans,
        }
    }

    /// How its requests spread.
    #[must_use]
    pub const fn shape(self) -> Shape {
        match self {
            Self::Spans | Self::Points | Self::Records | Self::SlosOnAll => SHAPE,
            Self::Wide => WIDE_SHAPE,
            Self::Json => JSON_SHAPE,
            Self::SlosByRoute => BY_ROUTE_SHAPE,
        }
    }

    /// Requests between two hand-overs: what comes in 200 ms at two million spans or records, or
    /// one million points a second.
    #[must_use]
    pub const fn requests_per_hand_over(self) -> usize {
        match self {
            Self::Points => 200,
            _ => 400,
        }
    }

    /// Its cases, the one to compare with first.
    ///
    /// # Errors
    /// If an observer cannot be made.
    pub fn cases(self) -> Result<Vec<Case>, Box<dyn Error>> {
        let none = Arc::<SliPlan>::default;
        let observe = |name, signal, slis| Case::observe(name, signal, Form::Protobuf, slis);
        Ok(match self {
            Self::Spans => span_cases()?,
            Self::Wide => vec![
                Case::read("bare-walk", |request| black_box(walk(request)).is_some()),
                observe("observe", Signal::Traces, none())?,
            ],
            Self::Points => vec![
                Case::read("bare-walk", |request| black_box(walk_points(request)).is_some()),
                observe("observe", Signal::Metrics, none())?,
                Case::read("prost-decode", |request| {
                    black_box(ExportMetricsServiceRequest::decode(request)).is_ok()
                }),
            ],
            Self::Records => vec![
                Case::read("bare-walk", |request| black_box(walk_records(request)).is_some()),
                observe("observe", Signal::Logs, none())?,
                Case::read("prost-decode", |request| {
                    black_box(ExportLogsServiceRequest::decode(request)).is_ok()
                }),
            ],
            Self::Json => vec![
                Case::read("serde-json", |request| {
                    let read = serde_json::from_slice::<ExportTraceServiceRequest>(request);
                    black_box(read).is_ok()
                }),
                Case::read("transcode", |request| {
                    let mut wire = Vec::with_capacity(request.len());
                    otlp::json::transcode(Signal::Traces, request, &mut wire).is_ok()
                        && !black_box(wire).is_empty()
                }),
                Case::observe("observe", Signal::Traces, Form::Json, none())?,
            ],
            Self::SlosByRoute => vec![
                observe("one-slo", Signal::Traces, compile(Objectives::ByRoute(1))?)?,
                observe("1000-slos", Signal::Traces, compile(Objectives::ByRoute(SLOS_BY_ROUTE))?)?,
            ],
            Self::SlosOnAll => vec![
                observe("one-slo", Signal::Traces, compile(Objectives::OnAll(1))?)?,
                observe("100-slos", Signal::Traces, compile(Objectives::OnAll(SLOS_ON_ALL))?)?,
            ],
        })
    }
}

fn span_cases() -> Result<Vec<Case>, Box<dyn Error>> {
    let observe = |name| Case::observe(name, Signal::Traces, Form::Protobuf, Arc::default());
    Ok(vec![
        Case::read("bare-walk", |request| black_box(walk(request)).is_some()),
        Case::read("otlp-walk", |request| black_box(totals(request, Wanted::TwoLengths)).is_some()),
        Case::read("otlp-walk-all-attributes", |request| {
            black_box(totals(request, Wanted::All)).is_some()
        }),
        observe("observe")?,
        observe("observe-and-hand-over-each")?.handing_over_each(),
        Case::read("prost-decode", |request| {
            black_box(ExportTraceServiceRequest::decode(request)).is_ok()
        }),
    ])
}

#[cfg(test)]
mod tests {
    use super::Group;
    use crate::ring::Ring;

    #[test]
    fn every_case_takes_every_request_and_observers_count_each_item() {
        for group in Group::ALL {
            let shape = load::Shape { batch: 200, services: 1, routes: 10 };
            let mut ring = Ring::new(group.content(), shape).unwrap();
            for mut case in group.cases().unwrap() {
                for _ in 0..3 {
                    ring.renew();
                    for message in ring.messages() {
                        assert!(case.take(message, ring.now()), "{group:?} {}", case.name());
                    }
                    case.hand_over();
                }
                assert!(case.items_counted().is_none_or(|items| items == 600), "{group:?}");
            }
        }
    }
}
