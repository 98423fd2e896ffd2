use std::time::Duration;

use document::Problems;

use super::measure::Measure;
use super::{Budgeting, ObjectiveDocument, SloDocument, Spot, ThresholdOp};
use crate::judge::{AlertRule, Fraction, Objective};
use crate::slices::{SliceMethod, SliceTarget, Slicing};

/// The slices in which an objective's budget is counted, `Some(None)` if it is counted by events;
/// `None` if what the document says of them is wrong. Reports keys that are missing, or that say
/// nothing, even where nobody knows what is measured.
pub(super) fn slicing(
    slo: &SloDocument,
    objective: &ObjectiveDocument,
    measure: Option<&Measure>,
    window: Duration,
    problems: &Problems,
) -> Option<Option<Slicing>> {
    let spot = &objective.spot;
    let (target, length) = (objective.time_slice_target, objective.time_slice_window);
    let ignored = |key: &str, why: &str| {
        spot.warn(problems, format!("{key} says nothing {why}"), "remove it");
    };
    if slo.budgeting == Budgeting::Occurrences {
        if target.is_some() {
            ignored("timeSliceTarget", "of Occurrences");
        }
        if length.is_some() {
            ignored("timeSliceWindow", "of Occurrences");
        }
        return Some(None);
    }
    let method = match measure.and_then(Measure::quantile) {
        Some(quantile) => {
            if target.is_some() {
                ignored("timeSliceTarget", "of a quantile, which is good or bad as a whole");
            }
            // Whatever the method: the one quantile of a slice is good or bad.
            Some(SliceMethod::Verdict(target_of(quantile, objective.op)))
        }
        None if slo.budgeting == Budgeting::RatioTimeslices => {
            if target.is_some() {
                ignored("timeSliceTarget", "of RatioTimeslices");
            }
            Some(SliceMethod::Ratio)
        }
        None => match (target, measure) {
            (Some(target), _) => slice_target(target, objective, problems),
            (None, Some(_)) => {
                let what = "timeSliceTarget is missing: when is a slice good?";
                spot.error(problems, what, "add timeSliceTarget: 0.95, for example");
                None
            }
            (None, None) => None,
        },
    };
    let Some(length) = length else {
        spot.error(problems, "timeSliceWindow is missing", "add timeSliceWindow: 1m");
        return None;
    };
    let slicing = Slicing::new(length, method?);
    let Some(slicing) = slicing else {
        let what = format!("timeSliceWindow: {} cannot be judged", minutes(length));
        let mend = "write 1m to 5h, or up to 1d in whole quarters of an hour";
        spot.error(problems, what, mend);
        return None;
    };
    if !slicing.fits(window) {
        let what = format!("the window is too short for slices of {}", minutes(length));
        spot.error(problems, what, "use a longer window, or shorter slices");
        return None;
    }
    warn_of_single_slices(slicing, objective, window, problems);
    Some(Some(slicing))
}

/// Refuses conditions over windows in which there may be no slice to judge.
pub(super) fn check_rules(
    slicing: Slicing,
    rules: &[AlertRule],
    spot: &Spot,
    problems: &Problems,
) -> Option<()> {
    let windows = rules.iter().flat_map(AlertRule::windows);
    let Some(short) = windows.filter(|window| !slicing.fits(*window)).min() else {
        return Some(());
    };
    let what = format!(
        "a condition looks back over {}, which may hold no closed slice of {}",
        minutes(short),
        minutes(slicing.length())
    );
    let mend = "use a lookbackWindow of two slices or more, or shorter slices";
    spot.error(problems, what, mend);
    None
}

/// With fewer slices in the window than one of them costs, the first bad one is the end.
fn warn_of_single_slices(
    slicing: Slicing,
    objective: &ObjectiveDocument,
    window: Duration,
    problems: &Problems,
) {
    let whole = Objective::budget(objective.objective).as_f64() * window.as_secs_f64();
    if matches!(slicing.method(), SliceMethod::Verdict(_)) && whole < slicing.length().as_secs_f64()
    {
        let what =
            format!("one bad slice of {} is more than the whole budget", minutes(slicing.length()));
        objective.spot.warn(problems, what, "use shorter slices, or lower the target");
    }
}

fn slice_target(
    target: Fraction,
    objective: &ObjectiveDocument,
    problems: &Problems,
) -> Option<SliceMethod> {
    if target.numerator() > 0 && target.numerator() <= target.denominator() {
        return Some(SliceMethod::Verdict(SliceTarget::AtLeast(target)));
    }
    let what = format!("timeSliceTarget: {} is out of range", target.as_f64());
    objective.spot.error(problems, what, "write a share above 0 and up to 1, such as 0.95");
    None
}

/// The quantile of a slice holds if so many of its measurements do: the q-quantile is the least
/// value that q of them do not exceed. So it is at most (below) a value just if q of them are, and
/// at least (above) it just if more than 1 - q of them are.
fn target_of(quantile: Fraction, op: Option<ThresholdOp>) -> SliceTarget {
    match op {
        Some(ThresholdOp::AtLeast | ThresholdOp::Above) => {
            let (part, whole) = (quantile.numerator(), quantile.denominator());
            SliceTarget::Above(Fraction::new(whole.saturating_sub(part), whole))
        }
        _ => SliceTarget::AtLeast(quantile),
    }
}

pub(super) fn minutes(span: Duration) -> String {
    format!("{}m", span.as_secs() / 60)
}
