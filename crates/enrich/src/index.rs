use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{LogLine, SpanRecord, Timestamp, TraceId, TraceTree};

/// A trace is handed out once nothing came for it for this long: spans of one trace leave their
/// processes within the batch delay of the SDKs of each other, and most within a second.
pub const TRACE_QUIET: Duration = Duration::from_millis(2_500);
/// A trace is handed out at this age even if spans still come.
pub const TRACE_AGE_MAX: Duration = Duration::from_secs(30);
/// How many traces wait to be complete; beyond that the longest waiting is handed out early.
pub const PENDING_TRACES_MAX: usize = 20_000;
/// How many spans and log lines wait in them; beyond that the longest waiting trace is handed out
/// early.
pub const PENDING_ITEMS_MAX: usize = 200_000;
/// How many spans of one trace are kept; further ones are dropped and the trace is incomplete.
pub const TRACE_SPANS_MAX: usize = 5_000;

/// How many log lines of one trace are kept; further ones are dropped.
pub const TRACE_LINES_MAX: usize = 1_000;

/// How many bad traces are kept for incidents; the oldest leave first.
const KEPT_TRACES_MAX: usize = 2_000;
/// How many spans are kept in them; the oldest traces leave first.
const KEPT_SPANS_MAX: usize = 100_000;
/// How long a bad trace is kept.
const KEPT_FOR: Duration = Duration::from_secs(30 * 60);

/// Puts traces together from spans as they come, hands each out once, and keeps the bad ones.
#[derive(Debug)]
pub struct TraceIndex {
    slow_ns: u64,
    pending: BTreeMap<TraceId, Pending>,
    /// Spans and lines of them.
    pending_items: usize,
    /// When to look at each pending trace again.
    due: BTreeSet<(Timestamp, TraceId)>,
    kept: BTreeMap<TraceId, Kept>,
    kept_spans: usize,
    kept_order: BTreeSet<(Timestamp, TraceId)>,
    spans_dropped: u64,
}

/// A trace that is handed out, with what it logged.
#[derive(Debug)]
pub struct Traced {
    /// Its spans; none came where only its log lines did.
    pub tree: Option<TraceTree>,
    /// Its log lines, in the order in which they came.
    pub lines: Vec<LogLine>,
}

#[derive(Debug)]
struct Pending {
    spans: Vec<SpanRecord>,
    lines: Vec<LogLine>,
    first_at: Timestamp,
    last_at: Timestamp,
    due_at: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) tree: TraceTree,
    at: Timestamp,
}

impl TraceIndex {
    /// An empty index. A trace is bad when a span is in error or its entry took longer than
    /// `slow`.
    #[must_use]
    pub fn new(slow: Duration) -> Self {
        Self {
            slow_ns: u64::try_from(slow.as_nanos()).unwrap_or(u64::MAX),
            pending: BTreeMap::new(),
            pending_items: 0,
            due: BTreeSet::new(),
            kept: BTreeMap::new(),
            kept_spans: 0,
            kept_order: BTreeSet::new(),
            spans_dropped: 0,
        }
    }

    /// Takes spans of the consistent sample.
    pub fn add(&mut self, spans: impl IntoIterator<Item = SpanRecord>, now: Timestamp) {
        for span in spans {
            self.add_one(span, now);
        }
    }

    /// Takes log lines of the consistent sample. They wait for the spans of their trace.
    pub fn add_lines(&mut self, lines: impl IntoIterator<Item = LogLine>, now: Timestamp) {
        for line in lines {
            let pending = self.pend(line.trace_id, now);
            if pending.lines.len() < TRACE_LINES_MAX {
                pending.lines.push(line);
                self.pending_items += 1;
            }
        }
    }

    /// Hands out the traces that are quiet or old by now, the longest waiting first. Bad ones are
    /// kept as well.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Traced> {
        let mut trees = Vec::new();
        while let Some(&(at, id)) = self.due.first() {
            let crowded =
                self.pending.len() > PENDING_TRACES_MAX || self.pending_items > PENDING_ITEMS_MAX;
            if at > now && !crowded {
                break;
            }
            let _ = self.due.pop_first();
            let Some(pending) = self.pending.get_mut(&id) else { continue };
            let due_at = pending.due();
            if due_at > now && !crowded {
                pending.due_at = due_at;
                let _ = self.due.insert((due_at, id));
                continue;
            }
            trees.extend(self.hand_out(id, now));
        }
        self.forget(now);
        trees
    }

    /// Puts together what a recall brought, with the spans that are here of the same traces. All
    /// of these traces are kept.
    pub fn recalled(&mut self, spans: Vec<SpanRecord>, now: Timestamp) -> Vec<TraceTree> {
        let mut traces: BTreeMap<TraceId, Vec<SpanRecord>> = BTreeMap::new();
        for span in spans {
            let trace = traces.entry(span.trace_id).or_default();
            if trace.len() < TRACE_SPANS_MAX {
                trace.push(span);
            }
        }
        let mut trees = Vec::with_capacity(traces.len());
        for (id, mut spans) in traces {
            if let Some(pending) = self.pending.get(&id) {
                spans.extend(pending.spans.iter().cloned());
            }
            if let Some(tree) = self.keep(id, spans, now) {
                trees.push(tree);
            }
        }
        self.forget(now);
        trees
    }

    /// When the next trace may be handed out.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A bad trace that is still kept.
    #[must_use]
    pub fn get(&self, id: TraceId) -> Option<&TraceTree> {
        self.kept.get(&id).map(|kept| &kept.tree)
    }

    /// Bad traces that came at or after `since`, newest first.
    pub fn bad_since(&self, since: Timestamp) -> impl Iterator<Item = &TraceTree> {
        self.kept_order
            .range((since, TraceId::default())..)
            .rev()
            .filter_map(|(_, id)| self.get(*id))
    }

    /// Spans that were dropped since their trace had too many.
    #[must_use]
    pub fn spans_dropped(&self) -> u64 {
        self.spans_dropped
    }

    fn add_one(&mut self, span: SpanRecord, now: Timestamp) {
        let pending = self.pend(span.trace_id, now);
        if pending.spans.len() >= TRACE_SPANS_MAX {
            self.spans_dropped += 1;
            return;
        }
        pending.spans.push(span);
        self.pending_items += 1;
    }

    /// The trace that something came for.
    fn pend(&mut self, id: TraceId, now: Timestamp) -> &mut Pending {
        let pending = self.pending.entry(id).or_insert_with(|| {
            let due_at = now.after(TRACE_QUIET);
            let _ = self.due.insert((due_at, id));
            Pending { spans: Vec::new(), lines: Vec::new(), first_at: now, last_at: now, due_at }
        });
        pending.last_at = pending.last_at.max(now);
        pending
    }

    fn hand_out(&mut self, id: TraceId, now: Timestamp) -> Option<Traced> {
        let pending = self.pending.remove(&id)?;
        self.pending_items -= pending.spans.len() + pending.lines.len();
        let _ = self.due.remove(&(pending.due_at, id));
        if self.kept.contains_key(&id) {
            // Latecomers of a trace that was handed out before: they complete what is kept, and
            // are no trace of their own.
            let _ = self.keep(id, pending.spans, now);
            return None;
        }
        let tree = TraceTree::assemble(pending.spans);
        if let Some(tree) = tree.as_ref().filter(|tree| self.is_bad(tree)) {
            self.insert_kept(id, tree.clone(), now);
        }
        Some(Traced { tree, lines: pending.lines })
    }

    fn is_bad(&self, tree: &TraceTree) -> bool {
        let slow = tree.span(tree.entry()).is_some_and(|entry| entry.duration_ns > self.slow_ns);
        slow || tree.has_error()
    }

    fn keep(
        &mut self,
        id: TraceId,
        mut spans: Vec<SpanRecord>,
        now: Timestamp,
    ) -> Option<TraceTree> {
        let mut at = now;
        if let Some(kept) = self.remove_kept(id) {
            at = kept.at;
            spans.extend(kept.tree.spans().iter().cloned());
        }
        let tree = TraceTree::assemble(spans)?;
        self.insert_kept(id, tree.clone(), at);
        Some(tree)
    }

    fn insert_kept(&mut self, id: TraceId, tree: TraceTree, at: Timestamp) {
        let _ = self.remove_kept(id);
        self.kept_spans += tree.spans().len();
        let _ = self.kept_order.insert((at, id));
        let _ = self.kept.insert(id, Kept { tree, at });
    }

    fn remove_kept(&mut self, id: TraceId) -> Option<Kept> {
        let kept = self.kept.remove(&id)?;
        self.kept_spans -= kept.tree.spans().len();
        let _ = self.kept_order.remove(&(kept.at, id));
        Some(kept)
    }

    fn forget(&mut self, now: Timestamp) {
        let horizon = now.before(KEPT_FOR);
        while let Some(&(at, id)) = self.kept_order.first() {
            let crowded = self.kept.len() > KEPT_TRACES_MAX || self.kept_spans > KEPT_SPANS_MAX;
            if at >= horizon && !crowded {
                break;
            }
            let _ = self.remove_kept(id);
        }
    }
}

impl Pending {
    fn due(&self) -> Timestamp {
        self.last_at.after(TRACE_QUIET).min(self.first_at.after(TRACE_AGE_MAX))
    }
}

#[cfg(test)]
mod tests;
