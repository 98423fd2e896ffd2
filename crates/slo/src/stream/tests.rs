use std::collections::BTreeMap;

use proptest::prelude::*;

use model::PaneCount;

use super::*;
use crate::panes::PaneCounts;

const START: u64 = 1_000_000;

fn at(second: u64) -> Timestamp {
    if second == 0 { Timestamp::ZERO } else { Timestamp::from_unix_s(START + second) }
}

const FEED: Feed = Feed { series: 3, kind: PointKind::TotalAndBad };

fn point(start: u64, time: u64, total: u64, bad: u64) -> StreamPoint {
    StreamPoint {
        stream: 7,
        id: 0,
        start: at(start),
        time: at(time),
        counted: Counted { total, bad, uncertain: 0 },
        beside: Counted::default(),
        ended: false,
        is_delta: false,
    }
}

/// Listening since second 100.
fn streams() -> Streams {
    Streams::new(StreamOptions { accept_start_after: at(100), ..Default::default() }, [1, 2, 3, 4])
}

/// Feeds points at their own times; from, until, total and bad of each increment.
fn feed(streams: &mut Streams, points: &[StreamPoint]) -> Vec<Option<(u64, u64, u64, i64)>> {
    let second = |time: Timestamp| time.unix_s() - START;
    points
        .iter()
        .map(|point| {
            let added = streams.increment(FEED, 0, point, point.time)?.counted;
            let Count { total, bad_signed, .. } = added.count;
            Some((second(added.from), second(added.until), total, bad_signed))
        })
        .collect()
}

#[test]
fn the_same_start_counts_what_came_on_top() {
    let points = [point(1, 200, 500, 5), point(1, 260, 560, 6), point(1, 320, 560, 6)];
    assert_eq!(feed(&mut streams(), &points), [None, Some((200, 260, 60, 1)), None]);
}

#[test]
fn a_stream_that_started_while_listening_counts_from_its_first_point() {
    let points = [point(150, 200, 50, 50), point(150, 260, 60, 50)];
    let added = feed(&mut streams(), &points);
    assert_eq!(added, [Some((150, 200, 50, 50)), Some((200, 260, 10, 0))]);
}

/// As [`point`], of another stream of the same source.
fn other(start: u64, time: u64, bad: u64) -> StreamPoint {
    StreamPoint { stream: 8, id: 1, ..point(start, time, bad, bad) }
}

#[test]
fn a_stream_that_its_source_did_not_tell_before_counts_since_then() {
    let heard = |until: u64| (200..=until).step_by(60).map(|time| point(1, time, time, 0));
    for start in [0, 1] {
        let mut streams = streams();
        let _ = feed(&mut streams, &heard(800).collect::<Vec<_>>());
        // It comes in the same turn as the others, before or after them.
        let turn = [point(1, 860, 860, 0), other(start, 860, 40)];
        assert_eq!(feed(&mut streams, &turn)[1], Some((800, 860, 40, 40)));
        assert_eq!(feed(&mut streams, &[other(start, 920, 45)]), [Some((860, 920, 5, 5))]);
        let third = StreamPoint { stream: 9, id: 2, ..other(start, 920, 7) };
        assert_eq!(feed(&mut streams, &[third]), [Some((860, 920, 7, 7))]);
    }
    // A source that is new itself may have told of it before anyone listened.
    let mut streams = streams();
    let _ = feed(&mut streams, &heard(740).collect::<Vec<_>>());
    assert_eq!(feed(&mut streams, &[other(1, 760, 40)]), [None]);
    let elsewhere = StreamPoint { stream: 1 << 64 | 8, ..other(1, 2000, 40) };
    assert_eq!(feed(&mut streams, &[elsewhere]), [None]);
}

#[test]
fn who_told_what_is_known_after_a_restart() {
    let mut before = streams();
    let _ = feed(&mut before, &[point(1, 200, 200, 0), point(1, 260, 260, 0)]);
    let mut after = streams();
    assert_eq!(after.restore(before.take_rows()), 0);
    assert_eq!(feed(&mut after, &[other(1, 320, 40)]), [Some((260, 320, 40, 40))]);
}

#[test]
fn a_changed_start_is_a_reset_and_counts_in_full() {
    let mut streams = streams();
    let points = [point(1, 200, 500, 5), point(230, 260, 700, 9), point(230, 320, 710, 9)];
    let added = feed(&mut streams, &points);
    assert_eq!(added, [None, Some((230, 260, 700, 9)), Some((260, 320, 10, 0))]);
    assert_eq!(streams.stats().resets, 1);
}

#[test]
fn an_unknown_start_sets_a_baseline_only() {
    let unset = [point(0, 200, 500, 5), point(0, 260, 510, 6)];
    assert_eq!(feed(&mut streams(), &unset), [None, Some((200, 260, 10, 1))]);
    let zero_duration = [point(200, 200, 500, 5), point(200, 260, 510, 6)];
    assert_eq!(feed(&mut streams(), &zero_duration), [None, Some((200, 260, 10, 1))]);
    let again = [point(150, 200, 5, 0), point(260, 260, 3, 0), point(260, 320, 10, 0)];
    let added = feed(&mut streams(), &again);
    assert_eq!(added, [Some((150, 200, 5, 0)), None, Some((260, 320, 7, 0))]);
}

#[test]
fn a_dropped_value_under_the_same_start_is_a_counted_reset() {
    let mut streams = streams();
    let added = feed(&mut streams, &[point(0, 200, 500, 5), point(0, 260, 40, 1)]);
    assert_eq!(added, [None, Some((200, 260, 40, 1))]);
    assert_eq!(streams.stats().value_drops, 1);
}

/// An exponential histogram that merges its buckets estimates anew how much of the one across the
/// threshold is bad; nothing began anew.
#[test]
fn fewer_bad_events_of_no_fewer_are_a_correction() {
    let mut streams = streams();
    let points = [point(150, 200, 100, 68), point(150, 204, 103, 40), point(150, 208, 104, 41)];
    let added = feed(&mut streams, &points);
    let expected = [Some((150, 200, 100, 68)), Some((200, 204, 3, -28)), Some((204, 208, 1, 1))];
    assert_eq!(added, expected);
    assert_eq!(streams.stats(), StreamStats::default());
}

#[test]
fn good_events_of_a_stream_of_their_own_may_be_estimated_lower() {
    let feed = Feed { kind: PointKind::Good, ..FEED };
    let with = |time, total, uncertain| {
        let counted = Counted { total, bad: 0, uncertain };
        StreamPoint { counted, ..point(150, time, 0, 0) }
    };
    let mut streams = streams();
    let mut bad = |point: StreamPoint| {
        let gain = streams.increment(feed, 0, &point, point.time);
        gain.map_or(0, |gain| gain.counted.count.bad_signed)
    };
    assert_eq!(bad(with(200, 80, 30)), -80);
    assert_eq!(bad(with(204, 70, 30)), 10);
    // More than the bucket across the threshold can explain.
    assert_eq!(bad(with(208, 30, 9)), -30);
    assert_eq!(streams.stats().value_drops, 1);
}

#[test]
fn repeats_and_older_points_are_dropped() {
    let mut streams = streams();
    let points = [
        point(150, 200, 10, 0),
        point(150, 260, 30, 0),
        point(150, 260, 30, 0),
        point(150, 230, 20, 0),
        point(150, 320, 35, 0),
    ];
    let added = feed(&mut streams, &points);
    assert_eq!(
        added,
        [Some((150, 200, 10, 0)), Some((200, 260, 20, 0)), None, None, Some((260, 320, 5, 0))]
    );
    assert_eq!(streams.stats().repeats, 2);
}

#[test]
fn two_writers_of_one_stream_are_not_counted_against_each_other() {
    let mut streams = streams();
    let points = [
        point(150, 200, 1000, 0),
        point(190, 210, 5, 0),
        point(150, 260, 1010, 0),
        point(190, 270, 6, 0),
        point(150, 320, 1020, 0),
    ];
    let total: u64 = feed(&mut streams, &points).iter().flatten().map(|added| added.2).sum();
    assert_eq!(total, 1000 + 5 + 1);
    assert_eq!(streams.stats().overlaps, 2);
}

#[test]
fn the_older_writer_is_followed_again_once_the_newer_one_is_stale() {
    let points = [
        point(150, 200, 1000, 0),
        point(190, 210, 5, 0),
        point(150, 600, 1100, 0),
        point(150, 660, 1107, 0),
    ];
    let added = feed(&mut streams(), &points);
    assert_eq!(added[2..], [None, Some((600, 660, 7, 0))]);
}

#[test]
fn an_ended_stream_that_returns_is_not_counted_twice() {
    let ended = StreamPoint { ended: true, ..point(150, 260, 0, 0) };
    let points = [point(150, 200, 50, 5), ended, point(150, 320, 55, 5)];
    let added = feed(&mut streams(), &points);
    assert_eq!(added, [Some((150, 200, 50, 5)), None, Some((200, 320, 5, 0))]);
}

#[test]
fn a_point_of_the_far_future_does_not_poison_its_stream() {
    let mut streams = streams();
    feed(&mut streams, &[point(150, 200, 50, 5)]);
    assert_eq!(streams.increment(FEED, 0, &point(150, 9_999_999, 60, 5), at(201)), None);
    assert_eq!(streams.stats().future, 1);
    assert_eq!(feed(&mut streams, &[point(150, 260, 60, 5)]), [Some((200, 260, 10, 0))]);
}

#[test]
fn kinds_map_onto_total_and_bad() {
    let counted = |kind, total, bad| {
        let feed = Feed { kind, ..FEED };
        let gain = streams().increment(feed, 0, &point(150, 200, total, bad), at(200));
        let Count { total, bad_signed, bad_observed, .. } = gain.unwrap().counted.count;
        (total, bad_signed, bad_observed)
    };
    assert_eq!(counted(PointKind::TotalAndBad, 10, 3), (10, 3, 3));
    assert_eq!(counted(PointKind::Total, 10, 0), (10, 10, 0));
    assert_eq!(counted(PointKind::Good, 7, 0), (0, -7, 0));
    assert_eq!(counted(PointKind::Bad, 3, 0), (0, 3, 3));
    assert_eq!(counted(PointKind::TotalBesideBad, 10, 0), (10, 0, 0));
}

#[test]
fn a_full_table_refuses_new_streams_until_old_ones_are_stale() {
    let options = StreamOptions { streams_max: 8, ..Default::default() };
    let mut streams = Streams::new(options, [1, 2, 3, 4]);
    let of = |stream: u128, time: u64| StreamPoint { stream, ..point(150, time, 5, 0) };
    for stream in 0..8 {
        assert!(streams.increment(FEED, 0, &of(stream, 200 + stream as u64), at(210)).is_some());
    }
    assert!(streams.increment(FEED, 0, &of(99, 220), at(220)).is_none());
    assert_eq!((streams.stats().refused, streams.len()), (1, 8));
    assert!(streams.increment(FEED, 0, &of(99, 600), at(600)).is_some());
    assert_eq!(streams.len(), 8);
}

#[test]
fn long_stale_streams_are_forgotten() {
    let mut streams = streams();
    feed(&mut streams, &[point(150, 200, 50, 5)]);
    streams.evict(at(200 + 3600));
    assert_eq!(streams.len(), 1);
    streams.evict(at(200 + 25 * 3600));
    assert!(streams.is_empty());
}

/// All rows that were taken, the last of each kind and number.
#[derive(Default)]
struct Store(BTreeMap<(StreamRowKind, u32), StreamRow>);

impl Store {
    /// Writes what has changed; returns how many rows that were.
    fn write(&mut self, streams: &mut Streams) -> usize {
        let rows = streams.take_rows();
        let count = rows.len();
        for row in rows {
            let key = (row.kind, row.number);
            if row.bytes.is_some() {
                self.0.insert(key, row);
            } else {
                self.0.remove(&key);
            }
        }
        count
    }

    fn restored(&self) -> Streams {
        let mut streams = streams();
        assert_eq!(streams.restore(self.0.values().cloned()), 0);
        streams
    }
}

fn of(stream: u64, time: u64) -> StreamPoint {
    StreamPoint { stream: stream.into(), id: stream as u32, ..point(1, time, 10 * time, time) }
}

#[test]
fn a_restart_loses_no_baseline() {
    let mut store = Store::default();
    let mut before = streams();
    let kinds = [
        PointKind::TotalAndBad,
        PointKind::Total,
        PointKind::Good,
        PointKind::Bad,
        PointKind::TotalBesideBad,
    ];
    let feeds = kinds.into_iter().zip(0..).map(|(kind, series)| Feed { series, kind });
    for (number, feed) in (0..300).zip(feeds.clone().cycle()) {
        let counted = Counted { total: u64::MAX - number, bad: number << 40, uncertain: 9 };
        let point = StreamPoint { counted, beside: counted, ..of(number, 200 + number % 7) };
        assert_eq!(before.increment(feed, 0, &point, at(300)), None);
    }
    store.write(&mut before);
    let mut after = store.restored();
    assert_eq!(after.len(), 300);
    for (number, feed) in (0..300).zip(feeds.cycle()) {
        let counted = Counted { total: u64::MAX, bad: number << 40, uncertain: 9 };
        let point = StreamPoint { counted, beside: counted, ..of(number, 260) };
        let gain = before.increment(feed, 0, &point, at(320));
        assert_eq!(after.increment(feed, 1, &point, at(320)), gain, "{number}");
        assert!(gain.is_none_or(|gain| gain.beside.count.total == number));
    }
}

#[test]
fn rows_hold_what_has_changed_and_no_more() {
    let (mut store, mut streams) = (Store::default(), streams());
    for number in 0..200 {
        streams.increment(FEED, 0, &of(number, 200), at(200));
    }
    assert_eq!(store.write(&mut streams), 8, "four chunks of two rows");
    assert_eq!(store.write(&mut streams), 0);
    streams.increment(FEED, 0, &of(70, 260), at(260));
    assert_eq!(store.write(&mut streams), 1, "the baselines of one chunk");
    // Only that one is young enough to stay.
    streams.evict(at(240 + 300 + 24 * 3600));
    assert_eq!((streams.len(), store.write(&mut streams)), (1, 8));
    assert_eq!(store.0.len(), 2);
    let mut after = store.restored();
    assert!(after.increment(FEED, 0, &of(70, 320), at(320)).is_some());
    // What has become free is used again, and stored in its place.
    after.increment(FEED, 0, &of(500, 320), at(320));
    store.write(&mut after);
    assert_eq!(store.restored().len(), 2);
}

#[test]
fn rows_that_cannot_be_read_cost_their_chunk() {
    let (mut store, mut before) = (Store::default(), streams());
    for number in 0..100 {
        before.increment(FEED, 0, &of(number, 200), at(200));
    }
    store.write(&mut before);
    for (kind, number) in [(StreamRowKind::Identities, 0), (StreamRowKind::Baselines, 0)] {
        for cut in 0..60 {
            let rows = store.0.values().cloned().map(|mut row| {
                if (row.kind, row.number) == (kind, number) {
                    row.bytes.iter_mut().for_each(|bytes| bytes.truncate(cut));
                }
                row
            });
            let mut after = streams();
            assert_eq!((after.restore(rows), after.len()), (1, 36), "{kind:?} cut to {cut}");
        }
    }
}

#[test]
fn a_number_that_a_worker_uses_again_finds_its_own_stream() {
    let mut streams = streams();
    let first = StreamPoint { id: 5, ..of(1, 200) };
    let second = StreamPoint { id: 5, ..of(2, 200) };
    streams.increment(FEED, 0, &first, at(200));
    streams.increment(FEED, 0, &second, at(200));
    let unnumbered = StreamPoint { id: StreamPoint::NO_ID, ..of(1, 260) };
    for point in
        [unnumbered, StreamPoint { id: 5, ..of(2, 260) }, StreamPoint { id: 5, ..of(1, 320) }]
    {
        let gain = streams.increment(FEED, 0, &point, at(320)).unwrap();
        assert_eq!(gain.counted.count.total, 600);
    }
    assert_eq!(streams.len(), 2);
}

#[test]
fn both_series_of_a_feed_count_over_the_same_time() {
    let mut streams = streams();
    let counted = |total, bad| Counted { total, bad, uncertain: 0 };
    let point = |time, first, second| StreamPoint {
        counted: first,
        beside: second,
        ..point(150, time, 0, 0)
    };
    let gain = streams.increment(FEED, 0, &point(200, counted(10, 0), counted(9, 2)), at(200));
    let gain = gain.unwrap();
    assert_eq!(
        (gain.counted.count, gain.beside.count),
        (Count::observed(10, 0), Count::observed(7, 2))
    );
    assert_eq!((gain.beside.from, gain.beside.until), (at(150), at(200)));
    let gain = streams.increment(FEED, 0, &point(260, counted(10, 0), counted(9, 3)), at(260));
    assert_eq!(gain.unwrap().beside.count, Count { total: 0, ..Count::observed(0, 1) });
}

fn spread(increment: Increment) -> Vec<PaneCount> {
    let mut panes = PaneCounts::default();
    increment.spread(&mut panes);
    panes.drain()
}

#[test]
fn a_short_increment_lies_where_it_ends() {
    let count = Count::observed(3, 1);
    let from = Timestamp::from_unix_s(START + 4);
    let until = Timestamp::from_unix_s(START + 5);
    let panes = spread(Increment { from, until, count });
    assert_eq!(panes, [PaneCount { pane: from.pane(), count }]);
}

#[test]
fn a_minute_is_spread_evenly_over_its_panes() {
    let count = Count::observed(1199, 1);
    let panes = spread(Increment { from: at(60), until: at(120), count });
    assert_eq!(panes.len(), 12);
    assert!(panes.iter().all(|pane| pane.count.good().abs_diff(100) <= 1));
    assert_eq!(panes.iter().map(|pane| pane.count.bad()).sum::<u64>(), 1);
}

proptest! {
    #[test]
    fn spreading_conserves_every_count(
        from in 0..10_000_000_000_000_u64,
        span in prop_oneof![0..30_000_000_000_u64, 0..40_000_000_000_000_u64],
        total in any::<u32>(), bad in any::<u32>(), observed in any::<u16>(), sign in -1..=1_i64,
    ) {
        let count = Count {
            total: total.into(),
            bad_signed: i64::from(bad) * sign,
            bad_observed: observed.into(),
            uncertain: u64::from(bad) / 3,
        };
        let (from, until) = (Timestamp::from_unix_ns(from), Timestamp::from_unix_ns(from + span));
        let panes = spread(Increment { from, until, count });
        let mut sum = Count::ZERO;
        for PaneCount { pane, count: share } in &panes {
            sum += *share;
            prop_assert!(pane.end() > from && (pane.start() < until || span == 0));
            if sign >= 0 && bad <= total {
                prop_assert!(share.bad_signed as u64 <= share.total);
            }
        }
        prop_assert_eq!(sum, count);
        prop_assert!(panes.len() <= SPREAD_PANES_MAX);
        prop_assert!(panes.windows(2).all(|pair| pair[0].pane < pair[1].pane));
    }

    #[test]
    fn the_split_of_a_cumulative_stream_does_not_matter(
        steps in prop::collection::vec((1..50_u64, 0..9_u64, any::<bool>()), 1..40),
    ) {
        let (mut every, mut some) = (streams(), streams());
        let (mut total, mut bad, mut time) = (0, 0, 150);
        let (mut sum_every, mut sum_some) = (Count::ZERO, Count::ZERO);
        let last = steps.len() - 1;
        for (at, (good, failed, sent)) in steps.into_iter().enumerate() {
            (total, bad, time) = (total + good + failed, bad + failed, time + 10);
            let point = point(150, time, total, bad);
            let now = point.time;
            every.increment(FEED, 0, &point, now).into_iter().for_each(|added| sum_every += added.counted.count);
            if sent || at == last {
                some.increment(FEED, 1, &point, now).into_iter().for_each(|added| sum_some += added.counted.count);
            }
        }
        prop_assert_eq!(sum_every, sum_some);
        prop_assert_eq!((sum_every.total, sum_every.bad()), (total, bad));
    }
}
