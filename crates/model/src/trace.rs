use std::collections::BTreeMap;

use crate::{SpanId, SpanKind, SpanRecord, Timestamp, TraceId};

/// The spans of one trace as a forest: whatever order they came in, with duplicates dropped,
/// parents missing, several roots, or parents that form a ring. Spans are named by their index, in
/// order of their start.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceTree {
    trace_id: TraceId,
    spans: Vec<SpanRecord>,
    parents: Vec<Option<u32>>,
    children: Vec<Vec<u32>>,
    roots: Vec<u32>,
    exclusive_ns: Vec<u64>,
    complete: bool,
}

impl TraceTree {
    /// From the spans of one trace; spans of another trace than the first one's are dropped.
    /// `None` without spans.
    #[must_use]
    pub fn assemble(mut spans: Vec<SpanRecord>) -> Option<Self> {
        let trace_id = spans.first()?.trace_id;
        spans.retain(|span| span.trace_id == trace_id);
        spans.sort_by_key(|span| (span.start, span.span_id, span.duration_ns));
        let mut index = BTreeMap::new();
        let mut kept: Vec<SpanRecord> = Vec::with_capacity(spans.len());
        for span in spans {
            index.entry(span.span_id).or_insert_with(|| {
                kept.push(span);
                (kept.len() - 1) as u32
            });
        }
        let (parents, complete) = link(&kept, &index);
        let mut children = vec![Vec::new(); kept.len()];
        let mut roots = Vec::new();
        for (span, parent) in parents.iter().enumerate() {
            match parent.and_then(|parent| children.get_mut(parent as usize)) {
                Some(siblings) => siblings.push(span as u32),
                None => roots.push(span as u32),
            }
        }
        let complete = complete && roots.len() == 1;
        let mut tree = Self {
            trace_id,
            spans: kept,
            parents,
            children,
            roots,
            exclusive_ns: vec![],
            complete,
        };
        tree.exclusive_ns = (0..tree.spans.len()).map(|span| tree.exclusive_of(span)).collect();
        Some(tree)
    }

    /// Whose spans these are.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// All spans, in order of their start; at least one.
    #[must_use]
    pub fn spans(&self) -> &[SpanRecord] {
        &self.spans
    }

    /// One span.
    #[must_use]
    pub fn span(&self, span: usize) -> Option<&SpanRecord> {
        self.spans.get(span)
    }

    /// The span that caused this one, if it was seen.
    #[must_use]
    pub fn parent(&self, span: usize) -> Option<usize> {
        self.parents.get(span).copied().flatten().map(|parent| parent as usize)
    }

    /// The spans that this one caused, in order of their start.
    pub fn children(&self, span: usize) -> impl Iterator<Item = usize> + '_ {
        self.children.get(span).into_iter().flatten().map(|child| *child as usize)
    }

    /// Spans whose parent is none or was not seen, in order of their start.
    pub fn roots(&self) -> impl Iterator<Item = usize> + '_ {
        self.roots.iter().map(|root| *root as usize)
    }

    /// Time that the span did not spend in children: its duration less the union of theirs, as far
    /// as they lie within it. Children that it does not wait for take nothing.
    #[must_use]
    pub fn exclusive_ns(&self, span: usize) -> u64 {
        self.exclusive_ns.get(span).copied().unwrap_or(0)
    }

    /// Where the request came in: the first span without a parent, else the first whose parent was
    /// not seen.
    #[must_use]
    pub fn entry(&self) -> usize {
        let is_true_root =
            |root: &usize| self.span(*root).is_some_and(|span| span.parent_span_id.is_none());
        self.roots().find(is_true_root).or_else(|| self.roots().next()).unwrap_or(0)
    }

    /// Whether there is one root, it has no parent, and every other span's parent was seen.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether any span is in error.
    #[must_use]
    pub fn has_error(&self) -> bool {
        self.spans.iter().any(|span| span.error)
    }

    /// When the first span began.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.spans.first().map_or(Timestamp::ZERO, |span| span.start)
    }

    /// When the last span ended.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.spans.iter().map(SpanRecord::end).max().unwrap_or_default()
    }

    /// Error spans none of whose children is in error, in order of their start.
    #[must_use]
    pub fn deepest_errors(&self) -> Vec<usize> {
        let is_error = |span: usize| self.span(span).is_some_and(|span| span.error);
        (0..self.spans.len())
            .filter(|span| is_error(*span) && !self.children(*span).any(is_error))
            .collect()
    }

    /// The spans from a root down to this one, both included.
    #[must_use]
    pub fn path_to(&self, span: usize) -> Vec<usize> {
        let mut path: Vec<usize> =
            std::iter::successors(Some(span), |span| self.parent(*span)).collect();
        path.reverse();
        path
    }

    /// Whether the span's parent waits for it: not so a consumer's, nor one that begins when the
    /// parent has ended by the same clock.
    #[must_use]
    pub fn is_awaited(&self, span: usize) -> bool {
        let (Some(child), Some(parent)) =
            (self.span(span), self.parent(span).and_then(|parent| self.span(parent)))
        else {
            return false;
        };
        child.kind != SpanKind::Consumer
            && parent.kind != SpanKind::Producer
            && (child.service != parent.service || child.start < parent.end())
    }

    /// This span and all below it that it waits for, parents before children.
    #[must_use]
    pub fn awaited_below(&self, span: usize) -> Vec<usize> {
        let mut found = vec![span];
        let mut next = 0;
        while let Some(&at) = found.get(next) {
            found.extend(self.children(at).filter(|child| self.is_awaited(*child)));
            next += 1;
        }
        found
    }

    /// The span below the entry that took the most time itself.
    #[must_use]
    pub fn slowest(&self) -> usize {
        let below = self.awaited_below(self.entry());
        let slowest =
            below.iter().max_by_key(|span| (self.exclusive_ns(**span), std::cmp::Reverse(**span)));
        slowest.copied().unwrap_or(0)
    }

    fn exclusive_of(&self, span: usize) -> u64 {
        let Some(parent) = self.span(span) else { return 0 };
        let mut covered: Vec<(u64, u64)> = self
            .children(span)
            .filter(|child| self.is_awaited(*child))
            .filter_map(|child| self.span(child))
            .map(|child| within(parent, child))
            .collect();
        covered.sort_unstable();
        let mut reach = parent.start.unix_ns();
        let mut sum = 0;
        for (from, until) in covered {
            sum += until.saturating_sub(from.max(reach));
            reach = reach.max(until);
        }
        parent.duration_ns.saturating_sub(sum)
    }
}

/// The part of the parent's time that a child takes. A child of another service whose interval
/// does not lie within its parent's was told by another clock: it is taken to lie in the middle,
/// as Jaeger's clock skew adjuster does.
fn within(parent: &SpanRecord, child: &SpanRecord) -> (u64, u64) {
    let (from, until) = (parent.start.unix_ns(), parent.end().unix_ns());
    let (begin, end) = (child.start.unix_ns(), child.end().unix_ns());
    let skewed = child.service != parent.service && (begin < from || end > until);
    if skewed && child.duration_ns <= parent.duration_ns {
        let begin = from.saturating_add((parent.duration_ns - child.duration_ns) / 2);
        return (begin, begin.saturating_add(child.duration_ns));
    }
    if skewed && parent.duration_ns < child.duration_ns && begin <= until && end >= from {
        return (begin.max(from), until);
    }
    (begin.clamp(from, until), end.clamp(from, until))
}

/// The parent of each span, and whether all were seen. A link that would close a ring is dropped.
fn link(spans: &[SpanRecord], index: &BTreeMap<SpanId, u32>) -> (Vec<Option<u32>>, bool) {
    let mut complete = true;
    let mut parents: Vec<Option<u32>> = spans
        .iter()
        .map(|span| {
            let parent = index.get(&span.parent_span_id).copied();
            complete &= span.parent_span_id.is_none() || parent.is_some();
            parent.filter(|_| !span.parent_span_id.is_none())
        })
        .collect();
    let mut settled = vec![0_u32; spans.len()];
    for start in 0..spans.len() {
        let mark = start as u32 + 1;
        let mut at = start;
        while settled.get(at) == Some(&0) {
            settled[at] = mark;
            let Some(parent) = parents[at].map(|parent| parent as usize) else { break };
            if settled[parent] == mark {
                parents[at] = None;
                complete = false;
                break;
            }
            at = parent;
        }
    }
    (parents, complete)
}

#[cfg(test)]
mod tests;
