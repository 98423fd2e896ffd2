//! The shared vocabulary of fogbell: what crosses from crate to crate.
//!
//! Plain data without behaviour that decides anything. No IO, no clock, no serde; `borsh` gives
//! every value one canonical binary form, so that the journal can hold it and equal values have
//! equal bytes.

mod alert;
mod count;
mod delivery;
mod delta;
mod evidence;
mod ids;
mod incident;
mod latency;
mod maintenance;
mod service;
mod time;
mod trace;

pub use alert::{Alert, AlertState, Fingerprint, Labels, RaisedAlert};
pub use count::Count;
pub use delivery::{Action, Delivery, Outgoing, OutgoingKind, Row};
pub use delta::{
    BadEvent, Counted, EdgeDelta, EventTimes, LogLine, LogTemplateDelta, OperationDelta, PaneCount,
    PaneDelta, PointKind, PointsDelta, SeriesDelta, ServiceDelta, SpanRecord, StreamPoint,
    TagDelta, TagPair, UsageDelta,
};
pub use evidence::{Cause, CauseKind, Evidence, ExemplarTrace, Hop, Signal, TraceSpan};
pub use ids::{IncidentId, ParseIncidentIdError, SpanId, TraceId};
pub use incident::{
    Actor, ActorKind, Change, EventType, ExternalRef, Impact, Incident, IncidentEvent, Link,
    LogTemplate, Member, MemberState, Ownership, Revision, ServiceHop, Severity, SloImpact, Status,
    Urgency,
};
pub use latency::LatencyBucket;
pub use maintenance::Maintenance;
pub use service::{
    AutomaticSli, AutomaticSource, Peer, PeerKind, SeriesKey, Service, SpanKind, Telemetry,
};
pub use time::{PANE_NS, Pane, Timestamp};
pub use trace::TraceTree;
