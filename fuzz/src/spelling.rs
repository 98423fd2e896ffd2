//! The same JSON spelt otherwise: every liberty that protobuf's JSON mapping leaves to a sender.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::generate::Random;

/// Fields whose 64-bit numbers are written as text, and may be written as numbers.
const TEXT_OR_NUMBER: [&str; 9] = [
    "asInt",
    "bucketCounts",
    "count",
    "endTimeUnixNano",
    "intValue",
    "observedTimeUnixNano",
    "startTimeUnixNano",
    "timeUnixNano",
    "zeroCount",
];
/// Fields whose 32-bit numbers are written as numbers, and may be written as text. Not enums: a
/// text would be a name.
const NUMBER_OR_TEXT: [&str; 3] = ["flags", "offset", "scale"];
/// Hexadecimal in either case.
const IDS: [&str; 3] = ["parentSpanId", "spanId", "traceId"];

/// Spells a document otherwise.
pub(crate) fn respell(document: &Value, random: &mut Random<'_>) -> String {
    let mut out = String::new();
    value(document, "", random, &mut out);
    out
}

fn value(value: &Value, field: &str, random: &mut Random<'_>, out: &mut String) {
    space(random, out);
    match value {
        Value::Object(object) => members(object, random, out),
        Value::Array(array) => {
            out.push('[');
            for (at, element) in array.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                self::value(element, field, random, out);
            }
            space(random, out);
            out.push(']');
        }
        Value::String(text) => string(text, field, random, out),
        Value::Number(number) if NUMBER_OR_TEXT.contains(&field) && random.one_in(2) => {
            let _ = write!(out, "\"{number}\"");
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
    space(random, out);
}

fn members(object: &Map<String, Value>, random: &mut Random<'_>, out: &mut String) {
    let mut members: Vec<(&str, &Value)> = object.iter().map(|(k, v)| (k.as_str(), v)).collect();
    for at in (1..members.len()).rev() {
        members.swap(at, random.below(at + 1));
    }
    out.push('{');
    let mut is_first = true;
    for (name, member) in members {
        if random.one_in(12) {
            out.push_str(if is_first { "" } else { "," });
            unknown(random, out);
            is_first = false;
        }
        out.push_str(if is_first { "" } else { "," });
        is_first = false;
        space(random, out);
        quoted(name, random, out);
        space(random, out);
        out.push(':');
        value(member, name, random, out);
    }
    out.push('}');
}

/// A field that no reader knows, a name in the case of the .proto files among them.
fn unknown(random: &mut Random<'_>, out: &mut String) {
    out.push_str(
        [
            r#""unknown":{"a":[1,-2.5e3,"x\u0041",null,true,{}]}"#,
            r#""trace_id":"00""#,
            r#""":[[[]]]"#,
            r#""start_time_unix_nano":7"#,
            r#""droppedLinksCount":null"#,
        ][random.below(4)],
    );
}

fn string(text: &str, field: &str, random: &mut Random<'_>, out: &mut String) {
    if TEXT_OR_NUMBER.contains(&field) && random.one_in(2) {
        return out.push_str(text);
    }
    if IDS.contains(&field) && random.one_in(2) {
        return quoted(&text.to_ascii_uppercase(), random, out);
    }
    if field == "bytesValue" && random.one_in(2) {
        let bytes = STANDARD.decode(text).expect("serde has written it");
        return quoted(&URL_SAFE_NO_PAD.encode(bytes), random, out);
    }
    quoted(text, random, out);
}

/// Any character may be escaped.
fn quoted(text: &str, random: &mut Random<'_>, out: &mut String) {
    out.push('"');
    let escapes = random.one_in(6);
    for character in text.chars() {
        let must = matches!(character, '"' | '\\' | '\0'..='\x1f');
        if must || escapes && random.one_in(3) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out.push('"');
}

fn space(random: &mut Random<'_>, out: &mut String) {
    if random.one_in(10) {
        out.push_str([" ", "\n", "\t", "\r\n  "][random.below(4)]);
    }
}
