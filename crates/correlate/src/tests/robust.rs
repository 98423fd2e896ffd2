use std::sync::Arc;

use model::{Service, SpanId, SpanKind, SpanRecord, Timestamp, TraceId, TraceTree};
use proptest::prelude::*;

use super::world::{SLOW, World, call, work};
use crate::Correlator;

const KINDS: [SpanKind; 6] = [
    SpanKind::Unspecified,
    SpanKind::Internal,
    SpanKind::Server,
    SpanKind::Client,
    SpanKind::Producer,
    SpanKind::Consumer,
];

fn any_span() -> impl Strategy<Value = SpanRecord> {
    (0..12_u8, 0..12_u8, 0..4_u8, 0..6_usize, any::<(u64, u64)>(), any::<bool>()).prop_map(
        |(id, parent, service, kind, (start, duration_ns), error)| SpanRecord {
            trace_id: TraceId([1; 16]),
            span_id: SpanId([id; 8]),
            parent_span_id: SpanId([parent; 8]),
            service: Arc::new(Service::named(&format!("s{service}"))),
            operation: "op".into(),
            kind: KINDS[kind],
            start: Timestamp::from_unix_ns(start),
            duration_ns,
            error,
            message: if error { "404".into() } else { "".into() },
            peer: None,
            tags: Arc::from([]),
        },
    )
}

proptest! {
    #[test]
    fn any_forest_of_spans_is_read_and_scores_stay_within_bounds(
        traces in prop::collection::vec(prop::collection::vec(any_span(), 1..30), 1..8),
        now_s in 0..4_000_000_000_u64,
    ) {
        let now = Timestamp::from_unix_s(now_s);
        let mut correlator = Correlator::new(3, SLOW);
        let trees: Vec<TraceTree> = traces.into_iter().filter_map(TraceTree::assemble).collect();
        for tree in &trees {
            correlator.trace(tree, &[], now);
        }
        correlator.advance(now);
        let world = World::new();
        let alert = world.alert("s1");
        let diagnosis = correlator.diagnose(&[&alert], &trees, now, now);
        for cause in &diagnosis.causes {
            prop_assert!((0.0..=1.0).contains(&cause.score), "{}", cause.score);
            prop_assert!(!cause.evidence.is_empty());
        }
        prop_assert!((0.0..=1.0).contains(&diagnosis.bad_ratio));
    }
}

#[test]
fn time_that_stands_still_or_leaps_is_taken() {
    let mut world = World::new();
    world.run(30, |_| work("a", 5, vec![call(work("b", 5, vec![]))]));
    let leap = world.now.after(std::time::Duration::from_secs(40 * 24 * 3600));
    world.correlator.advance(leap);
    world.correlator.advance(world.now);
    world.correlator.freeze(true);
    world.correlator.advance(leap);
    world.correlator.freeze(false);
    world.now = leap;
    world.run(30, |_| work("a", 5, vec![call(work("b", 5, vec![]))]));
    assert!(world.correlator.is_entry(&Service::named("a")));
}
