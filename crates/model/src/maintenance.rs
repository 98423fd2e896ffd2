use borsh::{BorshDeserialize, BorshSerialize};

use crate::Timestamp;

/// Time in which work on services is announced, or was done: their events count toward no budget.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Maintenance {
    /// Names it.
    pub name: String,
    /// Services, by `service.name`, alone or after `service.namespace` and a slash; empty = all.
    pub services: Vec<String>,
    /// SLOs; empty = all.
    pub slos: Vec<String>,
    /// Why.
    pub reason: String,
    /// Who says so.
    pub author: String,
    /// The rule by which it recurs, as RFC 5545 writes it; empty = once.
    pub recurrence: String,
    /// When, `from..until` each, in order.
    pub stretches: Vec<(Timestamp, Timestamp)>,
}

impl Maintenance {
    /// Stretches of one: a daily window for eleven years.
    pub const STRETCHES_MAX: usize = 4096;

    /// The stretch that holds a moment, or else the next one.
    #[must_use]
    pub fn next(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        self.stretches.iter().copied().find(|(_, until)| *until > at)
    }

    /// What it is, in words.
    #[must_use]
    pub fn summary(&self) -> &str {
        if self.reason.is_empty() { &self.name } else { &self.reason }
    }

    /// Whether a moment lies in it.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.next(at).is_some_and(|(from, _)| from <= at)
    }
}
