//! The bare walk: what reading the needed fields of each span costs when nothing is done with
//! them.

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
/// dropped. It expects known senders' messages: fields in one piece, no groups.
#[must_use]
pub fn walk(request: &[u8]) -> Option<Totals> {
    let mut totals = Totals::default();
    walk_request(request, &mut totals).ok()?;
    Some(totals)
}

fn walk_request(request: &[u8], totals: &mut Totals) -> Read<()> {
    let mut reader = Reader::new(request);
    while !reader.is_empty() {
        match reader.varint()? {
            0x0a => walk_resource_spans(reader.message()?, totals)?,
            key => reader.skip(key)?,
        }
    }
    Ok(())
}

/// Two passes, since the resource may come after its spans.
fn walk_resource_spans(bytes: &[u8], totals: &mut Totals) -> Read<()> {
    let service = service_name(bytes)?;
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let key = reader.varint()?;
        if key != 0x12 {
            reader.skip(key)?;
            continue;
        }
        let mut scope = Reader::new(reader.message()?);
        while !scope.is_empty() {
            let key = scope.varint()?;
            if key == 0x12 {
                totals.service_bytes += service.len() as u64;
                walk_span(scope.message()?, totals)?;
            } else {
                scope.skip(key)?;
            }
        }
    }
    Ok(())
}

fn service_name(resource_spans: &[u8]) -> Read<&[u8]> {
    let mut service = &b""[..];
    let mut reader = Reader::new(resource_spans);
    while !reader.is_empty() {
        let key = reader.varint()?;
        if key != 0x0a {
            reader.skip(key)?;
            continue;
        }
        let mut resource = Reader::new(reader.message()?);
        while !resource.is_empty() {
            let key = resource.varint()?;
            if key != 0x0a {
                resource.skip(key)?;
                continue;
            }
            let (key, value) = key_value(resource.message()?)?;
            if key == b"service.name" {
                service = string(value)?;
            }
        }
    }
    Ok(service)
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

#[inline(always)]
fn key_value(bytes: &[u8]) -> Read<(&[u8], &[u8])> {
    let (mut reader, mut key, mut value) = (Reader::new(bytes), &b""[..], &b""[..]);
    while !reader.is_empty() {
        match reader.varint()? {
            0x0a => key = reader.message()?,
            0x12 => value = reader.message()?,
            other => reader.skip(other)?,
        }
    }
    Ok((key, value))
}

/// The string of an `AnyValue`, empty if it holds another type.
#[inline(always)]
fn string(value: &[u8]) -> Read<&[u8]> {
    match value {
        [0x0a, rest @ ..] => Reader::new(rest).message(),
        _ => Ok(b""),
    }
}

/// The integer of an `AnyValue`, 0 if it holds another type.
#[inline(always)]
fn integer(value: &[u8]) -> Read<u64> {
    match value {
        [0x18, rest @ ..] => Reader::new(rest).varint(),
        _ => Ok(0),
    }
}
