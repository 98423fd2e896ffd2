//! Many SLIs in one plan count as each of them would by a plain reading of its filters.

use model::{SpanKind, Telemetry};
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use proptest::sample::select;
use slo::filter::{Field, Filter, Intrinsic, Memo, Plan, SlotValue, SpanStatus};

use super::declared::{judging, plans};
use super::otel::*;
use super::*;

const TERMS: [&str; 18] = [
    r#"resource.service.name = "a""#,
    r#"resource.service.name = "b""#,
    r#"(resource.service.name = "a" || resource.service.name = "c")"#,
    r#"resource.zone = "z""#,
    r#"span.route = "/x""#,
    r#"span.route = "/y""#,
    r#"(span.route = "/x" || span.route = "/z")"#,
    r#"span.route != "/x""#,
    r#"name = "x""#,
    r#"!(span.route = "/y")"#,
    "kind = server",
    "status != error",
    "duration < 300ms",
    "duration <= 300ms",
    "duration < 600ms",
    "duration > 200ms",
    "span.tier <= 1",
    r#"(span.tier = 1 || span.route = "/x")"#,
];

/// A span, its service and its zone.
type Sent = (&'static str, &'static str, Span);

fn filter() -> impl Strategy<Value = String> {
    prop::collection::vec(select(&TERMS[..]), 0..4)
        .prop_map(|terms| format!("{{ {} }}", terms.join(" && ")))
}

fn sent() -> impl Strategy<Value = Sent> {
    let with = select(&["", "route=/x", "route=/y,tier=1", "route=/z,tier=2", "tier=1"][..]);
    let took = select(&[MS, 300 * MS, 700 * MS][..]);
    let resource = (select(&["a", "b", "c"][..]), select(&["z", "w"][..]));
    let kind = select(&[SERVER, CLIENT][..]);
    let rest = (select(&["x", "y"][..]), with, took, any::<bool>());
    (resource, kind, rest).prop_map(|((service, zone), kind, (name, with, took, fails))| {
        let span = ended(kind, name, with, NOW, took);
        (service, zone, if fails { failed(span, "") } else { span })
    })
}

/// Whether a span passes a filter, read alone and without any index.
fn passes(filter: &str, (service, zone, span): &Sent) -> bool {
    let mut plan = Plan::new();
    let filter = Filter::parse(Telemetry::Traces, filter).unwrap();
    let program = plan.compile(&filter).unwrap();
    let attribute = |key: &str| {
        let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
        match found.value.as_ref()?.value.as_ref()? {
            Any::StringValue(text) => Some(SlotValue::Str(text.as_bytes())),
            Any::IntValue(number) => Some(SlotValue::Int(*number)),
            _ => None,
        }
    };
    let value = |field: &Field| match field {
        Field::Resource(key) if key == "zone" => SlotValue::Str(zone.as_bytes()),
        Field::Resource(_) => SlotValue::Str(service.as_bytes()),
        Field::Intrinsic(Intrinsic::Name) => SlotValue::Str(span.name.as_bytes()),
        Field::Intrinsic(Intrinsic::Kind) => SlotValue::Kind(SpanKind::from_otlp(span.kind)),
        Field::Intrinsic(Intrinsic::Status) => {
            let code = span.status.as_ref().map_or(0, |status| status.code);
            SlotValue::Status(SpanStatus::from_otlp(code))
        }
        Field::Intrinsic(_) => {
            SlotValue::Duration(span.end_time_unix_nano - span.start_time_unix_nano)
        }
        Field::Scope(_) => SlotValue::Missing,
        Field::Item(key) => attribute(key).unwrap_or(SlotValue::Missing),
    };
    let slots: Vec<_> = plan.fields().iter().map(value).collect();
    program.matches(&plan, &slots, &mut Memo::new(&plan))
}

/// Total and bad events by name of the SLO and group.
fn expected(slos: &[Slo], spans: &[Sent]) -> BTreeMap<(String, Vec<String>), (u64, i64)> {
    let mut counts = BTreeMap::new();
    for (number, (total, selected, numerator, group)) in slos.iter().enumerate() {
        for span in spans.iter().filter(|span| passes(total, span)) {
            let group = if group.is_empty() { vec![] } else { vec![span.0.to_owned()] };
            let count: &mut (u64, i64) =
                counts.entry((format!("slo-{number}"), group)).or_default();
            count.0 += 1;
            count.1 += i64::from(passes(selected, span) != (*numerator == "good"));
        }
    }
    counts
}

/// Filters of all events and of the selected ones, which these are, and a group.
type Slo = (String, String, &'static str, &'static str);

fn slo() -> impl Strategy<Value = Slo> {
    let group = select(&["", "", "resource.service.name"][..]);
    (filter(), filter(), select(&["good", "bad"][..]), group)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_sli_counts_as_it_would_alone(
        slos in prop::collection::vec(slo(), 1..12),
        spans in prop::collection::vec(sent(), 0..20),
        hand_over_after in 0_usize..20,
    ) {
        let mut observer = judging(plans("traces", &slos));
        let mut deltas = Vec::new();
        for (number, (service, zone, span)) in spans.iter().enumerate() {
            let with = format!("service.name={service},zone={zone}");
            observer.traces(&traces(&with, vec![span.clone()]), NOW).unwrap();
            if number == hand_over_after {
                deltas.push(observer.flush());
            }
        }
        deltas.push(observer.flush());
        let mut counts = BTreeMap::new();
        for (slo, delta) in (0..slos.len()).flat_map(|n| deltas.iter().map(move |d| (n, d))) {
            let name = format!("slo-{slo}");
            for (group, (total, bad)) in super::declared(delta, &name) {
                let count: &mut (u64, i64) = counts.entry((name.clone(), group)).or_default();
                *count = (count.0 + total, count.1 + bad);
            }
        }
        prop_assert_eq!(counts, expected(&slos, &spans));
    }
}
