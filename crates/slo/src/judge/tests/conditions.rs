//! Each kind of condition, alone and together, on the virtual clock.

use super::*;

fn rule(conditions: &[(Measure, Comparison, Duration)]) -> AlertRule {
    let condition = |&(measure, comparison, after): &_| Condition { measure, comparison, after };
    AlertRule {
        conditions: conditions.iter().map(condition).collect(),
        urgency: Urgency::Page,
        policy: Arc::default(),
    }
}

fn once(measure: Measure) -> AlertRule {
    rule(&[(measure, Comparison::Strict, Duration::ZERO)])
}

fn burn(rate: u64, window: Duration) -> Measure {
    Measure::BurnRate { rate: Fraction::new(rate, 1), window }
}

/// Seconds of a fault until the first rule fires; and, where the fault goes on for a minute, until
/// it is over after that.
fn times(world: &mut World, bad_percent: u64) -> (u64, u64) {
    let (began, mut fired) = (world.now, None);
    while fired.is_none() {
        world.hear_a_second(bad_percent);
        fired = (world.row().holds == Verdict::Firing).then_some(world.now);
        assert!(world.now.since(began) < DAY, "never fires");
    }
    let fired = world.now;
    (0..60).for_each(|_| world.hear_a_second(bad_percent));
    let ended = world.now;
    while !world.row().resolves(Arrival::Until(world.now), world.now) {
        world.hear_a_second(0);
        assert!(world.now.since(ended) < DAY, "never resolves");
    }
    (fired.since(began).as_secs(), world.now.since(ended).as_secs())
}

#[test]
fn equal_is_enough_for_or_equal_and_not_for_strict() {
    for (comparison, expected) in
        [(Comparison::Strict, Verdict::Quiet), (Comparison::OrEqual, Verdict::Firing)]
    {
        let of = (burn(10, 5 * MINUTE), comparison, Duration::ZERO);
        let mut world = World::new([rule(&[of])]);
        // One of a hundred is bad in every second: ten times the budget, to the event.
        (0..400).for_each(|_| world.hear_a_second(1));
        assert_eq!(world.figures(5 * MINUTE).burn_rate, 10.0);
        assert_eq!(world.row().holds, expected, "{comparison:?}");
    }
}

#[test]
fn without_events_nothing_is_reached() {
    let of = (burn(1, 5 * MINUTE), Comparison::OrEqual, Duration::ZERO);
    let mut world = World::new([rule(&[of])]).with_bad_events_min(0);
    (0..400).for_each(|_| world.hear(SECOND, Count::ZERO));
    assert_eq!(world.row().holds, Verdict::Quiet);
}

#[test]
fn conditions_with_thresholds_of_their_own_hold_together() {
    let two = rule(&[
        (burn(2, HOUR), Comparison::Strict, Duration::ZERO),
        (burn(30, 5 * MINUTE), Comparison::Strict, Duration::ZERO),
    ]);
    let mut world = World::steady([two], 0);
    // 10 % errors burn 100 times: the hour is above 2x after 72 s, the five minutes above 30x
    // after 90 s.
    let (fired, over) = times(&mut world, 10);
    assert!((90..=92).contains(&fired), "{fired}");
    // The five minutes are below 30x once less than 90 of their seconds are bad.
    assert!((300 - 91..=300 - 80).contains(&over), "{over}");
    // 2 % burn 20 times: the hour alone is not enough.
    let mut slow = World::steady([once(burn(30, 5 * MINUTE))], 0);
    (0..1800).for_each(|_| slow.hear_a_second(2));
    assert_eq!(slow.row().holds, Verdict::Quiet);
}

#[test]
fn a_drop_is_what_the_events_of_its_window_take_of_the_whole_budget() {
    let share = Fraction::new(1, 100);
    let mut world = World::steady([once(Measure::BudgetDrop { share, window: HOUR })], 0);
    // In the 30 days of even traffic are 259,200,000 events, of which 259,200 may be bad, and 1 %
    // of those is 2,592: the fault is found with the 26th second of nothing but errors.
    let (fired, over) = times(&mut world, 100);
    assert_eq!(fired, 26);
    assert!((3600 - 60..=3660).contains(&over), "{over}");
    let figures = world.judge();
    let own = figures.windows.last().unwrap();
    assert!(own.covered < SLO_WINDOW, "five days of history stand for the month");
}

#[test]
fn a_drop_is_to_the_event_where_the_whole_window_is_known() {
    let share = Fraction::new(1, 10);
    let options = |comparison| {
        let drop = (Measure::BudgetDrop { share, window: 6 * HOUR }, comparison, Duration::ZERO);
        JudgeOptions::new(three_nines(), DAY, [rule(&[drop])])
    };
    let mut world = World::new(&DEFAULT_RULES);
    world.options = options(Comparison::Strict);
    let plan = Arc::new(WindowPlan::new(world.options.windows(), MINUTE));
    world.series = SeriesWindows::new(plan);
    for pane in 0..3 * DAY.as_secs() / 5 {
        let is_new = pane >= (3 * DAY.as_secs() - 3600) / 5;
        world.hear(5 * SECOND, Count::observed(500 - u64::from(is_new), u64::from(is_new)));
    }
    let judgement = world.judge();
    let (own, bad) = (judgement.windows.last().unwrap().count.total, 720);
    // The day reaches back to an edge of a quarter of an hour.
    assert!((8_640_000..8_640_000 + 90_001).contains(&own), "{own}");
    assert_eq!(world.figures(6 * HOUR).count.bad(), bad);
    assert!(bad * 1000 * 10 < own, "less than a tenth of the budget");
    assert_eq!(world.row().holds, Verdict::Quiet);
    let more = own / 10_000 - bad;
    world.series.add(world.now.before(SECOND).pane(), Count::observed(0, more), world.now);
    let ten_percent = (own + more) / 10_000;
    assert_eq!(bad + more, ten_percent);
    assert_eq!(world.row().holds, Verdict::Quiet, "the total has grown a little, too");
    world.series.add(world.now.before(SECOND).pane(), Count::observed(0, 2), world.now);
    assert_eq!(world.row().holds, Verdict::Firing);
}

#[test]
fn a_forecast_fires_while_the_budget_would_not_last() {
    let within = 2 * DAY;
    let rule = once(Measure::Exhaustion { within, window: HOUR });
    let mut world = World::steady([rule], 0);
    // 1 % errors burn 10 times: 30 days of budget would go in 3.
    (0..3700).for_each(|_| world.hear_a_second(1));
    assert_eq!(world.row().holds, Verdict::Quiet);
    // At 2 % it goes in 1.5: it fires once more than half of the hour burns so fast.
    let (fired, over) = times(&mut world, 2);
    assert!((1620..1900).contains(&fired), "{fired}");
    let left = world.judge().found.exhausted_at_forecast;
    assert!(left.is_none_or(|at| at.since(world.now) >= within), "{left:?}");
    assert!(over < 600, "{over}");
}

#[test]
fn a_spent_budget_alerts_only_while_it_goes_on_burning() {
    let rule = once(Measure::Exhaustion { within: DAY, window: HOUR });
    let mut world = World::steady([rule], 0);
    (0..3 * 3600).for_each(|_| world.hear_a_second(100));
    assert_eq!(world.row().holds, Verdict::Firing);
    assert!(world.judge().found.budget_remaining_ratio < 0.0);
    (0..3660).for_each(|_| world.hear_a_second(0));
    assert!(world.judge().found.budget_remaining_ratio < 0.0);
    assert_eq!(world.row().holds, Verdict::Quiet);
}

#[test]
fn a_trend_fires_while_it_grows_and_is_over_once_it_is_steady() {
    let factor = Fraction::new(2, 1);
    let mut world = World::steady([once(Measure::Trend { factor, window: 2 * HOUR })], 0);
    (0..7300).for_each(|_| world.hear_a_second(1));
    assert_eq!(world.row().holds, Verdict::Quiet, "steady, however high");
    // From 1 % to 5 %: the newest half hour against two hours is
    // (1800 + 4 x) / ((7200 + 4 x) / 4) > 2 after 900 s.
    let began = world.now;
    while world.row().holds != Verdict::Firing {
        world.hear_a_second(5);
        assert!(world.now.since(began) < HOUR, "never fires");
    }
    let fired = world.now.since(began).as_secs();
    assert!((890..=915).contains(&fired), "{fired}");
    (0..7200).for_each(|_| world.hear_a_second(5));
    assert_eq!(world.row().holds, Verdict::Quiet);
}

/// What a rule that must last says, second by second.
struct Lasting {
    world: World,
    held: Held,
}

impl Lasting {
    fn new(rule: AlertRule) -> Self {
        Self { world: World::steady([rule], 0), held: Held::default() }
    }

    fn pass(&mut self, seconds: u64, bad_percent: u64) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for _ in 0..seconds {
            self.world.hear_a_second(bad_percent);
            verdicts.push(self.look());
        }
        verdicts
    }

    fn look(&mut self) -> Verdict {
        let mut judgement = self.world.judge();
        let options = self.world.options.clone();
        let _ = self.held.follow(&options, &mut judgement.found, self.world.now);
        judgement.found.rows[0].holds
    }
}

fn after_minutes(minutes: u32) -> AlertRule {
    rule(&[(burn(10, 5 * MINUTE), Comparison::Strict, minutes * MINUTE)])
}

#[test]
fn what_must_last_waits_and_a_break_begins_anew() {
    let mut lasting = Lasting::new(after_minutes(10));
    let first = lasting.pass(1200, 10).iter().position(|v| *v == Verdict::Firing);
    // 10 % burn 100 times: above 10x after 30 s, and held for ten minutes after that.
    assert!((629..=633).contains(&first.unwrap()), "{first:?}");
    let mut lasting = Lasting::new(after_minutes(10));
    assert!(!lasting.pass(300, 10).contains(&Verdict::Firing));
    let verdicts = lasting.pass(600, 0);
    assert_eq!(verdicts.last(), Some(&Verdict::Quiet));
    assert!(!verdicts.contains(&Verdict::Firing), "it was over before ten minutes had gone by");
    assert!(lasting.held.is_empty());
    assert!(!lasting.pass(600, 10).contains(&Verdict::Firing), "it counts from the new begin");
    assert!(lasting.pass(60, 10).contains(&Verdict::Firing));
}

#[test]
fn each_condition_lasts_for_itself() {
    let of = |rate, minutes| (burn(rate, 5 * MINUTE), Comparison::Strict, minutes * MINUTE);
    let mut lasting = Lasting::new(rule(&[of(10, 10), of(50, 0)]));
    // 3 % burn 30 times: the first condition alone holds, and lasts.
    assert!(!lasting.pass(900, 3).contains(&Verdict::Firing));
    // The second need not last: above 50x after 86 s of 100x.
    let first = lasting.pass(300, 10).iter().position(|v| *v == Verdict::Firing);
    assert!((80..=92).contains(&first.unwrap()), "{first:?}");
}

#[test]
fn silence_is_no_break_and_does_not_count() {
    let mut lasting = Lasting::new(after_minutes(10));
    let _ = lasting.pass(330, 10);
    // Silent for longer than the windows remember: nobody knows what happened.
    for _ in 0..100 {
        lasting.world.now = lasting.world.now.after(SECOND);
        let _ = lasting.look();
    }
    assert_eq!(lasting.look(), Verdict::Frozen);
    assert!(!lasting.held.is_empty());
    let first = lasting.pass(600, 10).iter().position(|v| *v == Verdict::Firing);
    // 300 s were held before; the 90 s before silence was told count, the 10 s after do not.
    assert!((205..=305).contains(&first.unwrap()), "{first:?}");
}

#[test]
fn a_gap_is_left_out_of_what_was_held() {
    let mut lasting = Lasting::new(after_minutes(10));
    let _ = lasting.pass(330, 10);
    lasting.held.skip(HOUR);
    lasting.world.now = lasting.world.now.after(HOUR);
    lasting.world.presence.gap(lasting.world.now.before(HOUR), lasting.world.now);
    let first = lasting.pass(1200, 10).iter().position(|v| *v == Verdict::Firing);
    assert!(first.unwrap() >= 295, "{first:?}");
}
