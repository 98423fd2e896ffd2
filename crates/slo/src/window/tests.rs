use model::PANE_NS;
use proptest::prelude::*;

use super::*;

mod calendar;
mod exclusions;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const SKEW: Duration = Duration::from_secs(60);
const BASE_S: u64 = 1_700_000_000;

fn usual_windows() -> Vec<Duration> {
    vec![5 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, DAY, 3 * DAY, 30 * DAY]
}

fn plan(windows: &[Duration]) -> Arc<WindowPlan> {
    Arc::new(WindowPlan::new(windows, SKEW))
}

fn base() -> Timestamp {
    Timestamp::from_unix_s(BASE_S)
}

fn restarted(series: &SeriesWindows) -> SeriesWindows {
    let bytes = borsh::to_vec(&series.snapshot()).unwrap();
    let snapshot = borsh::from_slice(&bytes).unwrap();
    SeriesWindows::restore(Arc::clone(series.plan()), &snapshot).unwrap()
}

/// Every event that was accepted, summed one by one.
#[derive(Default)]
struct Reference {
    events: Vec<(Pane, Count)>,
}

impl Reference {
    fn sum(&self, from: Timestamp, until: Timestamp) -> Count {
        self.sum_where(|pane| from <= pane.start() && pane.start() < until)
    }

    /// `sum_over_time(x[window])` at `now`, each pane one sample at its middle.
    fn promql(&self, window: Duration, now: Timestamp) -> Count {
        self.sum_where(|pane| {
            let middle = pane.start().after(Duration::from_nanos(PANE_NS / 2));
            now.before(window) < middle && middle <= now
        })
    }

    fn sum_where(&self, within: impl Fn(Pane) -> bool) -> Count {
        let mut sum = Count::ZERO;
        for &(_, count) in self.events.iter().filter(|(pane, _)| within(*pane)) {
            sum += count;
        }
        sum
    }
}

fn check_against(
    reference: &Reference,
    series: &mut SeriesWindows,
    now: Timestamp,
) -> Result<(), TestCaseError> {
    for window in usual_windows() {
        let width = Tier::of_window((window.as_secs() / 5) as u32).width().as_nanos() as u64;
        let from = Timestamp::from_unix_ns(now.before(window).unix_ns() / width * width);
        let until = Timestamp::from_unix_ns(now.unix_ns().next_multiple_of(PANE_NS));
        let expected = WindowSum { count: reference.sum(from, until), from, until };
        prop_assert_eq!(series.sum(window, now), expected, "{:?} at {}", window, now);
        prop_assert!(now.since(from) <= window + Duration::from_nanos(width));
        prop_assert!(width as u128 * 60 <= window.as_nanos());
        if now.unix_ns().is_multiple_of(width) {
            prop_assert_eq!(expected.count, reference.promql(window, now));
        }
    }
    Ok(())
}

#[derive(Clone, Debug)]
enum Act {
    /// Seconds before now (negative: after), and the count.
    Add(i64, Count),
    Pass(Duration),
    PassToMultipleOf(Duration),
    Restart,
}

fn any_count() -> impl Strategy<Value = Count> {
    (0..100_000_u64, 0..300_i64, 0..300_u64, 0..3_u64).prop_map(|(total, bad, seen, uncertain)| {
        // Both the usual case, where every bad event was seen, and weights and corrections.
        let bad_observed = if seen < 200 { bad as u64 } else { seen };
        let bad_signed = if seen == 299 { -bad } else { bad };
        Count { total, bad_signed, bad_observed, uncertain: uncertain / 2 }
    })
}

fn any_act() -> impl Strategy<Value = Act> {
    let back = prop_oneof![
        4 => -70..20_i64,
        3 => 0..3_600_i64,
        2 => 0..300_000_i64,
        1 => 0..3_500_000_i64,
    ];
    let pass_ms = prop_oneof![
        5 => 1..20_000_u64,
        2 => 0..4_000_000_u64,
        1 => 0..400_000_000_u64,
        1 => 0..3_000_000_000_u64,
    ];
    let multiples = prop::sample::select(vec![Duration::from_secs(5), MINUTE, HOUR / 4, 6 * HOUR]);
    prop_oneof![
        8 => (back, any_count()).prop_map(|(back, count)| Act::Add(back, count)),
        4 => pass_ms.prop_map(|ms| Act::Pass(Duration::from_millis(ms))),
        2 => multiples.prop_map(Act::PassToMultipleOf),
        1 => Just(Act::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn sums_equal_those_of_the_raw_events(acts in prop::collection::vec(any_act(), 1..120)) {
        let mut series = SeriesWindows::new(plan(&usual_windows()));
        let (mut reference, mut now) = (Reference::default(), base());
        for act in acts {
            match act {
                Act::Add(back, count) => {
                    let at = Timestamp::from_unix_s((now.unix_s() as i64 - back) as u64);
                    match series.add(at.pane(), count, now) {
                        Disposition::Fresh | Disposition::Late => {
                            reference.events.push((at.pane(), count));
                        }
                        Disposition::TooOld => prop_assert!(now.since(at) > 30 * DAY),
                        Disposition::Future => prop_assert!(at.since(now) >= SKEW),
                    }
                }
                Act::Pass(span) => now = now.after(span),
                Act::PassToMultipleOf(span) => {
                    let ns = now.unix_ns().next_multiple_of(span.as_nanos() as u64);
                    now = Timestamp::from_unix_ns(ns);
                }
                Act::Restart => series = restarted(&series),
            }
            check_against(&reference, &mut series, now)?;
        }
        let own_width = |tier: Tier, window: Duration| {
            let panes = series.panes(tier).filter(|pane| pane.start >= now.before(window));
            panes.fold(Count::ZERO, |mut sum, pane| { sum += pane.count; sum })
        };
        let aligned = now.unix_ns().is_multiple_of(5_000_000_000);
        if aligned {
            let exported = own_width(Tier::FiveSeconds, 30 * MINUTE);
            prop_assert_eq!(exported, reference.promql(30 * MINUTE, now));
        }
    }

    #[test]
    fn what_one_series_absorbs_of_another_is_as_if_it_had_come_to_it(
        acts in prop::collection::vec((any_act(), any::<bool>()), 1..80),
    ) {
        let new = || SeriesWindows::new(plan(&usual_windows()));
        let (mut whole, mut parts, mut now) = (new(), [new(), new()], base());
        for (act, which) in acts {
            match act {
                Act::Add(back, count) => {
                    let at = Timestamp::from_unix_s((now.unix_s() as i64 - back) as u64);
                    let _ = whole.add(at.pane(), count, now);
                    let _ = parts[usize::from(which)].add(at.pane(), count, now);
                }
                Act::Pass(span) => now = now.after(span),
                Act::PassToMultipleOf(_) | Act::Restart => {}
            }
        }
        let [mut all, rest] = parts;
        all.absorb(rest, now);
        for later in [now, now.after(MINUTE), now.after(40 * DAY)] {
            for window in usual_windows() {
                prop_assert_eq!(all.sum(window, later), whole.sum(window, later));
            }
        }
    }

    #[test]
    fn the_order_of_arrival_does_not_matter(
        events in prop::collection::vec((0..2_000_000_u64, any_count()), 1..60),
        seed in any::<u64>(),
    ) {
        let now = base().after(31 * DAY);
        let mut shuffled = events.clone();
        shuffled.sort_by_key(|(back, _)| back.wrapping_mul(seed | 1));
        let fill = |events: &[(u64, Count)]| {
            let mut series = SeriesWindows::new(plan(&usual_windows()));
            for (back, count) in events {
                series.add(now.before(Duration::from_secs(*back)).pane(), *count, now);
            }
            series
        };
        prop_assert_eq!(fill(&events).snapshot(), fill(&shuffled).snapshot());
    }

    #[test]
    fn any_range_is_bracketed_and_exact_between_edges(
        events in prop::collection::vec((0..2_600_000_u64, 1..500_u64, 0..50_u64), 1..60),
        (end, length) in (0..2_600_000_u64, 0..2_600_000_u64),
    ) {
        let now = base().after(31 * DAY);
        let (mut series, mut reference) =
            (SeriesWindows::new(plan(&usual_windows())), Reference::default());
        for (back, good, bad) in events {
            let pane = now.before(Duration::from_secs(back + 1)).pane();
            let count = Count::observed(good, bad);
            series.add(pane, count, now);
            reference.events.push((pane, count));
        }
        let until = now.before(Duration::from_secs(end)).pane().start();
        let from = until.before(Duration::from_secs(length)).pane().start();
        let sum = series.between(from, until);
        let truth = reference.sum(from, until);
        prop_assert!(sum.inside.total <= truth.total);
        prop_assert!(truth.total <= sum.inside.total + sum.straddling.total);
        let on_edges = |at: Timestamp| Timestamp::from_unix_ns(
            at.unix_ns() / (6 * HOUR).as_nanos() as u64 * (6 * HOUR).as_nanos() as u64
        );
        let exact = series.between(on_edges(from), on_edges(until));
        let truth = reference.sum(on_edges(from), on_edges(until));
        prop_assert_eq!(exact, RangeSum { inside: truth, straddling: Count::ZERO });
    }

    #[test]
    fn a_damaged_snapshot_is_refused_or_read_but_never_panics(
        at in 0..400_usize, byte in any::<u8>(),
    ) {
        let mut series = SeriesWindows::new(plan(&usual_windows()));
        for back in 0..100_u64 {
            let pane = base().before(Duration::from_secs(back * 977)).pane();
            series.add(pane, Count::observed(back * back, back % 3), base());
        }
        let mut bytes = borsh::to_vec(&series.snapshot()).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(snapshot) = borsh::from_slice::<WindowsSnapshot>(&bytes) {
            let restored = SeriesWindows::restore(plan(&usual_windows()), &snapshot);
            if let Ok(mut restored) = restored {
                restored.sum(HOUR, base().after(HOUR));
            }
        }
    }
}

#[test]
fn the_open_pane_counts_and_the_near_future_waits_for_its_time() {
    let mut series = SeriesWindows::new(plan(&usual_windows()));
    let now = base().after(Duration::from_secs(2));
    let total = |series: &mut SeriesWindows, now| series.sum(5 * MINUTE, now).count.total;
    assert_eq!(series.add(now.pane(), Count::one_good(1), now), Disposition::Fresh);
    assert_eq!(total(&mut series, now), 1);
    let ahead = Pane(now.pane().0 + 3);
    assert_eq!(series.add(ahead, Count::one_good(10), now), Disposition::Fresh);
    assert_eq!(total(&mut series, now), 1);
    series = restarted(&series);
    assert_eq!(total(&mut series, ahead.start()), 1);
    assert_eq!(total(&mut series, ahead.start().after(Duration::from_nanos(1))), 11);
    let too_far = now.after(SKEW + 2 * Duration::from_nanos(PANE_NS)).pane();
    assert_eq!(
        SeriesWindows::new(plan(&[HOUR])).add(too_far, Count::one_good(1), now),
        Disposition::Future
    );
}

#[test]
fn late_events_are_told_apart_and_too_old_ones_dropped() {
    let mut series = SeriesWindows::new(plan(&usual_windows()));
    let now = base();
    let mut add = |back| series.add(now.before(back).pane(), Count::one_bad(1), now);
    assert_eq!(add(LATE_AFTER), Disposition::Fresh);
    assert_eq!(add(LATE_AFTER + 2 * MINUTE), Disposition::Late);
    assert_eq!(add(30 * DAY), Disposition::Late);
    assert_eq!(add(40 * DAY), Disposition::TooOld);
    assert_eq!(series.sum(30 * DAY, now).count.bad(), 3);
}

#[test]
fn time_never_steps_back() {
    let mut series = SeriesWindows::new(plan(&usual_windows()));
    series.add(base().pane(), Count::one_bad(1), base().after(MINUTE));
    let sum = series.sum(5 * MINUTE, base().after(MINUTE));
    assert_eq!(series.sum(5 * MINUTE, base()), sum);
}

#[test]
fn a_window_that_was_not_asked_for_is_summed_pane_by_pane() {
    let mut series = SeriesWindows::new(plan(&[HOUR]));
    for minute in 0..600 {
        series.add(base().before(minute * MINUTE).pane(), Count::one_good(1), base());
    }
    let sum = series.sum(3 * HOUR, base().after(Duration::from_secs(1)));
    assert_eq!(sum.count.total, base().since(sum.from).as_secs() / 60 + 1);
    assert!(base().since(sum.from) >= 3 * HOUR && base().since(sum.from) <= 3 * HOUR + MINUTE);
}

#[test]
fn other_windows_see_the_same_events_and_say_how_far_back_they_know() {
    let mut series = SeriesWindows::new(plan(&usual_windows()));
    let mut reference = Reference::default();
    for quarter in 0..3_000 {
        let now = base().after(quarter * (HOUR / 4));
        let count = Count::observed(u64::from(quarter), 1);
        series.add(now.pane(), count, now);
        reference.events.push((now.pane(), count));
    }
    let mut now = base().after(3_000 * (HOUR / 4));
    let mut windows = usual_windows();
    windows.extend([45 * MINUTE, 7 * DAY, 90 * DAY]);
    let mut other = series.with_plan(plan(&windows));
    for round in 0..50 {
        for &window in &windows {
            let sum = other.sum(window, now);
            assert_eq!(sum.count, reference.sum(sum.from, sum.until), "{window:?} {round}");
        }
        assert!(now.since(other.sum(30 * DAY, now).from) >= 30 * DAY);
        now = now.after(4 * HOUR);
    }
    assert!(now.since(other.sum(7 * DAY, now).from) >= 7 * DAY);
}

#[test]
fn every_default_window_has_the_tier_that_it_is_documented_with() {
    let tier = |window: Duration| PlannedWindow::of(window).tier;
    assert_eq!([5, 30].map(|n| tier(n * MINUTE)), [Tier::FiveSeconds; 2]);
    assert_eq!([1, 2, 6].map(|n| tier(n * HOUR)), [Tier::Minute; 3]);
    assert_eq!([1, 3].map(|n| tier(n * DAY)), [Tier::QuarterHour; 2]);
    assert_eq!([28, 30].map(|n| tier(n * DAY)), [Tier::SixHours; 2]);
    assert_eq!([90, 366].map(|n| tier(n * DAY)), [Tier::Day; 2]);
}

#[test]
fn a_hundred_thousand_busy_series_fit_into_a_gibibyte() {
    let mut series = SeriesWindows::new(plan(&usual_windows()));
    assert!(series.memory_bytes() < 800, "{}", series.memory_bytes());
    series.add(base().pane(), Count::one_good(1), base());
    assert!(series.memory_bytes() < 1_600, "{}", series.memory_bytes());
    let mut now = base();
    while now < base().after(32 * DAY) {
        now = now.after(Duration::from_secs(5));
        // 200 events a second, an error a second.
        series.add(now.pane(), Count::observed(995, 5), now);
    }
    assert!(series.memory_bytes() < (1 << 30) / 100_000, "{}", series.memory_bytes());
}

#[test]
fn windows_beyond_the_limit_are_summed_from_panes_that_are_held() {
    let windows: Vec<_> = (1..=30).map(|days| days * 4 * DAY).collect();
    let plan = plan(&windows);
    assert_eq!(plan.windows().count(), WINDOWS_MAX);
    let mut series = SeriesWindows::new(plan);
    for day in 0..130 {
        let now = base().after(day * DAY);
        series.add(now.pane(), Count::one_good(1), now);
    }
    let last = base().after(129 * DAY);
    let now = last.after(HOUR);
    for window in windows {
        let sum = series.sum(window, now);
        let days = last.since(sum.from).as_secs() / DAY.as_secs();
        assert_eq!(sum.count.total, days + 1, "{window:?}");
        assert!(now.since(sum.from) >= window && now.since(sum.from) <= window + DAY);
    }
}
