//! Time that a span spent itself.

use model::{SpanKind, TraceTree};

/// As [`TraceTree::exclusive_ns`], less the time in which a call that began beside the span was
/// under way: reactive frameworks end a handler's span when the answer is there, and make the
/// calls that it waits for its siblings.
pub(crate) fn own_ns(tree: &TraceTree, index: usize) -> u64 {
    let exclusive_ns = tree.exclusive_ns(index);
    let Some(span) = tree.span(index) else { return 0 };
    let Some(parent) = tree.parent(index) else { return exclusive_ns };
    let calls = |sibling: &usize| {
        *sibling != index
            && tree.is_awaited(*sibling)
            && tree.span(*sibling).is_some_and(|s| s.kind.calls() && s.service == span.service)
    };
    if span.kind != SpanKind::Internal
        || exclusive_ns == 0
        || !tree.children(parent).any(|s| calls(&s))
    {
        return exclusive_ns;
    }
    let (from, until) = (span.start.unix_ns(), span.end().unix_ns());
    let below = tree.children(index).filter(|child| tree.is_awaited(*child));
    let mut covered: Vec<(u64, u64)> = below
        .chain(tree.children(parent).filter(calls))
        .filter_map(|other| tree.span(other))
        .map(|other| {
            (other.start.unix_ns().clamp(from, until), other.end().unix_ns().clamp(from, until))
        })
        .collect();
    covered.sort_unstable();
    let (mut reach, mut sum_ns) = (from, 0);
    for (begin, end) in covered {
        sum_ns += end.saturating_sub(begin.max(reach));
        reach = reach.max(end);
    }
    span.duration_ns.saturating_sub(sum_ns).min(exclusive_ns)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Service, SpanId, SpanRecord, Timestamp, TraceId};

    use super::*;

    /// (id, parent, service, kind, start in ms, end in ms)
    type Row = (u8, u8, &'static str, SpanKind, u64, u64);

    fn own_ms(rows: &[Row], id: u8) -> u64 {
        let span = |&(id, parent, service, kind, from_ms, until_ms): &Row| SpanRecord {
            trace_id: TraceId([7; 16]),
            span_id: SpanId([0, 0, 0, 0, 0, 0, 0, id]),
            parent_span_id: SpanId([0, 0, 0, 0, 0, 0, 0, parent]),
            service: Arc::new(Service::named(service)),
            operation: "op".into(),
            kind,
            start: Timestamp::from_unix_ms(from_ms),
            duration_ns: (until_ms - from_ms) * 1_000_000,
            error: false,
            message: "".into(),
            peer: None,
            tags: Arc::from([]),
        };
        let tree = TraceTree::assemble(rows.iter().map(span).collect()).expect("there are spans");
        let index = tree.spans().iter().position(|span| span.span_id.0[7] == id);
        own_ns(&tree, index.expect("the span is there")) / 1_000_000
    }

    use SpanKind::{Client, Internal, Server};

    #[test]
    fn a_handler_that_waits_for_a_call_beside_it_spends_no_time_itself() {
        let rows = [
            (1, 0, "gateway", Server, 0, 810),
            (2, 1, "gateway", Internal, 1, 809),
            (3, 1, "gateway", Client, 3, 805),
            (4, 3, "travel", Server, 5, 800),
        ];
        assert_eq!([1, 2, 3, 4].map(|id| own_ms(&rows, id)), [2, 6, 7, 795]);
    }

    #[test]
    fn work_before_and_after_a_call_beside_it_is_its_own_and_so_are_its_parts() {
        let rows = [
            (1, 0, "a", Server, 0, 100),
            (2, 1, "a", Internal, 0, 100),
            (3, 1, "a", Client, 40, 60),
            (4, 2, "a", Internal, 50, 80),
        ];
        assert_eq!([2, 4].map(|id| own_ms(&rows, id)), [60, 30]);
    }

    #[test]
    fn calls_of_others_and_internal_spans_beside_it_take_nothing() {
        let rows = [
            (1, 0, "a", Server, 0, 100),
            (2, 1, "a", Internal, 10, 90),
            (3, 1, "a", Internal, 10, 90),
            (4, 1, "b", Client, 10, 90),
            (5, 1, "b", Server, 10, 90),
        ];
        assert_eq!(own_ms(&rows, 2), 80);
    }
}
