use std::sync::Arc;

use model::Urgency;

use super::*;
use crate::window::WindowPlan;

mod conditions;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const SLO_WINDOW: Duration = Duration::from_secs(30 * 86_400);
const RATE: u64 = 100;

/// One service on a virtual clock.
#[derive(Clone)]
struct World {
    now: Timestamp,
    series: SeriesWindows,
    presence: Presence,
    options: JudgeOptions,
}

fn three_nines() -> Objective {
    Objective::from_target(Fraction::new(999, 1000)).unwrap()
}

impl World {
    fn new<R: Into<AlertRule>>(rules: impl IntoIterator<Item = R>) -> Self {
        let options = JudgeOptions::new(three_nines(), SLO_WINDOW, rules);
        let plan = Arc::new(WindowPlan::new(options.windows(), MINUTE));
        Self {
            now: Timestamp::from_unix_s(1_700_000_000),
            series: SeriesWindows::new(plan),
            presence: Presence::default(),
            options,
        }
    }

    /// With five days of clean history at [`RATE`] events a second.
    fn steady<R: Into<AlertRule>>(rules: impl IntoIterator<Item = R>, offset_s: u64) -> Self {
        let mut world = Self::new(rules);
        for _ in 0..(5 * DAY.as_secs() + offset_s) / 5 {
            world.hear(5 * SECOND, Count::observed(5 * RATE, 0));
        }
        world
    }

    /// Lets time pass, in which these events happen and are heard of.
    fn hear(&mut self, span: Duration, count: Count) {
        self.presence.heard(self.now);
        let pane = self.now.pane();
        self.now = self.now.after(span);
        self.series.add(pane, count, self.now);
        self.presence.heard(self.now);
    }

    fn judge(&mut self) -> Judgement {
        judge(&mut self.series, &self.presence, &self.options, self.now)
    }

    fn hear_a_second(&mut self, bad_percent: u64) {
        let bad = RATE * bad_percent / 100;
        self.hear(SECOND, Count::observed(RATE - bad, bad));
    }

    fn row(&mut self) -> RowVerdict {
        *self.judge().found.rows.first().unwrap()
    }

    fn with_bad_events_min(mut self, bad_events_min: u64) -> Self {
        self.options = self.options.with_bad_events_min(bad_events_min);
        self
    }

    fn figures(&mut self, window: Duration) -> WindowFigures {
        *self.judge().windows.iter().find(|figures| figures.window == window).unwrap()
    }
}

fn tier_width(window: Duration) -> f64 {
    if window < HOUR {
        5.0
    } else if window < 15 * HOUR {
        60.0
    } else {
        900.0
    }
}

/// Detection and reset in seconds, from the start and the end of a fault.
fn detection_and_reset(world: &mut World, rule: &BurnRateRule, bad_percent: u64) -> (f64, f64) {
    let began = world.now;
    let mut detected = None;
    let theory = theory_detection(rule, bad_percent);
    let longest = theory * (1.0 + tier_width(rule.long) / rule.long.as_secs_f64()) + 30.0;
    let fault_s = longest.max(rule.short.as_secs_f64() + tier_width(rule.short)) as u64 + 1;
    for _ in 0..fault_s {
        world.hear_a_second(bad_percent);
        if detected.is_none() && world.row().holds == Verdict::Firing {
            detected = Some(world.now.since(began).as_secs_f64());
        }
    }
    let ended = world.now;
    while !world.row().resolves(Arrival::Until(world.now), world.now) {
        world.hear_a_second(0);
        assert!(world.now.since(ended) < 2 * rule.short, "never resolves");
    }
    (detected.unwrap(), world.now.since(ended).as_secs_f64())
}

fn theory_detection(rule: &BurnRateRule, bad_percent: u64) -> f64 {
    rule.burn_rate.as_f64() * 0.001 / (bad_percent as f64 / 100.0) * rule.long.as_secs_f64()
}

/// Detection and reset in seconds at 100 %, 10 % and 2 % errors, SLO 99.9 %: the published table,
/// by t = (1 - SLO) / error ratio x long x burn and short x (1 - burn x (1 - SLO) / error ratio).
fn assert_times(rule: BurnRateRule, table: [(f64, f64); 3]) {
    for offset_s in [0, 35 * 60 + 40] {
        let world = World::steady(&[rule], offset_s);
        for (bad_percent, (detection, reset)) in [100, 10, 2].into_iter().zip(table) {
            let mut world = world.clone();
            let (detected, resolved) = detection_and_reset(&mut world, &rule, bad_percent);
            // A window reaches back up to a pane of its tier too far, and grows by as much. One
            // second is the step of the clock.
            let stretch = 1.0 + tier_width(rule.long) / rule.long.as_secs_f64();
            let name = format!("{rule:?} {bad_percent} %: {detected} {resolved}");
            assert!(detected + 0.06 > detection && detected <= detection * stretch + 1.0, "{name}");
            assert!(detected <= detection + tier_width(rule.long), "{name}");
            assert!(resolved + 0.5 > reset && resolved <= reset + tier_width(rule.short), "{name}");
        }
    }
}

#[test]
fn the_page_row_of_an_hour_keeps_the_published_times() {
    assert_times(DEFAULT_RULES[0], [(51.8, 295.7), (518.4, 256.8), (2592.0, 84.0)]);
}

#[test]
fn the_page_row_of_six_hours_keeps_the_published_times() {
    assert_times(DEFAULT_RULES[1], [(108.0, 1791.0), (1080.0, 1710.0), (5400.0, 1350.0)]);
    let six = BurnRateRule { burn_rate: Fraction::new(6, 1), ..DEFAULT_RULES[1] };
    assert_times(six, [(129.6, 1789.0), (1296.0, 1692.0), (6480.0, 1260.0)]);
}

#[test]
fn the_ticket_row_of_a_day_keeps_the_published_times() {
    assert_times(DEFAULT_RULES[2], [(259.2, 7178.0), (2592.0, 6984.0), (12_960.0, 6120.0)]);
}

#[test]
fn the_ticket_row_of_three_days_keeps_the_published_times() {
    assert_times(DEFAULT_RULES[3], [(259.2, 21_578.0), (2592.0, 21_384.0), (12_960.0, 20_520.0)]);
}

#[test]
fn an_outage_pages_within_the_step_of_the_clock() {
    let mut world = World::steady(&DEFAULT_RULES, 0);
    let began = world.now;
    let step = Duration::from_millis(200);
    while world.judge().found.firing().is_none() {
        world.hear(step, Count::observed(0, RATE / 5));
    }
    let detected = world.now.since(began).as_secs_f64();
    assert!((51.8..51.84 * 61.0 / 60.0 + 0.2).contains(&detected), "{detected}");
    let judgement = world.judge();
    assert_eq!(DEFAULT_RULES[judgement.found.firing().unwrap().rule].urgency, Urgency::Page);
    assert_eq!(judgement.found.state, WindowState::Data);
}

#[test]
fn steady_traffic_is_never_short_of_what_is_expected_of_it() {
    let mut world = World::steady(&DEFAULT_RULES, 0);
    for second in 0..4_000 {
        world.hear_a_second(second % 2 * 3);
        for figures in world.judge().windows {
            assert!(figures.expected_total > 0);
            assert!(figures.expected_total <= figures.count.total, "{figures:?}");
        }
    }
}

#[test]
fn a_service_that_fails_from_its_first_minute_pages_after_30_s() {
    let mut world = World::new(&DEFAULT_RULES);
    let began = world.now;
    while world.judge().found.firing().is_none() {
        assert!(world.now.since(began) < MINUTE);
        world.hear(SECOND, Count::observed(0, 1));
    }
    assert_eq!(world.now.since(began), Duration::from_secs(30));
    let mut slow = World::new(&DEFAULT_RULES);
    for second in 0..90 {
        slow.hear(SECOND, Count::observed(0, u64::from(second % 9 == 0)));
        assert_eq!(slow.judge().found.firing().is_some(), second >= 81, "ten bad events: {second}");
    }
}

#[test]
fn a_young_service_that_burns_slowly_waits_until_it_is_sustained() {
    let mut world = World::new(&DEFAULT_RULES);
    let began = world.now;
    while world.judge().found.firing().is_none() {
        world.hear_a_second(1);
        assert!(world.now.since(began) <= 30 * MINUTE);
    }
    assert!(world.now.since(began) >= 28 * MINUTE);
    assert_eq!(world.judge().found.firing().unwrap().rule, 1);
}

#[test]
fn a_healthy_young_service_is_quiet() {
    let mut world = World::new(&DEFAULT_RULES);
    for _ in 0..40 {
        world.hear_a_second(0);
        assert_eq!(world.judge().found.firing(), None);
    }
    let judgement = world.judge();
    assert_eq!(judgement.found.rows[0].holds, Verdict::Quiet);
    assert_eq!(judgement.found.rows[1].holds, Verdict::Frozen);
    assert_eq!(judgement.found.budget_remaining_ratio, 1.0);
}

#[test]
fn silence_freezes_every_row_and_never_looks_like_health() {
    let mut world = World::steady(&DEFAULT_RULES, 0);
    (0..400).for_each(|_| world.hear_a_second(100));
    assert_eq!(world.row().holds, Verdict::Firing);
    world.now = world.now.after(91 * SECOND);
    for _ in 0..1_000 {
        world.now = world.now.after(SECOND);
        let judgement = world.judge();
        assert_eq!(judgement.found.state, WindowState::NoData);
        assert!(judgement.found.rows.iter().all(|row| row.holds == Verdict::Frozen));
        assert!(judgement.found.rows.iter().all(|row| !row.resolves(Arrival::Idle, world.now)));
    }
    assert_eq!(world.figures(5 * MINUTE).state, WindowState::NoData);
    assert!(world.figures(HOUR).coverage_ratio() < 0.7);
}

#[test]
fn a_source_that_lives_without_being_asked_has_no_traffic() {
    let mut world = World::steady(&DEFAULT_RULES, 0);
    for _ in 0..400 {
        world.hear(SECOND, Count::ZERO);
    }
    let judgement = world.judge();
    assert_eq!(judgement.found.state, WindowState::NoTraffic);
    assert!(judgement.found.rows.iter().all(|row| row.holds == Verdict::Quiet));
    assert_eq!(world.figures(5 * MINUTE).coverage_ratio(), 1.0);
    assert_eq!(world.figures(5 * MINUTE).error_ratio(), None);
}

#[test]
fn a_fault_during_ones_own_gap_is_judged_by_the_fastest_row_first() {
    let mut world = World::steady(&DEFAULT_RULES, 0);
    let down_since = world.now;
    world.now = world.now.after(10 * MINUTE);
    world.presence.gap(down_since, world.now);
    assert!(world.judge().found.rows.iter().take(2).all(|row| row.holds == Verdict::Frozen));
    let recovered = world.now;
    while world.judge().found.firing().is_none() {
        world.hear_a_second(100);
        assert!(world.now.since(recovered) < MINUTE);
    }
    assert!(world.now.since(recovered) >= 30 * SECOND);
}

#[test]
fn a_firing_row_waits_for_events_that_may_still_be_on_their_way() {
    let mut world = World::steady(&DEFAULT_RULES, 0);
    (0..400).for_each(|_| world.hear_a_second(100));
    let ended = world.now;
    (0..320).for_each(|_| world.hear_a_second(0));
    let (row, now) = (world.row(), world.now);
    assert_eq!(row.holds, Verdict::Quiet);
    assert!(!row.resolves(Arrival::Until(ended), now));
    assert!(row.resolves(Arrival::Until(now.before(5 * MINUTE)), now));
    assert!(row.resolves(Arrival::Idle, now));
}

/// One request every six minutes for two days.
fn quiet_service() -> World {
    let mut world = World::new(&DEFAULT_RULES);
    for tick in 0..2 * DAY.as_secs() / 60 {
        world.hear(MINUTE, Count::observed(u64::from(tick % 6 == 0), 0));
    }
    world
}

#[test]
fn one_failure_of_ten_in_an_hour_pages_nobody() {
    let mut world = quiet_service();
    for tick in 0..3 * 60_u64 {
        let is_asked = u64::from(tick % 6 == 0);
        let is_bad = u64::from(tick == 30);
        world.hear(MINUTE, Count::observed(is_asked - is_bad, is_bad));
        assert_eq!(world.judge().found.firing(), None);
    }
    assert!(world.judge().found.budget_remaining_ratio < 0.0, "the budget still tells it");
}

#[test]
fn a_quiet_service_that_fails_for_long_pages_after_ten_failures() {
    let mut world = quiet_service();
    let mut failures = 0;
    while world.judge().found.firing().is_none() {
        world.hear(6 * MINUTE / 5, Count::ZERO);
        for _ in 0..4 {
            world.hear(6 * MINUTE / 5, Count::ZERO);
        }
        world.hear(SECOND, Count::observed(0, 1));
        failures += 1;
        assert!(failures < 20);
    }
    assert_eq!(failures, 10);
}

#[test]
fn few_failures_weigh_little_against_the_usual_volume() {
    let mut world = World::new(&[DEFAULT_RULES[0]]);
    for _ in 0..2 * DAY.as_secs() / 5 {
        world.hear(5 * SECOND, Count::observed(1, 0));
    }
    for _ in 0..2 * 720 {
        world.hear(5 * SECOND, Count::ZERO);
    }
    // 720 events an hour are usual; 9 % of the short window's usual 60 are bad.
    for _ in 0..6 {
        world.hear(5 * SECOND, Count::observed(0, 2));
    }
    let figures = world.figures(HOUR);
    assert_eq!(figures.count.total, 12);
    assert!((650..720).contains(&figures.expected_total), "{figures:?}");
    assert!((figures.burn_rate - 17.0).abs() < 1.5, "{figures:?}");
    world.options = world.options.clone().with_volume_correction(VolumeCorrection::Off);
    assert_eq!(world.figures(HOUR).burn_rate, 1000.0);
}

#[test]
fn weights_do_not_pass_for_observed_events() {
    let mut world = World::new(&DEFAULT_RULES);
    for second in 0..60 {
        let count = if second % 10 == 0 { Count::one_bad(1000) } else { Count::ZERO };
        world.hear(SECOND, count);
        assert_eq!(world.judge().found.firing(), None);
    }
    assert_eq!(world.figures(HOUR).count.bad(), 6000);
}

#[test]
fn good_and_total_as_two_counters_are_judged_by_their_difference() {
    let mut world = World::new(&DEFAULT_RULES);
    for _ in 0..40 {
        let total = Count { total: 10, bad_signed: 10, ..Count::ZERO };
        world.hear(SECOND, total);
        let good = Count { bad_signed: -5, ..Count::ZERO };
        world.series.add(world.now.pane(), good, world.now);
    }
    assert_eq!(world.row().holds, Verdict::Firing);
}

#[test]
fn the_forecast_follows_the_burn_of_the_last_hour() {
    let mut world = World::steady(&DEFAULT_RULES, 0);
    assert_eq!(world.judge().found.exhausted_at_forecast, None);
    (0..3_700).for_each(|_| world.hear_a_second(1));
    let judgement = world.judge();
    let left = judgement.found.exhausted_at_forecast.unwrap().since(world.now);
    assert!(left > 2 * DAY && left < 3 * DAY, "{left:?}");
    assert!((0.9..0.95).contains(&judgement.found.budget_remaining_ratio), "{judgement:?}");
}

#[test]
fn the_slo_window_comes_last_and_every_rule_has_its_windows() {
    let options = JudgeOptions::new(three_nines(), DAY, &DEFAULT_RULES[..2]);
    assert_eq!(options.windows().last(), Some(&DAY));
    assert_eq!(options.windows().len(), STANDARD_WINDOWS.len());
    assert_eq!(options.rules().len(), 2);
}
