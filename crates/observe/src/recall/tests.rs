use super::*;

fn record(trace: u64, span: u64) -> Compact {
    let mut trace_id = [0; 16];
    trace_id[..8].copy_from_slice(&trace.to_le_bytes());
    trace_id[15] = trace as u8;
    Compact { trace_id, span_id: span.to_le_bytes(), start_unix_ns: span, ..Compact::default() }
}

#[test]
fn a_record_takes_64_bytes() {
    assert_eq!(size_of::<Compact>(), 64);
}

#[test]
fn hashes_of_counted_trace_ids_spread_evenly() {
    let in_sample = |level: u32| {
        (0..100_000u64)
            .filter(|&n| {
                let mut id = [0; 16];
                id[8..].copy_from_slice(&n.to_be_bytes());
                trace_hash(id).leading_zeros() >= level
            })
            .count()
    };
    assert!((45_000..55_000).contains(&in_sample(1)), "{}", in_sample(1));
    assert!((1300..1800).contains(&in_sample(6)), "{}", in_sample(6));
}

#[test]
fn the_ring_keeps_the_newest_records() {
    let mut recall = Recall::new(4 * CHUNK_RECORDS * 64);
    for span in 0..10 * CHUNK_RECORDS as u64 {
        recall.push(record(span % 2, span), true);
    }
    let kept = recall.of_traces(&[TraceId(record(1, 0).trace_id)]);
    assert_eq!(kept.len(), 3 * CHUNK_RECORDS / 2);
    assert!(kept.iter().all(|r| r.start_unix_ns >= 7 * CHUNK_RECORDS as u64));
    assert_eq!(recall.reach().oldest.unix_ns(), 7 * CHUNK_RECORDS as u64);
    assert_eq!(recall.reach().bytes, 3 * CHUNK_RECORDS as u64 * 64);
}

#[test]
fn bad_spans_outside_of_the_sample_do_not_displace_the_sample() {
    let mut recall = Recall::new(4 * CHUNK_RECORDS * 64);
    recall.push(record(1, 1), true);
    for span in 0..10 * CHUNK_RECORDS as u64 {
        recall.push(record(2, span), false);
    }
    assert_eq!(recall.of_traces(&[TraceId(record(1, 0).trace_id)]).len(), 1);
}

#[test]
fn the_sample_shrinks_under_load_and_grows_back_to_every_trace() {
    let mut recall = Recall::new(4 * CHUNK_RECORDS * 64);
    let (mut now, mut level) = (0, 0);
    for _ in 0..5 {
        for _ in 0..10_000 {
            recall.saw_spans(1);
        }
        now += 1_000_000_000;
        recall.adapt(now);
        level = recall.level;
    }
    // 3 x 4096 records hold 60 s of 204 spans/s: 10,000 / 64 = 156.
    assert_eq!(level, 6);
    assert!(!recall.samples(u64::MAX) && recall.samples(0));
    for _ in 0..40 {
        now += 1_000_000_000;
        recall.adapt(now);
    }
    assert!(recall.samples(u64::MAX));
}

#[test]
fn records_of_old_generations_are_given_up() {
    let mut recall = Recall::new(4 * CHUNK_RECORDS * 64);
    recall.age(0);
    recall.push(record(1, 1), true);
    recall.age(1);
    recall.push(record(1, 2), true);
    recall.age(RECALL_GENERATIONS - 1);
    assert_eq!(recall.reach().records, 2);
    recall.age(RECALL_GENERATIONS);
    assert_eq!(recall.reach().records, 1);
    assert_eq!(recall.reach().oldest.unix_ns(), 2);
}

#[test]
fn the_joined_sample_keeps_whole_traces_within_its_budget() {
    let mut joined = Joined::new(100);
    let mut given = 0;
    for trace in 0..1000 {
        for span in 0..3 {
            let record = record(trace, span);
            if joined.samples(trace_hash(record.trace_id)) {
                given += 1;
                joined.push(record);
            }
        }
    }
    assert!(given > 100);
    let (records, _, weight) = joined.drain();
    assert!(records.len() <= 100 && records.len() > 20, "{}", records.len());
    assert!(weight >= 16);
    for kept in &records {
        assert!(trace_hash(kept.trace_id).leading_zeros() >= weight.trailing_zeros());
        let of_trace = records.iter().filter(|r| r.trace_id == kept.trace_id).count();
        assert_eq!(of_trace, 3);
    }
}

#[test]
fn at_low_traffic_the_joined_sample_is_everything() {
    let mut joined = Joined::new(100);
    for _ in 0..10 {
        joined.push(record(1, 1));
        assert_eq!(joined.drain(), (vec![record(1, 1)], vec![], 1));
    }
}
