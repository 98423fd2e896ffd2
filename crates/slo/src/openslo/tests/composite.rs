//! Objectives with indicators of their own.

use super::*;
use crate::composite::Composition;

/// An indicator over these events; `extra` stands beside the filters.
fn indicator(total: &str, extra: &str) -> String {
    let side = |filter: &str| {
        format!(
            "{{ metricSource: {{ type: otlp, spec: {{ signal: traces, filter: '{filter}'{extra} }} }} }}"
        )
    };
    format!(
        "indicator: {{ metadata: {{ name: i }}, spec: {{ ratioMetric: {{ good: {}, total: {} }} }} }}",
        side(&format!("{{ {total} && status != error }}")),
        side(&format!("{{ {total} }}")),
    )
}

/// An SLO of this method without an indicator of its own, with these objectives.
fn composite(method: &str, objectives: &[String]) -> String {
    let (start, end) = (SLO.find("  indicator").unwrap(), SLO.find("  timeWindow").unwrap());
    let text = format!("{}{}", &SLO[..start], &SLO[end..]).replace("Occurrences", method);
    let objectives: String =
        objectives.iter().map(|objective| format!("    - {{ {objective} }}\n")).collect();
    text.replace("    - target: 0.999\n", &objectives)
}

fn parts_of(slo: &SloDefinition) -> (&[String], &Composition) {
    let Indicator::Composite(composite) = &slo.indicator else { panic!("a composite") };
    (&composite.parts, &composite.composition)
}

#[test]
fn a_composite_is_its_parts_and_the_whole_that_alerts() {
    let objectives = [
        format!("displayName: front, target: 0.99, {}", indicator("kind = server", "")),
        format!("target: 0.999, compositeWeight: 0.5, {}", indicator("kind = client", "")),
    ];
    let (definitions, problems) = compile(&composite("Occurrences", &objectives));
    assert_eq!(problems, [""; 0]);
    let [front, back, whole] = definitions.as_slice() else { panic!("three definitions") };
    assert_eq!(
        [&*front.name, &back.name, &whole.name],
        ["checkout-fast/1", "checkout-fast/2", "checkout-fast"]
    );
    assert_eq!(front.display_name, "Checkout is fast (front)");
    for part in [front, back] {
        assert_eq!(part.part_of.as_deref(), Some("checkout-fast"));
        assert!(part.rules_or(&DEFAULT_RULES).is_empty());
    }
    assert_eq!((whole.part_of.as_deref(), whole.objective), (None, back.objective));
    assert_eq!(whole.rules_or(&DEFAULT_RULES).len(), DEFAULT_RULES.len());
    let (names, composition) = parts_of(whole);
    assert_eq!(names, ["checkout-fast/1", "checkout-fast/2"]);
    let Composition::Sum(factors) = composition else { panic!("a sum") };
    assert!((factors[0] - 0.1).abs() < 1e-12 && (factors[1] - 0.5).abs() < 1e-12, "{factors:?}");
}

#[test]
fn slices_of_a_composite_are_united_or_added_up() {
    let of = |weight: &str, length: &str, target: &str| {
        let slice = format!("timeSliceWindow: {length}{target}");
        format!("target: 0.99, {slice}{weight}, {}", indicator("kind = server", ""))
    };
    let (weight, target) = (", compositeWeight: 3", ", timeSliceTarget: 0.9");
    let united = composite("Timeslices", &[of("", "1m", target), of("", "1m", target)]);
    let (definitions, problems) = compile(&united);
    assert_eq!(problems, [""; 0]);
    assert_eq!(parts_of(&definitions[2]).1, &Composition::Any);
    assert_eq!(definitions[2].slicing, definitions[0].slicing);

    let added = composite("RatioTimeslices", &[of(weight, "1m", ""), of("", "10m", "")]);
    let (definitions, problems) = compile(&added);
    assert_eq!(problems, [""; 0]);
    assert_eq!(parts_of(&definitions[2]).1, &Composition::Sum(vec![3.0, 1.0]));
    assert_eq!(definitions[2].slicing, definitions[1].slicing, "the longest");

    let uneven = composite("Timeslices", &[of("", "1m", target), of("", "2m", target)]);
    let (definitions, problems) = compile(&uneven);
    assert!(definitions.is_empty());
    assert!(problems[0].contains("2m differs from that of another part, 1m"), "{problems:?}");

    let weighted = composite("Timeslices", &[of(weight, "1m", target), of("", "1m", target)]);
    let (definitions, problems) = compile(&weighted);
    assert_eq!((definitions.len(), problems.len()), (3, 1));
    assert!(
        problems[0].contains("warning") && problems[0].contains("one bad part makes a slice bad")
    );
}

#[test]
fn what_is_wrong_with_a_composite_is_told_with_its_mend() {
    let server = indicator("kind = server", "");
    let grouped = indicator("kind = server", ", groupBy: [span.http.route]");
    for (objectives, expected) in [
        (
            vec![format!("target: 0.9, {server}"), "target: 0.9".to_owned()],
            "spec.objectives[1]: indicator is missing: other objectives have their own; add indicator or indicatorRef",
        ),
        (
            vec![format!("target: 0.9, {grouped}")],
            "spec.objectives[0]: groups of composite SLOs are not yet judged; leave groupBy out, or write one SLO for each indicator",
        ),
        (
            vec![format!("target: 0.9, compositeWeight: 0, {server}")],
            "spec.objectives[0].compositeWeight: a weight of 0 counts for nothing; write one above 0, or leave it out",
        ),
        (
            vec!["target: 0.9, indicatorRef: gone".to_owned()],
            "spec.objectives[0].indicatorRef: there is no SLI named \"gone\"; add a document of kind SLI with this name",
        ),
    ] {
        let (definitions, problems) = compile(&composite("Occurrences", &objectives));
        assert!(definitions.is_empty(), "{objectives:?}");
        let [problem] = problems.as_slice() else { panic!("{problems:?}") };
        assert!(problem.ends_with(expected), "{problem}");
    }
    let both = with("    - target: 0.999", &format!("    - {{ target: 0.9, {server} }}"));
    let (definitions, problems) = compile(&both);
    assert!(definitions.is_empty());
    assert!(problems[0].contains("move each indicator into its objective"), "{problems:?}");
    let (definitions, problems) =
        compile(&with("- target: 0.999", "- { target: 0.999, compositeWeight: 2 }"));
    assert_eq!(definitions.len(), 1);
    assert!(
        problems[0].contains("warning") && problems[0].contains("compositeWeight says nothing")
    );
}
