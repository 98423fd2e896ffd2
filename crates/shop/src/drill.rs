//! A generated system with labelled faults: what root-cause analysis is scored on beside recordings
//! of real systems.
//!
//! Requests walk through the services one by one, in virtual time: a delay is one of all callers, a
//! failure is handled or goes on, a caller does not wait beyond its deadline. The same options give
//! the same bytes.

mod degrade;
mod fault;
mod metrics;
mod system;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::export::Export;
use crate::random::Random;
use degrade::Degrader;
use fault::Planned;
use system::System;

pub use degrade::Degradation;
pub use fault::{DrillFault, UnknownDrillFault};
pub use system::{DRILL_SERVICES_MAX, Topology, UnknownTopology};

/// Time between two exports of a pod.
const EXPORT_NS: u64 = 1_000_000_000;
/// Time between two points of a gauge.
const METRICS_NS: u64 = 15_000_000_000;

/// How a drill goes.
#[derive(Clone, Debug)]
pub struct DrillOptions {
    /// Equal options give equal exports.
    pub seed: u64,
    /// How the services call each other.
    pub topology: Topology,
    /// How many there are, 4 to [`DRILL_SERVICES_MAX`].
    pub services: usize,
    /// Entry requests a second, before sampling.
    pub requests_per_s: f64,
    /// What goes wrong at once, each at a service of its own.
    pub faults: Vec<DrillFault>,
    /// How long all is well before.
    pub calm: Duration,
    /// What is wrong with the telemetry.
    pub degradation: Degradation,
}

/// What is truly broken, from `from_unix_ns` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrillTruth {
    /// Name of the service.
    pub service: String,
    /// Its pod, if the fault is one pod's, or its own and it has one alone; else empty.
    pub pod: String,
    /// What kind of fault.
    pub fault: DrillFault,
    /// The tag that tells what is broken from what is well, key and value, where one does.
    pub tag: Option<(&'static str, &'static str)>,
    /// Since when.
    pub from_unix_ns: u64,
}

/// A running drill.
#[derive(Debug)]
pub struct Drill {
    system: System,
    planned: Vec<Planned>,
    random: Random,
    degrader: Degrader,
    gap_mean_ns: f64,
    next_arrival_ns: u64,
    next_metrics_ns: u64,
    next_export_ns: u64,
    /// What was made and not yet sent, by the second in which it is.
    waiting: BTreeMap<(u64, Place), Batch>,
}

/// A pod of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    service: usize,
    pod: usize,
}

#[derive(Debug, Default)]
struct Batch {
    spans: Vec<Span>,
    records: Vec<LogRecord>,
}

impl Drill {
    /// A drill that begins at `start_unix_ns`.
    #[must_use]
    pub fn new(options: &DrillOptions, start_unix_ns: u64) -> Self {
        let mut random = Random::new(options.seed);
        let system = System::generate(options.topology, options.services, &mut random);
        let from_ns = start_unix_ns.saturating_add(ns(options.calm));
        let planned = fault::plan(&options.faults, &system, from_ns, &mut random);
        let sampled = options.requests_per_s * options.degradation.sampled();
        let gap_mean_ns = if sampled > 0.0 { 1e9 / sampled } else { f64::INFINITY };
        let degrader = Degrader::new(&options.degradation, system.services.len(), &mut random);
        Self {
            next_arrival_ns: start_unix_ns.saturating_add(random.exponential(gap_mean_ns) as u64),
            next_metrics_ns: start_unix_ns,
            next_export_ns: start_unix_ns.saturating_add(EXPORT_NS),
            system,
            planned,
            random,
            degrader,
            gap_mean_ns,
            waiting: BTreeMap::new(),
        }
    }

    /// What the pods send up to a moment, in order.
    pub fn advance(&mut self, until_unix_ns: u64) -> Vec<Export> {
        let mut out = Vec::new();
        while self.next_export_ns <= until_unix_ns {
            let now_ns = self.next_export_ns;
            while self.next_arrival_ns < now_ns {
                self.request(self.next_arrival_ns);
                let gap = self.random.exponential(self.gap_mean_ns).max(1.0);
                self.next_arrival_ns = self.next_arrival_ns.saturating_add(gap as u64);
            }
            self.complain(now_ns);
            self.flush(now_ns, &mut out);
            if now_ns > self.next_metrics_ns {
                self.measure(now_ns, &mut out);
                self.next_metrics_ns = self.next_metrics_ns.saturating_add(METRICS_NS);
            }
            self.next_export_ns = now_ns.saturating_add(EXPORT_NS);
        }
        out
    }

    /// What is broken, in the order of the options. Shorter where no service is left that a fault
    /// could befall.
    #[must_use]
    pub fn truths(&self) -> Vec<DrillTruth> {
        let truth = |planned: &Planned| {
            let service = &self.system.services[planned.service];
            let is_own = planned.fault.is_of_the_service();
            let only = (is_own && service.pods.len() == 1).then_some(0);
            let pod = planned.pod.or(only).and_then(|pod| service.pods.get(pod));
            DrillTruth {
                service: service.name.clone(),
                pod: pod.map_or(String::new(), |pod| pod.name.clone()),
                fault: planned.fault,
                tag: planned.tag(),
                from_unix_ns: planned.from_ns,
            }
        };
        self.planned.iter().map(truth).collect()
    }

    fn keep(&mut self, place: Place, at_ns: u64) -> &mut Batch {
        self.waiting.entry((at_ns / EXPORT_NS, place)).or_default()
    }

    /// What faults log without a request.
    fn complain(&mut self, now_ns: u64) {
        let planned: Vec<Planned> = self.planned.clone();
        for planned in planned.iter().filter(|planned| planned.from_ns < now_ns) {
            let Some(message) = planned.fault.background_error() else { continue };
            for pod in 0..self.system.services[planned.service].pods.len() {
                let place = Place { service: planned.service, pod };
                let record = crate::log::error(now_ns - EXPORT_NS / 2, message.to_owned());
                self.keep(place, now_ns - EXPORT_NS / 2).records.push(record);
            }
        }
    }

    fn flush(&mut self, now_ns: u64, out: &mut Vec<Export>) {
        let rest = self.waiting.split_off(&(now_ns / EXPORT_NS, Place { service: 0, pod: 0 }));
        for ((_, place), batch) in std::mem::replace(&mut self.waiting, rest) {
            let service = &self.system.services[place.service];
            let version = fault::version_of(&self.planned, place.service, now_ns);
            let resource = service.resource(place.pod, version);
            let batch = self.degrader.degrade(place.service, batch, &mut self.random);
            if !batch.spans.is_empty() {
                out.push(Export::of_spans(&resource, batch.spans));
            }
            if !batch.records.is_empty() {
                out.push(Export::of_logs(&resource, batch.records));
            }
        }
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
