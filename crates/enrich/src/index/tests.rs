use std::sync::Arc;
use std::time::Duration;

use model::{LogLine, Service, SpanId, SpanKind, SpanRecord, Timestamp, TraceId};

use super::{PENDING_TRACES_MAX, TRACE_AGE_MAX, TRACE_LINES_MAX, TRACE_SPANS_MAX, TraceIndex};
use crate::ExemplarQuery;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(1_000_000 + ms)
}

fn id(trace: u32) -> TraceId {
    let mut bytes = [0; 16];
    bytes[12..].copy_from_slice(&trace.to_be_bytes());
    TraceId(bytes)
}

fn span(trace: u32, span: u16, parent: u16, service: &str, error: bool) -> SpanRecord {
    let span_id = |n: u16| SpanId(u64::from(n).to_be_bytes());
    SpanRecord {
        trace_id: id(trace),
        span_id: span_id(span),
        parent_span_id: span_id(parent),
        service: Arc::new(Service::named(service)),
        operation: "op".into(),
        kind: SpanKind::Server,
        start: at(u64::from(span)),
        duration_ns: 100_000_000_u64.saturating_sub(u64::from(span) * 2_000_000),
        error,
        message: if error { "boom".into() } else { "".into() },
        peer: None,
        tags: Arc::from([]),
    }
}

fn index() -> TraceIndex {
    TraceIndex::new(Duration::from_millis(500))
}

#[test]
fn a_trace_is_handed_out_once_when_it_is_quiet() {
    let mut index = index();
    index.add([span(1, 1, 0, "a", false)], at(0));
    index.add([span(1, 2, 1, "b", false)], at(2_000));
    assert!(index.advance(at(3_000)).is_empty());
    let trees = index.advance(at(4_500));
    assert_eq!(trees.len(), 1);
    assert_eq!(trees[0].tree.as_ref().unwrap().spans().len(), 2);
    assert!(index.advance(at(60_000)).is_empty());
}

#[test]
fn a_trace_that_is_never_quiet_is_handed_out_when_it_is_old() {
    let mut index = index();
    let mut handed_out = None;
    for second in 0..40_u16 {
        let now = at(u64::from(second) * 1000);
        index.add([span(1, second + 1, 0, "a", false)], now);
        if !index.advance(now).is_empty() {
            handed_out = handed_out.or(Some(now));
        }
    }
    assert_eq!(handed_out, Some(at(0).after(TRACE_AGE_MAX)));
}

#[test]
fn bad_traces_stay_and_good_ones_do_not() {
    let mut index = index();
    let slow = SpanRecord { duration_ns: 600_000_000, ..span(3, 1, 0, "a", false) };
    index.add([span(1, 1, 0, "a", true), span(2, 1, 0, "a", false), slow], at(0));
    assert_eq!(index.advance(at(3_000)).len(), 3);
    assert!(index.get(id(1)).is_some() && index.get(id(3)).is_some());
    assert!(index.get(id(2)).is_none());
    let _ = index.advance(at(3_600_000));
    assert!(index.get(id(1)).is_none());
}

#[test]
fn latecomers_complete_a_kept_trace_and_make_no_second_one() {
    let mut index = index();
    index.add([span(1, 2, 1, "b", true)], at(0));
    assert_eq!(index.advance(at(3_000)).len(), 1);
    index.add([span(1, 1, 0, "a", true)], at(4_000));
    assert!(index.advance(at(8_000)).is_empty());
    assert!(index.get(id(1)).is_some_and(|tree| tree.is_complete() && tree.spans().len() == 2));
}

#[test]
fn what_is_recalled_joins_what_is_here() {
    let mut index = index();
    index.add([span(1, 2, 1, "b", true)], at(0));
    let trees = index.recalled(vec![span(1, 1, 0, "a", true), span(2, 1, 0, "a", true)], at(10));
    assert_eq!(trees.iter().map(|tree| tree.spans().len()).collect::<Vec<_>>(), [2, 1]);
    assert!(index.get(id(2)).is_some());
}

#[test]
fn traces_and_spans_are_bounded() {
    let mut index = index();
    index.add((0..PENDING_TRACES_MAX as u32 + 10).map(|n| span(n, 1, 0, "a", false)), at(0));
    assert_eq!(index.advance(at(0)).len(), 10);
    let mut index = self::index();
    index.add((0..TRACE_SPANS_MAX as u16 + 7).map(|n| span(1, n + 1, 0, "a", false)), at(0));
    assert_eq!(index.spans_dropped(), 7);
    let mut index = self::index();
    index.add((0..3_000).map(|n| span(n, 1, 0, "a", true)), at(0));
    assert_eq!(index.advance(at(5_000)).len(), 3_000);
    assert_eq!(index.bad_since(at(0)).count(), 2_000);
}

#[test]
fn exemplars_lead_from_the_entry_to_the_failing_span_of_the_cause() {
    let mut index = index();
    for trace in 0..20 {
        index.add(
            [
                span(trace, 1, 0, "frontend", true),
                span(trace, 2, 1, "checkout", true),
                span(trace, 3, 2, "payment", true),
            ],
            at(0),
        );
    }
    index.add([span(30, 1, 0, "frontend", true), span(30, 2, 1, "ad", true)], at(0));
    index.add([span(31, 3, 2, "payment", true)], at(0));
    let _ = index.advance(at(5_000));
    let (frontend, payment) = (Service::named("frontend"), Service::named("payment"));
    let exemplars = index.exemplars(&ExemplarQuery {
        trace_ids: &[id(31), id(7)],
        cause: Some(&payment),
        services: &[&frontend, &payment],
        since: at(0),
        url_template: "https://traces.example/{trace_id}",
    });
    assert_eq!(exemplars.len(), 5);
    let first = &exemplars[0];
    assert_eq!(first.trace_id, id(7));
    assert!(first.complete);
    let services: Vec<&str> = first.path.iter().map(|span| span.service.as_str()).collect();
    assert_eq!(services, ["frontend", "checkout", "payment"]);
    assert_eq!(first.reason, "payment op failed: boom");
    assert_eq!(first.url, format!("https://traces.example/{}", id(7)));
    let shows_ad = |trace: &model::ExemplarTrace| trace.reason.starts_with("ad ");
    assert!(exemplars.iter().any(shows_ad), "each failing operation is shown once");
}

#[test]
fn log_lines_wait_for_the_spans_of_their_trace() {
    let line = |trace: u32, template: &str| LogLine {
        trace_id: id(trace),
        span_id: SpanId(1_u64.to_be_bytes()),
        service: Arc::new(Service::named("a")),
        template: template.into(),
        severity: 9,
    };
    let mut index = index();
    index.add_lines([line(1, "first"), line(2, "of nobody"), line(1, "second")], at(0));
    index.add([span(1, 1, 0, "a", false)], at(1_000));
    let traced = index.advance(at(4_000));
    let with_spans = traced.iter().map(|traced| (traced.tree.is_some(), traced.lines.len()));
    assert_eq!(with_spans.collect::<Vec<_>>(), [(true, 2), (false, 1)]);
    let templates: Vec<&str> = traced[0].lines.iter().map(|line| &*line.template).collect();
    assert_eq!(templates, ["first", "second"]);
    index.add_lines((0..2 * TRACE_LINES_MAX).map(|_| line(3, "much")), at(5_000));
    index.add([span(3, 1, 0, "a", false)], at(5_000));
    assert_eq!(index.advance(at(9_000))[0].lines.len(), TRACE_LINES_MAX);
}
