use std::sync::Arc;
use std::time::Duration;

use enrich::Redactor;

use crate::SliPlan;

/// How far in the future of `now` an event may lie: clocks of senders differ.
pub const FUTURE_SKEW_MAX: Duration = Duration::from_secs(60);
/// The default of [`Limits::event_age_max`]: a rolling month and a day of grace.
pub const EVENT_AGE_MAX: Duration = Duration::from_secs(32 * 86_400);
/// Threshold of the automatic latency SLO, and of what counts as slow without one.
pub const LATENCY_THRESHOLD_NS: u64 = 500_000_000;
/// Operations, edges and tags that one hand-over holds, each: some milliseconds of work. Fifty
/// thousand operations that are all in use are thus seen a second late.
pub const HANDED_OVER_MAX: usize = 8192;
/// Idle entries are looked for once in this time.
pub const GENERATION_S: u64 = 30;
/// What was not used for this many [`GENERATION_S`] (10.5 min) is let go.
pub const IDLE_GENERATIONS: u32 = 21;
/// Spans older than this many [`GENERATION_S`] (9.5 min) are not recalled, so that nothing that a
/// compact record names has been let go.
pub const RECALL_GENERATIONS: u32 = 19;
/// The reach of recall that sampling aims at.
pub const RECALL_REACH_S: u64 = 60;
/// Most spans that one recall hands out.
pub const RECALL_SPANS_MAX: usize = 16_384;
/// Most characters (bytes) of a name, tag value or message that are kept.
pub const TEXT_BYTES_MAX: usize = 256;
/// Log records below this severity number (WARN) make no template.
pub const TEMPLATE_SEVERITY_MIN: u8 = 13;
/// Log records from this severity number (ERROR) on are error logs.
pub const ERROR_SEVERITY_MIN: u8 = 17;

/// How one observer works.
#[derive(Clone, Debug)]
pub struct ObserverOptions {
    /// Which worker this is.
    pub worker: u32,
    /// Secret of the process, so that nobody can choose names whose hashes collide.
    pub seed: u64,
    /// What bounds its memory.
    pub limits: Limits,
    /// Automatic SLIs; none are made without.
    pub automatic: Option<AutomaticSettings>,
    /// What every text passes before it is kept.
    pub redactor: Arc<Redactor>,
    /// The declared SLIs.
    pub slis: Arc<SliPlan>,
}

/// How automatic SLIs judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutomaticSettings {
    /// Requests that take longer are bad for the latency SLI.
    pub latency_ns: u64,
}

/// How many times [`Limits::groups_per_slo`] an observer names while its table of series is no more
/// than half full: which of them are judged by themselves the engine decides, who sees the counts
/// of all workers.
pub const GROUPS_LENIENCE: u32 = 4;

/// Bounds of one observer's memory. What is beyond a bound is added to an entry named
/// `__overflow__`, unless a field says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Services.
    pub services: usize,
    /// SLI series.
    pub series: usize,
    /// Groups of one declared SLO; [`GROUPS_LENIENCE`] times as many while there is room.
    pub groups_per_slo: usize,
    /// Operations of all services.
    pub operations: usize,
    /// Operations of one service.
    pub operations_per_service: usize,
    /// Edges of all services.
    pub edges: usize,
    /// Peers of one service.
    pub peers_per_service: usize,
    /// Tag values of all services.
    pub tags: usize,
    /// Values of one tag of one service.
    pub tag_values_per_key: usize,
    /// Log templates of all services.
    pub templates: usize,
    /// Log templates of one service.
    pub templates_per_service: usize,
    /// Distinct messages and error types.
    pub messages: usize,
    /// Distinct resources; what is beyond keeps its service and loses its tags.
    pub resources: usize,
    /// Distinct sets of tags on recalled spans; what is beyond keeps those of its resource.
    pub tag_sets: usize,
    /// Bytes of compact span records.
    pub recall_bytes: usize,
    /// Spans of the joined sample per hand-over; beyond, fewer traces are sampled.
    pub joined_spans: usize,
    /// Bad events kept per series and hand-over; others make room or are not kept.
    pub exemplars: usize,
    /// Users and tenants told apart per service and hand-over; others are not counted.
    pub subjects: usize,
    /// Cumulative streams that are remembered. Points of others are handed over one by one.
    pub streams: usize,
    /// Cumulative points per hand-over; others are dropped, the next point makes up for them.
    pub points: usize,
    /// Events older than this are counted as late and dropped: the reach of the longest window.
    pub event_age_max: Duration,
}

impl Default for AutomaticSettings {
    fn default() -> Self {
        Self { latency_ns: LATENCY_THRESHOLD_NS }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            services: 10_000,
            series: 200_000,
            groups_per_slo: 2000,
            operations: 100_000,
            operations_per_service: 2000,
            edges: 20_000,
            peers_per_service: 500,
            tags: 100_000,
            tag_values_per_key: 1000,
            templates: 20_000,
            templates_per_service: 500,
            messages: 20_000,
            resources: 50_000,
            tag_sets: 50_000,
            recall_bytes: 48 << 20,
            joined_spans: 400,
            exemplars: 4,
            subjects: 64,
            streams: 200_000,
            points: 200_000,
            event_age_max: EVENT_AGE_MAX,
        }
    }
}
