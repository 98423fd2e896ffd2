//! The ways to take in a trace request.

use std::hint::black_box;
use std::sync::Arc;

use enrich::Redactor;
use load::limit::walk;
use load::{LoadError, Requests, Shape};
use model::{PaneDelta, Timestamp};
use observe::{AutomaticSettings, Limits, Observer, ObserverOptions, SliPlan};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use crate::visitor::{Wanted, totals};

/// About 480 bytes and 10 attributes a span.
pub const SHAPE: Shape = Shape { batch: 1000, services: 50, routes: 40 };
/// Requests between two hand-overs of an observer: what comes in 200 ms at two million spans a
/// second.
pub const REQUESTS_PER_FLUSH: usize = 400;
/// The moment of a fixed request.
pub const FIXED_NOW: Timestamp = Timestamp::from_unix_s(1_800_000_000);

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// The limit: reads what is needed of each span and adds it up, trusting the sender.
    BareWalk,
    /// fogbell's walker with a visitor that reads the same.
    Walk,
    /// The same with all attributes shown.
    WalkAll,
    /// Walk, service, operation, automatic SLIs, panes, histogram, edges, tags, exemplars, recall.
    Observe,
    /// The same, handed over after each request.
    ObserveAndFlush,
    /// prost into structs, and dropped.
    Prost,
}

impl Case {
    /// Those that are timed and counted.
    pub const ALL: [Self; 6] = [
        Self::BareWalk,
        Self::Walk,
        Self::WalkAll,
        Self::Observe,
        Self::ObserveAndFlush,
        Self::Prost,
    ];

    /// As on the command line and in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BareWalk => "bare-walk",
            Self::Walk => "otlp-walk",
            Self::WalkAll => "otlp-walk-all-attributes",
            Self::Observe => "observe",
            Self::ObserveAndFlush => "observe-and-flush-each",
            Self::Prost => "prost-decode",
        }
    }

    /// The case of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|case| case.name() == name)
    }
}

/// Runs one case.
#[derive(Debug)]
pub struct Runner {
    case: Case,
    observer: Observer,
}

impl Runner {
    /// With an observer as the daemon makes it by default.
    ///
    /// # Errors
    /// If the built-in redaction does not compile.
    pub fn new(case: Case) -> Result<Self, enrich::RedactError> {
        let observer = Observer::new(&ObserverOptions {
            worker: 0,
            seed: 1,
            limits: Limits::default(),
            automatic: Some(AutomaticSettings::default()),
            redactor: Arc::new(Redactor::new(&[], &[])?),
            slis: Arc::new(SliPlan::default()),
        });
        Ok(Self { case, observer })
    }

    /// Takes one request; whether it could be read.
    #[must_use]
    pub fn take(&mut self, request: &[u8], now: Timestamp) -> bool {
        match self.case {
            Case::BareWalk => black_box(walk(request)).is_some(),
            Case::Walk => black_box(totals(request, Wanted::TwoLengths)).is_some(),
            Case::WalkAll => black_box(totals(request, Wanted::All)).is_some(),
            Case::Observe => self.observer.traces(request, now).is_ok(),
            Case::ObserveAndFlush => {
                let taken = self.observer.traces(request, now).is_ok();
                black_box(self.flush());
                taken
            }
            Case::Prost => black_box(ExportTraceServiceRequest::decode(request)).is_ok(),
        }
    }

    /// Hands over what an observer holds; nothing in the other cases.
    pub fn flush(&mut self) -> PaneDelta {
        self.observer.flush()
    }

    /// How many spans an observer counted.
    #[must_use]
    pub fn spans_counted(&self) -> u64 {
        self.observer.stats().spans
    }
}

/// One request of each service: 24 MB, more than the caches next to a core hold.
#[derive(Debug)]
pub struct Ring {
    requests: Requests,
    next: u64,
    now: Timestamp,
    messages: Vec<Vec<u8>>,
}

impl Ring {
    /// The first round.
    ///
    /// # Errors
    /// If the shape makes no sense.
    pub fn new(shape: Shape) -> Result<Self, LoadError> {
        let requests = Requests::new(shape, 1)?;
        let mut ring = Self { requests, next: 0, now: FIXED_NOW, messages: Vec::new() };
        ring.renew();
        Ok(ring)
    }

    /// Fresh ids, and times 25 ms later: what a round takes at two million spans a second.
    pub fn renew(&mut self) {
        self.now = self.now.after(std::time::Duration::from_millis(25));
        let services = self.requests.shape().services as u64;
        let numbers = self.next..self.next + services;
        self.messages = numbers.map(|n| self.requests.message(n, self.now.unix_ns())).collect();
        self.next += services;
    }

    /// The requests of this round.
    #[must_use]
    pub fn messages(&self) -> &[Vec<u8>] {
        &self.messages
    }

    /// When they arrive.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use load::Shape;

    use super::{Case, Ring, Runner};

    #[test]
    fn every_case_takes_every_request_and_observers_count_each_span() {
        let mut ring = Ring::new(Shape { batch: 100, services: 5, routes: 10 }).unwrap();
        for case in Case::ALL {
            assert_eq!(Case::named(case.name()), Some(case));
            let mut runner = Runner::new(case).unwrap();
            for _ in 0..3 {
                ring.renew();
                for message in ring.messages() {
                    assert!(runner.take(message, ring.now()), "{}", case.name());
                }
            }
            let observes = matches!(case, Case::Observe | Case::ObserveAndFlush);
            assert_eq!(runner.spans_counted(), if observes { 1500 } else { 0 });
        }
    }
}
