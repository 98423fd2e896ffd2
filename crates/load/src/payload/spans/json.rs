//! The same request as OTLP/JSON, with fields as OpenTelemetry's JavaScript exporter writes them:
//! ids in hex, times as strings, counts of what was dropped and empty lists included.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;

use super::{Spot, Stamp};
use crate::payload::place::{place_at, put};
use crate::wire::{Read, Unreadable};

/// Digits of a time in nanoseconds from 2001 to 2286.
const TIME_DIGITS: usize = 19;
const HEX: [u8; 16] = *b"0123456789abcdef";

/// The text, and the spots of its spans.
pub(super) fn write(request: &ExportTraceServiceRequest) -> Read<(Vec<u8>, Vec<Spot>)> {
    let (mut out, mut spots) = (Vec::new(), Vec::new());
    list(&mut out, "{\"resourceSpans\":", &request.resource_spans, |out, one| {
        out.extend(b"{\"resource\":{");
        let resource = one.resource.as_ref().ok_or(Unreadable)?;
        attributes(out, &resource.attributes)?;
        out.push(b'}');
        list(out, ",\"scopeSpans\":", &one.scope_spans, |out, scoped| {
            let scope = scoped.scope.as_ref().ok_or(Unreadable)?;
            out.extend(b"{\"scope\":{\"name\":");
            string(out, &scope.name)?;
            out.extend(b",\"version\":");
            string(out, &scope.version)?;
            out.push(b'}');
            list(out, ",\"spans\":", &scoped.spans, |out, one| {
                spots.push(span(out, one)?);
                Ok(())
            })?;
            out.push(b'}');
            Ok(())
        })?;
        out.extend(b",\"schemaUrl\":");
        string(out, &one.schema_url)?;
        out.push(b'}');
        Ok(())
    })?;
    out.push(b'}');
    Ok((out, spots))
}

/// Writes ids and times over those of a copy.
pub(super) fn stamp(spot: &Spot, request: &mut [u8], stamp: &Stamp) {
    put(request, spot.trace_id, &hex::<16, 32>(&stamp.trace_id));
    put(request, spot.span_id, &hex::<8, 16>(&stamp.span_id));
    if let Some(at) = spot.parent_span_id {
        put(request, at, &hex::<8, 16>(&stamp.parent_span_id));
    }
    put(request, spot.start, &decimal(stamp.start_unix_ns));
    put(request, spot.end, &decimal(stamp.end_unix_ns));
}

fn span(out: &mut Vec<u8>, span: &Span) -> Read<Spot> {
    let blank = |out: &mut Vec<u8>, name: &str, digits: usize| -> Read<u32> {
        out.extend(name.as_bytes());
        out.push(b'"');
        let at = place_at(out.len())?;
        out.resize(out.len() + digits, b'1');
        out.push(b'"');
        Ok(at)
    };
    let trace_id = blank(out, "{\"traceId\":", 32)?;
    let span_id = blank(out, ",\"spanId\":", 16)?;
    let parent_span_id = match span.parent_span_id.as_slice() {
        [] => None,
        _ => Some(blank(out, ",\"parentSpanId\":", 16)?),
    };
    out.extend(b",\"name\":");
    string(out, &span.name)?;
    raw(out, &format!(",\"kind\":{}", span.kind));
    let start = blank(out, ",\"startTimeUnixNano\":", TIME_DIGITS)?;
    let end = blank(out, ",\"endTimeUnixNano\":", TIME_DIGITS)?;
    out.push(b',');
    attributes(out, &span.attributes)?;
    out.extend(b",\"events\":[],\"droppedEventsCount\":0,\"status\":{");
    let status = span.status.as_ref().ok_or(Unreadable)?;
    raw(out, &format!("\"code\":{}", status.code));
    if !status.message.is_empty() {
        out.extend(b",\"message\":");
        string(out, &status.message)?;
    }
    raw(out, &format!("}},\"links\":[],\"droppedLinksCount\":0,\"flags\":{}}}", span.flags));
    Ok(Spot { trace_id, span_id, parent_span_id, start, end })
}

fn attributes(out: &mut Vec<u8>, attributes: &[KeyValue]) -> Read<()> {
    list(out, "\"attributes\":", attributes, |out, attribute| {
        out.extend(b"{\"key\":");
        string(out, &attribute.key)?;
        match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(value)) => {
                out.extend(b",\"value\":{\"stringValue\":");
                string(out, value)?;
            }
            Some(Value::IntValue(value)) => {
                raw(out, &format!(",\"value\":{{\"intValue\":{value}"));
            }
            // The templates hold no other types.
            _ => return Err(Unreadable),
        }
        out.extend(b"}}");
        Ok(())
    })?;
    out.extend(b",\"droppedAttributesCount\":0");
    Ok(())
}

fn list<T>(
    out: &mut Vec<u8>,
    name: &str,
    items: &[T],
    mut write: impl FnMut(&mut Vec<u8>, &T) -> Read<()>,
) -> Read<()> {
    raw(out, name);
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item)?;
    }
    out.push(b']');
    Ok(())
}

fn string(out: &mut Vec<u8>, text: &str) -> Read<()> {
    serde_json::to_writer(out, text).map_err(|_| Unreadable)
}

fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// `DIGITS` is twice `BYTES`.
fn hex<const BYTES: usize, const DIGITS: usize>(bytes: &[u8; BYTES]) -> [u8; DIGITS] {
    let mut digits = [b'0'; DIGITS];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        if let [high, low] = pair {
            *high = HEX[usize::from(byte >> 4)];
            *low = HEX[usize::from(byte & 15)];
        }
    }
    digits
}

fn decimal(mut value: u64) -> [u8; TIME_DIGITS] {
    let mut digits = [b'0'; TIME_DIGITS];
    for digit in digits.iter_mut().rev() {
        // Below ten.
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
    digits
}
