//! Points of summaries.

use super::MetricsVisitor;
use super::labels::Labels;
use crate::outcome::{Reason, Reject};
use crate::value::Attributes;
use crate::wire::{Fault, Frames, Reader};

/// The field of a point's attributes.
const ATTRIBUTES: u8 = 7;

/// A point of a summary.
#[derive(Debug, Clone, Copy)]
pub struct SummaryPoint<'a> {
    /// Since when it is counted, in nanoseconds since the Unix epoch; 0 if not given.
    pub start_unix_ns: u64,
    /// Nanoseconds since the Unix epoch, never 0.
    pub time_unix_ns: u64,
    /// How many observations there were.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// See [`NO_RECORDED_VALUE`](super::NO_RECORDED_VALUE).
    pub flags: u32,
    bytes: &'a [u8],
}

/// A quantile and its value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueAtQuantile {
    /// From 0 to 1.
    pub quantile: f64,
    /// The value at that quantile.
    pub value: f64,
}

impl ValueAtQuantile {
    fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let mut read = Self { quantile: 0.0, value: 0.0 };
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                0x09 => read.quantile = reader.double()?,
                0x11 => read.value = reader.double()?,
                _ => reader.skip_unknown(key, 1..=2)?,
            }
        }
        Ok(read)
    }
}

impl<'a> SummaryPoint<'a> {
    /// All attributes, also those whose key lengths the visitor does not want.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, ATTRIBUTES)
    }

    /// The quantiles; one that cannot be read is left out.
    pub fn quantiles(&self) -> impl Iterator<Item = ValueAtQuantile> + use<'a> {
        Frames::new(self.bytes, 6).filter_map(|bytes| ValueAtQuantile::read(bytes).ok())
    }

    #[inline(always)]
    pub(super) fn read<V: MetricsVisitor<'a>>(
        bytes: &'a [u8],
        wanted: u64,
        visitor: &mut V,
    ) -> Result<Self, Reject> {
        let mut point =
            Self { start_unix_ns: 0, time_unix_ns: 0, count: 0, sum: 0.0, flags: 0, bytes };
        let mut labels = Labels::new(bytes, ATTRIBUTES);
        let mut reader = Reader::new(bytes);
        loop {
            let start = reader;
            let Some(key) = reader.key()? else { break };
            match key {
                0x11 => point.start_unix_ns = reader.fixed64()?,
                0x19 => point.time_unix_ns = reader.fixed64()?,
                0x21 => point.count = reader.fixed64()?,
                0x29 => point.sum = reader.double()?,
                0x32 => drop(reader.bytes()?),
                0x3a => labels.step_over(start, &mut reader)?,
                0x40 => point.flags = reader.int32()? as u32,
                _ => reader.skip_unknown(key, 2..=8)?,
            }
        }
        labels.show(wanted, visitor)?;
        if point.time_unix_ns == 0 {
            return Err(Reason::TimeMissing.into());
        }
        Ok(point)
    }
}
