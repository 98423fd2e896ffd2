//! Alert policies of declared SLOs: when they fire, wait and resolve, and who is told.

use model::AlertState;
use slo::judge::{
    AlertRule, Comparison, Condition, Measure, NoDataRule, NotificationTarget, Policy,
};

use super::*;
use crate::{SloOptions, SloStatus, WindowStatus};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn policy(name: &str, targets: &[&str]) -> Policy {
    let target = |name: &&str| NotificationTarget {
        name: (*name).to_owned(),
        target: "pagerduty".to_owned(),
    };
    Policy {
        name: name.to_owned(),
        severity: "sev1".to_owned(),
        targets: targets.iter().map(target).collect(),
        tells_resolved: true,
    }
}

fn rule(measure: Measure, urgency: Urgency, policy: Policy) -> AlertRule {
    let condition = Condition { measure, comparison: Comparison::Strict, after: Duration::ZERO };
    AlertRule { conditions: vec![condition], urgency, policy: Arc::new(policy) }
}

fn burn(rate: u64, window: Duration) -> Measure {
    Measure::BurnRate { rate: Fraction::new(rate, 1), window }
}

fn lasting(mut rule: AlertRule, after: Duration) -> AlertRule {
    rule.conditions.iter_mut().for_each(|condition| condition.after = after);
    rule
}

/// A world with one SLO, `shop-ok`, of 99.9 % over 30 days.
fn world(rules: Vec<AlertRule>, no_data: Vec<NoDataRule>) -> World {
    World::of(EngineOptions { automatic: None, slos: vec![slo(rules, no_data)], ..options() })
}

fn slo(rules: Vec<AlertRule>, no_data: Vec<NoDataRule>) -> SloOptions {
    SloOptions { rules: Some(rules), no_data, ..declared("shop-ok", "0.999") }
}

fn key() -> Arc<SeriesKey> {
    Arc::new(SeriesKey::Declared { slo: "shop-ok".into(), group: Vec::new() })
}

impl World {
    /// Lets seconds pass, each with traffic that the SLO counts.
    fn count(&mut self, seconds: u64, traffic: Traffic) {
        for _ in 0..seconds {
            self.now = self.now.after(Duration::from_secs(1));
            let mut delta = delta("shop", traffic, self.now);
            delta.series[0].key = key();
            self.handle(Input::Delta(Box::new(delta)));
            self.handle(Input::Judge);
            self.handle(Input::Checkpoint);
        }
    }

    /// Lets a healthy past go by in steps of five seconds, unjudged.
    fn remember(&mut self, past: Duration) {
        for _ in 0..past.as_secs() / 5 {
            self.now = self.now.after(Duration::from_secs(5));
            let mut delta = delta("shop", Traffic { good: 500, bad: 0 }, self.now);
            delta.series[0].key = key();
            self.handle(Input::Delta(Box::new(delta)));
        }
    }

    /// Seconds of this traffic until somebody is told of something new.
    fn until_told(&mut self, traffic: Traffic, seconds_max: u64) -> u64 {
        let before = self.deliveries().len();
        for second in 1..=seconds_max {
            self.count(1, traffic);
            if self.deliveries().len() > before {
                return second;
            }
        }
        panic!("nobody was told within {seconds_max} s");
    }

    /// A number of one window of the SLO.
    fn window(&self, window: Duration, of: impl Fn(&SloStatus, &WindowStatus) -> f64) -> f64 {
        let view = self.engine.view();
        let slo = &view.slos[0];
        of(slo, slo.windows.iter().find(|w| w.window == window).expect("a window"))
    }

    fn states(&self) -> (AlertState, AlertState) {
        let view = self.engine.view();
        (view.slos[0].page, view.slos[0].ticket)
    }

    fn told(&self) -> Vec<(String, Urgency, Action)> {
        self.deliveries().into_iter().map(|d| (d.route, d.urgency, d.action)).collect()
    }
}

fn told(route: &str, urgency: Urgency, action: Action) -> (String, Urgency, Action) {
    (route.to_owned(), urgency, action)
}

/// 10 of 100 requests fail: 100 times the budget.
const TENTH: Traffic = Traffic { good: 90, bad: 10 };
/// 1 of 100: 10 times.
const HUNDREDTH: Traffic = Traffic { good: 99, bad: 1 };

/// Seconds from a fault of 10 % to the page or ticket, and from its end to the word of it, by the
/// published table: without the wait of a ticket, and the minute of quiet before the end is told.
fn assert_times(row: usize, detection: u64, reset: u64) {
    let table = DEFAULT_RULES[row];
    let mut world = world(vec![AlertRule::from(&table)], Vec::new());
    world.remember(table.long * 5 / 4);
    let wait = if table.urgency == Urgency::Page { 1 } else { 31 };
    let width = |window: Duration| match window.as_secs() {
        0..3600 => 5,
        3600..54_000 => 60,
        _ => 900,
    };
    let detected = world.until_told(TENTH, 2 * detection + 60) - wait;
    // A window reaches back up to a pane of its tier too far, and grows by as much.
    let stretch = detection * width(table.long) / table.long.as_secs();
    let latest = detection + stretch + 2;
    assert!((detection - 1..=latest).contains(&detected), "{row}: {detected}");
    let quiet = 60;
    let over = world.until_told(HEALTHY, 2 * reset) - quiet;
    let earliest = reset - (detected - detection).min(reset) - wait - 5;
    assert!((earliest..=reset + width(table.short) + 10).contains(&over), "{row}: {over}");
    let told: Vec<_> =
        world.told().into_iter().map(|(_, urgency, action)| (urgency, action)).collect();
    assert_eq!(told, [(table.urgency, Action::Trigger), (table.urgency, Action::Resolve)]);
}

#[test]
fn page_rows_keep_the_published_times_from_fault_to_page_and_to_the_end() {
    assert_times(0, 518, 257);
    assert_times(1, 1080, 1710);
}

#[test]
fn ticket_rows_keep_the_published_times_from_fault_to_ticket_and_to_the_end() {
    assert_times(2, 2592, 6984);
    assert_times(3, 2592, 21_384);
}

#[test]
fn conditions_that_hold_together_page_only_together() {
    let mut both = rule(burn(2, HOUR), Urgency::Page, policy("both", &[]));
    both.conditions.extend(rule(burn(50, 5 * MINUTE), Urgency::Page, policy("", &[])).conditions);
    let mut world = world(vec![both], Vec::new());
    world.count(3700, HEALTHY);
    world.count(1200, HUNDREDTH);
    assert_eq!(world.told(), [], "the hour burns 3 times and more, the five minutes 10 times");
    // 3,000 bad ones of 30,000 burn 100 times: 50 times takes half as long and a little less.
    let paged = world.until_told(TENTH, 300);
    assert!((130..=150).contains(&paged), "{paged}");
}

#[test]
fn each_policy_pages_for_itself() {
    let fast = rule(burn(50, 5 * MINUTE), Urgency::Page, policy("fast", &["on-call"]));
    let slow = rule(burn(5, HOUR), Urgency::Ticket, policy("slow", &["mail"]));
    let mut world = world(vec![fast, slow], Vec::new());
    world.count(3700, HEALTHY);
    let (page, ticket) = (Urgency::Page, Urgency::Ticket);
    // 1 % burns 10 times: the hour is above 5x after half of it. A ticket waits half a minute.
    let first = world.until_told(HUNDREDTH, 2000);
    assert!((1800..=1900).contains(&first), "{first}");
    assert_eq!(world.told(), [told("mail", ticket, Action::Trigger)]);
    assert_eq!(world.states(), (AlertState::Inactive, AlertState::Firing));
    let _ = world.until_told(TENTH, 300);
    let page_too = [told("mail", ticket, Action::Trigger), told("on-call", page, Action::Trigger)];
    assert_eq!(world.told(), page_too, "mail has its ticket, and keeps it");
    assert_eq!(world.engine.incidents().count(), 1);
    world.count(2 * 3600, HEALTHY);
    let end = [told("mail", ticket, Action::Resolve), told("on-call", page, Action::Resolve)];
    assert_eq!(world.told()[2..], end);
}

#[test]
fn a_policy_whose_target_was_not_told_yet_tells_it_when_it_holds() {
    let first = rule(burn(20, 5 * MINUTE), Urgency::Page, policy("first", &["on-call"]));
    let later = rule(burn(80, 5 * MINUTE), Urgency::Page, policy("later", &["boss", "on-call"]));
    let mut world = world(vec![first, later], Vec::new());
    world.count(400, HEALTHY);
    let _ = world.until_told(TENTH, 300);
    let page = Urgency::Page;
    assert_eq!(world.told(), [told("on-call", page, Action::Trigger)]);
    world.restart(Duration::from_secs(1));
    let _ = world.until_told(TENTH, 300);
    let both = [told("on-call", page, Action::Trigger), told("boss", page, Action::Trigger)];
    assert_eq!(world.told(), both, "on-call is not woken twice");
    let member = world.incident().members[0].clone();
    assert_eq!(member.annotations["policy"], "first, later");
    assert_eq!(member.annotations["severity"], "sev1");
    let targets = "on-call (pagerduty), boss (pagerduty)";
    assert_eq!(member.annotations["notification_targets"], targets);
    world.restart(Duration::from_secs(1));
    let _ = world.until_told(HEALTHY, 700);
    world.count(60, HEALTHY);
    let ends = [told("boss", page, Action::Resolve), told("on-call", page, Action::Resolve)];
    assert_eq!(world.told()[2..], ends);
}

#[test]
fn a_policy_that_does_not_want_to_know_the_end_is_not_told() {
    let quiet = Policy { tells_resolved: false, ..policy("quiet", &["mail"]) };
    let rules = vec![
        rule(burn(20, 5 * MINUTE), Urgency::Page, quiet),
        rule(burn(20, 5 * MINUTE), Urgency::Page, policy("loud", &[])),
    ];
    let mut world = world(rules, Vec::new());
    world.count(400, HEALTHY);
    let _ = world.until_told(TENTH, 300);
    world.count(700, HEALTHY);
    assert_eq!(world.incident().status, Status::Resolved);
    let page = Urgency::Page;
    let all = [
        told("default", page, Action::Trigger),
        told("mail", page, Action::Trigger),
        told("default", page, Action::Resolve),
    ];
    assert_eq!(world.told(), all);
    let snapshots = world.revisions();
    assert_eq!(snapshots.last().map(|r| r.event.kind), Some(EventType::Resolved));
}

#[test]
fn alert_after_waits_visibly_and_pages_when_it_has_lasted() {
    let rule = rule(burn(10, 5 * MINUTE), Urgency::Page, policy("patient", &[]));
    let mut world = world(vec![lasting(rule, 10 * MINUTE)], Vec::new());
    world.count(400, HEALTHY);
    world.count(60, TENTH);
    assert_eq!(world.states().0, AlertState::Pending);
    assert_eq!(world.engine.incidents().count(), 0);
    let paged = 60 + world.until_told(TENTH, 700);
    // Above 10x after 30 s and a pane at most, then ten minutes.
    assert!((630..=638).contains(&paged), "{paged}");
    assert_eq!(world.states().0, AlertState::Firing);
}

#[test]
fn alert_after_begins_anew_after_a_break() {
    let rule = rule(burn(10, 5 * MINUTE), Urgency::Page, policy("patient", &[]));
    let mut world = world(vec![lasting(rule, 10 * MINUTE)], Vec::new());
    world.count(400, HEALTHY);
    world.count(300, TENTH);
    world.count(400, HEALTHY);
    assert_eq!(world.states().0, AlertState::Inactive);
    assert_eq!(world.told(), []);
    let paged = world.until_told(TENTH, 700);
    assert!((630..=638).contains(&paged), "{paged}");
}

#[test]
fn alert_after_goes_on_over_restarts_and_leaves_out_the_time_between() {
    let rule = rule(burn(10, 5 * MINUTE), Urgency::Page, policy("patient", &[]));
    let mut world = world(vec![lasting(rule, 10 * MINUTE)], Vec::new());
    world.count(400, HEALTHY);
    world.count(330, TENTH);
    world.restart(Duration::from_secs(5));
    world.count(1, TENTH);
    assert_eq!(world.states().0, AlertState::Pending);
    let paged = 331 + world.until_told(TENTH, 700);
    assert!((630..=640).contains(&paged), "{paged}");
}

#[test]
fn a_budget_drop_pages_and_is_over_when_its_window_has_passed() {
    let share = Fraction::new(1, 100);
    let drop = Measure::BudgetDrop { share, window: HOUR };
    let mut world = world(vec![rule(drop, Urgency::Page, policy("drop", &[]))], Vec::new());
    world.count(2 * 3600, HEALTHY);
    // 100 requests a second leave 259,200 a month that may fail; 1 % is 2,592.
    let paged = world.until_told(TENTH, 600);
    assert!((258..=264).contains(&paged), "{paged}");
    let spent = world.window(HOUR, SloStatus::budget_spent_ratio);
    assert!((0.01..0.0105).contains(&spent), "{spent}");
    let summary = world.incident().members[0].annotations["summary"].clone();
    assert!(summary.contains("more than 1 % of the budget spent in 1h"), "{summary}");
    // It is over once the first of them leave the hour, a pane of a minute and a minute of quiet.
    let over = world.until_told(HEALTHY, 2 * 3600);
    assert!((3600 - paged..=3600 - paged + 135).contains(&over), "{over}");
}

#[test]
fn a_forecast_pages_before_the_budget_is_gone_and_is_over_when_it_lasts() {
    let within = Duration::from_secs(3 * 86_400);
    let measure = Measure::Exhaustion { within, window: HOUR };
    let mut world = world(vec![rule(measure, Urgency::Ticket, policy("soon", &[]))], Vec::new());
    world.count(2 * 3600, HEALTHY);
    // 30 days in less than 3 take a burn of 10: 10 % errors burn so much after a tenth of an hour,
    // and a little less, as they have spent 1.4 % of the budget by then. A ticket waits 30 s.
    let told = world.until_told(TENTH, 600);
    assert!((355 + 30..=365 + 35).contains(&told), "{told}");
    let slo = &world.engine.view().slos[0];
    let left = slo.exhausted_at.map(|at| at.since(world.now));
    assert!(left.is_some_and(|left| left < within && left > within * 3 / 4), "{left:?}");
    let _ = world.until_told(HEALTHY, 2 * 3600);
    assert_eq!(world.told()[1].2, Action::Resolve);
}

#[test]
fn a_trend_tells_of_what_grows() {
    let factor = Fraction::new(2, 1);
    let measure = Measure::Trend { factor, window: 40 * MINUTE };
    let mut world = world(vec![rule(measure, Urgency::Ticket, policy("grows", &[]))], Vec::new());
    world.count(2500, HUNDREDTH);
    assert_eq!(world.told(), [], "steady");
    // (600 + 9 x) / ((2400 + 9 x) / 4) > 2 after 133 s, and a ticket waits half a minute.
    let told = world.until_told(TENTH, 600);
    assert!((160..=175).contains(&told), "{told}");
    let trend = |slo: &SloStatus, window: &_| slo.burn_trend_ratio(window).unwrap();
    assert!(world.window(40 * MINUTE, trend) > 2.0);
    world.count(2500, TENTH);
    assert_eq!(world.told()[1].2, Action::Resolve, "steady again, if higher");
    assert!((world.window(40 * MINUTE, trend) - 1.0).abs() < 1e-9);
}

fn no_data(after: Duration, policy: Policy) -> NoDataRule {
    NoDataRule { urgency: Urgency::Page, after, policy: Arc::new(policy) }
}

#[test]
fn silence_alerts_where_a_policy_asks_for_it_and_ends_when_the_source_speaks() {
    let rules = vec![no_data(5 * MINUTE, policy("silence", &["on-call"]))];
    let mut world = world(Vec::new(), rules);
    world.count(400, HEALTHY);
    world.pass(299, &[]);
    assert_eq!(world.told(), []);
    world.pass(12, &[]);
    let page = Urgency::Page;
    assert_eq!(world.told(), [told("on-call", page, Action::Trigger)]);
    let member = world.incident().members[0].clone();
    assert_eq!(member.labels["alertname"], "SloNoData");
    assert!(member.annotations["summary"].contains("nothing was heard of shop for"), "{member:?}");
    world.restart(Duration::from_secs(5));
    world.pass(120, &[]);
    assert_eq!(world.incident().status, Status::Open, "a restart is no sign of life");
    world.count(80, HEALTHY);
    let end = told("on-call", page, Action::Resolve);
    assert_eq!(world.told()[1..], [end]);
}

#[test]
fn silence_alerts_nobody_who_did_not_ask() {
    let mut world = world(vec![rule(burn(10, 5 * MINUTE), Urgency::Page, policy("", &[]))], vec![]);
    world.count(400, HEALTHY);
    world.pass(1200, &[]);
    assert_eq!(world.told(), []);
}

#[test]
fn a_source_that_never_spoke_is_silent_from_the_start() {
    let mut world = world(Vec::new(), vec![no_data(Duration::ZERO, policy("silence", &[]))]);
    world.pass(85, &[]);
    assert_eq!(world.told(), []);
    world.pass(20, &[]);
    assert_eq!(world.told(), [told("default", Urgency::Page, Action::Trigger)]);
}

#[test]
fn what_is_acknowledged_and_split_is_told_over_its_own_routes() {
    let fast = rule(burn(50, 5 * MINUTE), Urgency::Page, policy("fast", &["on-call"]));
    let mut world = world(vec![fast], Vec::new());
    world.count(400, HEALTHY);
    let _ = world.until_told(TENTH, 300);
    let _ = world.command(Verb::Acknowledge, "", 0).expect("taken");
    let page = Urgency::Page;
    let all = [told("on-call", page, Action::Trigger), told("on-call", page, Action::Update)];
    assert_eq!(world.told(), all);
}

#[test]
fn groups_of_an_slo_are_silent_together_even_before_any_was_seen() {
    let rules = vec![no_data(Duration::ZERO, policy("silence", &[]))];
    let grouped = SloOptions { group_by: vec!["route".into()], ..slo(Vec::new(), rules) };
    let mut world = World::of(EngineOptions { automatic: None, slos: vec![grouped], ..options() });
    world.pass(120, &[]);
    assert_eq!(world.told(), [told("default", Urgency::Page, Action::Trigger)]);
}

#[test]
fn what_no_policy_asks_for_any_more_is_over() {
    let rules = vec![rule(burn(20, 5 * MINUTE), Urgency::Page, policy("fast", &[]))];
    let without_rules = slo(Vec::new(), Vec::new());
    for slos in [vec![without_rules], Vec::new()] {
        let mut world = world(rules.clone(), Vec::new());
        world.count(400, HEALTHY);
        let _ = world.until_told(TENTH, 300);
        let changed = EngineOptions { automatic: None, slos, ..options() };
        world.engine.redefine(changed);
        world.count(70, TENTH);
        assert_eq!(world.incident().status, Status::Resolved);
    }
}

#[test]
fn what_a_changed_configuration_no_longer_knows_is_over_after_a_restart() {
    let rules = vec![rule(burn(20, 5 * MINUTE), Urgency::Page, policy("fast", &["on-call"]))];
    let mut world = world(rules, Vec::new());
    world.count(400, HEALTHY);
    let _ = world.until_told(TENTH, 300);
    world.options.slos = Vec::new();
    world.restart(Duration::from_secs(1));
    world.pass(70, &[]);
    let page = Urgency::Page;
    let all = [told("on-call", page, Action::Trigger), told("on-call", page, Action::Resolve)];
    assert_eq!(world.told(), all);
}
