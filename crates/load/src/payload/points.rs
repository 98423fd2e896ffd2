//! Data points of cumulative histograms: counts that grow, written over those of an encoded
//! request.

mod template;

use prost::Message;

use super::place::{each, each_item, fields, put};
use super::{Shape, Turn};
use crate::wire::{Read, Unreadable};
use template::{BUCKETS, Growth};

pub(super) use template::POINTS_PER_INSTANCE;

/// Requests of a service until its series come again.
pub(super) const VARIANTS: usize = 2;

/// Where the fields of one point that change from copy to copy begin.
#[derive(Debug, Clone, Copy)]
struct Spot {
    time: u32,
    count: u32,
    sum: u32,
    buckets: u32,
}

/// The spots of all points of a template, with what each point counts in a round.
#[derive(Debug)]
pub(super) struct Spots {
    spots: Vec<(Spot, Growth)>,
}

pub(super) fn encode(
    shape: &Shape,
    service: usize,
    variant: usize,
    began_unix_ns: u64,
) -> Read<(Vec<u8>, Spots)> {
    let request = template::request(shape, service, variant, began_unix_ns);
    let message = request.encode_to_vec();
    let mut spots = Vec::with_capacity(shape.batch);
    each_item(&message, &mut |metric, at| {
        each(metric, at, 0x4a, &mut |histogram, at| {
            each(histogram, at, 0x0a, &mut |point, at| {
                let growth = Growth::of(service, variant * shape.batch + spots.len());
                spots.push((spot(point, at)?, growth));
                Ok(())
            })
        })
    })?;
    Ok((message, Spots { spots }))
}

impl Spots {
    pub(super) fn stamp(&self, turn: Turn, message: &mut [u8]) {
        for (spot, growth) in &self.spots {
            let mut count = 0;
            let mut buckets = [0; BUCKETS * 8];
            for (bytes, counted) in buckets.chunks_exact_mut(8).zip(growth.counts(turn.round)) {
                bytes.copy_from_slice(&counted.to_le_bytes());
                count += counted;
            }
            put(message, spot.time, &turn.now_unix_ns.to_le_bytes());
            put(message, spot.count, &count.to_le_bytes());
            put(message, spot.sum, &growth.sum_s(count).to_le_bytes());
            put(message, spot.buckets, &buckets);
        }
    }
}

fn spot(point: &[u8], begins: usize) -> Read<Spot> {
    // Time and count are fixed64, the sum is a double, the buckets are packed fixed64s.
    let wanted = [(0x19, 8), (0x21, 8), (0x29, 8), (0x32, BUCKETS * 8)];
    let [time, count, sum, buckets] = fields(point, begins, wanted)?;
    Ok(Spot {
        time: time.ok_or(Unreadable)?,
        count: count.ok_or(Unreadable)?,
        sum: sum.ok_or(Unreadable)?,
        buckets: buckets.ok_or(Unreadable)?,
    })
}
