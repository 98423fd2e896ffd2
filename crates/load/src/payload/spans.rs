//! Spans: fresh ids and current times, written in place over those of an encoded request.

mod json;
mod template;

use prost::Message;

use super::identity::Ids;
use super::place::{each_item, fields, put};
use super::{Shape, Turn, Variant};
use crate::wire::{Read, Unreadable};

/// How a request of spans is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Protobuf,
    Json,
}

/// Where the fields of one span that change from copy to copy begin, in bytes from the request's
/// start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    trace_id: u32,
    span_id: u32,
    /// None for a root span.
    parent_span_id: Option<u32>,
    start: u32,
    end: u32,
}

/// The spots of all spans of a template, with each span's duration in nanoseconds.
#[derive(Debug)]
pub(super) struct Spots {
    format: Format,
    service: usize,
    spots: Vec<(Spot, u32)>,
}

pub(super) fn encode(
    format: Format,
    shape: &Shape,
    service: usize,
    variant: Variant,
) -> Read<(Vec<u8>, Spots)> {
    let request = template::request(shape, service, variant);
    let (message, spots) = match format {
        Format::Protobuf => {
            let message = request.encode_to_vec();
            let spots = spots(&message)?;
            (message, spots)
        }
        Format::Json => json::write(&request)?,
    };
    let duration_ns = |span| template::duration_ns(shape, service, span);
    let spots = spots.into_iter().enumerate().map(|(span, spot)| (spot, duration_ns(span)));
    Ok((message, Spots { format, service, spots: spots.collect() }))
}

impl Spots {
    pub(super) fn stamp(&self, shape: &Shape, turn: Turn, message: &mut [u8]) {
        for (index, (spot, duration_ns)) in self.spots.iter().enumerate() {
            let (caller, pair) = template::pair(shape, self.service, index);
            let call = (turn.round * shape.services as u64 + caller as u64)
                .wrapping_mul(shape.batch as u64 / 2)
                .wrapping_add(pair as u64);
            let ids = Ids::of(turn.key, call);
            let (span_id, parent_span_id) =
                if template::is_server(index) { (ids.server, ids.client) } else { (ids.client, 0) };
            let stamp = Stamp {
                trace_id: ids.trace,
                span_id: span_id.to_le_bytes(),
                parent_span_id: parent_span_id.to_le_bytes(),
                start_unix_ns: turn.now_unix_ns.saturating_sub(u64::from(*duration_ns)),
                end_unix_ns: turn.now_unix_ns,
            };
            match self.format {
                Format::Protobuf => spot.write(message, &stamp),
                Format::Json => json::stamp(spot, message, &stamp),
            }
        }
    }
}

/// What is written over the spots.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    parent_span_id: [u8; 8],
    start_unix_ns: u64,
    end_unix_ns: u64,
}

impl Spot {
    #[inline]
    fn write(&self, request: &mut [u8], stamp: &Stamp) {
        put(request, self.trace_id, &stamp.trace_id);
        put(request, self.span_id, &stamp.span_id);
        if let Some(at) = self.parent_span_id {
            put(request, at, &stamp.parent_span_id);
        }
        put(request, self.start, &stamp.start_unix_ns.to_le_bytes());
        put(request, self.end, &stamp.end_unix_ns.to_le_bytes());
    }
}

/// The spots of all spans of an `ExportTraceServiceRequest`, in wire order.
fn spots(request: &[u8]) -> Read<Vec<Spot>> {
    let mut found = Vec::new();
    each_item(request, &mut |span, begins| {
        let wanted = [(0x0a, 16), (0x12, 8), (0x22, 8), (0x39, 8), (0x41, 8)];
        let [trace_id, span_id, parent_span_id, start, end] = fields(span, begins, wanted)?;
        found.push(Spot {
            trace_id: trace_id.ok_or(Unreadable)?,
            span_id: span_id.ok_or(Unreadable)?,
            parent_span_id,
            start: start.ok_or(Unreadable)?,
            end: end.ok_or(Unreadable)?,
        });
        Ok(())
    })?;
    Ok(found)
}
