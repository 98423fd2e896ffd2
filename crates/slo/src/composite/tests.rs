use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::judge::{AlertRule, Judgement, Standing, judge, judge_figures};
use crate::presence::Presence;
use crate::window::{SeriesWindows, WindowPlan};

const DAY: Duration = Duration::from_secs(86_400);

fn now() -> Timestamp {
    Timestamp::from_unix_s(19_676 * 86_400)
}

fn objective(target: &str) -> Objective {
    Fraction::parse(target).and_then(Objective::from_target).expect("a target")
}

fn fraction(text: &str) -> Fraction {
    Fraction::parse(text).expect("a fraction")
}

fn options(objective: Objective) -> JudgeOptions {
    JudgeOptions::new(objective, 30 * DAY, [] as [AlertRule; 0])
}

/// A source that was heard for the last hour.
fn presence() -> Presence {
    let mut presence = Presence::default();
    (0..=120).for_each(|n| presence.heard(now().before(Duration::from_secs(3600 - 30 * n))));
    presence
}

/// A part of which so many events were seen a minute ago.
fn part(target: Objective, good: u64, bad: u64) -> Judgement {
    let options = options(target);
    let plan = Arc::new(WindowPlan::new(options.windows(), Duration::from_secs(60)));
    let mut series = SeriesWindows::new(plan);
    let at = now().before(Duration::from_secs(60));
    let _ = series.add(at.pane(), Count::observed(good, bad), now());
    judge(&mut series, &presence(), &options, now())
}

/// The composite's own window, and what is left of its budget.
fn whole(composition: &Composition, strictest: Objective, parts: &[Judgement]) -> Judgement {
    let Composition::Sum(factors) = composition else { panic!("a sum") };
    let parts = parts.iter().map(|part| part.windows.clone());
    let parts: Vec<_> = factors.iter().copied().zip(parts).collect();
    judge_figures(
        sum(&parts, &options(strictest)),
        Standing { is_silent: false, is_excluded: false },
        &options(strictest),
        now(),
    )
}

#[test]
fn burn_rates_of_events_add_up_by_weight() {
    let (strict, loose) = (objective("0.99"), objective("0.9"));
    let parts = [part(strict, 980, 20), part(loose, 95, 5)];
    let burn = |judgement: &Judgement| judgement.windows.last().map(|own| own.burn_rate);
    assert_eq!([burn(&parts[0]), burn(&parts[1])], [Some(2.0), Some(0.5)]);
    for (weights, expected) in [(["1", "1"], 2.5), (["0.5", "4"], 3.0), (["100", "0.1"], 100.0)] {
        let weighted = [(strict, fraction(weights[0])), (loose, fraction(weights[1]))];
        let whole = whole(&Composition::of_events(strict, &weighted), strict, &parts);
        let own = whole.windows.last().expect("a window");
        assert!((own.burn_rate - expected).abs() < 1e-6, "{weights:?}: {}", own.burn_rate);
        assert!((whole.found.budget_remaining_ratio - (1.0 - expected)).abs() < 1e-6);
        assert_eq!(own.count.bad_observed, 25);
    }
}

#[test]
fn two_ratios_of_95_percent_make_one_of_90() {
    let target = objective("0.8");
    let parts = [part(target, 95, 5), part(target, 950, 50)];
    let error_ratio = |weights: [&str; 2]| {
        let composition = Composition::of_ratios(&weights.map(fraction));
        whole(&composition, target, &parts).windows.last().and_then(WindowFigures::error_ratio)
    };
    assert_eq!(error_ratio(["1", "1"]), Some(0.1));
    assert_eq!(error_ratio(["2", "0.5"]), Some(0.125));
    assert_eq!(error_ratio(["20", "1"]), Some(1.0), "what is missing is at most all");
}

#[test]
fn a_part_without_events_adds_nothing_and_none_with_any_is_no_traffic() {
    let target = objective("0.99");
    let composition = Composition::of_ratios(&[fraction("1"), fraction("1")]);
    let silent = part(target, 0, 0);
    let one = whole(&composition, target, &[silent.clone(), part(target, 9, 1)]);
    assert_eq!(one.windows.last().and_then(WindowFigures::error_ratio), Some(0.1));
    assert_eq!(one.found.state, WindowState::Data);
    let none = whole(&composition, target, &[silent.clone(), silent]);
    assert_eq!(none.windows.last().and_then(WindowFigures::error_ratio), None);
    assert_eq!(
        (none.found.state, none.found.budget_remaining_ratio),
        (WindowState::NoTraffic, 1.0)
    );
}

proptest! {
    /// Each violation that consumes the budget of a part consumes the composite's at its weight.
    #[test]
    fn the_burn_rate_is_the_weighted_sum_until_all_is_lost(
        parts in prop::collection::vec((1..10_000_u64, 0..10_000_u64, 1..500_u64, 1..400_u64), 1..6),
    ) {
        let objectives: Vec<_> = parts
            .iter()
            .map(|(.., budget, _)| Objective::from_target(Fraction::new(1000 - budget, 1000)).unwrap())
            .collect();
        let strictest = objectives.iter().copied().max_by(Objective::cmp_strictness).unwrap();
        let weights: Vec<_> = parts.iter().map(|(.., weight)| Fraction::new(*weight, 100)).collect();
        let judgements: Vec<_> = parts
            .iter()
            .zip(&objectives)
            .map(|((good, bad, ..), objective)| part(*objective, *good, *bad))
            .collect();
        let weighted: Vec<_> = objectives.iter().copied().zip(weights.iter().copied()).collect();
        let whole = whole(&Composition::of_events(strictest, &weighted), strictest, &judgements);
        for (at, own) in whole.windows.iter().enumerate() {
            let burns = judgements.iter().map(|part| part.windows[at].burn_rate);
            let sum: f64 = burns.zip(&weights).map(|(burn, weight)| burn * weight.as_f64()).sum();
            let expected = sum.min(strictest.burn_rate_max());
            prop_assert!((own.burn_rate - expected).abs() <= 1e-6 * expected.max(1.0));
        }
    }
}
