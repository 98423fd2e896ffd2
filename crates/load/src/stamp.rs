//! Fresh ids and current times, written in place over those of an encoded request.

use crate::wire::{Read, Reader, Unreadable};

/// Where the fields of one span that change from copy to copy begin, in bytes from the request's
/// start. Ids have their fixed lengths, times are fixed64, so writing over them moves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    trace_id: u32,
    span_id: u32,
    /// None for a root span.
    parent_span_id: Option<u32>,
    start: u32,
    end: u32,
}

/// What is written there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub parent_span_id: [u8; 8],
    pub start_unix_ns: u64,
    pub end_unix_ns: u64,
}

impl Spot {
    /// Does nothing where the request is shorter than the one in which the spot was found.
    #[inline]
    pub(crate) fn write(&self, request: &mut [u8], stamp: &Stamp) {
        put(request, self.trace_id, &stamp.trace_id);
        put(request, self.span_id, &stamp.span_id);
        if let Some(at) = self.parent_span_id {
            put(request, at, &stamp.parent_span_id);
        }
        put(request, self.start, &stamp.start_unix_ns.to_le_bytes());
        put(request, self.end, &stamp.end_unix_ns.to_le_bytes());
    }
}

#[inline(always)]
fn put<const N: usize>(request: &mut [u8], at: u32, value: &[u8; N]) {
    if let Some(place) = request.get_mut(at as usize..).and_then(|rest| rest.first_chunk_mut()) {
        *place = *value;
    }
}

/// The spots of all spans of an `ExportTraceServiceRequest`, in wire order.
pub(crate) fn spots(request: &[u8]) -> Read<Vec<Spot>> {
    let mut found = Vec::new();
    each(request, 0, 0x0a, &mut |resource_spans, at| {
        each(resource_spans, at, 0x12, &mut |scope_spans, at| {
            each(scope_spans, at, 0x12, &mut |span, at| {
                found.push(spot(span, at)?);
                Ok(())
            })
        })
    })?;
    Ok(found)
}

/// Calls `visit` with each submessage under `wanted` and where it begins.
fn each(
    message: &[u8],
    begins: usize,
    wanted: u64,
    visit: &mut dyn FnMut(&[u8], usize) -> Read<()>,
) -> Read<()> {
    let mut reader = Reader::new(message);
    while !reader.is_empty() {
        let key = reader.varint()?;
        if key == wanted {
            let inner = reader.message()?;
            visit(inner, begins + reader.at() - inner.len())?;
        } else {
            reader.skip(key)?;
        }
    }
    Ok(())
}

fn spot(span: &[u8], begins: usize) -> Read<Spot> {
    let (mut trace_id, mut span_id, mut parent_span_id) = (None, None, None);
    let (mut start, mut end) = (None, None);
    let mut reader = Reader::new(span);
    while !reader.is_empty() {
        let key = reader.varint()?;
        let value_at = reader.at();
        reader.skip(key)?;
        let (place, bytes) = match key {
            0x0a => (&mut trace_id, 16),
            0x12 => (&mut span_id, 8),
            0x22 => (&mut parent_span_id, 8),
            0x39 => (&mut start, 8),
            0x41 => (&mut end, 8),
            _ => continue,
        };
        // The value proper is at the end of the field, after the length that ids have.
        let at = reader.at() - bytes;
        if at < value_at {
            return Err(Unreadable);
        }
        *place = Some(u32::try_from(begins + at).map_err(|_| Unreadable)?);
    }
    Ok(Spot {
        trace_id: trace_id.ok_or(Unreadable)?,
        span_id: span_id.ok_or(Unreadable)?,
        parent_span_id,
        start: start.ok_or(Unreadable)?,
        end: end.ok_or(Unreadable)?,
    })
}
