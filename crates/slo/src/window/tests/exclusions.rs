use super::*;

/// The events of a window by brute force, and how far off a sum may be.
struct Truth {
    raw: Reference,
    times: Exclusions,
}

impl Truth {
    fn counted(&self, from: Timestamp, until: Timestamp) -> Count {
        let is_counted = |pane: Pane| self.times.at(pane.start()).is_none();
        let is_within = |pane: Pane| from <= pane.start() && pane.start() < until;
        self.raw.sum_where(|pane| is_within(pane) && is_counted(pane))
    }

    fn check(&self, series: &mut SeriesWindows, now: Timestamp) -> Result<(), TestCaseError> {
        for window in usual_windows() {
            let sum = series.sum(window, now);
            let expected = self.counted(sum.from, sum.until);
            let unsure = series.unsure(sum.from);
            if unsure.is_zero() {
                prop_assert_eq!(sum.count, expected, "{:?} at {}", window, now);
            }
            let off = sum.count.total.abs_diff(expected.total);
            prop_assert!(off <= unsure.total, "{:?} is off by {}: {:?}", window, off, unsure);
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Act(Act),
    /// Seconds before now (negative: after), and how long.
    Exclude(Vec<(i64, i64)>),
    GiveBack,
}

fn any_stretch(back: impl Strategy<Value = i64>) -> impl Strategy<Value = (i64, i64)> {
    let length = prop_oneof![3 => 1..7_200_i64, 1 => 1..200_000_i64];
    (back, length)
}

fn any_step() -> impl Strategy<Value = Step> {
    let back = prop_oneof![3 => -20_000..3_600_i64, 2 => 0..300_000_i64, 1 => 0..3_000_000_i64];
    prop_oneof![
        8 => any_act().prop_map(Step::Act),
        3 => prop::collection::vec(any_stretch(back), 1..4).prop_map(Step::Exclude),
        1 => Just(Step::GiveBack),
    ]
}

fn stretches(of: &[(i64, i64)], now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let at = |s: i64| Timestamp::from_unix_s(u64::try_from(s).unwrap());
    let now_s = i64::try_from(now.unix_s()).unwrap();
    of.iter().map(|(back, length)| (at(now_s - back), at(now_s - back + length))).collect()
}

fn act(act: Act, series: &mut SeriesWindows, raw: &mut Reference, now: &mut Timestamp) {
    match act {
        Act::Add(back, count) => {
            let s = i64::try_from(now.unix_s()).unwrap() - back;
            let pane = Timestamp::from_unix_s(u64::try_from(s).unwrap()).pane();
            let added = series.add(pane, count, *now);
            if matches!(added, Disposition::Fresh | Disposition::Late) {
                raw.events.push((pane, count));
            }
        }
        Act::Pass(span) => *now = now.after(span / 10),
        Act::PassToMultipleOf(span) => {
            let ns = now.unix_ns().next_multiple_of(u64::try_from(span.as_nanos()).unwrap());
            *now = Timestamp::from_unix_ns(ns);
        }
        Act::Restart => *series = restarted(series),
    }
}

fn plans() -> [Arc<WindowPlan>; 2] {
    let calendar = Calendar::new([-30_i64, -2, 1, 9, 40].map(|day| {
        let s = i64::try_from(BASE_S).unwrap() + day * 86_400;
        Timestamp::from_unix_s(u64::try_from(s).unwrap())
    }));
    let follows = WindowPlan::new(&usual_windows(), SKEW).with_calendar(30 * DAY, calendar);
    [plan(&usual_windows()), Arc::new(follows)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_excluded_counts_nowhere_and_comes_back(
        steps in prop::collection::vec(any_step(), 1..80),
        follows_calendar in any::<bool>(),
    ) {
        let [rolls, follows] = plans();
        let mut series = SeriesWindows::new(if follows_calendar { follows } else { rolls });
        let mut truth = Truth { raw: Reference::default(), times: Exclusions::default() };
        let (mut now, mut all) = (base(), Vec::new());
        for step in steps {
            match step {
                Step::Act(what) => act(what, &mut series, &mut truth.raw, &mut now),
                Step::Exclude(more) => all.extend(stretches(&more, now)),
                Step::GiveBack => drop(all.pop()),
            }
            series.advance(now);
            truth.times = Exclusions::new(all.iter().copied());
            series.exclude(&truth.times);
            truth.check(&mut series, now)?;
        }
    }

    #[test]
    fn what_is_excluded_before_it_comes_is_exact_for_good(
        acts in prop::collection::vec(any_act(), 1..80),
        ahead in prop::collection::vec(any_stretch(-2_000_000..0_i64), 1..6),
    ) {
        let [rolls, _] = plans();
        let mut series = SeriesWindows::new(rolls);
        let mut now = base();
        let times = Exclusions::new(stretches(&ahead, now));
        series.exclude(&times);
        let mut truth = Truth { raw: Reference::default(), times };
        for what in acts {
            act(what, &mut series, &mut truth.raw, &mut now);
            prop_assert!(series.unsure(Timestamp::ZERO).is_zero());
            truth.check(&mut series, now)?;
        }
    }
}

#[test]
fn what_is_excluded_can_be_told() {
    let mut series = SeriesWindows::new(plan(&usual_windows()));
    let now = base().after(20 * MINUTE);
    for minute in 0..20 {
        let at = base().after(minute * MINUTE);
        series.add(at.pane(), Count::observed(8, 2), now);
    }
    let stretch = (base().after(10 * MINUTE), base().after(15 * MINUTE));
    assert!(series.exclude(&Exclusions::new([stretch])));
    assert!(!series.exclude(&Exclusions::new([stretch])), "nothing has changed");
    assert_eq!(series.sum(DAY, now).count, Count::observed(120, 30));
    assert_eq!(series.excluded_sum(DAY), Count::observed(40, 10));
    assert_eq!(series.volume().count, Count::observed(120, 30));
    assert!(series.exclude(&Exclusions::default()));
    assert_eq!(series.sum(DAY, now).count, Count::observed(160, 40));
    assert!(series.exclusions().is_none());
}

#[test]
fn what_nobody_can_tell_apart_any_more_counts_and_is_said() {
    let mut series = SeriesWindows::new(plan(&usual_windows()));
    let hour = base().after(Duration::from_secs(3600 - BASE_S % 3600));
    let now = hour.after(2 * HOUR);
    for minute in 0..60 {
        series.add(hour.after(minute * MINUTE).pane(), Count::observed(9, 1), now);
    }
    // Panes of a minute are all that is held of two hours ago.
    let stretch = (hour.after(10 * MINUTE + MINUTE / 2), hour.after(20 * MINUTE));
    series.exclude(&Exclusions::new([stretch]));
    assert_eq!(series.sum(DAY, now).count, Count::observed(51 * 9, 51));
    assert_eq!(series.unsure(hour), Count::observed(9, 1));
    assert_eq!(series.unsure(hour.after(HOUR)), Count::ZERO);
}

#[test]
fn of_panes_that_hold_each_other_the_wider_one_says_what_is_unsure() {
    let mut series = SeriesWindows::new(plan(&usual_windows()));
    let at = |s: u64| Timestamp::from_unix_s(BASE_S.next_multiple_of(6 * 3600) + s);
    for s in [262_799, 265_052] {
        series.add(at(s).pane(), Count::observed(1, 0), at(265_052));
    }
    // Panes of 15 minutes are about to be let go: a part of the first is excluded and the whole of
    // the other, and the pane of six hours that holds both counts as before.
    let now = at(528_709);
    series.advance(now);
    series.exclude(&Exclusions::new([(at(262_799), at(265_496))]));
    assert_eq!(series.sum(30 * DAY, now).count, Count::observed(2, 0));
    assert_eq!(series.unsure(at(0)), Count::observed(2, 0));
}
