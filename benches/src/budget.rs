//! Instructions for each item as they are checked in, and whether they are held.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use crate::group::Group;
use crate::instructions::{Callgrind, ITERATIONS, JUDGED_SERIES};

/// How far a count may be from its budget. The same source built elsewhere may be inlined otherwise.
pub const TOLERANCE: f64 = 0.03;
/// The case that judges, which belongs to no group.
pub const JUDGE: &str = "judge";

/// Instructions for each item, by case: `spans/observe`.
pub type Budget = BTreeMap<String, f64>;

/// What has a budget: fogbell's own work, no peers.
const CASES: [(Group, &[&str]); 6] = [
    (Group::Spans, &["otlp-walk", "observe", "observe-and-hand-over-each"]),
    (Group::Points, &["observe"]),
    (Group::Records, &["observe"]),
    (Group::Json, &["transcode", "observe"]),
    (Group::SlosByRoute, &["1000-slos"]),
    (Group::SlosOnAll, &["100-slos"]),
];

/// A count that is not within its budget.
#[derive(Debug, PartialEq)]
pub struct Miss {
    /// Which case.
    pub case: String,
    /// The budget, if it has one.
    pub budget: Option<f64>,
    /// The count, if it was counted.
    pub counted: Option<f64>,
}

impl Miss {
    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> String {
        let Self { case, .. } = self;
        let renew = "renew the budget with `cargo xtask budget --write`";
        match (self.budget, self.counted) {
            (Some(budget), Some(counted)) => {
                let percent = 100.0 * (counted / budget - 1.0);
                let what = if percent > 0.0 {
                    format!("make it cheaper, or {renew} and say why")
                } else {
                    renew.to_owned()
                };
                format!("{case}: {counted:.1} instead of {budget:.1}, {percent:+.1} %: {what}")
            }
            (None, _) => format!("{case} has no budget: {renew}"),
            (_, None) => format!("{case} is no case any more: {renew}"),
        }
    }
}

/// Counts every case in the binary `count`.
///
/// # Errors
/// If valgrind fails.
pub fn count_all(callgrind: &Callgrind, count: &Path) -> Result<Budget, Box<dyn Error>> {
    let mut counted = Budget::new();
    for (group, cases) in CASES {
        let items = f64::from(ITERATIONS) * group.shape().batch as f64;
        for case in cases {
            let name = format!("{}/{case}", group.name());
            let total = callgrind.count(count, &name)? as f64;
            let _ = counted.insert(name, rounded(total / items));
        }
    }
    let series = f64::from(ITERATIONS) * JUDGED_SERIES as f64;
    let _ =
        counted.insert(JUDGE.to_owned(), rounded(callgrind.count(count, JUDGE)? as f64 / series));
    Ok(counted)
}

fn rounded(count: f64) -> f64 {
    (count * 10.0).round() / 10.0
}

/// What is off by more than [`TOLERANCE`], in either direction: a budget that is too wide holds
/// nothing.
#[must_use]
pub fn misses(budget: &Budget, counted: &Budget) -> Vec<Miss> {
    let cases: std::collections::BTreeSet<_> = budget.keys().chain(counted.keys()).collect();
    let both = cases.into_iter().map(|case| Miss {
        case: case.clone(),
        budget: budget.get(case).copied(),
        counted: counted.get(case).copied(),
    });
    both.filter(|case| match (case.budget, case.counted) {
        (Some(budget), Some(counted)) => (counted / budget - 1.0).abs() > TOLERANCE,
        _ => true,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cases: &[(&str, f64)]) -> Budget {
        cases.iter().map(|(case, count)| ((*case).to_owned(), *count)).collect()
    }

    #[test]
    fn five_percent_are_a_miss_in_either_direction_and_two_are_none() {
        let budget = of(&[("a", 100.0), ("b", 100.0), ("c", 100.0), ("d", 100.0)]);
        let counted = of(&[("a", 102.0), ("b", 98.0), ("c", 105.0), ("d", 95.0)]);
        let misses = misses(&budget, &counted);
        let named: Vec<_> = misses.iter().map(|miss| &*miss.case).collect();
        assert_eq!(named, ["c", "d"]);
        assert!(misses[0].advice().contains("+5.0 %: make it cheaper"), "{}", misses[0].advice());
        assert!(misses[1].advice().contains("-5.0 %: renew"), "{}", misses[1].advice());
    }

    #[test]
    fn a_case_on_one_side_only_is_a_miss() {
        let misses = misses(&of(&[("gone", 1.0)]), &of(&[("new", 1.0)]));
        assert!(misses[0].advice().starts_with("gone is no case any more"));
        assert!(misses[1].advice().starts_with("new has no budget"));
    }

    #[test]
    fn every_case_that_has_a_budget_exists() {
        for (group, cases) in CASES {
            let known: Vec<_> = group.cases().unwrap().iter().map(|case| case.name()).collect();
            assert!(cases.iter().all(|case| known.contains(case)), "{cases:?} in {known:?}");
        }
    }
}
