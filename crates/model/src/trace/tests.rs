use std::sync::Arc;

use super::TraceTree;
use crate::{Service, SpanId, SpanKind, SpanRecord, Timestamp, TraceId};

/// (id, parent, service, kind, start in ms, end in ms, error)
type Row = (u8, u8, &'static str, SpanKind, u64, u64, bool);

fn tree(rows: &[Row]) -> TraceTree {
    TraceTree::assemble(rows.iter().map(span).collect()).expect("there are spans")
}

fn span(&(id, parent, service, kind, from_ms, until_ms, error): &Row) -> SpanRecord {
    SpanRecord {
        trace_id: TraceId([7; 16]),
        span_id: SpanId([0, 0, 0, 0, 0, 0, 0, id]),
        parent_span_id: SpanId([0, 0, 0, 0, 0, 0, 0, parent]),
        service: Arc::new(Service::named(service)),
        operation: "op".into(),
        kind,
        start: Timestamp::from_unix_ms(from_ms),
        duration_ns: (until_ns(until_ms)).saturating_sub(until_ns(from_ms)),
        error,
        message: "".into(),
        peer: None,
        tags: Arc::from([]),
    }
}

fn until_ns(ms: u64) -> u64 {
    ms * 1_000_000
}

/// The tree's span of an id.
fn at(tree: &TraceTree, id: u8) -> usize {
    tree.spans().iter().position(|span| span.span_id.0[7] == id).expect("the span is there")
}

fn exclusive_ms(tree: &TraceTree, id: u8) -> u64 {
    tree.exclusive_ns(at(tree, id)) / 1_000_000
}

use SpanKind::{Client, Consumer, Internal, Producer, Server};

#[test]
fn order_and_duplicates_do_not_matter() {
    let rows: [Row; 3] = [
        (1, 0, "a", Server, 0, 100, false),
        (2, 1, "a", Client, 10, 90, false),
        (3, 2, "b", Server, 20, 80, false),
    ];
    let whole = tree(&rows);
    assert_eq!(whole, tree(&[rows[2], rows[0], rows[1], rows[0]]));
    assert!(whole.is_complete());
    assert_eq!(whole.entry(), at(&whole, 1));
    assert_eq!(whole.path_to(at(&whole, 3)), [0, 1, 2]);
    let times = [1, 2, 3].map(|id| exclusive_ms(&whole, id));
    assert_eq!(times, [20, 20, 60]);
}

#[test]
fn children_at_the_same_time_count_once_and_only_within_their_parent() {
    let tree = tree(&[
        (1, 0, "a", Server, 0, 100, false),
        (2, 1, "a", Client, 10, 50, false),
        (3, 1, "a", Client, 30, 60, false),
        (4, 1, "a", Internal, 90, 200, false),
    ]);
    assert_eq!(exclusive_ms(&tree, 1), 40);
}

#[test]
fn what_nobody_waits_for_takes_no_time_from_its_parent() {
    let tree = tree(&[
        (1, 0, "a", Server, 0, 100, false),
        (2, 1, "a", Producer, 10, 20, false),
        (3, 2, "b", Consumer, 12, 500, false),
        (4, 1, "a", Internal, 150, 300, false),
    ]);
    assert_eq!([1, 2].map(|id| exclusive_ms(&tree, id)), [90, 10]);
    assert_eq!(tree.awaited_below(tree.entry()).len(), 2);
    assert_eq!(tree.slowest(), at(&tree, 1));
}

#[test]
fn a_skewed_clock_does_not_turn_a_callee_into_waiting() {
    let tree =
        tree(&[(1, 0, "a", Client, 1000, 1100, false), (2, 1, "b", Server, 5000, 5090, false)]);
    assert_eq!(exclusive_ms(&tree, 1), 10);
}

#[test]
fn missing_parents_make_roots_and_an_incomplete_trace() {
    let tree = tree(&[
        (2, 9, "b", Server, 5, 40, true),
        (1, 0, "a", Server, 10, 100, true),
        (3, 8, "c", Server, 1, 2, false),
    ]);
    assert!(!tree.is_complete());
    assert_eq!(tree.roots().count(), 3);
    assert_eq!(tree.entry(), at(&tree, 1));
}

#[test]
fn a_ring_of_parents_is_cut_and_every_span_stays_reachable() {
    let tree = tree(&[
        (1, 3, "a", Server, 0, 100, true),
        (2, 1, "a", Client, 10, 90, true),
        (3, 2, "b", Server, 20, 80, true),
        (4, 4, "b", Internal, 20, 80, false),
        (5, 2, "b", Internal, 21, 30, false),
    ]);
    assert!(!tree.is_complete());
    let below: usize = tree.roots().map(|root| tree.awaited_below(root).len()).sum();
    assert_eq!(below, 5);
    assert!((0..5).all(|span| tree.path_to(span).len() <= 5));
}

#[test]
fn deepest_errors_have_no_child_in_error() {
    let tree = tree(&[
        (1, 0, "a", Server, 0, 100, true),
        (2, 1, "a", Client, 10, 40, true),
        (3, 2, "b", Server, 12, 38, true),
        (4, 3, "b", Internal, 13, 20, false),
        (5, 1, "a", Client, 50, 60, true),
    ]);
    assert_eq!(tree.deepest_errors(), [at(&tree, 3), at(&tree, 5)]);
}

#[test]
fn no_spans_make_no_tree() {
    assert_eq!(TraceTree::assemble(Vec::new()), None);
}
