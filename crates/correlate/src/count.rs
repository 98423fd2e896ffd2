//! What a bucket counts of an operation and of an edge.

use crate::ring::{Tally, narrow};

/// Spans of an operation in a bucket.
#[derive(Clone, Debug, Default)]
pub(crate) struct OperationCount {
    pub(crate) total: u64,
    pub(crate) errors: u64,
    pub(crate) slow: u64,
    pub(crate) entry_total: u64,
    pub(crate) entry_bad: u64,
}

/// Calls along an edge in a bucket.
#[derive(Clone, Debug, Default)]
pub(crate) struct EdgeCount {
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) throttled: u64,
    pub(crate) unanswered: u64,
}

impl Tally for OperationCount {
    type Packed = [u32; 5];

    fn pack(&self) -> Self::Packed {
        [
            narrow(self.total),
            narrow(self.errors),
            narrow(self.slow),
            narrow(self.entry_total),
            narrow(self.entry_bad),
        ]
    }

    fn unpack(packed: &Self::Packed) -> Self {
        let [total, errors, slow, entry_total, entry_bad] = packed.map(u64::from);
        Self { total, errors, slow, entry_total, entry_bad }
    }

    fn add(&mut self, other: &Self) {
        self.total = self.total.saturating_add(other.total);
        self.errors = self.errors.saturating_add(other.errors);
        self.slow = self.slow.saturating_add(other.slow);
        self.entry_total = self.entry_total.saturating_add(other.entry_total);
        self.entry_bad = self.entry_bad.saturating_add(other.entry_bad);
    }
}

impl OperationCount {
    /// In error or over the threshold, at most all.
    pub(crate) fn bad(&self) -> u64 {
        self.errors.saturating_add(self.slow).min(self.total)
    }
}

impl Tally for EdgeCount {
    type Packed = [u32; 4];

    fn pack(&self) -> Self::Packed {
        [narrow(self.calls), narrow(self.errors), narrow(self.throttled), narrow(self.unanswered)]
    }

    fn unpack(packed: &Self::Packed) -> Self {
        let [calls, errors, throttled, unanswered] = packed.map(u64::from);
        Self { calls, errors, throttled, unanswered }
    }

    fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.errors = self.errors.saturating_add(other.errors);
        self.throttled = self.throttled.saturating_add(other.throttled);
        self.unanswered = self.unanswered.saturating_add(other.unanswered);
    }
}
