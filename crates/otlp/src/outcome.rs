//! What became of a request: how much was visited, what was left out and why.

use std::error::Error;
use std::fmt::{self, Write as _};

use crate::wire::Fault;

/// A whole request that cannot be read: nothing of it was visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// Byte offset in the request, at or shortly before the fault.
    pub at: usize,
    /// What is wrong, in English.
    pub what: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed OTLP request at byte {}: {}", self.at, self.what)
    }
}

impl Error for Malformed {}

/// A fault and the bytes from there on; an address, until the request is at hand to measure from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot<'a> {
    pub(crate) fault: Fault,
    pub(crate) rest: &'a [u8],
}

impl Spot<'_> {
    pub(crate) fn within(self, request: &[u8]) -> Malformed {
        Malformed { at: offset(request, self.rest), what: self.fault.as_str() }
    }
}

/// Where `part` begins in `whole`, of which it is a part.
pub(crate) fn offset(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

/// Why an item was left out while the rest of its request was visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// The bytes of the item cannot be read; a metric counts as one item here.
    ItemMalformed,
    /// The bytes of its resource cannot be read.
    ResourceMalformed,
    /// The bytes of its instrumentation scope cannot be read.
    ScopeMalformed,
    /// A span's trace id is not 16 bytes, or all zero.
    TraceIdInvalid,
    /// A span's id is not 8 bytes, or all zero.
    SpanIdInvalid,
    /// A span's parent id is neither empty nor 8 bytes.
    ParentSpanIdInvalid,
    /// A span without start or end time, or a data point without time.
    TimeMissing,
    /// A number point that has no value and is not flagged as one without.
    ValueMissing,
    /// A histogram whose bucket counts are not one more than its bounds.
    BucketsInvalid,
}

impl Reason {
    const ALL: [Self; 9] = [
        Self::ItemMalformed,
        Self::ResourceMalformed,
        Self::ScopeMalformed,
        Self::TraceIdInvalid,
        Self::SpanIdInvalid,
        Self::ParentSpanIdInvalid,
        Self::TimeMissing,
        Self::ValueMissing,
        Self::BucketsInvalid,
    ];

    /// A short name that fits a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ItemMalformed => "item_malformed",
            Self::ResourceMalformed => "resource_malformed",
            Self::ScopeMalformed => "scope_malformed",
            Self::TraceIdInvalid => "trace_id_invalid",
            Self::SpanIdInvalid => "span_id_invalid",
            Self::ParentSpanIdInvalid => "parent_span_id_invalid",
            Self::TimeMissing => "time_missing",
            Self::ValueMissing => "value_missing",
            Self::BucketsInvalid => "buckets_invalid",
        }
    }

    const fn explanation(self) -> &'static str {
        match self {
            Self::ItemMalformed => "the item cannot be decoded",
            Self::ResourceMalformed => "the resource cannot be decoded",
            Self::ScopeMalformed => "the instrumentation scope cannot be decoded",
            Self::TraceIdInvalid => "the trace id is all zero or not 16 bytes long",
            Self::SpanIdInvalid => "the span id is all zero or not 8 bytes long",
            Self::ParentSpanIdInvalid => "the parent span id is neither empty nor 8 bytes long",
            Self::TimeMissing => "a required time is missing",
            Self::ValueMissing => "the data point has no value",
            Self::BucketsInvalid => {
                "the histogram's bucket counts are not one more than its bounds"
            }
        }
    }
}

/// The items of one request that were left out, counted per reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejections {
    counts: [u64; Reason::ALL.len()],
    first: Option<First>,
}

/// The first rejection of a request, as an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct First {
    reason: Reason,
    at: usize,
    what: Option<Fault>,
}

impl Rejections {
    pub(crate) fn add(&mut self, items: u64, reject: Reject, at: usize) {
        if items == 0 {
            return;
        }
        if let Some(count) = self.counts.get_mut(reject.reason as usize) {
            *count += items;
        }
        if self.first.is_none() {
            self.first = Some(First { reason: reject.reason, at, what: reject.fault });
        }
    }

    /// How many items were left out.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many were left out for this reason.
    #[must_use]
    pub fn count(&self, reason: Reason) -> u64 {
        self.counts.get(reason as usize).copied().unwrap_or_default()
    }

    /// The reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        Reason::ALL.into_iter().zip(self.counts).filter(|&(_, count)| count > 0)
    }

    /// English text for `partial_success.error_message`; empty if nothing was left out.
    #[must_use]
    pub fn as_message(&self) -> String {
        let mut message = String::new();
        for (reason, count) in self.iter() {
            let separator = if message.is_empty() { "rejected: " } else { "; " };
            // Writing to a String cannot fail.
            let _ = write!(message, "{separator}{count} because {}", reason.explanation());
        }
        if let Some(First { reason, at, what }) = self.first {
            let _ = write!(message, " (first: {} at byte {at}", reason.as_str());
            if let Some(what) = what {
                let _ = write!(message, ", {what}");
            }
            message.push(')');
        }
        message
    }
}

/// Why one item is left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reject {
    pub(crate) reason: Reason,
    pub(crate) fault: Option<Fault>,
}

impl From<Fault> for Reject {
    fn from(fault: Fault) -> Self {
        Self { reason: Reason::ItemMalformed, fault: Some(fault) }
    }
}

impl From<Reason> for Reject {
    fn from(reason: Reason) -> Self {
        Self { reason, fault: None }
    }
}

/// What was visited, and what was left out and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Spans, data points or log records that the visitor was given (or did not want).
    pub items: u64,
    /// What was left out.
    pub rejected: Rejections,
}
