//! Protobuf by hand: single rules of the encoding and of the specification.

use fuzz::protobuf::{compare, walk};
use fuzz::rebuild;
use otlp::{
    GROUP_DEPTH_MAX, Malformed, Reason, Scratch, Signal, Summary, VALUE_DEPTH_MAX, Value, count,
    key_length_bit, traces,
};

fn frame(field: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    let mut len = body.len();
    while len >= 0x80 {
        bytes.push(len as u8 | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes.extend_from_slice(body);
    bytes
}

fn span() -> Vec<u8> {
    let mut span = [frame(1, &[1; 16]), frame(2, &[2; 8])].concat();
    span.extend([0x39, 1, 0, 0, 0, 0, 0, 0, 0, 0x41, 2, 0, 0, 0, 0, 0, 0, 0]);
    span
}

fn pair(key: &str, value: &[u8]) -> Vec<u8> {
    [frame(1, key.as_bytes()), frame(2, value)].concat()
}

fn request(spans: &[Vec<u8>]) -> Vec<u8> {
    let spans: Vec<u8> = spans.iter().flat_map(|span| frame(2, span)).collect();
    frame(1, &frame(2, &spans))
}

fn visit(bytes: &[u8], wanted: Option<u64>) -> (Summary, rebuild::Traces) {
    let scratch = Scratch::new();
    let mut visitor = rebuild::Traces { wanted, ..Default::default() };
    let summary = traces(bytes, &scratch, &mut visitor).unwrap();
    (summary, visitor)
}

fn reason(span: Vec<u8>) -> Option<Reason> {
    // A good span before and after shows that the rest goes on.
    let (summary, visitor) = visit(&request(&[self::span(), span, self::span()]), None);
    let rejected: Vec<_> = summary.rejected.iter().collect();
    assert_eq!(summary.items, 3 - rejected.len() as u64);
    assert_eq!(visitor.discarded, rejected.len() as u64);
    rejected.first().map(|&(reason, _)| reason)
}

#[test]
fn rejects_single_spans_by_reason() {
    let with = |more: &[u8]| [span(), more.to_vec()].concat();
    let cases: [(Vec<u8>, Option<Reason>); 17] = [
        (with(&[]), None),
        (with(&frame(1, &[0; 16])), Some(Reason::TraceIdInvalid)),
        (with(&frame(1, &[1; 15])), Some(Reason::TraceIdInvalid)),
        (with(&frame(1, &[])), Some(Reason::TraceIdInvalid)),
        (with(&frame(2, &[0; 8])), Some(Reason::SpanIdInvalid)),
        (with(&frame(2, &[1; 16])), Some(Reason::SpanIdInvalid)),
        (with(&frame(4, &[])), None),
        (with(&frame(4, &[0; 8])), None),
        (with(&frame(4, &[1; 7])), Some(Reason::ParentSpanIdInvalid)),
        (with(&[0x41, 0, 0, 0, 0, 0, 0, 0, 0]), Some(Reason::TimeMissing)),
        (with(&[0x41, 0]), Some(Reason::ItemMalformed)),
        (with(&[0x28, 1]), Some(Reason::ItemMalformed)),
        (with(&[0x00, 1]), Some(Reason::ItemMalformed)),
        (with(&[0x8e, 0x08, 1]), Some(Reason::ItemMalformed)),
        (with(&frame(9, &[0x0a, 5, b'x'])), Some(Reason::ItemMalformed)),
        (with(&frame(9, &pair("k", &[0x08, 1]))), Some(Reason::ItemMalformed)),
        (vec![], Some(Reason::TraceIdInvalid)),
    ];
    for (index, (span, expected)) in cases.into_iter().enumerate() {
        assert_eq!(reason(span), expected, "case {index}");
    }
}

#[test]
fn points_of_the_same_length_as_their_neighbours_are_all_visited() {
    let point = |more: usize| {
        let time = [&[0x19][..], &[7; 8]].concat();
        // Field 15 is unknown.
        frame(1, &[time, frame(15, &vec![9; more])].concat())
    };
    // A length that takes a byte more than it has to, five bytes of key and length, and a point
    // that ends in the middle.
    let longer = [&[0x0a, 0x89, 0x00, 0x19][..], &[7; 8]].concat();
    let longest = [&[0x0a, 0x89, 0x80, 0x80, 0x00, 0x19][..], &[7; 8]].concat();
    let cut = point(3)[..9].to_vec();
    for list in [
        vec![point(1); 9],
        vec![point(300); 9],
        vec![point(20_000); 3],
        vec![point(2_200_000); 3],
        [vec![point(1); 4], vec![point(2); 4], vec![point(1)]].concat(),
        [vec![longer; 3], vec![longest; 3], vec![point(1)]].concat(),
        vec![vec![0x0a, 0]; 5],
        [vec![point(3); 4], vec![cut]].concat(),
    ] {
        let gauge = frame(2, &frame(5, &list.concat()));
        let request = frame(1, &frame(2, &gauge));
        let whole = list.iter().all(|point| point.len() != 9);
        assert_eq!(compare(Signal::Metrics, &request), whole);
        let points = if whole { list.len() as u64 } else { 1 };
        assert_eq!(count(Signal::Metrics, &request), Ok(points));
    }
}

#[test]
fn a_rejection_says_what_and_where() {
    let bytes = request(&[span(), [span(), vec![0x28, 1]].concat()]);
    let (summary, _) = visit(&bytes, None);
    let at = bytes.len() - span().len() - 2;
    assert_eq!(
        summary.rejected.as_message(),
        format!(
            "rejected: 1 because the item cannot be decoded (first: item_malformed at byte {at}, \
             wrong wire type for a known field)"
        )
    );
}

#[test]
fn refuses_a_broken_envelope_before_any_visit() {
    let good = request(&[span()]);
    let cases: [(Vec<u8>, &str); 8] = [
        ([good.clone(), vec![0x0a]].concat(), "ends inside"),
        ([good.clone(), vec![0x0a, 9, 1]].concat(), "ends inside"),
        ([good.clone(), vec![0x00]].concat(), "field number"),
        ([good.clone(), vec![0x0f]].concat(), "wire type"),
        ([good.clone(), vec![0x08, 1]].concat(), "known field"),
        ([good.clone(), vec![0x14]].concat(), "end of group"),
        ([good.clone(), vec![0x13, 0x1c]].concat(), "end of group"),
        (
            [good.clone(), vec![0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2]].concat(),
            "varint",
        ),
    ];
    for (bytes, what) in cases {
        // `walk` asserts that nothing was visited.
        let error = walk(Signal::Traces, &bytes).unwrap_err();
        assert!(error.what.contains(what), "{error}");
        assert!((good.len()..=bytes.len()).contains(&error.at), "{error}");
        assert_eq!(count(Signal::Traces, &bytes), Err(error));
    }
    let inside = frame(1, &frame(2, &[0x12, 9, 0]));
    assert_eq!(
        count(Signal::Traces, &inside),
        Err(Malformed { at: 5, what: "ends inside a field" })
    );
}

#[test]
fn groups_are_skipped_up_to_their_depth() {
    let nested = |depth: usize| [[0x93, 1].repeat(depth), [0x94, 1].repeat(depth)].concat();
    let limit = GROUP_DEPTH_MAX as usize;
    assert_eq!(reason([span(), nested(limit)].concat()), None);
    assert_eq!(reason([span(), nested(limit + 1)].concat()), Some(Reason::ItemMalformed));
    assert_eq!(reason([span(), nested(100_000)].concat()), Some(Reason::ItemMalformed));
}

#[test]
fn a_resource_after_its_spans_and_in_pieces_comes_first_and_whole() {
    let attribute = |key| frame(1, &pair(key, &frame(1, b"v")));
    let scope = |name: &str| frame(1, &frame(1, name.as_bytes()));
    let spans =
        frame(2, &[frame(2, &span()), scope("old"), scope("new"), frame(2, &span())].concat());
    let request = frame(1, &[spans, frame(1, &attribute("a")), frame(1, &attribute("b"))].concat());
    let (summary, visitor) = visit(&request, None);
    assert_eq!(summary.items, 2);
    let resource = visitor.resources[0].resource.clone().unwrap();
    let keys: Vec<_> = resource.attributes.iter().map(|pair| pair.key.as_str()).collect();
    assert_eq!(keys, ["a", "b"]);
    let scope = &visitor.resources[0].scope_spans[0];
    assert_eq!(scope.scope.clone().unwrap().name, "new");
    assert_eq!(scope.spans.len(), 2);
}

#[test]
fn a_scratch_serves_many_pieces_and_many_requests() {
    let attribute = |key: &str| frame(1, &frame(1, &pair(key, &[])));
    let two = frame(1, &[attribute("a"), attribute("b")].concat());
    let request = two.repeat(50_000);
    let scratch = Scratch::new();
    for _ in 0..2 {
        struct Keys(u64);
        impl<'a> otlp::TraceVisitor<'a> for Keys {
            fn resource(&mut self, resource: otlp::Resource<'a>) {
                self.0 += resource.attributes().count() as u64;
            }
            fn scope(&mut self, _: otlp::Scope<'a>) {}
            fn attribute(&mut self, _: &'a [u8], _: Value<'a>) {}
            fn span(&mut self, _: &otlp::Span<'a>) {}
            fn discard(&mut self) {}
            fn settle(&mut self) {}
            fn forget(&mut self) {
                self.0 = 0;
            }
        }
        let mut visitor = Keys(0);
        traces(&request, &scratch, &mut visitor).unwrap();
        assert_eq!(visitor.0, 100_000);
    }
}

#[test]
fn attributes_of_unwanted_length_are_not_visited() {
    let long = "k".repeat(100);
    let keys = ["a", "bb", "ccc", &long];
    let any = frame(1, b"v");
    let mut bytes = span();
    for key in keys {
        bytes.extend(frame(9, &pair(key, &any)));
        // Not the short form: an unknown field, the value first, the key twice.
        bytes.extend(frame(9, &[pair(key, &any), vec![0x20, 1]].concat()));
        bytes.extend(frame(9, &[frame(2, &any), frame(1, key.as_bytes())].concat()));
        bytes.extend(frame(9, &[pair("dddd", &any), frame(1, key.as_bytes())].concat()));
    }
    for (wanted, expected) in [
        (u64::MAX, &keys[..]),
        (0, &[][..]),
        (key_length_bit(2), &["bb"][..]),
        (key_length_bit(1) | key_length_bit(3), &["a", "ccc"][..]),
        (key_length_bit(64), &[long.as_str()][..]),
    ] {
        let (summary, visitor) = visit(&request(&[bytes.clone()]), Some(wanted));
        assert_eq!(summary.items, 1);
        let span = &visitor.resources[0].scope_spans[0].spans[0];
        let keys: Vec<_> = span.attributes.iter().map(|pair| pair.key.as_str()).collect();
        let expected: Vec<_> = expected.iter().flat_map(|&key| [key; 4]).collect();
        assert_eq!(keys, expected);
    }
}

#[test]
fn values_nest_to_the_limit_and_no_further() {
    struct Depth(usize);
    impl<'a> otlp::TraceVisitor<'a> for Depth {
        fn resource(&mut self, _: otlp::Resource<'a>) {}
        fn scope(&mut self, _: otlp::Scope<'a>) {}
        fn attribute(&mut self, _: &'a [u8], mut value: Value<'a>) {
            while let Value::Array(array) = value {
                self.0 += 1;
                let Some(inner) = array.iter().next() else { return };
                value = inner;
            }
        }
        fn span(&mut self, _: &otlp::Span<'a>) {}
        fn discard(&mut self) {}
        fn settle(&mut self) {}
        fn forget(&mut self) {}
    }
    for levels in [1, 50, usize::from(VALUE_DEPTH_MAX), 5_000] {
        let value = (0..levels).fold(frame(1, b"v"), |inner, _| frame(5, &frame(1, &inner)));
        let bytes = request(&[[span(), frame(9, &pair("k", &value))].concat()]);
        let scratch = Scratch::new();
        let mut depth = Depth(0);
        assert_eq!(traces(&bytes, &scratch, &mut depth).unwrap().items, 1);
        assert_eq!(depth.0, levels.min(usize::from(VALUE_DEPTH_MAX) + 1));
    }
}

#[test]
fn text_is_checked_only_on_demand() {
    let (summary, visitor) = visit(
        &request(&[[span(), frame(5, b"\xff"), frame(9, &pair("k", &frame(1, b"\xfe")))].concat()]),
        None,
    );
    assert_eq!(summary.items, 1);
    assert_eq!(visitor.resources[0].scope_spans[0].spans[0].name, "\u{fffd}");
    assert_eq!(Value::Str(b"\xfe").as_str(), None);
    assert_eq!(Value::Str("\u{e4}".as_bytes()).as_str(), Some("\u{e4}"));
    assert_eq!(Value::Int(1).as_str(), None);
}
