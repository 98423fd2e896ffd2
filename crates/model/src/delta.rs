use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    Count, LatencyBucket, Pane, Peer, SeriesKey, Service, SpanId, SpanKind, Telemetry, Timestamp,
    TraceId,
};

/// A tag: key and value, `("service.version", "2.4.0")`.
pub type TagPair = (Arc<str>, Arc<str>);

/// What one worker saw of one tenant since its last hand-over: small, mergeable, and of a size
/// that follows the number of series, not of events. It names everything in full, so that it means
/// the same to any engine.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct PaneDelta {
    /// Which worker; `id` fields below are dense within it, for the receiver to cache by.
    pub worker: u32,
    /// SLI series that were touched.
    pub series: Vec<SeriesDelta>,
    /// Points of streams that some SLI selects, not yet differenced.
    pub points: Vec<PointsDelta>,
    /// Services that were heard.
    pub services: Vec<ServiceDelta>,
    /// Operations that were touched.
    pub operations: Vec<OperationDelta>,
    /// Calls to peers.
    pub edges: Vec<EdgeDelta>,
    /// Root-cause tags among all events and among bad ones.
    pub tags: Vec<TagDelta>,
    /// Log templates.
    pub logs: Vec<LogTemplateDelta>,
    /// All spans of a consistent sample of traces.
    pub spans: Vec<SpanRecord>,
    /// What the spans of these traces logged, capped per hand-over.
    pub lines: Vec<LogLine>,
    /// What processes, containers and hosts use of what they have.
    pub usages: Vec<UsageDelta>,
    /// Inverse of the share of traces in the sample; 1 = all of them.
    pub sample_weight: u32,
    /// Events older than any window, which were counted and dropped.
    pub late_dropped: u64,
    /// Events further in the future than the allowed skew, which were counted and dropped.
    pub future_dropped: u64,
}

/// Counts of one SLI series by event-time pane.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct SeriesDelta {
    /// Dense within the worker.
    pub id: u32,
    /// Whose counts.
    pub key: Arc<SeriesKey>,
    /// The panes that were touched, in order.
    pub panes: Vec<PaneCount>,
    /// Some of the bad events, newest last; capped per hand-over.
    pub exemplars: Vec<BadEvent>,
}

/// Counts of one pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PaneCount {
    /// Which pane.
    pub pane: Pane,
    /// What was counted in it.
    pub count: Count,
}

/// A bad event that has a trace.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BadEvent {
    /// When it ended.
    pub at: Timestamp,
    /// Its trace.
    pub trace_id: TraceId,
    /// Its span.
    pub span_id: SpanId,
    /// How long it took; 0 where that does not apply.
    pub duration_ns: u64,
    /// Which operation.
    pub operation: Arc<str>,
    /// `error.type`, status code or "slow".
    pub reason: Arc<str>,
}

/// What a stream of cumulative points counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum PointKind {
    /// Each point carries total and bad at once (histograms; sums whose series tells which).
    TotalAndBad,
    /// The stream counts the denominator: its increase is total, and bad until good arrives.
    Total,
    /// The stream counts good events: its increase is taken from bad.
    Good,
    /// The stream counts bad events alone, its denominator comes as another stream.
    Bad,
    /// The stream counts the denominator beside a `Bad` stream.
    TotalBesideBad,
}

/// Points of streams that count for the same series: cumulative ones, and increments of one side
/// of an SLI whose sides are two metrics. Baselines are the engine's: a stream may move between
/// connections.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct PointsDelta {
    /// Dense within the worker, for the series.
    pub id: u32,
    /// Whose counts.
    pub key: Arc<SeriesKey>,
    /// What the streams count.
    pub kind: PointKind,
    /// The series that [`StreamPoint::beside`] counts for, with its id.
    pub beside: Option<(u32, Arc<SeriesKey>)>,
    /// The points, those of one stream in the order in which they came. Of points that follow each
    /// other within a pane the last one may stand for all: it counts the same.
    pub points: Vec<StreamPoint>,
}

/// A point of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StreamPoint {
    /// Identity of the stream: hash of the resource in the upper half, of scope, metric name and
    /// point attributes in the lower one.
    pub stream: u128,
    /// Dense within the worker, for the stream and what it counts for; [`StreamPoint::NO_ID`] if
    /// the worker does not know the stream by a number.
    pub id: u32,
    /// `start_time_unix_nano`; zero = not told.
    pub start: Timestamp,
    /// `time_unix_nano`.
    pub time: Timestamp,
    /// What it counts for the series.
    pub counted: Counted,
    /// What it counts for the series beside; nothing without one.
    pub beside: Counted,
    /// The flag `NO_RECORDED_VALUE`: the stream ends here.
    pub ended: bool,
    /// It is what was counted since `start`, of a stream of increments.
    pub is_delta: bool,
}

/// Events since a stream began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Counted {
    /// Events.
    pub total: u64,
    /// Bad events among them.
    pub bad: u64,
    /// Events in a bucket that straddles the threshold.
    pub uncertain: u64,
}

/// That a service was heard, and how.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct ServiceDelta {
    /// The service.
    pub service: Arc<Service>,
    /// Spans heard.
    pub spans: u64,
    /// Metric points heard.
    pub points: u64,
    /// Log records heard.
    pub logs: u64,
    /// Log records of severity ERROR or above among them.
    pub error_logs: u64,
    /// When its events were, by signal, in the order of [`Telemetry::ALL`].
    pub times: [EventTimes; Telemetry::ALL.len()],
    /// Hashes of distinct users or tenants in bad entry events, capped per hand-over.
    pub subjects: Vec<u64>,
}

/// When the events of one signal of one service were, by their own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EventTimes {
    /// The oldest one that was taken; zero = none was.
    pub oldest: Timestamp,
    /// The newest one that was taken; zero = none was.
    pub newest: Timestamp,
    /// The newest one of those that lay too far in the future to be taken; zero = none did.
    pub future: Timestamp,
}

/// Spans of one operation of one service.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct OperationDelta {
    /// The service.
    pub service: Arc<Service>,
    /// The kind of its spans.
    pub kind: SpanKind,
    /// `http.route` with its method, RPC method, else the span name.
    pub operation: Arc<str>,
    /// Spans.
    pub total: u64,
    /// Those in error.
    pub errors: u64,
    /// Those over the latency threshold.
    pub slow: u64,
    /// Spans without a parent.
    pub entry_total: u64,
    /// Those of them in error or slow.
    pub entry_bad: u64,
    /// Durations, by ascending bucket.
    pub latency: Vec<(LatencyBucket, u32)>,
}

/// Calls of a service to a peer.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct EdgeDelta {
    /// Who calls.
    pub caller: Arc<Service>,
    /// Whom, as the caller's spans say it.
    pub peer: Arc<Peer>,
    /// Calls.
    pub calls: u64,
    /// Those in error, by the caller's view; 429 and 5xx are errors of the edge.
    pub errors: u64,
    /// Those answered 429 or RESOURCE_EXHAUSTED.
    pub throttled: u64,
    /// Those that were never answered: connection refused, deadline, UNAVAILABLE.
    pub unanswered: u64,
    /// Durations, by ascending bucket.
    pub latency: Vec<(LatencyBucket, u32)>,
}

/// How often a tag value was seen on a service's spans, and on bad ones.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct TagDelta {
    /// The service.
    pub service: Arc<Service>,
    /// `service.version`, `k8s.pod.name`, `cloud.region`, `http.route`, `error.type`, ...
    pub key: Arc<str>,
    /// Its value; `__overflow__` beyond the cap of values.
    pub value: Arc<str>,
    /// Spans that serve, with this tag.
    pub total: u64,
    /// Those in error.
    pub errors: u64,
    /// Those over the latency threshold.
    pub slow: u64,
}

/// How often a log template was seen.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct LogTemplateDelta {
    /// The service.
    pub service: Arc<Service>,
    /// The template, its variable parts as `<*>`, redacted.
    pub template: Arc<str>,
    /// Records.
    pub count: u64,
    /// OTLP severity number of the most severe.
    pub severity: u8,
}

/// A log record of a trace, as far as it tells what was being done.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LogLine {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its span.
    pub span_id: SpanId,
    /// Who logged it.
    pub service: Arc<Service>,
    /// Its template, redacted.
    pub template: Arc<str>,
    /// OTLP severity number; 0 = not told.
    pub severity: u8,
}

/// How much of a resource was used: points of a gauge since the last hand-over.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct UsageDelta {
    /// The service.
    pub service: Arc<Service>,
    /// Pod, container or host; empty where the resource names none.
    pub instance: Arc<str>,
    /// `k8s.pod.cpu_limit_utilization`, `container.memory.usage`, ...
    pub metric: Arc<str>,
    /// Points.
    pub count: u32,
    /// Their sum, in the metric's unit.
    pub sum: f64,
}

/// A compact span: enough for trees, exclusive times and blame.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SpanRecord {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// Its parent, or [`SpanId::NONE`].
    pub parent_span_id: SpanId,
    /// Who did it.
    pub service: Arc<Service>,
    /// Which operation.
    pub operation: Arc<str>,
    /// Its kind.
    pub kind: SpanKind,
    /// When it began.
    pub start: Timestamp,
    /// How long it took.
    pub duration_ns: u64,
    /// Whether it is bad by convention.
    pub error: bool,
    /// `error.type`, status code or status message, redacted; empty if none.
    pub message: Arc<str>,
    /// Whom it calls, if it calls.
    pub peer: Option<Arc<Peer>>,
    /// Root-cause tags of its resource and of itself.
    pub tags: Arc<[TagPair]>,
}

impl PaneDelta {
    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
            && self.points.is_empty()
            && self.services.is_empty()
            && self.operations.is_empty()
            && self.edges.is_empty()
            && self.tags.is_empty()
            && self.logs.is_empty()
            && self.spans.is_empty()
            && self.lines.is_empty()
            && self.usages.is_empty()
            && self.late_dropped == 0
            && self.future_dropped == 0
    }
}

impl EventTimes {
    /// Notes an event that was taken.
    #[inline]
    pub fn note(&mut self, at: Timestamp) {
        // Zero, which is none, becomes the latest moment of all: one comparison for both.
        if at.unix_ns().wrapping_sub(1) < self.oldest.unix_ns().wrapping_sub(1) {
            self.oldest = at;
        }
        self.newest = self.newest.max(at);
    }

    /// Notes an event that lay too far in the future.
    pub fn note_future(&mut self, at: Timestamp) {
        self.future = self.future.max(at);
    }

    /// Notes all that `other` has noted.
    pub fn note_all(&mut self, other: Self) {
        if other.oldest.is_set() {
            self.note(other.oldest);
        }
        self.newest = self.newest.max(other.newest);
        self.note_future(other.future);
    }

    /// Whether there was no event at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        !self.newest.is_set() && !self.future.is_set()
    }
}

impl ServiceDelta {
    /// When the events of a signal were.
    #[must_use]
    pub const fn times_of(&self, signal: Telemetry) -> EventTimes {
        self.times[signal as usize]
    }
}

impl StreamPoint {
    /// Stands for "no number".
    pub const NO_ID: u32 = u32::MAX;

    /// Names the resource that the stream comes from.
    #[must_use]
    pub const fn source(&self) -> u64 {
        Self::source_of(self.stream)
    }

    /// The resource that a stream of this identity comes from.
    #[must_use]
    pub const fn source_of(stream: u128) -> u64 {
        (stream >> 64) as u64
    }
}

impl Counted {
    /// Whether the same stream can have come to this since `earlier`: events are never taken back.
    /// How many of them are bad may well fall, since within a bucket that straddles the threshold
    /// it is estimated, and the estimate moves when an exponential histogram merges its buckets, or
    /// when a new minimum is told.
    #[must_use]
    pub const fn is_from(self, earlier: Self) -> bool {
        self.total >= earlier.total
    }
}

impl SpanRecord {
    /// When it ended.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        Timestamp::from_unix_ns(self.start.unix_ns().saturating_add(self.duration_ns))
    }

    /// The value of a tag.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&Arc<str>> {
        self.tags.iter().find(|(k, _)| &**k == key).map(|(_, value)| value)
    }
}
