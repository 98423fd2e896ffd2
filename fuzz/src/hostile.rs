//! Rewrites wire bytes into other bytes that mean the same, or nearly so: every liberty that the
//! encoding leaves to a sender, taken at random.

use otlp::Signal;

use crate::generate::Random;
use crate::wire::{Reader, field_number, wire_type};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Message {
    Request(Signal),
    Resources(Signal),
    Scopes(Signal),
    Attributed(u64),
    KeyValue,
    AnyValue,
    Array,
    Map,
    Span,
    Status,
    Metric,
    Points(u64),
    Number,
    Histogram,
    Exponential,
    Buckets,
    Summary,
    Quantile,
    Record,
}

impl Message {
    fn child(self, field: u64) -> Option<Self> {
        use Message::*;
        Some(match (self, field) {
            (Request(signal), 1) => Resources(signal),
            (Resources(signal), 2) => Scopes(signal),
            (Resources(_), 1) => Attributed(1),
            (Scopes(_), 1) => Attributed(3),
            (Scopes(Signal::Traces), 2) => Span,
            (Scopes(Signal::Logs), 2) => Record,
            (Scopes(Signal::Metrics), 2) => Metric,
            (Attributed(own), field) if own == field => KeyValue,
            (KeyValue, 2) | (Record, 5) | (Array, 1) => AnyValue,
            (AnyValue, 5) => Array,
            (AnyValue, 6) => Map,
            (Map, 1) | (Span, 9) | (Record, 6) | (Metric, 12) => KeyValue,
            (Number | Summary, 7) | (Histogram, 9) | (Exponential, 1) => KeyValue,
            (Span, 11) => Attributed(3),
            (Span, 13) => Attributed(4),
            (Span, 15) => Status,
            (Metric, 5 | 7 | 9 | 10 | 11) => Points(field),
            (Points(5 | 7), 1) => Number,
            (Points(9), 1) => Histogram,
            (Points(10), 1) => Exponential,
            (Points(11), 1) => Summary,
            (Number, 5) | (Histogram, 8) | (Exponential, 11) => Attributed(7),
            (Exponential, 8 | 9) => Buckets,
            (Summary, 6) => Quantile,
            _ => return None,
        })
    }

    /// Whether protobuf merges the occurrences of this field.
    fn merges(self, field: u64) -> bool {
        use Message::*;
        match self {
            Resources(_) | Scopes(_) => field == 1,
            KeyValue => field == 2,
            AnyValue => matches!(field, 5 | 6),
            Span => field == 15,
            Record => field == 5,
            Metric => matches!(field, 5 | 7 | 9 | 10 | 11),
            Exponential => matches!(field, 8 | 9),
            _ => false,
        }
    }

    /// Another member of the oneof that this field belongs to.
    fn other_member(self, field: u64) -> Option<u64> {
        match (self, field) {
            (Message::AnyValue, 5 | 6) => Some(11 - field),
            (Message::Metric, 5) => Some(7),
            (Message::Metric, 7 | 9 | 10 | 11) => Some(5),
            _ => None,
        }
    }

    fn packed(self, field: u64) -> bool {
        matches!((self, field), (Message::Histogram, 6 | 7) | (Message::Buckets, 2))
    }
}

fn varint(random: &mut Random<'_>, out: &mut Vec<u8>, mut value: u64) {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    if random.one_in(6) {
        while bytes.len() < 10 && !random.one_in(3) {
            *bytes.last_mut().unwrap() |= 0x80;
            bytes.push(0);
        }
    }
    out.extend(bytes);
}

fn bytes_field(random: &mut Random<'_>, out: &mut Vec<u8>, field: u64, body: &[u8]) {
    varint(random, out, field << 3 | 2);
    varint(random, out, body.len() as u64);
    out.extend_from_slice(body);
}

fn unknown(random: &mut Random<'_>, out: &mut Vec<u8>, depth: usize) {
    let field = [17, 40, 999, 100_000][random.below(4)];
    match random.below(if depth == 0 { 4 } else { 5 }) {
        0 => {
            varint(random, out, field << 3);
            let value = random.draw();
            varint(random, out, value);
        }
        1 => {
            varint(random, out, field << 3 | 1);
            out.extend_from_slice(&random.draw().to_le_bytes());
        }
        2 => bytes_field(random, out, field, b"\x0a\x03abc"),
        3 => {
            varint(random, out, field << 3 | 5);
            out.extend_from_slice(&[1, 2, 3, 4]);
        }
        _ => {
            varint(random, out, field << 3 | 3);
            for _ in 0..random.below(3) {
                unknown(random, out, depth - 1);
            }
            varint(random, out, field << 3 | 4);
        }
    }
}

/// The fields of a message, each as its own bytes.
fn split(bytes: &[u8]) -> Vec<(u64, &[u8], &[u8])> {
    let mut fields = Vec::new();
    let mut reader = Reader::new(bytes);
    loop {
        let before = reader.rest();
        let Some(key) = reader.key() else { return fields };
        let after_key = reader.rest();
        reader.skip(key);
        let len = |from: &[u8]| from.len() - reader.rest().len();
        fields.push((key, &before[..len(before)], &after_key[..len(after_key)]));
    }
}

fn rewrite(random: &mut Random<'_>, message: Message, bytes: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    for (key, _, value) in split(bytes) {
        rewrite_field(random, message, (key, value), &mut fields);
        if random.one_in(8) {
            let mut field = Vec::new();
            unknown(random, &mut field, 2);
            fields.push(field);
        }
    }
    match random.below(4) {
        0 => fields.reverse(),
        1 => {
            for at in (1..fields.len()).rev() {
                fields.swap(at, random.below(at + 1));
            }
        }
        _ => {}
    }
    fields.concat()
}

fn rewrite_field(
    random: &mut Random<'_>,
    message: Message,
    (key, value): (u64, &[u8]),
    fields: &mut Vec<Vec<u8>>,
) {
    let field = field_number(key);
    if wire_type(key) != 2 {
        let mut rewritten = Vec::new();
        varint(random, &mut rewritten, key);
        rewritten.extend_from_slice(value);
        fields.push(rewritten);
        return;
    }
    let body = Reader::new(value).bytes();
    let mut push = |random: &mut Random<'_>, body: &[u8]| {
        let mut rewritten = Vec::new();
        bytes_field(random, &mut rewritten, field, body);
        fields.push(rewritten);
    };
    if message.packed(field) && random.one_in(2) {
        return unpack(random, message, field, body, fields);
    }
    if let Some(other) = message.other_member(field)
        && random.one_in(3)
    {
        // An occurrence that another member of the oneof voids.
        push(random, body);
        let mut voiding = Vec::new();
        bytes_field(random, &mut voiding, other, &[]);
        fields.push(voiding);
    }
    let mut push = |random: &mut Random<'_>, body: &[u8]| {
        let mut rewritten = Vec::new();
        bytes_field(random, &mut rewritten, field, body);
        fields.push(rewritten);
    };
    let Some(child) = message.child(field) else { return push(random, body) };
    if message.merges(field) && random.one_in(3) {
        let parts: Vec<_> = split(body).into_iter().map(|(_, whole, _)| whole).collect();
        let at = random.below(parts.len() + 1);
        for half in [&parts[..at], &parts[at..]] {
            let half = rewrite(random, child, &half.concat());
            push(random, &half);
        }
        return;
    }
    let body = rewrite(random, child, body);
    push(random, &body);
}

/// A packed list, some of it packed, some not.
fn unpack(
    random: &mut Random<'_>,
    message: Message,
    field: u64,
    body: &[u8],
    fields: &mut Vec<Vec<u8>>,
) {
    let mut reader = Reader::new(body);
    while !reader.rest().is_empty() {
        let before = reader.rest();
        let fixed = message == Message::Histogram;
        if fixed {
            reader.fixed64()
        } else {
            reader.varint()
        };
        let number = &before[..before.len() - reader.rest().len()];
        let mut rewritten = Vec::new();
        if random.one_in(2) {
            bytes_field(random, &mut rewritten, field, number);
        } else {
            varint(random, &mut rewritten, field << 3 | u64::from(fixed));
            rewritten.extend_from_slice(number);
        }
        // One field, so that shuffling keeps it.
        fields.push(rewritten);
    }
}

/// Another encoding of a request.
pub fn request(random: &mut Random<'_>, signal: Signal, bytes: &[u8]) -> Vec<u8> {
    rewrite(random, Message::Request(signal), bytes)
}
