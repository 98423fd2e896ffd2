//! OTLP/JSON by hand: what real senders write, and what the specification demands of readers.

use opentelemetry_proto::tonic::common::v1::any_value::Value as V;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1 as m;
use opentelemetry_proto::tonic::trace::v1::Span;

use fuzz::rebuild;
use otlp::json::{JSON_DEPTH_MAX, JSON_DUPLICATES_MAX, JsonError, transcode};
use otlp::{Reason, Scratch, Signal, Summary, VALUE_DEPTH_MAX, logs, metrics, traces};

fn walk_traces(json: &str) -> (Summary, rebuild::Traces) {
    let mut bytes = Vec::new();
    transcode(Signal::Traces, json.as_bytes(), &mut bytes).unwrap();
    let (scratch, mut visitor) = (Scratch::new(), rebuild::Traces::default());
    let summary = traces(&bytes, &scratch, &mut visitor).unwrap();
    (summary, visitor)
}

const SPAN: &str = r#""traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000"#;

fn spans(rest: &str) -> (Summary, Vec<Span>) {
    let json =
        format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{SPAN}{rest}}}]}}]}}]}}"#);
    let (summary, visitor) = walk_traces(&json);
    (summary, visitor.resources[0].scope_spans[0].spans.clone())
}

fn span(rest: &str) -> Span {
    let (summary, mut spans) = spans(rest);
    assert_eq!(summary.rejected.as_message(), "");
    spans.remove(0)
}

fn rejected(rest: &str) -> (Reason, String) {
    let (summary, spans) = spans(rest);
    assert!(spans.is_empty(), "{rest} was accepted");
    let (reason, count) = summary.rejected.iter().next().unwrap();
    assert_eq!((count, summary.items), (1, 0));
    (reason, summary.rejected.as_message())
}

fn value(json: &str) -> Option<V> {
    let span = span(&format!(r#","attributes":[{{"key":"k","value":{json}}}]"#));
    assert_eq!(span.attributes[0].key, "k");
    span.attributes[0].value.clone().unwrap().value
}

fn refused(json: &[u8]) -> JsonError {
    let mut out = vec![1];
    let error = transcode(Signal::Traces, json, &mut out).unwrap_err();
    assert!(out.is_empty());
    error
}

fn some(value: V) -> AnyValue {
    AnyValue { value: Some(value) }
}

#[test]
fn reads_attribute_values_of_every_form() {
    let text = |text: &str| Some(V::StringValue(text.to_owned()));
    let bytes = |bytes: &[u8]| Some(V::BytesValue(bytes.to_vec()));
    let array = |values| Some(V::ArrayValue(ArrayValue { values }));
    let cases = [
        (r#"{"stringValue":"a"}"#, text("a")),
        (r#"{"stringValue":""}"#, text("")),
        (r#"{"boolValue":false}"#, Some(V::BoolValue(false))),
        (r#"{"intValue":"9223372036854775807"}"#, Some(V::IntValue(i64::MAX))),
        (r#"{"intValue":-9223372036854775808}"#, Some(V::IntValue(i64::MIN))),
        (r#"{"intValue":1.5e18}"#, Some(V::IntValue(1_500_000_000_000_000_000))),
        (r#"{"intValue":"10.0"}"#, Some(V::IntValue(10))),
        (r#"{"intValue":-0}"#, Some(V::IntValue(0))),
        (r#"{"intValue":1200e-2}"#, Some(V::IntValue(12))),
        (r#"{"doubleValue":1}"#, Some(V::DoubleValue(1.0))),
        (r#"{"doubleValue":"1.5"}"#, Some(V::DoubleValue(1.5))),
        (r#"{"doubleValue":"Infinity"}"#, Some(V::DoubleValue(f64::INFINITY))),
        (r#"{"doubleValue":"-Infinity"}"#, Some(V::DoubleValue(f64::NEG_INFINITY))),
        // What JavaScript writes of a NaN.
        (r#"{"doubleValue":null}"#, None),
        // What the Go collector writes of an empty list.
        (r#"{"arrayValue":{}}"#, array(vec![])),
        (r#"{"arrayValue":{"values":[]}}"#, array(vec![])),
        (r#"{"arrayValue":{"values":null}}"#, array(vec![])),
        (
            r#"{"arrayValue":{"values":[{"intValue":"1"},{},{"stringValue":"b"}]}}"#,
            array(vec![
                some(V::IntValue(1)),
                AnyValue::default(),
                some(V::StringValue("b".to_owned())),
            ]),
        ),
        (r#"{"kvlistValue":{}}"#, Some(V::KvlistValue(KeyValueList::default()))),
        (r#"{"bytesValue":"+/8="}"#, bytes(&[0xfb, 0xff])),
        (r#"{"bytesValue":"-_8="}"#, bytes(&[0xfb, 0xff])),
        (r#"{"bytesValue":"-_8"}"#, bytes(&[0xfb, 0xff])),
        (r#"{"bytesValue":"+\/8="}"#, bytes(&[0xfb, 0xff])),
        (r#"{"bytesValue":"AQ=="}"#, bytes(&[1])),
        (r#"{"bytesValue":""}"#, bytes(&[])),
        (r#"{}"#, None),
        (r#"null"#, None),
        (r#"{"futureValue":{"deep":[1,{"a":null}]},"intValue":"7"}"#, Some(V::IntValue(7))),
        (r#"{"string_value":"ignored"}"#, None),
        (r#"{"stringValue":"a","stringValue":"b"}"#, text("b")),
        (r#"{"stringValue":"a","stringValue":null}"#, None),
        (r#"{"stringValue":"a","intValue":null}"#, text("a")),
        (r#"{"string\u0056alue":"a"}"#, text("a")),
    ];
    for (json, expected) in cases {
        assert_eq!(value(json), expected, "{json}");
    }
    let nan = value(r#"{"doubleValue":"NaN"}"#);
    assert!(matches!(nan, Some(V::DoubleValue(value)) if value.is_nan()), "{nan:?}");
}

#[test]
fn an_attribute_reads_the_same_in_every_writing() {
    let long = "x".repeat(300);
    for (key, text) in [("k", ""), ("", "v"), ("http.route", "/a"), (&*long, &*long)] {
        let value = format!(r#"{{"stringValue":"{text}"}}"#);
        let usual = format!(r#"{{"key":"{key}","value":{value}}}"#);
        let writings = [
            format!(r#"{{ "key": "{key}", "value": {value} }}"#),
            format!(r#"{{"value":{value},"key":"{key}"}}"#),
            format!(r#"{{"k\u0065y":"{key}","value":{value}}}"#),
            format!(r#"{{"key":"{key}","value":{{"stringValue":"{text}","x":1}},"y":[]}}"#),
            format!(r#"{{"key":"no","value":{value},"key":"{key}"}}"#),
        ];
        let read = |json: &str| span(&format!(r#","attributes":[{json},{json}]"#)).attributes;
        let expected = read(&usual);
        assert_eq!((expected.len(), &*expected[1].key), (2, key));
        assert_eq!(expected[1].value, Some(some(V::StringValue(text.to_owned()))));
        for writing in writings {
            assert_eq!(read(&writing), expected, "{writing}");
        }
    }
    for broken in ["0x1", "01", "1 2", "+1", "", "\"1"] {
        let json = format!(r#","attributes":[{{"key":"k","value":{{"intValue":{broken}}}}}]"#);
        let json =
            format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{SPAN}{json}}}]}}]}}]}}"#);
        refused(json.as_bytes());
    }
}

#[test]
fn a_usual_attribute_nests_as_deep_as_any_other() {
    let nested = |levels: usize, innermost: &str| {
        let open = r#"{"key":"k","value":{"kvlistValue":{"values":["#.repeat(levels);
        let close = "]}}}".repeat(levels);
        let json = format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[{open}{innermost}{close}]}}}}]}}"#
        );
        transcode(Signal::Traces, json.as_bytes(), &mut Vec::new())
    };
    let levels = JSON_DEPTH_MAX as usize / 4;
    let mut deepest = 0;
    for levels in levels - 3..=levels + 3 {
        let usual = nested(levels, r#"{"key":"k","value":{"stringValue":"v"}}"#);
        let spaced = nested(levels, r#"{"key": "k","value": {"stringValue": "v"}}"#);
        assert_eq!(usual.is_ok(), spaced.is_ok(), "{levels}: {usual:?} {spaced:?}");
        deepest = if usual.is_ok() { levels } else { deepest };
    }
    assert!((levels - 3..levels + 3).contains(&deepest), "{deepest}");
}

#[test]
fn reads_every_escape() {
    let cases = [
        (r#"\" \\ \/ \b \f \n \r \t"#, "\" \\ / \u{8} \u{c} \n \r \t"),
        (r"\u00e4\u4E2D \ud83d\ude00!", "\u{e4}\u{4e2d} \u{1f600}!"),
        // A string cut in the middle of a pair.
        (r"cut \ud83d", "cut \u{fffd}"),
        (r"\ud83d\u0041\ude00x\ud83d\ud83d\ude00", "\u{fffd}A\u{fffd}x\u{fffd}\u{1f600}"),
        (r"\u0000", "\0"),
        (
            "plain \u{e4}\u{1f600} text that is longer than one word",
            "plain \u{e4}\u{1f600} text that is longer than one word",
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(span(&format!(r#","name":"{json}""#)).name, expected);
    }
    // Around the lengths at which a length takes one byte more.
    for len in [0, 1, 120, 126, 127, 128, 129, 300, 16_383, 16_384, 20_000] {
        let long = "x".repeat(len);
        for (json, expected) in
            [(long.clone(), long.clone()), (format!("{long}\\n"), format!("{long}\n"))]
        {
            let rest = format!(
                r#","name":"{json}","attributes":[{{"key":"k","value":{{"stringValue":"{json}"}}}}]"#
            );
            let span = span(&rest);
            assert_eq!(span.name, expected);
            assert_eq!(span.attributes[0].value, Some(some(V::StringValue(expected))));
        }
    }
}

#[test]
fn reads_the_fields_of_a_span() {
    let read = span(
        r#","parentSpanId":"","flags":"257","kind":2,"unknown":{"a":[1,"}"]},"trace_state":"x",
          "status":{"code":2,"message":"no"},"attributes":null,"events":[],"links":null,"droppedLinksCount":3"#,
    );
    assert_eq!(read.trace_id, 0x5B8E_FFF7_9803_8103_D269_B633_813F_C60C_u128.to_be_bytes());
    assert_eq!(read.span_id, 0xeee1_9b7e_c3c1_b174_u64.to_be_bytes());
    assert_eq!(read.start_time_unix_nano, 1_544_712_660_000_000_000);
    assert_eq!(read.end_time_unix_nano, 1_544_712_661_000_000_000);
    assert_eq!((read.parent_span_id.len(), read.flags, read.kind), (0, 257, 2));
    assert_eq!(read.trace_state, "");
    let status = read.status.unwrap();
    assert_eq!((status.code, status.message.as_str()), (2, "no"));
    assert_eq!(span(r#","parentSpanId":null"#).parent_span_id.len(), 0);
    assert_eq!(span(r#","kind":99"#).kind, 99);
    assert_eq!(span(r#","status":{}"#).status.unwrap().code, 0);
    let twice = span(
        r#","status":{"code":2},"events":[{"name":"a"}],"events":[{"name":"b"}],"status":{"message":"m"}"#,
    );
    assert_eq!(twice.status.unwrap().code, 0);
    assert_eq!(twice.events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_value_that_does_not_fit_rejects_its_span_alone() {
    let cases = [
        (r#","kind":"SPAN_KIND_SERVER""#, "does not fit"),
        (r#","status":{"code":"STATUS_CODE_ERROR"}"#, "does not fit"),
        (r#","flags":-1"#, "does not fit"),
        (r#","kind":1.5"#, "does not fit"),
        (r#","kind":3000000000"#, "does not fit"),
        (r#","startTimeUnixNano":"18446744073709551616""#, "does not fit"),
        (r#","startTimeUnixNano":"+1""#, "does not fit"),
        (r#","startTimeUnixNano":"""#, "does not fit"),
        (r#","startTimeUnixNano":" 1""#, "does not fit"),
        (r#","startTimeUnixNano":true"#, "wrong type"),
        (r#","name":5"#, "wrong type"),
        (r#","name":{}"#, "wrong type"),
        (r#","attributes":{}"#, "wrong type"),
        (r#","attributes":[5]"#, "wrong type"),
        (r#","attributes":[{"key":"k","value":"bare"}]"#, "wrong type"),
        (r#","attributes":[{"key":"k","value":{"boolValue":"true"}}]"#, "wrong type"),
        (r#","attributes":[{"key":"k","value":{"intValue":"abc"}}]"#, "does not fit"),
        (r#","attributes":[{"key":"k","value":{"doubleValue":"nan"}}]"#, "does not fit"),
        (r#","attributes":[{"key":"k","value":{"doubleValue":1e999}}]"#, "does not fit"),
        (r#","attributes":[{"key":"k","value":{"bytesValue":"*"}}]"#, "base64"),
        (r#","attributes":[{"key":"k","value":{"bytesValue":"A"}}]"#, "base64"),
    ];
    for (json, expected) in cases {
        let (reason, message) = rejected(json);
        assert_eq!(reason, Reason::ItemMalformed, "{json}");
        assert!(message.contains(expected), "{json}: {message}");
    }
    for (json, reason) in [
        (r#","traceId":"5b8efff7""#, Reason::TraceIdInvalid),
        (r#","traceId":"""#, Reason::TraceIdInvalid),
        (r#","traceId":"00000000000000000000000000000000""#, Reason::TraceIdInvalid),
        (r#","traceId":"5B8EFFF798038103D269B633813FC60x""#, Reason::TraceIdInvalid),
        (r#","spanId":"eee19b7ec3c1b1741""#, Reason::SpanIdInvalid),
        (r#","parentSpanId":"zz""#, Reason::ParentSpanIdInvalid),
        (r#","endTimeUnixNano":null"#, Reason::TimeMissing),
    ] {
        assert_eq!(rejected(json).0, reason, "{json}");
    }
    let json = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{SPAN},"kind":"x"}},{{{SPAN},"name":"ok"}},null]}}]}}]}}"#
    );
    let (summary, visitor) = walk_traces(&json);
    assert_eq!((summary.items, summary.rejected.total()), (1, 2));
    assert_eq!(visitor.resources[0].scope_spans[0].spans[0].name, "ok");
}

#[test]
fn a_bad_resource_or_scope_rejects_what_it_governs_alone() {
    let good = format!(r#"{{"scopeSpans":[{{"spans":[{{{SPAN}}}]}}]}}"#);
    let json = format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":7}}]}},"scopeSpans":[{{"spans":[{{{SPAN}}},{{{SPAN}}}]}}]}},
            {{"scopeSpans":[{{"scope":{{"name":[]}},"spans":[{{{SPAN}}}]}}]}},{good}]}}"#
    );
    let (summary, _) = walk_traces(&json);
    assert_eq!(summary.items, 1);
    assert_eq!(summary.rejected.count(Reason::ResourceMalformed), 2);
    assert_eq!(summary.rejected.count(Reason::ScopeMalformed), 1);
}

fn points(json: &str) -> (Summary, Option<m::metric::Data>) {
    let json = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"n",{json}}}]}}]}}]}}"#
    );
    let mut bytes = Vec::new();
    transcode(Signal::Metrics, json.as_bytes(), &mut bytes).unwrap();
    let (scratch, mut visitor) = (Scratch::new(), rebuild::Metrics::default());
    let summary = metrics(&bytes, &scratch, &mut visitor).unwrap();
    let metrics = &mut visitor.resources[0].scope_metrics[0].metrics;
    (summary, metrics.pop().and_then(|metric| metric.data))
}

#[test]
fn reads_points_without_losing_values() {
    let (summary, data) = points(
        r#""histogram":{"aggregationTemporality":1,"dataPoints":[{"timeUnixNano":"1","count":"3","sum":"Infinity","min":-1,
           "bucketCounts":["1",2,1e0],"explicitBounds":[0.5,"1"]},{"timeUnixNano":2,"sum":{}},{"timeUnixNano":2,"bucketCounts":["x"]}]}"#,
    );
    assert_eq!((summary.items, summary.rejected.total()), (1, 2));
    let Some(m::metric::Data::Histogram(histogram)) = data else { panic!("{data:?}") };
    assert_eq!(histogram.aggregation_temporality, 1);
    let point = &histogram.data_points[0];
    assert_eq!((point.sum, point.min, point.max), (Some(f64::INFINITY), Some(-1.0), None));
    assert_eq!(
        (&point.bucket_counts[..], &point.explicit_bounds[..]),
        (&[1, 2, 1][..], &[0.5, 1.0][..])
    );

    let (summary, data) = points(
        r#""sum":{"isMonotonic":true,"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":1,"asInt":"-5"},
           {"timeUnixNano":1,"asInt":7},{"timeUnixNano":1,"asDouble":"-Infinity"},{"timeUnixNano":1,"asDouble":0},
           {"timeUnixNano":1,"asInt":"abc"},{"timeUnixNano":1},{"timeUnixNano":1,"flags":1},{"asInt":1}]}"#,
    );
    assert_eq!((summary.items, summary.rejected.total()), (5, 3));
    assert_eq!(summary.rejected.count(Reason::ItemMalformed), 1);
    assert_eq!(summary.rejected.count(Reason::ValueMissing), 1);
    assert_eq!(summary.rejected.count(Reason::TimeMissing), 1);
    let Some(m::metric::Data::Sum(sum)) = data else { panic!("{data:?}") };
    use m::number_data_point::Value::{AsDouble, AsInt};
    let values: Vec<_> = sum.data_points.iter().map(|point| point.value).collect();
    let double = |value| Some(AsDouble(value));
    assert_eq!(
        values,
        [Some(AsInt(-5)), Some(AsInt(7)), double(f64::NEG_INFINITY), double(0.0), None]
    );
    assert!(sum.is_monotonic);

    let (_, data) = points(
        r#""exponentialHistogram":{"dataPoints":[{"timeUnixNano":1,"scale":-3,"zeroCount":"2",
           "positive":{"offset":-7,"bucketCounts":["1","300"]},"negative":{}}]}"#,
    );
    let Some(m::metric::Data::ExponentialHistogram(data)) = data else { panic!("{data:?}") };
    let positive = data.data_points[0].positive.clone().unwrap();
    assert_eq!((data.data_points[0].scale, positive.offset), (-3, -7));
    assert_eq!(positive.bucket_counts, [1, 300]);

    for bad in
        [r#""sum":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_DELTA"}"#, r#""gauge":[]"#]
    {
        let (summary, data) = points(bad);
        assert_eq!((summary.rejected.total(), data), (1, None), "{bad}");
    }
}

fn record(json: &str) -> LogRecord {
    let json = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{json}]}}]}}]}}"#);
    let mut bytes = Vec::new();
    transcode(Signal::Logs, json.as_bytes(), &mut bytes).unwrap();
    let (scratch, mut visitor) = (Scratch::new(), rebuild::Logs::default());
    let summary = logs(&bytes, &scratch, &mut visitor).unwrap();
    assert_eq!((summary.items, summary.rejected.total()), (1, 0));
    visitor.resources[0].scope_logs[0].log_records.remove(0)
}

#[test]
fn reads_log_records() {
    let read = record(
        r#"{"timeUnixNano":"1","observedTimeUnixNano":2,"severityNumber":17,"severityText":"ERROR","eventName":"e",
            "body":{"kvlistValue":{"values":[{"key":"a","value":{"intValue":1}}]}},"traceId":"12","spanId":"","flags":1}"#,
    );
    assert_eq!((read.time_unix_nano, read.observed_time_unix_nano), (1, 2));
    assert_eq!((read.severity_number, read.severity_text.as_str()), (17, "ERROR"));
    assert_eq!((read.event_name.as_str(), read.flags), ("e", 1));
    // A record with an invalid trace id belongs to no trace; it is a record all the same.
    assert!(read.trace_id.is_empty());
    assert!(
        matches!(read.body.unwrap().value, Some(V::KvlistValue(list)) if list.values.len() == 1)
    );
    assert_eq!(record("{}").body.unwrap().value, None);
}

#[test]
fn refuses_what_is_not_json_and_says_where() {
    let cases: [(&[u8], usize, usize, &str); 16] = [
        (b"", 1, 1, "expected an object"),
        (b"[]", 1, 1, "expected an object"),
        (b"{} x", 1, 4, "expected the end"),
        (b"{\n  \"resourceSpans\": [}\n", 2, 21, "expected a value"),
        (b"{\"resourceSpans\":[{}", 1, 21, "ends inside"),
        (b"{\"\xc3\xa4\xc3\xb6\": nul}", 1, 8, "expected a value"),
        (b"{\"a\":01}", 1, 6, "invalid number"),
        (b"{\"a\":1.}", 1, 6, "invalid number"),
        (b"{\"a\":-}", 1, 6, "invalid number"),
        (b"{\"a\":1e}", 1, 6, "invalid number"),
        (b"{\"a\":\"\\x\"}", 1, 7, "invalid escape"),
        (b"{\"a\":\"\\u12g4\"}", 1, 7, "invalid escape"),
        (b"{\"a\":\"\n\"}", 1, 7, "control character"),
        (b"{\"a\":\"\xff\"}", 1, 7, "invalid UTF-8"),
        (b"{\"a\" 1}", 1, 6, "colon"),
        (b"{\"resourceSpans\":5}", 1, 18, "wrong type"),
    ];
    for (json, line, column, what) in cases {
        let error = refused(json);
        assert_eq!((error.line, error.column), (line, column), "{error}");
        assert!(error.what.contains(what), "{error}");
    }
}

#[test]
fn accepts_the_emptiest_requests() {
    for json in ["{}", " {\"resourceSpans\" : [ ] } \n", r#"{"resourceSpans":null}"#, r#"{"x":{}}"#]
    {
        let (summary, visitor) = walk_traces(json);
        assert_eq!((summary, visitor.resources.len()), (Summary::default(), 0), "{json}");
    }
}

#[test]
fn nesting_is_limited() {
    let nest = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let depth = JSON_DEPTH_MAX as usize;
    let unknown = |levels| format!(r#"{{"x":{}}}"#, nest(levels));
    assert_eq!(walk_traces(&unknown(depth - 1)).0, Summary::default());
    for levels in [depth, 100_000] {
        assert_eq!(refused(unknown(levels).as_bytes()).what, "nested too deep");
    }
    let arrays = |levels: usize| {
        let open = r#"{"arrayValue":{"values":["#.repeat(levels);
        format!("{open}{{\"intValue\":1}}{}", "]}}".repeat(levels))
    };
    let mut found = value(&arrays(35)).unwrap();
    for _ in 0..35 {
        let V::ArrayValue(array) = found else { panic!("{found:?}") };
        found = array.values[0].value.clone().unwrap();
    }
    assert_eq!(found, V::IntValue(1));
    let json = format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"value":{}}}]}}}}]}}"#,
        arrays(50)
    );
    assert_eq!(refused(json.as_bytes()).what, "nested too deep");
    assert!(u32::from(VALUE_DEPTH_MAX) * 3 > JSON_DEPTH_MAX, "JSON is the tighter limit");
}

#[test]
fn repeated_names_are_limited() {
    let names =
        |count: u32| format!("{{{}\"x\":1}}", r#""resourceSpans":[],"#.repeat(count as usize));
    assert_eq!(walk_traces(&names(JSON_DUPLICATES_MAX + 1)).0, Summary::default());
    let error = refused(names(JSON_DUPLICATES_MAX + 2).as_bytes());
    assert_eq!(error.what, "too many duplicate keys");
}
