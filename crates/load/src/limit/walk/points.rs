use super::{each_item, key_value};
use crate::wire::{Read, Reader, word};

/// What the walk of data points adds up, so that nothing of it can be optimised away.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct PointTotals {
    /// Data points.
    pub points: u64,
    /// Length of `service.name`, once a metric.
    pub service_bytes: u64,
    /// Length of the metrics' names.
    pub name_bytes: u64,
    /// Sum of the field numbers of the metrics' data, which are their types.
    pub types: u64,
    /// Length of the points' attributes: of the keys and of the encoded values.
    pub attribute_bytes: u64,
    /// Sum of time minus start, in nanoseconds, wrapping.
    pub span_ns: u64,
    /// Sum of the counts, and of the bits of numbers' values, wrapping.
    pub counts: u64,
    /// Exclusive or of the bits of the sums.
    pub sums: u64,
    /// Sum of the bucket counts, wrapping.
    pub buckets: u64,
}

/// Reads of each data point (number or explicit histogram) in an `ExportMetricsServiceRequest` the
/// service, the metric's name and type, attributes, times, value or count, sum and bucket counts.
/// `None` if the bytes are no such request; what was read until then is dropped.
#[must_use]
pub fn walk_points(request: &[u8]) -> Option<PointTotals> {
    let mut totals = PointTotals::default();
    each_item(request, |metric, service| {
        totals.service_bytes += service.len() as u64;
        walk_metric(metric, &mut totals)
    })
    .ok()?;
    Some(totals)
}

#[inline(always)]
fn walk_metric(bytes: &[u8], totals: &mut PointTotals) -> Read<()> {
    let mut metric = Reader::new(bytes);
    while !metric.is_empty() {
        match metric.varint()? {
            0x0a => totals.name_bytes += metric.message()?.len() as u64,
            key @ (0x2a | 0x3a) => {
                totals.types += key >> 3;
                each_point(metric.message()?, totals, walk_number)?;
            }
            key @ 0x4a => {
                totals.types += key >> 3;
                each_point(metric.message()?, totals, walk_histogram)?;
            }
            key => metric.skip(key)?,
        }
    }
    Ok(())
}

#[inline(always)]
fn each_point(
    bytes: &[u8],
    totals: &mut PointTotals,
    walk: impl Fn(&[u8], &mut PointTotals) -> Read<()>,
) -> Read<()> {
    let mut data = Reader::new(bytes);
    while !data.is_empty() {
        match data.varint()? {
            0x0a => {
                totals.points += 1;
                walk(data.message()?, totals)?;
            }
            key => data.skip(key)?,
        }
    }
    Ok(())
}

#[inline(always)]
fn walk_number(bytes: &[u8], totals: &mut PointTotals) -> Read<()> {
    let (mut start, mut time) = (0, 0);
    let mut point = Reader::new(bytes);
    while !point.is_empty() {
        match point.varint()? {
            0x11 => start = point.fixed64()?,
            0x19 => time = point.fixed64()?,
            0x21 | 0x31 => totals.counts = totals.counts.wrapping_add(point.fixed64()?),
            0x3a => walk_attribute(point.message()?, totals)?,
            key => point.skip(key)?,
        }
    }
    totals.span_ns = totals.span_ns.wrapping_add(time.wrapping_sub(start));
    Ok(())
}

#[inline(always)]
fn walk_histogram(bytes: &[u8], totals: &mut PointTotals) -> Read<()> {
    let (mut start, mut time) = (0, 0);
    let mut point = Reader::new(bytes);
    while !point.is_empty() {
        match point.varint()? {
            0x11 => start = point.fixed64()?,
            0x19 => time = point.fixed64()?,
            0x21 => totals.counts = totals.counts.wrapping_add(point.fixed64()?),
            0x29 => totals.sums ^= point.fixed64()?,
            0x32 => {
                for count in point.message()?.chunks_exact(8) {
                    totals.buckets = totals.buckets.wrapping_add(word(count).unwrap_or_default());
                }
            }
            0x4a => walk_attribute(point.message()?, totals)?,
            key => point.skip(key)?,
        }
    }
    totals.span_ns = totals.span_ns.wrapping_add(time.wrapping_sub(start));
    Ok(())
}

#[inline(always)]
fn walk_attribute(bytes: &[u8], totals: &mut PointTotals) -> Read<()> {
    let (key, value) = key_value(bytes)?;
    totals.attribute_bytes += (key.len() + value.len()) as u64;
    Ok(())
}
