use model::{EventTimes, Pane, Timestamp};

use super::reason::Reason;
use crate::arena::NONE;
use crate::recall::Compact;

/// Spans that are kept back before the request has to be known as whole.
const FACTS_MAX: usize = 8192;
/// Exemplars of declared SLIs that are kept back.
const WANTED_MAX: usize = 1 << 16;

/// What the spans of a request come to. Nothing of it counts yet: a request that cannot be read
/// as a whole is as good as none, and counting one span after the other would wait for memory at
/// each, while counting many in a row waits for all of them at once.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    pub(super) runs: Vec<Run>,
    pub(super) facts: Vec<Fact>,
    pub(super) tagged: Vec<Tagged>,
    pub(super) records: Vec<Recorded>,
    pub(super) wanted: Vec<Wanted>,
    pub(super) late: u64,
    pub(super) future: u64,
}

/// Spans of one resource, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) resource: u32,
    pub(super) service: u32,
    /// Its first fact.
    pub(super) first: usize,
    pub(super) times: EventTimes,
}

/// A span once it is judged, in half a cache line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact {
    pub(super) weight: u64,
    /// [`NONE`] until it is named.
    pub(super) operation: u32,
    /// Of a span that calls; [`NONE`] if it does not say whom, and until it is named.
    pub(super) edge: u32,
    pub(super) pane: Pane,
    pub(super) status: StatusCode,
    /// Of its duration; see [`crate::histogram::bucket_of`].
    pub(super) bucket: u16,
    pub(super) marks: Marks,
}

/// An HTTP or gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatusCode(u32);

/// What a span is, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(u8);

/// A root-cause tag of one span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tagged {
    pub(super) tag: u32,
    pub(super) marks: Marks,
}

/// A compact record, and for which samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recorded {
    /// But for its operation and edge, which are those of its fact.
    pub(super) record: Compact,
    pub(super) fact: u32,
    pub(super) trace_hash: u64,
    pub(super) marks: Marks,
}

/// A bad span that the series of a declared SLI wants as an exemplar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) series: u32,
    /// The [`Bad`] that shows it.
    pub(super) bad: u32,
}

/// A bad span, for exemplars and for who is hurt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bad<'a> {
    pub(super) service: u32,
    pub(super) fact: u32,
    pub(super) end: Timestamp,
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    pub(super) trace_hash: u64,
    pub(super) duration_ns: u64,
    pub(super) marks: Marks,
    pub(super) reason: Reason<'a>,
    /// The user or tenant that it names; empty if none.
    pub(super) subject: &'a [u8],
}

impl Stage {
    pub(super) fn is_full(&self) -> bool {
        self.facts.len() >= FACTS_MAX || self.wanted.len() >= WANTED_MAX
    }

    /// The spans of this resource follow.
    pub(super) fn begin_run(&mut self, resource: u32, service: u32) {
        let first = self.facts.len();
        self.runs.push(Run { resource, service, first, times: EventTimes::default() });
    }

    #[inline(always)]
    pub(super) fn push(&mut self, fact: Fact, end: Timestamp) {
        self.facts.push(fact);
        if let Some(run) = self.runs.last_mut() {
            run.times.note(end);
        }
    }

    /// A span that lies too far in the future to be kept.
    #[cold]
    pub(super) fn push_future(&mut self, end: Timestamp) {
        self.future += 1;
        if let Some(run) = self.runs.last_mut() {
            run.times.note_future(end);
        }
    }

    /// Forgets everything, and keeps the room.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.facts.clear();
        self.tagged.clear();
        self.records.clear();
        self.wanted.clear();
        (self.late, self.future) = (0, 0);
    }
}

impl StatusCode {
    pub(super) const NONE: Self = Self(NONE);
    /// Sets gRPC status codes apart from HTTP ones.
    const RPC: u32 = 1 << 16;

    /// `http` is 0 and `rpc` negative where there is none.
    #[inline(always)]
    pub(super) fn of(http: u16, rpc: i8) -> Self {
        if rpc >= 0 {
            Self(Self::RPC | rpc as u32)
        } else if http > 0 {
            Self(u32::from(http))
        } else {
            Self::NONE
        }
    }

    /// The tag's key and value.
    pub(super) fn tag(self) -> (&'static str, u32) {
        if self.0 & Self::RPC == 0 {
            ("http.response.status_code", self.0)
        } else {
            ("rpc.response.status_code", self.0 & !Self::RPC)
        }
    }
}

impl Marks {
    pub(super) const ERROR: u8 = 1;
    pub(super) const SLOW: u8 = 1 << 1;
    pub(super) const SERVES: u8 = 1 << 2;
    /// It serves and has no parent.
    pub(super) const ENTRY: u8 = 1 << 3;
    pub(super) const THROTTLED: u8 = 1 << 4;
    pub(super) const UNANSWERED: u8 = 1 << 5;

    #[inline(always)]
    pub(super) fn set(&mut self, mark: u8, is_set: bool) {
        self.0 |= if is_set { mark } else { 0 };
    }

    #[inline(always)]
    pub(super) const fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }

    /// Whether it is in error or slow.
    #[inline(always)]
    pub(super) const fn is_bad(self) -> bool {
        self.has(Self::ERROR | Self::SLOW)
    }
}
