//! The exporting half of a pod's SDK: what has ended waits here for the next batch.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::attribute::text;
use crate::export::Export;
use crate::fault::Fault;
use crate::log;
use crate::metric::{Interval, Observation, RequestDurations, gauge, level};
use crate::pod::Pod;
use crate::random::Random;
use crate::timeline::Timeline;
use crate::topology::{ServiceSpec, Target};

/// Time between two batches of a pod.
pub(crate) const BATCH_INTERVAL_NS: u64 = 800_000_000;
/// Least age of what a batch takes; so items leave 0.2 to 1 s after their end.
const BATCH_AGE_NS: u64 = 200_000_000;
/// Spans in one request at most, as in the SDKs' batch processors.
const BATCH_SPANS_MAX: usize = 512;
/// Items of one signal that wait in one pod; what comes on top is dropped, as an SDK drops it.
const PENDING_MAX: usize = 16_384;
/// Size of each database connection pool.
const POOL_SIZE: i64 = 20;
const MEBIBYTE: f64 = 1_048_576.0;

/// Items by the time at which they end, then in order of arrival.
type Pending<T> = BTreeMap<(u64, u64), T>;

/// Buffers of one pod.
#[derive(Debug)]
pub(crate) struct Exporter {
    pub(crate) next_batch_ns: u64,
    last_batch_ns: u64,
    next_metrics_ns: u64,
    metrics_interval_ns: u64,
    has_histograms: bool,
    sequence: u64,
    spans: Pending<Span>,
    logs: Pending<LogRecord>,
    observations: Pending<Observation>,
    durations: RequestDurations,
    process_start_ns: u64,
}

/// What a flush needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) timeline: &'a Timeline,
    pub(crate) now_ns: u64,
}

impl Exporter {
    /// The phases of batches and metrics differ from pod to pod.
    pub(crate) fn new(
        start_ns: u64,
        metrics_interval_ns: u64,
        has_histograms: bool,
        random: &mut Random,
    ) -> Self {
        Self {
            next_batch_ns: start_ns + random.below(BATCH_INTERVAL_NS) + 1,
            last_batch_ns: start_ns,
            next_metrics_ns: start_ns + random.below(metrics_interval_ns) + 1,
            metrics_interval_ns,
            has_histograms,
            sequence: 0,
            spans: BTreeMap::new(),
            logs: BTreeMap::new(),
            observations: BTreeMap::new(),
            durations: RequestDurations::default(),
            process_start_ns: start_ns,
        }
    }

    pub(crate) fn span(&mut self, span: Span) {
        let key = (span.end_time_unix_nano, self.next_sequence());
        put(&mut self.spans, key, span);
    }

    pub(crate) fn log(&mut self, record: LogRecord) {
        let key = (record.time_unix_nano, self.next_sequence());
        put(&mut self.logs, key, record);
    }

    pub(crate) fn observe(&mut self, observation: Observation) {
        if self.has_histograms {
            let key = (observation.end_ns, self.next_sequence());
            put(&mut self.observations, key, observation);
        }
    }

    /// Sends the batch that is due at `moment.now_ns`.
    pub(crate) fn flush(&mut self, moment: Moment<'_>, random: &mut Random, out: &mut Vec<Export>) {
        self.follow_process(moment);
        let Moment { pod, now_ns, .. } = moment;
        let until = now_ns.saturating_sub(BATCH_AGE_NS);
        let mut spans = take_until(&mut self.spans, until).into_values().peekable();
        while spans.peek().is_some() {
            let batch = spans.by_ref().take(BATCH_SPANS_MAX).collect();
            out.push(Export::of_spans(&pod.resource, batch));
        }
        let logs: Vec<LogRecord> = take_until(&mut self.logs, until).into_values().collect();
        if !logs.is_empty() {
            out.push(Export::of_logs(&pod.resource, logs));
        }
        if now_ns >= self.next_metrics_ns {
            self.next_metrics_ns += self.metrics_interval_ns;
            if pod.is_up(now_ns, moment.timeline) {
                let metrics = self.collect(moment, random);
                out.push(Export::of_metrics(&pod.resource, metrics));
            }
        }
        self.last_batch_ns = now_ns;
        self.next_batch_ns = now_ns + BATCH_INTERVAL_NS;
    }

    /// A crash takes along what was not sent; a new process starts its streams at zero.
    fn follow_process(&mut self, Moment { pod, timeline, now_ns }: Moment<'_>) {
        if let Some(crash) = pod.crash_within(self.last_batch_ns, now_ns, timeline) {
            take_until(&mut self.spans, crash);
            take_until(&mut self.logs, crash);
            take_until(&mut self.observations, crash);
        }
        let started = pod.process_start_ns(now_ns, timeline);
        if started > self.last_batch_ns && started <= now_ns {
            let port = pod.spec.port;
            let message = format!("{} {} listening on :{port}", pod.spec.name, pod.version);
            let attributes = vec![text("service.version", pod.version)];
            self.log(log::event(started, "service.started", message, attributes));
        }
        if started > self.process_start_ns {
            self.durations = RequestDurations::default();
            self.process_start_ns = started;
        }
    }

    fn collect(&mut self, moment: Moment<'_>, random: &mut Random) -> Vec<Metric> {
        for observation in take_until(&mut self.observations, moment.now_ns).values() {
            self.durations.add(observation);
        }
        let interval = Interval { start_ns: self.process_start_ns, now_ns: moment.now_ns };
        let mut metrics: Vec<Metric> = self.durations.collect(interval).into_iter().collect();
        let busy = if moment.timeline.is_cold(moment.pod, moment.now_ns) { 0.85 } else { 0.2 };
        let cpu = (busy + random.between(-0.05, 0.05)).clamp(0.0, 1.0);
        metrics.push(gauge("process.cpu.utilization", "1", cpu, interval));
        let memory = (random.between(140.0, 160.0) * MEBIBYTE) as i64;
        metrics.push(level("process.memory.usage", "By", vec![(memory, Vec::new())], interval));
        if let Some(pool) = pool(moment.pod.spec) {
            let strained = moment.timeline.active(Fault::SlowDependency, moment.now_ns)
                && moment.pod.spec.name == "catalog"
                || moment.timeline.active(Fault::Migration, moment.now_ns)
                    && moment.pod.spec.name == "inventory";
            let used = if strained { POOL_SIZE } else { 2 + random.below(5) as i64 };
            metrics.push(connections(pool, used, interval));
        }
        metrics
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }
}

fn put<T>(pending: &mut Pending<T>, key: (u64, u64), item: T) {
    if pending.len() < PENDING_MAX {
        pending.insert(key, item);
    }
}

/// Takes out what ended at or before `until_ns`.
fn take_until<T>(pending: &mut Pending<T>, until_ns: u64) -> Pending<T> {
    let later = pending.split_off(&(until_ns.saturating_add(1), 0));
    std::mem::replace(pending, later)
}

/// Name of the connection pool of a service that has a relational database.
fn pool(spec: &ServiceSpec) -> Option<&'static str> {
    let mut targets = spec.operations.iter().flat_map(|o| o.steps).map(|step| step.target);
    targets.find_map(|target| match target {
        Target::Database(statement) if statement.database.system == "postgresql" => {
            Some(statement.database.address)
        }
        _ => None,
    })
}

fn connections(pool: &str, used: i64, interval: Interval) -> Metric {
    let point = |state, value| {
        let pool = text("db.client.connection.pool.name", pool);
        (value, vec![pool, text("db.client.connection.state", state)])
    };
    let points = vec![point("used", used), point("idle", POOL_SIZE - used)];
    level("db.client.connection.count", "{connection}", points, interval)
}
