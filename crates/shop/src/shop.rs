//! The shop itself: virtual time in, export requests out.

use std::time::Duration;

use crate::attribute::text;
use crate::export::Export;
use crate::exporter::{Exporter, Moment};
use crate::fault::{Fault, Truth};
use crate::log::{self, SpanContext};
use crate::pod::Pods;
use crate::random::Random;
use crate::request::Request;
use crate::span::{self, Frame};
use crate::timeline::Timeline;
use crate::topology;
use crate::visitor::{self, Visitor};

/// Entry requests per second at most; more is cut to it.
pub const REQUESTS_PER_S_MAX: f64 = 10_000.0;
/// Metrics are exported once in this time at least.
const METRICS_INTERVAL_MAX: Duration = Duration::from_secs(3_600);
const METRICS_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// How a run goes.
#[derive(Debug, Clone)]
pub struct ShopOptions {
    /// Equal seeds (and start times) give equal exports, byte by byte.
    pub seed: u64,
    /// Mean rate of entry requests, which arrive as a Poisson process. Each makes about 15 spans.
    pub requests_per_s: f64,
    /// What goes wrong, if anything.
    pub fault: Option<Fault>,
    /// How long the shop is healthy first.
    pub fault_start_after: Duration,
    /// How long the fault lasts; for ever if not given.
    pub fault_duration: Option<Duration>,
    /// Services that export `http.server.request.duration`, by name.
    pub histogram_services: &'static [&'static str],
    /// Time between two metric exports of a pod, 1 s to 1 h.
    pub metrics_interval: Duration,
}

impl Default for ShopOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            requests_per_s: 60.0,
            fault: None,
            fault_start_after: Duration::from_secs(30),
            fault_duration: None,
            histogram_services: &["frontend", "catalog"],
            metrics_interval: Duration::from_secs(5),
        }
    }
}

/// The running shop. It is deterministic and reads no clock.
#[derive(Debug)]
pub struct Shop {
    timeline: Timeline,
    pods: Pods,
    /// One for each pod, at the same index.
    exporters: Vec<Exporter>,
    random: Random,
    gap_mean_ns: f64,
    next_arrival_ns: u64,
    now_ns: u64,
}

impl Shop {
    /// Opens the shop at `start_unix_ns`.
    pub fn new(options: &ShopOptions, start_unix_ns: u64) -> Self {
        let mut random = Random::new(options.seed);
        let timeline = timeline(options, start_unix_ns);
        let pods = Pods::plan(&timeline, start_unix_ns, &mut random);
        let interval = options.metrics_interval.clamp(METRICS_INTERVAL_MIN, METRICS_INTERVAL_MAX);
        let exporters = pods
            .iter()
            .map(|pod| {
                let has_histograms = options.histogram_services.contains(&pod.spec.name);
                let interval_ns = interval.as_nanos() as u64;
                Exporter::new(start_unix_ns, interval_ns, has_histograms, &mut random)
            })
            .collect();
        let rate = options.requests_per_s.min(REQUESTS_PER_S_MAX);
        let gap_mean_ns = if rate > 0.0 { 1e9 / rate } else { f64::INFINITY };
        let mut shop = Self {
            timeline,
            pods,
            exporters,
            random,
            gap_mean_ns,
            next_arrival_ns: start_unix_ns,
            now_ns: start_unix_ns,
        };
        shop.schedule_arrival();
        shop.announce_migration();
        shop
    }

    /// Runs the shop until `until_unix_ns` and returns what its pods sent since the last call, in
    /// the order in which they sent it. Memory grows with the step: a second at a time is plenty.
    pub fn advance(&mut self, until_unix_ns: u64) -> Vec<Export> {
        let mut out = Vec::new();
        loop {
            let batches = self.exporters.iter().enumerate();
            let next = batches.min_by_key(|(index, e)| (e.next_batch_ns, *index));
            let Some((index, batch_ns)) = next.map(|(index, e)| (index, e.next_batch_ns)) else {
                break;
            };
            if self.next_arrival_ns.min(batch_ns) > until_unix_ns {
                break;
            }
            if self.next_arrival_ns <= batch_ns {
                self.serve_visitor();
            } else {
                self.flush(index, batch_ns, &mut out);
            }
        }
        self.now_ns = self.now_ns.max(until_unix_ns);
        out
    }

    /// The virtual time that it has reached, in nanoseconds since the Unix epoch.
    pub fn now_unix_ns(&self) -> u64 {
        self.now_ns
    }

    /// What is, will be or was broken in this run; none without a fault.
    pub fn truth(&self) -> Option<Truth> {
        self.timeline.fault.map(Fault::expected)
    }

    /// Start and end of the fault in nanoseconds since the Unix epoch; the end is `u64::MAX` if it
    /// lasts for ever. None without a fault.
    pub fn fault_window(&self) -> Option<(u64, u64)> {
        self.timeline.fault.map(|_| (self.timeline.from_ns, self.timeline.until_ns))
    }

    fn serve_visitor(&mut self) {
        let start_ns = self.next_arrival_ns;
        self.schedule_arrival();
        let Some(operation) = visitor::wish(&mut self.random) else { return };
        let visitor = Visitor::arrive(operation, &mut self.random);
        let trace_id = self.random.trace_id();
        let mut request = Request {
            pods: &self.pods,
            timeline: &self.timeline,
            random: &mut self.random,
            exporters: &mut self.exporters,
            trace_id,
            visitor: &visitor,
        };
        request.enter(operation, start_ns);
    }

    fn schedule_arrival(&mut self) {
        let gap_ns = self.random.exponential(self.gap_mean_ns);
        self.next_arrival_ns = self.next_arrival_ns.saturating_add(gap_ns as u64).saturating_add(1);
    }

    fn flush(&mut self, index: usize, now_ns: u64, out: &mut Vec<Export>) {
        let (Some(pod), Some(exporter)) = (self.pods.get(index), self.exporters.get_mut(index))
        else {
            return;
        };
        let moment = Moment { pod, timeline: &self.timeline, now_ns };
        exporter.flush(moment, &mut self.random, out);
    }

    /// The migration says in a log line and a span that it starts, and in a line that it ends.
    fn announce_migration(&mut self) {
        if !self.timeline.has(Fault::Migration) {
            return;
        }
        let Some(&index) = topology::position("inventory").and_then(|s| self.pods.of(s).first())
        else {
            return;
        };
        let (trace_id, span_id) = (self.random.trace_id(), self.random.span_id());
        let Some(exporter) = self.exporters.get_mut(index) else { return };
        let attributes = || {
            vec![
                text("db.system.name", "postgresql"),
                text("db.namespace", "inventory"),
                text("db.collection.name", "stock_levels"),
                text("db.migration.version", "20261104_0312"),
            ]
        };
        let start_ns = self.timeline.from_ns;
        let end_ns = start_ns.saturating_add(180_000_000);
        let frame = Frame { trace_id, span_id, parent: None, start_ns, end_ns };
        exporter.span(span::internal(frame, "schema migration start", attributes()));
        let context = SpanContext { trace_id, span_id };
        let message =
            "schema migration 20261104_0312 started: ALTER TABLE stock_levels ADD COLUMN lot_id";
        let name = "db.migration.started";
        let started = log::event(start_ns, name, message.to_owned(), attributes());
        exporter.log(log::within(started, context));
        if self.timeline.until_ns < u64::MAX {
            let message = "schema migration 20261104_0312 finished".to_owned();
            let until_ns = self.timeline.until_ns;
            exporter.log(log::event(until_ns, "db.migration.finished", message, attributes()));
        }
    }
}

fn timeline(options: &ShopOptions, start_ns: u64) -> Timeline {
    let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let from_ns = start_ns.saturating_add(nanoseconds(options.fault_start_after));
    let until_ns = options
        .fault_duration
        .map_or(u64::MAX, |duration| from_ns.saturating_add(nanoseconds(duration)));
    Timeline { fault: options.fault, from_ns, until_ns }
}
