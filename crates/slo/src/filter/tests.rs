use model::{SpanKind, Telemetry};

use super::*;

const TRACES: Telemetry = Telemetry::Traces;
const METRICS: Telemetry = Telemetry::Metrics;
const LOGS: Telemetry = Telemetry::Logs;

/// Whether an event with these fields passes; fields are named as in a filter.
fn passes(signal: Telemetry, filter: &str, event: &[(&str, SlotValue<'_>)]) -> bool {
    let filter = Filter::parse(signal, filter).unwrap_or_else(|e| panic!("{filter}: {e:?}"));
    let mut plan = Plan::new();
    let program = plan.compile(&filter).unwrap();
    program.matches(&plan, &slots(signal, &plan, event), &mut Memo::new(&plan))
}

fn slots<'a>(
    signal: Telemetry,
    plan: &Plan,
    event: &[(&str, SlotValue<'a>)],
) -> Vec<SlotValue<'a>> {
    let event: Vec<(Field, SlotValue<'a>)> =
        event.iter().map(|(name, value)| (Field::parse(signal, name).unwrap(), *value)).collect();
    let value = |field: &Field| {
        event.iter().find(|(known, _)| known == field).map_or(SlotValue::Missing, |(_, v)| *v)
    };
    plan.fields().iter().map(value).collect()
}

/// The errors of a filter as printed.
fn errors(signal: Telemetry, filter: &str) -> Vec<String> {
    Filter::parse(signal, filter).unwrap_err().iter().map(ToString::to_string).collect()
}

const CHECKOUT: &[(&str, SlotValue<'_>)] = &[
    ("resource.service.name", SlotValue::Str(b"checkout")),
    ("scope.name", SlotValue::Str(b"http")),
    ("span.http.route", SlotValue::Str(b"/buy/{id}")),
    ("span.http.response.status_code", SlotValue::Int(503)),
    ("span.ratio", SlotValue::Float(0.5)),
    ("span.retried", SlotValue::Bool(true)),
    ("span.count", SlotValue::Str(b"12")),
    ("name", SlotValue::Str(b"POST /buy")),
    ("kind", SlotValue::Kind(SpanKind::Server)),
    ("status", SlotValue::Status(SpanStatus::Error)),
    ("statusMessage", SlotValue::Str(b"out of stock")),
    ("duration", SlotValue::Duration(300_000_000)),
];

#[test]
fn every_operator_on_spans() {
    for (filter, expected) in [
        ("{ }", true),
        ("{}", true),
        (r#"{ resource.service.name = "checkout" }"#, true),
        (r#"{ resource.service.name != "checkout" }"#, false),
        (r#"{ resource.service.name =~ "check|pay" }"#, false),
        (r#"{ resource.service.name =~ "check.*|pay" }"#, true),
        (r#"{ resource.service.name !~ "pay.*" }"#, true),
        (r#"{ scope.name = "http" }"#, true),
        (r#"{ span."http.route" = `/buy/{id}` }"#, true),
        (r#"{ span.http.route =~ "/buy/\\{id\\}" }"#, true),
        ("{ span.http.response.status_code >= 500 }", true),
        ("{ span.http.response.status_code > 503 }", false),
        ("{ span.http.response.status_code < 503.5 }", true),
        ("{ span.http.response.status_code <= 502.9 }", false),
        ("{ span.http.response.status_code = 503.0 }", true),
        ("{ span.http.response.status_code != 503 }", false),
        ("{ span.ratio = 0.5 && span.ratio < 1 && span.ratio > -1 }", true),
        ("{ span.ratio = 5e-1 }", true),
        ("{ span.retried = true }", true),
        ("{ span.retried != true }", false),
        ("{ span.retried = false }", false),
        ("{ kind = server }", true),
        ("{ kind != server }", false),
        ("{ kind = client || kind = consumer }", false),
        ("{ status = error }", true),
        ("{ status != error }", false),
        ("{ status = unset }", false),
        (r#"{ statusMessage =~ ".*stock" && name = "POST /buy" }"#, true),
        ("{ duration < 300ms }", false),
        ("{ duration <= 300ms }", true),
        ("{ duration > 0.2s && duration < 1m0s }", true),
        ("{ !(duration > 1s) && !!(kind = server) }", true),
        ("{ status = ok || kind = server && duration > 1s }", false),
        ("{ (status = error || kind = client) && duration < 1s }", true),
    ] {
        assert_eq!(passes(TRACES, filter, CHECKOUT), expected, "{filter}");
    }
}

#[test]
fn a_comparison_with_a_missing_attribute_is_false() {
    for op in ["=", "!=", "<", "<=", ">", ">="] {
        assert!(!passes(TRACES, &format!("{{ span.absent {op} 1 }}"), CHECKOUT), "{op}");
    }
    for filter in [
        r#"{ span.absent = "x" }"#,
        r#"{ span.absent != "x" }"#,
        r#"{ span.absent =~ ".*" }"#,
        r#"{ span.absent !~ "x" }"#,
        "{ span.absent != true }",
        "{ span.absent != nil }",
        "{ span.ratio = nil }",
    ] {
        assert!(!passes(TRACES, filter, CHECKOUT), "{filter}");
    }
    assert!(passes(TRACES, "{ span.absent = nil && span.ratio != nil }", CHECKOUT));
    assert!(passes(TRACES, r#"{ !(span.absent = "x") }"#, CHECKOUT));
}

#[test]
fn values_of_another_type_never_pass() {
    for filter in [
        "{ span.count = 12 }",
        "{ span.count != 12 }",
        r#"{ span.http.response.status_code = "503" }"#,
        r#"{ span.http.response.status_code != "200" }"#,
        r#"{ span.http.response.status_code !~ "2.." }"#,
        "{ span.retried != 1 }",
    ] {
        assert!(!passes(TRACES, filter, CHECKOUT), "{filter}");
    }
}

#[test]
fn integers_and_floats_compare_exactly() {
    let big = (1_i64 << 53) + 1;
    let event = [("span.big", SlotValue::Int(big)), ("span.nan", SlotValue::Float(f64::NAN))];
    for (filter, expected) in [
        ("{ span.big = 9007199254740993 }", true),
        ("{ span.big = 9007199254740992 }", false),
        ("{ span.big > 9007199254740992.0 }", true),
        ("{ span.big < 1e300 && span.big > -1e300 }", true),
        ("{ span.nan = 1 }", false),
        ("{ span.nan < 1 || span.nan >= 1 }", false),
        ("{ span.nan != 1 }", true),
    ] {
        assert_eq!(passes(TRACES, filter, &event), expected, "{filter}");
    }
    let below = [("span.x", SlotValue::Float(-2.5))];
    assert!(passes(TRACES, "{ span.x < -2 && span.x > -3 }", &below));
}

#[test]
fn severities_are_bands() {
    let at = |number| [("severity", SlotValue::Severity(number))];
    for (filter, number, expected) in [
        ("{ severity = error }", 18, true),
        ("{ severity = error }", 21, false),
        ("{ severity != error }", 17, false),
        ("{ severity >= error }", 17, true),
        ("{ severity > error }", 20, false),
        ("{ severity > error }", 21, true),
        ("{ severity < warn }", 12, true),
        ("{ severity <= warn }", 16, true),
        ("{ severity < trace }", 1, false),
        ("{ severity >= 13 }", 13, true),
        ("{ severity = 13 }", 14, false),
    ] {
        assert_eq!(passes(LOGS, filter, &at(number)), expected, "{filter} at {number}");
    }
    let unknown = [("severity", SlotValue::Missing), ("body", SlotValue::Str(b"a\nb"))];
    assert!(!passes(LOGS, "{ severity != error }", &unknown));
    assert!(passes(LOGS, r#"{ body =~ "(?s)a.b" && log.absent = nil }"#, &unknown));
}

#[test]
fn strings_that_are_not_utf_8_are_compared_as_bytes() {
    let event = [("span.raw", SlotValue::Str(b"a\xff"))];
    assert!(passes(TRACES, r#"{ span.raw != "a" }"#, &event));
    assert!(passes(TRACES, r#"{ span.raw !~ "a" }"#, &event));
}

#[test]
fn values_of_points_are_compared_in_the_unit_of_the_metric() {
    let event = |unit: &'static [u8], value| {
        [
            ("metric.name", SlotValue::Str(b"latency")),
            ("metric.unit", SlotValue::Str(unit)),
            ("value", value),
        ]
    };
    let filter = r#"{ metric.name = "latency" && value < 500ms }"#;
    assert!(passes(METRICS, filter, &event(b"s", SlotValue::Float(0.4))));
    assert!(!passes(METRICS, filter, &event(b"s", SlotValue::Float(0.5))));
    assert!(passes(METRICS, filter, &event(b"ms", SlotValue::Int(499))));
    assert!(!passes(METRICS, filter, &event(b"By", SlotValue::Int(1))));
    assert!(passes(METRICS, "{ value > 3 }", &event(b"By", SlotValue::Int(4))));
}

#[test]
fn a_plan_names_each_field_once() {
    let mut plan = Plan::new();
    let parse = |text| Filter::parse(TRACES, text).unwrap();
    let total = plan.compile(&parse(r#"{ resource.service.name = "a" && kind = server }"#));
    let good =
        plan.compile(&parse(r#"{ kind = server && resource.service.name = "a" && status = ok }"#));
    let route = Field::parse(TRACES, "span.http.route").unwrap();
    assert_eq!(plan.slot(&route), Ok(3));
    assert_eq!(
        plan.fields(),
        [
            Field::Resource("service.name".to_owned()),
            Field::Intrinsic(Intrinsic::Kind),
            Field::Intrinsic(Intrinsic::Status),
            route,
        ]
    );
    let event = [SlotValue::Str(b"a"), SlotValue::Kind(SpanKind::Server)];
    assert_eq!(plan.comparisons(), 3);
    let mut memo = Memo::new(&plan);
    assert!(total.unwrap().matches(&plan, &event, &mut memo));
    assert!(!good.unwrap().matches(&plan, &event, &mut memo), "a slot beyond the slice is missing");
}

#[test]
fn a_plan_is_bounded() {
    let mut plan = Plan::new();
    for i in 0..FIELDS_MAX {
        plan.slot(&Field::Item(i.to_string())).unwrap();
    }
    assert_eq!(plan.slot(&Field::Item("one more".to_owned())), Err(TooManyFields));
    assert_eq!(plan.slot(&Field::Item("7".to_owned())), Ok(7));
}

#[test]
fn the_value_bound_is_split_off() {
    let split = |text| Filter::parse(METRICS, text).unwrap().split_value_bound();
    let ValueSplit::Bound { points, bound } =
        split(r#"{ metric.name = "latency" && value <= 500ms && point.route = "/buy" }"#)
    else {
        panic!("a bound")
    };
    assert_eq!(bound.op, Op::LessOrEqual);
    assert!(bound.selects_below());
    let in_units = ["s", "ms", "By"].map(|unit| bound.in_unit(unit));
    assert_eq!(in_units, [Some(0.5), Some(500.0), None]);
    let mut plan = Plan::new();
    let program = plan.compile(&points).unwrap();
    assert_eq!(plan.fields().len(), 2);
    let event = [SlotValue::Str(b"latency"), SlotValue::Str(b"/buy")];
    assert!(program.matches(&plan, &event, &mut Memo::new(&plan)));

    let ValueSplit::Bound { bound, .. } = split("{ value > 3 }") else { panic!("a bound") };
    assert_eq!(bound.in_unit("By"), Some(3.0));
    assert!(!bound.selects_below());
    assert_eq!(split(r#"{ metric.name = "latency" }"#), ValueSplit::All);
    for (filter, column) in [
        ("{ value < 3 || point.x = 1 }", 3),
        ("{ point.x = 1 && !(value < 3) }", 20),
        ("{ value > 1 && value < 3 }", 16),
        ("{ value = 3 }", 3),
    ] {
        assert_eq!(split(filter), ValueSplit::Unsplittable { column }, "{filter}");
    }
}

const SYNTAX_ERRORS: &[(&str, &str)] = &[
    ("kind = server", "column 1: `{` is missing here; a filter stands in braces: { ... }"),
    (
        "{ kind = server",
        "column 16: `}` is missing here; join comparisons with && or ||, and end with }",
    ),
    ("{ kind = server } x", "column 19: nothing may follow here; remove it"),
    ("{ kind server }", "column 8: an operator is missing here; write one of = != =~ !~ < <= > >="),
    ("{ kind == server }", "column 8: `==` is no operator; write ="),
    ("{ kind = server & status = ok }", "column 17: `&` is no operator; write &&"),
    (
        "{ kind = }",
        "column 10: a value is missing after `=`; write a text, a number, a duration or nil",
    ),
    ("{ (kind = server }", "column 18: `)` is missing here; close the parenthesis"),
    (
        "{ kind = server && }",
        "column 20: a field is missing here; write one of name, kind, status, statusMessage, duration, resource.KEY, scope.KEY, span.KEY",
    ),
    (
        "{ 300ms < duration }",
        "column 3: a comparison begins with a field; put the value on the right side",
    ),
    ("{ duraton < 300ms }", "column 3: `duraton` is no field of traces; did you mean duration?"),
    (
        "{ resorce.service.name = nil }",
        "column 3: `resorce.service.name` is no field of traces; did you mean resource.service.name?",
    ),
    (
        "{ http.route = nil }",
        "column 3: `http.route` is no field of traces; write span.http.route or resource.http.route",
    ),
    ("{ .foo = nil }", "column 3: `.foo` is no field of traces; write span.foo or resource.foo"),
    ("{ span. = nil }", "column 3: the attribute's key is missing; write span.key or span.\"key\""),
    (
        "{ name = checkout }",
        "column 10: `checkout` is no value of `name`; put it in quotes: \"checkout\"",
    ),
    ("{ kind = servr }", "column 10: `servr` is no value of `kind`; did you mean server?"),
    (
        "{ duration < 300sec }",
        "column 14: `300sec` is neither a number nor a duration: it has an unknown unit; write for example 500, 0.5, 300ms or 1h30m",
    ),
    ("{ name = \"x }", "column 10: the text is not closed; end it with \""),
    ("{ name = 'x' }", "column 10: `'` begins nothing; quote texts with \""),
    (
        "{ name = \"\\d\" }",
        "column 11: unknown escape in a text; write \\\\ for a backslash, or quote with ` instead",
    ),
    (
        "{ severity = error }",
        "column 3: `severity` is only in logs, not in traces; here are: name, kind, status, statusMessage, duration, resource.KEY, scope.KEY, span.KEY",
    ),
    (
        "{ log.x = 1 }",
        "column 3: `log.x` is only in logs, not in traces; here are: name, kind, status, statusMessage, duration, resource.KEY, scope.KEY, span.KEY",
    ),
];

#[test]
fn errors_of_syntax_name_the_column_and_the_mend() {
    for (filter, expected) in SYNTAX_ERRORS {
        assert_eq!(errors(TRACES, filter), [*expected], "{filter}");
    }
    for signal in [METRICS, LOGS] {
        assert!(errors(signal, "{ kind = server }")[0].contains("`kind` is only in traces"));
    }
    assert!(errors(LOGS, "{ value < 3 }")[0].contains("`value` is only in metrics"));
}

#[test]
fn all_errors_of_type_come_at_once() {
    assert_eq!(
        errors(
            TRACES,
            r#"{ duration > "1s" && duration < 300 && kind = "server" && span.x > 1s
              && name < "a" && span.x =~ 5 && span.x > nil && status > ok && name = 5
              && name = true && name =~ "a)(b" && name =~ "(" && span.x < true && name > 1s }"#
        ),
        [
            "column 3: `duration` is a duration and never a text; compare it with a duration such as 300ms",
            "column 22: `duration` is a duration, not a bare number; write its unit, for example 300ms",
            "column 40: `kind` is compared with a bare word, not with a text; write kind = server without quotes",
            "column 59: `span.x` is an attribute and carries no unit; compare it with a number in its own unit",
            "column 88: texts have no order for `<`; use = or =~",
            "column 102: `=~` does not apply to a number; write a quoted regular expression, or use =",
            "column 117: `>` does not apply to nil; write span.x = or span.x !=",
            "column 133: `>` does not apply to a span status; write status = or status !=",
            "column 148: `name` is a text and never a number; compare it with a quoted text",
            "column 174: `name` is a text and never a boolean; compare it with a quoted text",
            "column 189: the regular expression is wrong: unopened group",
            "column 207: the regular expression is wrong: unclosed group",
            "column 222: `<` does not apply to a boolean; write span.x = or span.x !=",
            "column 239: `name` is a text and never a duration; compare it with a quoted text",
        ]
    );
    assert!(errors(METRICS, r#"{ value = "x" }"#)[0].contains("is a number and never a text"));
    assert!(errors(LOGS, "{ severity > 1.5 }")[0].contains("is a severity and never a number"));
}

#[test]
fn size_depth_and_regular_expressions_are_bounded() {
    let deep = format!("{{ {}kind = server{} }}", "(".repeat(40), ")".repeat(40));
    assert!(errors(TRACES, &deep)[0].contains("nested more than 32 deep"));
    assert!(
        errors(TRACES, &format!("{{ {}kind = server }}", "!".repeat(4000)))[0].contains("deep")
    );
    let wide = vec!["span.x = 1"; COMPARISONS_MAX + 1].join(" || ");
    assert!(errors(TRACES, &format!("{{ {wide} }}"))[0].contains("more than 64 comparisons"));
    assert!(errors(TRACES, &" ".repeat(5000))[0].contains("longer than 4096 bytes"));
    let heavy = r#"{ name =~ "(((a{100}){100}){100})" }"#;
    assert!(errors(TRACES, heavy)[0].contains("larger than 1048576 bytes"));
}

#[test]
fn a_field_alone_is_parsed() {
    for (text, printed) in [
        ("span.http.route", "http.route"),
        ("resource.\"service name\"", "resource.service name"),
        ("kind", "kind"),
        ("scope.version", "scope.version"),
    ] {
        assert_eq!(Field::parse(TRACES, text).unwrap().to_string(), printed);
    }
    assert!(Field::parse(TRACES, "span.a span.b").is_err());
    assert!(Field::parse(TRACES, "").is_err());
}

mod random {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\{[ -~]{0,60}\\}") {
            for signal in [TRACES, METRICS, LOGS] {
                if let Err(errors) = Filter::parse(signal, &text) {
                    for error in errors {
                        prop_assert!((1..=text.chars().count() + 1).contains(&error.column));
                    }
                }
            }
        }
    }
}
