//! Budgets that are counted in slices of time.

use super::measure::{measuring, threshold};
use super::policies::with_conditions;
use super::*;
use crate::slices::{SliceMethod, SliceTarget, Slicing};

const MINUTE: Duration = Duration::from_secs(60);

/// An SLO of this method with these objectives.
fn sliced(method: &str, objective: &str) -> String {
    with("Occurrences", method).replace("    - target: 0.999", &format!("    - {objective}"))
}

/// The one definition of a text that has nothing to complain of.
fn defined(text: &str) -> SloDefinition {
    let (definitions, problems) = compile(text);
    assert_eq!(problems, [""; 0]);
    definitions.into_iter().next().expect("a definition")
}

#[test]
fn slices_are_read_from_the_objective() {
    let at_least =
        |numerator, denominator| SliceTarget::AtLeast(Fraction::new(numerator, denominator));
    for (method, objective, length, expected) in [
        (
            "Timeslices",
            "{ target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: 1m }",
            MINUTE,
            SliceMethod::Verdict(at_least(95, 100)),
        ),
        (
            "Timeslices",
            "{ target: 0.99, timeSliceTarget: 1, timeSliceWindow: 5 }",
            5 * MINUTE,
            SliceMethod::Verdict(at_least(1, 1)),
        ),
        (
            "RatioTimeslices",
            "{ target: 0.99, timeSliceWindow: 1h }",
            60 * MINUTE,
            SliceMethod::Ratio,
        ),
    ] {
        let slo = defined(&sliced(method, objective));
        assert_eq!(slo.slicing, Slicing::new(length, expected), "{objective}");
    }
    assert_eq!(defined(SLO).slicing, None);
}

#[test]
fn several_objectives_may_have_slices_of_their_own() {
    let objectives = "{ target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 1m }\n    \
                      - { target: 0.9, timeSliceTarget: 0.99, timeSliceWindow: 10m }";
    let (definitions, problems) = compile(&sliced("Timeslices", objectives));
    assert_eq!(problems, [""; 0]);
    let lengths: Vec<_> =
        definitions.iter().filter_map(|slo| slo.slicing).map(Slicing::length).collect();
    assert_eq!(lengths, [MINUTE, 10 * MINUTE]);
}

#[test]
fn a_quantile_is_a_share_of_the_slice() {
    let spans = threshold("signal: traces, filter: '{ kind = server }', quantile: 0.99");
    for (op, target) in [
        ("lte", SliceTarget::AtLeast(Fraction::new(99, 100))),
        ("lt", SliceTarget::AtLeast(Fraction::new(99, 100))),
        ("gte", SliceTarget::Above(Fraction::new(1, 100))),
        ("gt", SliceTarget::Above(Fraction::new(1, 100))),
    ] {
        let objective = format!("{{ op: {op}, value: 0.3, target: 0.95, timeSliceWindow: 1m }}");
        for method in ["Timeslices", "RatioTimeslices"] {
            let text = measuring(&spans, &objective).replace("Occurrences", method);
            let expected = Slicing::new(MINUTE, SliceMethod::Verdict(target));
            assert_eq!(defined(&text).slicing, expected, "{op}");
        }
    }
}

#[test]
fn what_is_wrong_with_slices_is_told_with_its_mend() {
    let place = "slo.yaml:29:7: spec.objectives[0]: ";
    for (method, objective, expected) in [
        (
            "Timeslices",
            "{ target: 0.9, timeSliceWindow: 1m }",
            "timeSliceTarget is missing: when is a slice good?; add timeSliceTarget: 0.95, for example",
        ),
        (
            "Timeslices",
            "{ target: 0.9, timeSliceTarget: 1.5, timeSliceWindow: 1m }",
            "timeSliceTarget: 1.5 is out of range; write a share above 0 and up to 1, such as 0.95",
        ),
        (
            "Timeslices",
            "{ target: 0.9, timeSliceTarget: 0, timeSliceWindow: 1m }",
            "timeSliceTarget: 0 is out of range; write a share above 0 and up to 1, such as 0.95",
        ),
        ("RatioTimeslices", "target: 0.9", "timeSliceWindow is missing; add timeSliceWindow: 1m"),
        (
            "RatioTimeslices",
            "{ target: 0.9, timeSliceWindow: 301m }",
            "timeSliceWindow: 301m cannot be judged; write 1m to 5h, or up to 1d in whole quarters of an hour",
        ),
        (
            "RatioTimeslices",
            "{ target: 0.9, timeSliceWindow: 2d }",
            "timeSliceWindow: 2880m cannot be judged; write 1m to 5h, or up to 1d in whole quarters of an hour",
        ),
    ] {
        let (definitions, problems) = compile(&sliced(method, objective));
        assert!(definitions.is_empty(), "{objective}");
        assert_eq!(problems, [format!("{place}{expected}")]);
    }
    let text = sliced("RatioTimeslices", "{ target: 0.9, timeSliceWindow: 1h }");
    let (definitions, problems) = compile(&text.replace("30d", "1h"));
    assert!(definitions.is_empty());
    assert!(problems[0].contains("the window is too short for slices of 60m"), "{problems:?}");
}

#[test]
fn keys_that_say_nothing_are_told() {
    for (method, objective, expected) in [
        ("Occurrences", "{ target: 0.9, timeSliceTarget: 0.9 }", "timeSliceTarget says nothing"),
        ("Occurrences", "{ target: 0.9, timeSliceWindow: 1m }", "timeSliceWindow says nothing"),
        (
            "RatioTimeslices",
            "{ target: 0.9, timeSliceTarget: 0.9, timeSliceWindow: 1m }",
            "timeSliceTarget says nothing of RatioTimeslices",
        ),
        (
            "Timeslices",
            "{ target: 0.99999, timeSliceTarget: 0.9, timeSliceWindow: 1m }",
            "one bad slice of 1m is more than the whole budget",
        ),
    ] {
        let (definitions, problems) = compile(&sliced(method, objective));
        assert_eq!((definitions.len(), problems.len()), (1, 1), "{problems:?}");
        assert!(problems[0].contains("warning") && problems[0].contains(expected), "{problems:?}");
    }
}

#[test]
fn conditions_look_back_over_two_slices_or_more() {
    let conditions = |lookback| {
        let keys = format!("op: gt, threshold: 2, lookbackWindow: {lookback}");
        let text = with_conditions("30d", "0.99", &[("page", &keys)]);
        text.replace("Occurrences", "Timeslices").replace(
            "- target: 0.99",
            "- { target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 5m }",
        )
    };
    assert_eq!(defined(&conditions("10m")).rules.map(|rules| rules.len()), Some(1));
    let (definitions, problems) = compile(&conditions("5m"));
    assert!(definitions.is_empty());
    assert_eq!(
        problems,
        [
            "slo.yaml:29:7: spec.objectives[0]: a condition looks back over 5m, which may hold no closed slice of 5m; use a lookbackWindow of two slices or more, or shorter slices"
        ]
    );
    let slo = defined(&sliced(
        "Timeslices",
        "{ target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 15m }",
    ));
    let rules = slo.rules_or(&DEFAULT_RULES);
    let shortest: Vec<_> = rules.iter().filter_map(|rule| rule.windows().min()).collect();
    let expected = [30, 120, 360].map(|minutes| minutes * MINUTE);
    assert_eq!(shortest, expected, "the row over 5 min holds no slice of 15 min");
}
