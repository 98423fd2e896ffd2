use std::sync::Arc;

use model::{
    Actor, Change, ExternalRef, Fingerprint, Incident, IncidentId, Link, Maintenance, PaneDelta,
    RaisedAlert, SpanRecord, Timestamp,
};

/// What the engine is told. Time comes beside it, as an argument.
#[derive(Clone, Debug)]
pub enum Input {
    /// What a worker saw.
    Delta(Box<PaneDelta>),
    /// Alerts that other systems raise, or take back.
    Raised(Vec<RaisedAlert>),
    /// What people and pipelines say that they changed.
    Changed(Vec<Change>),
    /// Maintenance that somebody tells of, by its name; `None` takes it back.
    Maintained(String, Option<Maintenance>),
    /// All workers have handed over, or are late: judge.
    Judge,
    /// The answer to [`crate::Effect::Recall`].
    Recalled {
        /// Which one.
        request: u64,
        /// Every span of the traces that the workers still hold.
        spans: Vec<SpanRecord>,
    },
    /// What a person or a program of the users' wants.
    Command(Command),
    /// Time in which fogbell could not listen: it counts toward no silence, and coverage shows it.
    Gap {
        /// When it began.
        from: Timestamp,
        /// When it ended.
        until: Timestamp,
    },
    /// Write down what has changed since the last time.
    Checkpoint,
}

/// What a person or a program of the users' wants of an incident.
#[derive(Clone, Debug)]
pub struct Command {
    /// Names the reply.
    pub reply_to: u64,
    /// The incident.
    pub id: IncidentId,
    /// The revision that the author saw; 0 = whatever it is.
    pub expected_revision: u64,
    /// The same id within a day is the same command; empty = none.
    pub request_id: String,
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: Actor,
    /// What.
    pub verb: Verb,
}

/// What a command does.
#[derive(Clone, Debug)]
pub enum Verb {
    /// Take it.
    Acknowledge,
    /// Say that it is over.
    Resolve,
    /// Say that it is not over.
    Reopen,
    /// Done, for good.
    Close,
    /// Hear of it later.
    Snooze {
        /// When.
        until: Timestamp,
    },
    /// Take others in.
    Merge {
        /// Which.
        losers: Vec<IncidentId>,
    },
    /// Let members leave, into an incident of their own.
    Split {
        /// Which.
        fingerprints: Vec<Fingerprint>,
    },
    /// Write something down.
    Annotate {
        /// What; it becomes the event's reason.
        text: String,
        /// Where to look.
        links: Vec<Link>,
    },
    /// What downstream systems call it.
    Report {
        /// Their names for it.
        refs: Vec<ExternalRef>,
    },
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such incident.
    NotFound,
    /// It has changed since its author saw it.
    Stale {
        /// The revision that it has now.
        revision: u64,
    },
    /// It is in a state in which this makes no sense.
    Impossible(String),
}

/// The answer to a command: the revision that it made, or the newest if it changed nothing.
pub type Reply = Result<Arc<Incident>, Refusal>;
