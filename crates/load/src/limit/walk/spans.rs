use super::{each_item, integer, key_value, string};
use crate::wire::{Read, Reader, word};

/// What the walk adds up, so that nothing of it can be optimised away.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Spans.
    pub spans: u64,
    /// Length of `service.name`, once a span.
    pub service_bytes: u64,
    /// Length of the spans' names.
    pub name_bytes: u64,
    /// Length of `http.route`.
    pub route_bytes: u64,
    /// Sum of `http.response.status_code`.
    pub status_codes: u64,
    /// Spans whose status is error.
    pub errors: u64,
    /// Sum of end minus start, in nanoseconds, wrapping.
    pub duration_ns: u64,
    /// Exclusive or of the first words of trace, span and parent ids.
    pub ids: u64,
    /// Sum of the kinds.
    pub kinds: u64,
}

/// Reads of each span in an `ExportTraceServiceRequest` the service, name, kind, status, times,
/// ids and two attributes. `None` if the bytes are no such request; what was read until then is
/// dropped.
#[must_use]
pub fn walk(request: &[u8]) -> Option<Totals> {
    let mut totals = Totals::default();
    each_item(request, |span, service| {
        totals.service_bytes += service.len() as u64;
        walk_span(span, &mut totals)
    })
    .ok()?;
    Some(totals)
}

#[inline(always)]
fn walk_span(bytes: &[u8], totals: &mut Totals) -> Read<()> {
    totals.spans += 1;
    let (mut start, mut end) = (0, 0);
    let mut span = Reader::new(bytes);
    while !span.is_empty() {
        match span.varint()? {
            0x0a | 0x12 | 0x22 => totals.ids ^= word(span.message()?).unwrap_or_default(),
            0x2a => totals.name_bytes += span.message()?.len() as u64,
            0x30 => totals.kinds = totals.kinds.wrapping_add(span.varint()?),
            0x39 => start = span.fixed64()?,
            0x41 => end = span.fixed64()?,
            0x4a => walk_attribute(span.message()?, totals)?,
            0x7a => walk_status(span.message()?, totals)?,
            key => span.skip(key)?,
        }
    }
    totals.duration_ns = totals.duration_ns.wrapping_add(end.wrapping_sub(start));
    Ok(())
}

#[inline(always)]
fn walk_attribute(bytes: &[u8], totals: &mut Totals) -> Read<()> {
    let (key, value) = key_value(bytes)?;
    if key.len() == 10 && key == b"http.route" {
        totals.route_bytes += string(value)?.len() as u64;
    } else if key.len() == 25 && key == b"http.response.status_code" {
        totals.status_codes = totals.status_codes.wrapping_add(integer(value)?);
    }
    Ok(())
}

#[inline(always)]
fn walk_status(bytes: &[u8], totals: &mut Totals) -> Read<()> {
    let mut status = Reader::new(bytes);
    while !status.is_empty() {
        match status.varint()? {
            0x18 => totals.errors += u64::from(status.varint()? == 2),
            key => status.skip(key)?,
        }
    }
    Ok(())
}
