use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Cause, ExemplarTrace, Fingerprint, Hop, IncidentId, Labels, Timestamp};

/// A fault as its responders see it: one value is one revision, a full snapshot, never a patch.
/// The fields are those of `fogbell.v1.Incident`. Unset times are [`Timestamp::ZERO`].
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Incident {
    /// Never reused.
    pub id: IncidentId,
    /// 1 for the first; each change adds one.
    pub revision: u64,
    /// Whose.
    pub tenant: Arc<str>,
    /// Where it stands.
    pub status: Status,
    /// Page or ticket.
    pub urgency: Urgency,
    /// How bad it is.
    pub severity: Severity,
    /// One line, fit for a phone.
    pub title: String,
    /// Event time of the first bad event that the evidence reaches back to.
    pub started_at: Timestamp,
    /// When the deciding event was judged.
    pub detected_at: Timestamp,
    /// When someone took it.
    pub acknowledged_at: Timestamp,
    /// When it ended.
    pub resolved_at: Timestamp,
    /// Time of this revision.
    pub updated_at: Timestamp,
    /// Who is hurt.
    pub impact: Impact,
    /// Ranked, best first; empty = unknown.
    pub causes: Vec<Cause>,
    /// From the user-facing service to the first cause.
    pub path: Vec<Hop>,
    /// The alerts, capped.
    pub members: Vec<Member>,
    /// How many alerts there are.
    pub member_count: u32,
    /// Traces of events that burned the budget.
    pub traces: Vec<ExemplarTrace>,
    /// Changes near the start, newest first.
    pub changes: Vec<Change>,
    /// Log templates that tell of it.
    pub logs: Vec<LogTemplate>,
    /// Runbook, trace UI, dashboards.
    pub links: Vec<Link>,
    /// Who owns the first cause.
    pub ownership: Ownership,
    /// Why these members are together, in a sentence.
    pub grouping_reason: String,
    /// Who took it.
    pub assignee: Option<Actor>,
    /// The winner, when the status is merged.
    pub merged_into: Option<IncidentId>,
    /// The losers.
    pub merged_from: Vec<IncidentId>,
    /// Where it was split from.
    pub split_from: Option<IncidentId>,
    /// Until when it sleeps.
    pub snoozed_until: Timestamp,
    /// Whether its members change so often that notifications are held.
    pub flapping: bool,
    /// Ticket numbers and the like, reported back by consumers.
    pub external_refs: Vec<ExternalRef>,
}

/// Where an incident stands.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum Status {
    /// Nobody has taken it.
    #[default]
    Open,
    /// Someone has.
    Acknowledged,
    /// Someone wants to hear of it later.
    Snoozed,
    /// Its members are quiet, or a person said so.
    Resolved,
    /// It goes on as another incident.
    Merged,
    /// Done, for good.
    Closed,
}

/// What must happen: urgency, not severity, decides.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum Urgency {
    /// Wait for working hours.
    #[default]
    Ticket,
    /// Wake someone.
    Page,
}

/// How bad it is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
    #[default]
    Warning,
    /// Something fails.
    Error,
    /// Many are hurt.
    Critical,
}

/// Who is hurt.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Impact {
    /// User-facing service and route, `frontend GET /buy`.
    pub entry_operations: Vec<String>,
    /// 0..1 of entry requests, over the short window.
    pub bad_ratio: f64,
    /// Since `started_at`.
    pub bad_events: u64,
    /// Distinct user or tenant ids in bad events; 0 = not known.
    pub users: u64,
    /// All that are hit, with their distance from the first cause.
    pub services: Vec<ServiceHop>,
    /// What burns.
    pub slos: Vec<SloImpact>,
}

/// A service that is hit.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ServiceHop {
    /// The service.
    pub service: String,
    /// Calls between it and the first cause.
    pub hops: u32,
}

/// An SLO that burns.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct SloImpact {
    /// Its name.
    pub name: String,
    /// Whose.
    pub service: String,
    /// Over the long window.
    pub burn_rate_long: f64,
    /// Over the short window.
    pub burn_rate_short: f64,
    /// The row that fires.
    pub long_window_s: u64,
    /// The row that fires.
    pub short_window_s: u64,
    /// May be negative.
    pub budget_remaining_ratio: f64,
    /// Zero = not in sight.
    pub exhausted_at_forecast: Timestamp,
    /// Whether fogbell made it.
    pub automatic: bool,
}

/// An alert of an incident.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Member {
    /// Of the labels.
    pub fingerprint: Fingerprint,
    /// What it is about.
    pub labels: Labels,
    /// What a person should read.
    pub annotations: Labels,
    /// Where it stands.
    pub state: MemberState,
    /// When it came to hold.
    pub first_at: Timestamp,
    /// When it last held.
    pub last_at: Timestamp,
    /// How often it was raised again.
    pub repeats: u64,
    /// Whether it came through the alert intake.
    pub external: bool,
}

/// Where a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum MemberState {
    /// Not yet for long enough.
    Pending,
    /// It holds.
    Firing,
    /// Its source is silent.
    NoData,
    /// It no longer holds.
    Cleared,
}

/// Something that was changed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Change {
    /// Names it.
    pub id: String,
    /// `deploy`, `flag`, `config`, `migration`, `infrastructure`; `maintenance` of what is announced.
    pub kind: String,
    /// Where.
    pub service: String,
    /// What, in words.
    pub summary: String,
    /// When.
    pub at: Timestamp,
    /// Where to look.
    pub url: String,
    /// `observed`, or who sent it.
    pub source: String,
}

/// A log template that tells of the fault.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LogTemplate {
    /// Whose.
    pub service: String,
    /// Its variable parts as `<*>`.
    pub template: String,
    /// Records.
    pub count: u64,
    /// Whether it was never seen before the fault.
    pub novel: bool,
}

/// Somewhere to go.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Link {
    /// `runbook`, `trace`, `dashboard`, `ticket`.
    pub kind: String,
    /// What to call it.
    pub title: String,
    /// Where.
    pub url: String,
    /// Of a runbook.
    pub reviewed_at: Timestamp,
}

/// Who owns a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Ownership {
    /// The team.
    pub team: String,
    /// How much it matters.
    pub tier: String,
    /// How to reach them.
    pub contact: String,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Actor {
    /// What sort of actor.
    pub kind: ActorKind,
    /// Its name; empty for the engine.
    pub name: String,
}

/// What sort of actor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ActorKind {
    /// fogbell itself.
    #[default]
    Engine,
    /// A person.
    Person,
    /// A program of the users'.
    Automation,
}

/// What a downstream system calls it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ExternalRef {
    /// `jira`, `servicenow`, `pagerduty`.
    pub system: String,
    /// Its id there.
    pub id: String,
    /// Where to look.
    pub url: String,
    /// Where it stands there.
    pub state: String,
}

/// What changed between two revisions, by whom and why.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct IncidentEvent {
    /// Which incident.
    pub incident_id: IncidentId,
    /// The revision that it made.
    pub revision: u64,
    /// Whose.
    pub tenant: Arc<str>,
    /// What happened.
    pub kind: EventType,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// Why.
    pub reason: String,
    /// Field names of `fogbell.v1.Incident`.
    pub changed: Vec<String>,
}

/// One revision of an incident, and why it came to be.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Revision {
    /// The snapshot.
    pub incident: Arc<Incident>,
    /// What changed, by whom and why.
    pub event: IncidentEvent,
}

/// What happened to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum EventType {
    /// It began.
    Opened,
    /// Better knowledge.
    Updated,
    /// Someone took it.
    Acknowledged,
    /// Someone wants to hear of it later.
    Snoozed,
    /// It ended.
    Resolved,
    /// It came back.
    Reopened,
    /// It goes on as another, or took another in.
    Merged,
    /// Members left.
    Split,
    /// Done, for good.
    Closed,
    /// Someone wrote something down.
    Annotated,
    /// It got worse, or nobody answered.
    Escalated,
}

impl Actor {
    /// fogbell itself.
    #[must_use]
    pub fn engine() -> Self {
        Self { kind: ActorKind::Engine, name: String::new() }
    }
}

impl Status {
    /// Whether responders still have to do with it.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Open | Self::Acknowledged | Self::Snoozed)
    }

    /// The word for people and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Snoozed => "snoozed",
            Self::Resolved => "resolved",
            Self::Merged => "merged",
            Self::Closed => "closed",
        }
    }
}

impl Urgency {
    /// The word for people, labels and delivery ids.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
}

impl Severity {
    /// The word for people and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl EventType {
    /// The last part of the CloudEvents type.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Acknowledged => "acknowledged",
            Self::Snoozed => "snoozed",
            Self::Resolved => "resolved",
            Self::Reopened => "reopened",
            Self::Merged => "merged",
            Self::Split => "split",
            Self::Closed => "closed",
            Self::Annotated => "annotated",
            Self::Escalated => "escalated",
        }
    }
}
