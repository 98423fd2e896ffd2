//! What goes between workers, hub and journal.

use auth::Tenant;
use engine::{Command, Diagnosis, EngineOptions, Question, Refusal, Reply, SloAccount};
use model::{
    Change, Maintenance, Outgoing, PaneDelta, RaisedAlert, Revision, Row, SpanRecord, Timestamp,
    TraceId,
};
use tokio::sync::oneshot;

/// How often workers hand over and the engines judge (design, section 2).
pub(crate) const TICK_MS: u64 = 200;
/// How long a tick waits for the last worker.
pub(crate) const STRAGGLER_MS: u64 = 100;
/// How often state is written down.
pub(crate) const CHECKPOINT_MS: u64 = 1000;
/// Messages that wait for the hub; beyond that workers go on counting and hand over later.
pub(crate) const HUB_QUEUE: usize = 256;
/// Commits that wait for the journal; beyond that the hub waits, and workers go on counting.
pub(crate) const JOURNAL_QUEUE: usize = 64;

/// To the hub.
pub(crate) enum ToHub {
    /// A worker's deltas of one tick.
    Flushed(Flushed),
    /// A worker's share of a recall.
    Recalled { tenant: Tenant, request: u64, spans: Vec<SpanRecord> },
    /// A command, and where its answer goes.
    Command { tenant: Tenant, command: Command, reply: oneshot::Sender<Reply> },
    /// Alerts that other systems raise.
    Raised { tenant: Tenant, alerts: Vec<RaisedAlert> },
    /// What people and pipelines say that they changed.
    Changed { tenant: Tenant, changes: Vec<Change> },
    /// Maintenance of a name; `None` takes it back.
    Maintained { tenant: Tenant, name: String, maintenance: Option<Maintenance> },
    /// What changed, asked by a person, and where the answer goes.
    Question {
        tenant: Tenant,
        question: Question,
        reply: oneshot::Sender<Result<Diagnosis, Refusal>>,
    },
    /// How the numbers of an SLO came to be, and where the answer goes.
    Account { tenant: Tenant, slo: String, reply: oneshot::Sender<Vec<SloAccount>> },
    /// New definitions.
    Redefine(Box<EngineOptions>),
    /// Judge and write down what there is, then end.
    Drain,
}

/// A worker's hand-over.
pub(crate) struct Flushed {
    pub(crate) worker: usize,
    pub(crate) deltas: Vec<(Tenant, PaneDelta)>,
    /// Who waits for these deltas to be durable.
    pub(crate) waiters: Vec<oneshot::Sender<bool>>,
    pub(crate) handed_at: Timestamp,
}

/// To a worker: which traces the engine of a tenant wants to see.
#[derive(Clone, Debug)]
pub(crate) struct Recall {
    pub(crate) tenant: Tenant,
    pub(crate) request: u64,
    pub(crate) trace_ids: Vec<TraceId>,
}

/// To the journal: what becomes durable together, and what may leave after that.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) rows: Vec<Row>,
    pub(crate) outgoing: Vec<Outgoing>,
    pub(crate) revisions: Vec<Revision>,
    pub(crate) replies: Vec<(oneshot::Sender<Reply>, Reply)>,
    pub(crate) waiters: Vec<oneshot::Sender<bool>>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.outgoing.is_empty()
            && self.revisions.is_empty()
            && self.replies.is_empty()
            && self.waiters.is_empty()
    }

    pub(crate) fn absorb(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.outgoing.extend(other.outgoing);
        self.revisions.extend(other.revisions);
        self.replies.extend(other.replies);
        self.waiters.extend(other.waiters);
    }
}
