use std::collections::VecDeque;

use model::TraceId;

use crate::arena::Generation;
use crate::options::{RECALL_GENERATIONS, RECALL_REACH_S};

/// The message of a [`Compact`] that has none.
pub(crate) const NO_MESSAGE: u32 = (1 << 31) - 1;
const ERROR_BIT: u32 = 1 << 31;
const CHUNK_RECORDS: usize = 4096;
/// The share of the ring for bad spans outside of the sample, as a divisor.
const BAD_SHARE: usize = 4;
const LEVEL_MAX: u32 = 40;
/// Spans log less than this on average, as a rule.
const LINES_PER_SPAN: usize = 4;

/// A span in 64 bytes; names by their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compact {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    pub(crate) parent_span_id: [u8; 8],
    pub(crate) start_unix_ns: u64,
    pub(crate) duration_ns: u64,
    pub(crate) operation: u32,
    pub(crate) edge: u32,
    pub(crate) tag_set: u32,
    /// Message id, with whether the span is an error in the highest bit.
    pub(crate) message: u32,
}

/// The newest records of a fixed number, in chunks that are made when they are needed.
#[derive(Debug)]
struct Ring {
    chunks: Vec<Box<[Compact]>>,
    capacity: u64,
    written: u64,
    /// Records before this one have been given up.
    tail: u64,
}

/// Compact records of what passed: all spans of a sample of traces, and bad ones beside it.
#[derive(Debug)]
pub(crate) struct Recall {
    sampled: Ring,
    bad: Ring,
    /// Traces whose hash begins with this many zeros are in the sample.
    level: u32,
    marks: VecDeque<(Generation, u64, u64)>,
    spans_per_s: f64,
    spans: u64,
    rated_at_ns: u64,
}

/// How far back spans can be recalled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecallReach {
    /// Start of the oldest span that can be recalled; zero = none.
    pub oldest: model::Timestamp,
    /// Inverse of the share of traces that are kept whole.
    pub sample_weight: u64,
    /// Records held.
    pub records: u64,
    /// Bytes taken.
    pub bytes: u64,
}

/// The hash that puts a trace into samples; the same in every worker. A sample at level n is the
/// traces whose hash begins with n zeros, so that samples of different levels contain each other.
#[inline(always)]
pub(crate) fn trace_hash(trace_id: [u8; 16]) -> u64 {
    let id = u128::from_le_bytes(trace_id);
    let product = u128::from(id as u64 ^ 0x9e37_79b9_7f4a_7c15)
        * u128::from((id >> 64) as u64 ^ 0xd6e8_feb8_6659_fd93);
    // The product alone has weak high bits for ids that count upwards.
    let mixed = (product >> 64) as u64 ^ product as u64;
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

impl Compact {
    pub(crate) fn set_message(&mut self, message: u32, error: bool) {
        self.message = message & NO_MESSAGE | if error { ERROR_BIT } else { 0 };
    }

    pub(crate) fn message(&self) -> u32 {
        self.message & NO_MESSAGE
    }

    pub(crate) fn is_error(&self) -> bool {
        self.message & ERROR_BIT != 0
    }
}

impl Ring {
    fn new(bytes: usize) -> Self {
        let capacity = bytes / size_of::<Compact>() / CHUNK_RECORDS * CHUNK_RECORDS;
        Self { chunks: Vec::new(), capacity: capacity as u64, written: 0, tail: 0 }
    }

    #[inline(always)]
    fn push(&mut self, record: Compact) {
        if self.capacity == 0 {
            return;
        }
        let at = (self.written % self.capacity) as usize;
        let (chunk, within) = (at / CHUNK_RECORDS, at % CHUNK_RECORDS);
        if chunk == self.chunks.len() {
            self.chunks.push(vec![Compact::default(); CHUNK_RECORDS].into_boxed_slice());
        }
        self.chunks[chunk][within] = record;
        self.written += 1;
    }

    fn first(&self) -> u64 {
        self.tail.max(self.written.saturating_sub(self.capacity))
    }

    fn iter(&self) -> impl Iterator<Item = &Compact> {
        (self.first()..self.written).map(|number| {
            let at = (number % self.capacity) as usize;
            &self.chunks[at / CHUNK_RECORDS][at % CHUNK_RECORDS]
        })
    }

    fn bytes(&self) -> u64 {
        (self.chunks.len() * CHUNK_RECORDS * size_of::<Compact>()) as u64
    }
}

impl Recall {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            sampled: Ring::new(bytes - bytes / BAD_SHARE),
            bad: Ring::new(bytes / BAD_SHARE),
            level: 0,
            marks: VecDeque::new(),
            spans_per_s: 0.0,
            spans: 0,
            rated_at_ns: 0,
        }
    }

    /// Whether a trace is kept whole.
    #[inline(always)]
    pub(crate) fn samples(&self, trace_hash: u64) -> bool {
        trace_hash.leading_zeros() >= self.level
    }

    pub(crate) fn saw_spans(&mut self, spans: u64) {
        self.spans += spans;
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, record: Compact, sampled: bool) {
        if sampled { self.sampled.push(record) } else { self.bad.push(record) }
    }

    /// Adapts the sample so that a minute fits. More traces at once when there is room for them
    /// would tear the older ones apart, so it grows one step at a time.
    pub(crate) fn adapt(&mut self, now_ns: u64) {
        const RATE_EVERY_NS: u64 = 1_000_000_000;
        const NEW_SHARE: f64 = 0.5;
        const ROOM_BEFORE_GROWTH: f64 = 0.8;
        let elapsed = now_ns.saturating_sub(self.rated_at_ns);
        if elapsed < RATE_EVERY_NS {
            return;
        }
        let rate = std::mem::take(&mut self.spans) as f64 * 1e9 / elapsed as f64;
        self.rated_at_ns = now_ns;
        self.spans_per_s += (rate - self.spans_per_s) * NEW_SHARE;
        let rate = self.spans_per_s.max(rate);
        let target = self.sampled.capacity as f64 / RECALL_REACH_S as f64;
        let at_level = |level: u32| rate / (1u64 << level) as f64;
        if self.level > 0 && at_level(self.level - 1) <= target * ROOM_BEFORE_GROWTH {
            self.level -= 1;
        }
        while self.level < LEVEL_MAX && at_level(self.level) > target {
            self.level += 1;
        }
    }

    /// Gives up what is older than [`RECALL_GENERATIONS`]; to be called when a generation begins.
    /// What is written until the next call belongs to that generation.
    pub(crate) fn age(&mut self, generation: Generation) {
        self.marks.push_back((generation, self.sampled.written, self.bad.written));
        while let Some(&(begun, ..)) = self.marks.front()
            && begun + RECALL_GENERATIONS <= generation
        {
            self.marks.pop_front();
            if let Some(&(_, sampled, bad)) = self.marks.front() {
                self.sampled.tail = sampled;
                self.bad.tail = bad;
            }
        }
    }

    /// The records of some traces, in the order in which they came. `wanted` is in order.
    pub(crate) fn of_traces(&self, wanted: &[TraceId]) -> Vec<Compact> {
        let mut maybe = [false; 256];
        for id in wanted {
            maybe[usize::from(id.0[15])] = true;
        }
        let records = self.sampled.iter().chain(self.bad.iter());
        let of_wanted = records.filter(|record| {
            maybe[usize::from(record.trace_id[15])]
                && wanted.binary_search(&TraceId(record.trace_id)).is_ok()
        });
        of_wanted.take(crate::RECALL_SPANS_MAX).copied().collect()
    }

    pub(crate) fn reach(&self) -> RecallReach {
        let oldest = self.sampled.iter().next().or_else(|| self.bad.iter().next());
        let held = |ring: &Ring| ring.written - ring.first();
        RecallReach {
            oldest: model::Timestamp::from_unix_ns(oldest.map_or(0, |record| record.start_unix_ns)),
            sample_weight: 1 << self.level,
            records: held(&self.sampled) + held(&self.bad),
            bytes: self.sampled.bytes() + self.bad.bytes(),
        }
    }
}

/// A log record of a span; its template by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    pub(crate) template: u32,
    pub(crate) severity: u8,
}

/// The sample of traces whose spans go to the engine to be joined, with what they logged: at most
/// a budget of spans per hand-over, and [`LINES_PER_SPAN`] times as many lines.
#[derive(Debug)]
pub(crate) struct Joined {
    records: Vec<Compact>,
    lines: Vec<Line>,
    level: u32,
    budget: usize,
}

impl Joined {
    pub(crate) fn new(budget: usize) -> Self {
        Self { records: Vec::new(), lines: Vec::new(), level: 0, budget }
    }

    #[inline(always)]
    pub(crate) fn samples(&self, trace_hash: u64) -> bool {
        trace_hash.leading_zeros() >= self.level
    }

    pub(crate) fn push(&mut self, record: Compact) {
        self.records.push(record);
        self.fit();
    }

    pub(crate) fn push_line(&mut self, line: Line) {
        self.lines.push(line);
        self.fit();
    }

    /// Over the budget, half of the traces leave the sample, with all their spans and lines.
    fn fit(&mut self) {
        let lines_max = self.budget * LINES_PER_SPAN;
        while (self.records.len() > self.budget || self.lines.len() > lines_max)
            && self.level < LEVEL_MAX
        {
            self.level += 1;
            let level = self.level;
            let stays = |trace_id| trace_hash(trace_id).leading_zeros() >= level;
            self.records.retain(|record| stays(record.trace_id));
            self.lines.retain(|line| stays(line.trace_id));
        }
        self.records.truncate(self.budget);
        self.lines.truncate(lines_max);
    }

    /// The sample and its weight. A sample that was far below the budget lets the next one grow.
    pub(crate) fn drain(&mut self) -> (Vec<Compact>, Vec<Line>, u32) {
        const ROOM_BEFORE_GROWTH: usize = 4;
        let weight = 1u32.checked_shl(self.level).unwrap_or(u32::MAX);
        let spans = self.records.len().max(self.lines.len() / LINES_PER_SPAN);
        if self.level > 0 && spans * ROOM_BEFORE_GROWTH < self.budget {
            self.level -= 1;
        }
        (std::mem::take(&mut self.records), std::mem::take(&mut self.lines), weight)
    }
}

#[cfg(test)]
mod tests;
