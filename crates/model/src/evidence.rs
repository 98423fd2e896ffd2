use borsh::{BorshDeserialize, BorshSerialize};

use crate::{SpanId, SpanKind, Timestamp, TraceId};

/// A suspect, as deep as the evidence allows. Empty strings = not known or not told apart.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Cause {
    /// What sort of thing is broken.
    pub kind: CauseKind,
    /// The service.
    pub service: String,
    /// Pod or host.
    pub instance: String,
    /// Route, RPC method, database statement kind.
    pub operation: String,
    /// What tells bad from good, `cloud.region`.
    pub tag_key: String,
    /// Its value.
    pub tag_value: String,
    /// 0..1, comparable between incidents.
    pub score: f64,
    /// One sentence.
    pub summary: String,
    /// Strongest first.
    pub evidence: Vec<Evidence>,
}

/// What sort of thing is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum CauseKind {
    /// Not known.
    #[default]
    Unknown,
    /// Errors or a rollout of the service itself.
    Code,
    /// Short of processor time.
    Cpu,
    /// Short of memory.
    Memory,
    /// Disk full or slow.
    Disk,
    /// Packets late or lost.
    Network,
    /// A peer outside what sends telemetry: partner, database, queue.
    Dependency,
    /// Throttling, 429.
    Quota,
    /// A changed setting.
    Config,
    /// Node, zone, region.
    Infrastructure,
    /// Stopped answering or sending.
    Silence,
}

/// How a piece of evidence was won.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Signal {
    /// An error span none of whose children is in error.
    DeepestError,
    /// Time not spent in children, against a robust baseline.
    ExclusiveTime,
    /// Client minus server time, blamed on the callee.
    CalleeGap,
    /// Callers still call, the callee is silent.
    Silence,
    /// Ochiai over bad and good traces.
    Spectrum,
    /// Over-representation of a tag among bad events.
    TagLift,
    /// A log template that is new for its operation, or gone from it.
    LogTemplate,
    /// Processor, memory, disk.
    ResourceMetric,
    /// A deploy, flag, config or migration near the start.
    Change,
    /// How many alerts name the service.
    AlertCount,
    /// Calls that an operation no longer makes, or makes anew.
    CallPattern,
}

/// One observation that speaks for a cause.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Evidence {
    /// How it was won.
    pub signal: Signal,
    /// What was observed, in words.
    pub subject: String,
    /// The value now.
    pub observed: f64,
    /// The value to compare with.
    pub baseline: f64,
    /// UCUM.
    pub unit: String,
    /// Share of the cause's score.
    pub weight: f64,
    /// Since when; zero = not known.
    pub since: Timestamp,
    /// Traces that show it.
    pub trace_ids: Vec<TraceId>,
}

/// A step of the fault's way from the user-facing service to the cause.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Hop {
    /// Who calls.
    pub from_service: String,
    /// Who is called.
    pub to_service: String,
    /// Which operation.
    pub operation: String,
    /// Share of bad calls, 0..1.
    pub bad_ratio: f64,
}

/// A trace of an event that burned the budget.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct ExemplarTrace {
    /// The trace.
    pub trace_id: TraceId,
    /// Where to look at it; empty without a template.
    pub url: String,
    /// Why this one.
    pub reason: String,
    /// From the first span's start to the last one's end.
    pub duration_ns: u64,
    /// From the entry to the failing span.
    pub path: Vec<TraceSpan>,
    /// Whether all spans of the path were seen.
    pub complete: bool,
}

/// A span on the path of an exemplar.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct TraceSpan {
    /// Its id.
    pub span_id: SpanId,
    /// Its parent, or none.
    pub parent_span_id: SpanId,
    /// Who did it.
    pub service: String,
    /// Which operation.
    pub operation: String,
    /// Its kind.
    pub kind: SpanKind,
    /// When it began.
    pub start: Timestamp,
    /// How long it took.
    pub duration_ns: u64,
    /// Time not spent in children.
    pub exclusive_ns: u64,
    /// Whether it is bad by convention.
    pub error: bool,
    /// Redacted.
    pub message: String,
}

impl Signal {
    /// The word in incidents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeepestError => "deepest_error",
            Self::ExclusiveTime => "exclusive_time",
            Self::CalleeGap => "callee_gap",
            Self::Silence => "silence",
            Self::Spectrum => "spectrum",
            Self::TagLift => "tag_lift",
            Self::CallPattern => "call_pattern",
            Self::LogTemplate => "log_template",
            Self::ResourceMetric => "resource_metric",
            Self::Change => "change",
            Self::AlertCount => "alert_count",
        }
    }
}
