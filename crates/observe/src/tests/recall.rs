use std::time::Duration;

use model::{SpanId, SpanKind, TraceId};
use opentelemetry_proto::tonic::trace::v1::Span;

use super::otel::*;
use super::*;

/// A trace of an entry, a call and what serves it.
fn trace(number: u64) -> [(&'static str, Span); 3] {
    let mut id = vec![0; 8];
    id.extend(number.to_be_bytes());
    let part = |span: Span, own: u8, parent: &[u8]| Span {
        trace_id: id.clone(),
        span_id: vec![own; 8],
        parent_span_id: parent.to_vec(),
        ..span
    };
    let cart = "peer.service=cart";
    [
        ("service.name=shop,service.version=1", part(span(SERVER, "buy", ""), 1, &[])),
        ("service.name=shop,service.version=1", part(span(CLIENT, "add", cart), 2, &[1; 8])),
        (
            "service.name=cart,k8s.pod.name=cart-7",
            part(failed(span(SERVER, "add", "error.type=Full"), "no room"), 3, &[2; 8]),
        ),
    ]
}

fn id(number: u64) -> TraceId {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    TraceId(id)
}

#[test]
fn recall_returns_whole_traces_with_what_their_spans_were() {
    let mut observer = observer();
    for number in 1..=100 {
        for (resource, span) in trace(number) {
            observer.traces(&traces(resource, vec![span]), NOW).unwrap();
        }
    }
    assert_eq!(observer.recall(&[id(500)]), []);
    let spans = observer.recall(&[id(77), id(5)]);
    assert_eq!(spans.len(), 6);
    assert!(spans[..3].iter().all(|span| span.trace_id == id(5)));
    let [entry, call, served] = &spans[3..] else { panic!("{spans:?}") };
    assert_eq!((entry.kind, &*entry.operation), (SpanKind::Server, "buy"));
    assert!(entry.parent_span_id.is_none() && !entry.error && entry.message.is_empty());
    assert_eq!(entry.end(), NOW);
    assert_eq!(call.parent_span_id, SpanId([1; 8]));
    assert_eq!(call.peer.as_ref().map(|peer| &*peer.address), Some("cart"));
    assert_eq!((&*served.service.name, served.error), ("cart", true));
    assert_eq!(&*served.message, "Full: no room");
    let tags: Vec<_> = served.tags.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(tags, [("error.type", "Full"), ("k8s.pod.name", "cart-7")]);
    assert_eq!(observer.recall_reach().records, 300);
}

#[test]
fn the_joined_sample_holds_all_spans_at_low_traffic() {
    let mut observer = observer();
    for (resource, span) in trace(1) {
        observer.traces(&traces(resource, vec![span]), NOW).unwrap();
    }
    let recalled = observer.recall(&[id(1)]);
    let delta = observer.flush();
    assert_eq!((delta.spans.len(), delta.sample_weight), (3, 1));
    let mut joined = delta.spans;
    joined.sort_by_key(|span| span.span_id);
    assert_eq!(joined, recalled);
}

#[test]
fn samples_hold_the_same_traces_in_every_worker() {
    let limits = Limits { joined_spans: 60, ..Limits::default() };
    let joined = |seed: u64, kind: i32| {
        let mut observer = Observer::new(&ObserverOptions { seed, limits, ..options() });
        for number in 0..400 {
            let [_, _, (resource, span)] = trace(number);
            observer.traces(&traces(resource, vec![Span { kind, ..span }]), NOW).unwrap();
        }
        let delta = observer.flush();
        assert!(delta.sample_weight > 1 && delta.spans.len() > 10);
        let mut ids: Vec<_> = delta.spans.iter().map(|span| span.trace_id).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(joined(1, SERVER), joined(2, CLIENT));
}

#[test]
fn spans_of_the_past_name_nothing_that_was_let_go() {
    let mut observer = observer();
    let old = traces("service.name=old", vec![span(SERVER, "old", "")]);
    observer.traces(&old, NOW).unwrap();
    observer.flush();
    let mut now = NOW;
    for minute in 0..15 {
        now = now.after(Duration::from_secs(60));
        let resource = format!("service.name=new{minute}");
        let span = ended(SERVER, "new", "", now, MS);
        observer.traces(&traces(&resource, vec![span]), now).unwrap();
        observer.flush();
        for span in observer.recall(&[TraceId([1; 16])]) {
            let is_old = &*span.service.name == "old";
            assert_eq!(is_old, &*span.operation == "old");
            assert!(!is_old || minute < 10, "held for {minute} min");
        }
    }
    // Eleven minutes of services are held, not all sixteen.
    let held = observer.stats().held.services;
    assert!((9..=13).contains(&held), "{held}");
}
