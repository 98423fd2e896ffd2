//! Log records: fresh ids, current times and what varies in a message, written over those of an
//! encoded request.

mod template;

use prost::Message;

use super::identity::{Ids, scatter};
use super::place::{each_item, fields, place_at, put};
use super::{Shape, Turn};
use crate::wire::{Read, Reader, Unreadable};
use template::{BLANK, BLANKS_MAX};

/// Where the fields of one record that change from copy to copy begin.
#[derive(Debug, Clone, Copy)]
struct Spot {
    time: u32,
    observed: u32,
    trace_id: u32,
    span_id: u32,
    /// What varies in the message.
    blanks: [Option<u32>; BLANKS_MAX],
}

/// The spots of all records of a template.
#[derive(Debug)]
pub(super) struct Spots {
    service: usize,
    spots: Vec<Spot>,
}

pub(super) fn encode(shape: &Shape, service: usize) -> Read<(Vec<u8>, Spots)> {
    let message = template::request(shape, service).encode_to_vec();
    let mut spots = Vec::with_capacity(shape.batch);
    each_item(&message, &mut |record, at| {
        spots.push(spot(record, at)?);
        Ok(())
    })?;
    Ok((message, Spots { service, spots }))
}

impl Spots {
    pub(super) fn stamp(&self, shape: &Shape, turn: Turn, message: &mut [u8]) {
        let first = turn.n.wrapping_mul(shape.batch as u64);
        for (index, spot) in self.spots.iter().enumerate() {
            let number = first.wrapping_add(index as u64);
            let ids = Ids::of(turn.key, number);
            put(message, spot.time, &turn.now_unix_ns.to_le_bytes());
            put(message, spot.observed, &turn.now_unix_ns.to_le_bytes());
            put(message, spot.trace_id, &ids.trace);
            put(message, spot.span_id, &ids.server.to_le_bytes());
            let mut varying = scatter(ids.client ^ self.service as u64);
            for blank in spot.blanks.iter().flatten() {
                put(message, *blank, &digits(varying));
                varying = scatter(varying);
            }
        }
    }
}

fn spot(record: &[u8], begins: usize) -> Read<Spot> {
    let wanted = [(0x09, 8), (0x59, 8), (0x4a, 16), (0x52, 8)];
    let [time, observed, trace_id, span_id] = fields(record, begins, wanted)?;
    Ok(Spot {
        time: time.ok_or(Unreadable)?,
        observed: observed.ok_or(Unreadable)?,
        trace_id: trace_id.ok_or(Unreadable)?,
        span_id: span_id.ok_or(Unreadable)?,
        blanks: blanks(record, begins)?,
    })
}

/// The blanks of the body.
fn blanks(record: &[u8], begins: usize) -> Read<[Option<u32>; BLANKS_MAX]> {
    let mut found = [None; BLANKS_MAX];
    let mut reader = Reader::new(record);
    while !reader.is_empty() {
        let key = reader.varint()?;
        let from = reader.at();
        reader.skip(key)?;
        if key != 0x2a {
            continue;
        }
        let body = record.get(from..reader.at()).ok_or(Unreadable)?;
        let starts = body.windows(BLANK.len()).enumerate();
        let starts = starts.filter(|(_, bytes)| *bytes == BLANK.as_bytes()).map(|(at, _)| at);
        for (place, at) in found.iter_mut().zip(starts) {
            *place = Some(place_at(begins + from + at)?);
        }
    }
    Ok(found)
}

fn digits(mut value: u64) -> [u8; BLANK.len()] {
    let mut digits = [b'0'; BLANK.len()];
    for digit in &mut digits {
        // Below ten.
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
    digits
}
