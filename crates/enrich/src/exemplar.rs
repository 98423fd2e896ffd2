use std::collections::BTreeSet;

use model::{ExemplarTrace, Service, Timestamp, TraceId, TraceSpan, TraceTree};

use crate::TraceIndex;

/// How many exemplars an incident carries.
pub const EXEMPLARS_MAX: usize = 5;

/// How many kept traces are weighed for one incident.
const CANDIDATES_MAX: usize = 200;
/// How many spans the path of an exemplar shows; the middle of a longer one is left out.
const PATH_SPANS_MAX: usize = 32;
const TRACE_ID_PLACEHOLDER: &str = "{trace_id}";

/// Which exemplars an incident wants.
#[derive(Clone, Copy, Debug)]
pub struct ExemplarQuery<'a> {
    /// Traces of events that burned the budget.
    pub trace_ids: &'a [TraceId],
    /// The service of the first cause; its traces come first.
    pub cause: Option<&'a Service>,
    /// Services of the members: a trace that was not asked for by its id must touch one.
    pub services: &'a [&'a Service],
    /// Traces that came before this are left out, unless they are named above.
    pub since: Timestamp,
    /// Link to a trace, with `{trace_id}`; empty without one.
    pub url_template: &'a str,
}

/// A trace with the span that it is shown for.
struct Candidate<'a> {
    tree: &'a TraceTree,
    failing: usize,
    /// Lower is better.
    rank: (bool, bool, bool, bool),
}

impl TraceIndex {
    /// Up to five of the kept traces: whole bad ones that lead to the cause first, each failing
    /// operation once before any comes twice.
    #[must_use]
    pub fn exemplars(&self, query: &ExemplarQuery<'_>) -> Vec<ExemplarTrace> {
        let mut seen = BTreeSet::new();
        let named = query.trace_ids.iter().filter_map(|id| self.get(*id));
        let touches = |tree: &&TraceTree| {
            tree.spans().iter().any(|span| query.services.contains(&&*span.service))
        };
        let others = self.bad_since(query.since).filter(touches);
        let mut candidates: Vec<Candidate<'_>> = named
            .chain(others)
            .filter(|tree| seen.insert(tree.trace_id()))
            .take(CANDIDATES_MAX)
            .map(|tree| Candidate::new(tree, query))
            .collect();
        candidates.sort_by_key(|candidate| candidate.rank);
        let mut shown = BTreeSet::new();
        let (first, again): (Vec<_>, Vec<_>) = candidates.iter().partition(|candidate| {
            let span = candidate.tree.span(candidate.failing);
            span.is_some_and(|span| shown.insert((&span.service, &span.operation)))
        });
        let chosen = first.into_iter().chain(again).take(EXEMPLARS_MAX);
        let mut chosen: Vec<&Candidate<'_>> = chosen.collect();
        chosen.sort_by_key(|candidate| candidate.rank);
        chosen.into_iter().map(|candidate| candidate.show(query.url_template)).collect()
    }
}

impl<'a> Candidate<'a> {
    fn new(tree: &'a TraceTree, query: &ExemplarQuery<'_>) -> Self {
        let entry = tree.entry();
        let failing = failing_span(tree, entry, query.cause);
        let is_cause = tree.span(failing).is_some_and(|span| Some(&*span.service) == query.cause);
        let entry_bad = tree.span(entry).is_some_and(|span| span.error);
        let rank = (
            !is_cause && query.cause.is_some(),
            !tree.is_complete(),
            !entry_bad,
            !query.trace_ids.contains(&tree.trace_id()),
        );
        Self { tree, failing, rank }
    }

    fn show(&self, url_template: &str) -> ExemplarTrace {
        let tree = self.tree;
        let path = tree.path_to(self.failing);
        let skipped = path.len().saturating_sub(PATH_SPANS_MAX);
        let head = PATH_SPANS_MAX / 2;
        let shown = path
            .iter()
            .enumerate()
            .filter(|(place, _)| *place < head || *place >= head + skipped)
            .filter_map(|(_, span)| shown_span(tree, *span));
        let id = tree.trace_id();
        let from_entry =
            path.first().and_then(|root| tree.span(*root)).map(|root| root.parent_span_id);
        ExemplarTrace {
            trace_id: id,
            url: url_template.replace(TRACE_ID_PLACEHOLDER, &id.to_string()),
            reason: self.reason(),
            duration_ns: u64::try_from(tree.end().since(tree.start()).as_nanos())
                .unwrap_or(u64::MAX),
            path: shown.collect(),
            complete: from_entry.is_some_and(|parent| parent.is_none()) && skipped == 0,
        }
    }

    fn reason(&self) -> String {
        let Some(span) = self.tree.span(self.failing) else { return String::new() };
        let place = match &span.peer {
            Some(peer) if !self.tree.children(self.failing).any(|_| true) => {
                format!("{} {} to {peer}", span.service.name, span.operation)
            }
            _ => format!("{} {}", span.service.name, span.operation),
        };
        match (span.error, span.message.is_empty()) {
            (true, true) => format!("{place} failed"),
            (true, false) => format!("{place} failed: {}", span.message),
            (false, _) => {
                let own_ms = self.tree.exclusive_ns(self.failing) as f64 / 1e6;
                format!("{place} took {own_ms:.0} ms by itself")
            }
        }
    }
}

/// The deepest error below the entry, one of the cause's if there is one; without an error the
/// span that took the most time itself.
fn failing_span(tree: &TraceTree, entry: usize, cause: Option<&Service>) -> usize {
    let errors = tree.deepest_errors();
    let is_cause =
        |span: &&usize| tree.span(**span).is_some_and(|span| Some(&*span.service) == cause);
    let below_entry = |span: &&usize| tree.path_to(**span).first() == Some(&entry);
    errors
        .iter()
        .find(is_cause)
        .or_else(|| errors.iter().filter(below_entry).max_by_key(|span| tree.path_to(**span).len()))
        .or_else(|| errors.first())
        .copied()
        .unwrap_or_else(|| tree.slowest())
}

fn shown_span(tree: &TraceTree, index: usize) -> Option<TraceSpan> {
    let span = tree.span(index)?;
    Some(TraceSpan {
        span_id: span.span_id,
        parent_span_id: span.parent_span_id,
        service: span.service.name.clone(),
        operation: span.operation.to_string(),
        kind: span.kind,
        start: span.start,
        duration_ns: span.duration_ns,
        exclusive_ns: tree.exclusive_ns(index),
        error: span.error,
        message: span.message.to_string(),
    })
}
