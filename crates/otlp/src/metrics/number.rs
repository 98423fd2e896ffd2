//! Points of gauges and sums.

use super::exemplar::{Exemplar, exemplars};
use super::labels::Labels;
use super::{MetricsVisitor, NO_RECORDED_VALUE};
use crate::outcome::{Reason, Reject};
use crate::value::Attributes;
use crate::wire::Reader;

/// The field of a point's attributes.
const ATTRIBUTES: u8 = 7;

/// A measured number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A 64-bit integer.
    Int(i64),
    /// A double.
    Double(f64),
}

impl Number {
    /// The number as a double; integers beyond 2^53 are rounded.
    #[must_use]
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Double(value) => value,
        }
    }
}

/// A point of a gauge or sum.
#[derive(Debug, Clone, Copy)]
pub struct NumberPoint<'a> {
    /// Since when a sum is counted, in nanoseconds since the Unix epoch; 0 if not given.
    pub start_unix_ns: u64,
    /// Nanoseconds since the Unix epoch, never 0.
    pub time_unix_ns: u64,
    /// Nothing only if `flags` say that no value was recorded.
    pub value: Option<Number>,
    /// See [`NO_RECORDED_VALUE`].
    pub flags: u32,
    bytes: &'a [u8],
}

impl<'a> NumberPoint<'a> {
    /// All attributes, also those whose key lengths the visitor does not want.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, ATTRIBUTES)
    }

    /// The exemplars; one that cannot be read is left out.
    pub fn exemplars(&self) -> impl Iterator<Item = Exemplar<'a>> + use<'a> {
        exemplars(self.bytes, 5)
    }

    #[inline(always)]
    pub(super) fn read<V: MetricsVisitor<'a>>(
        bytes: &'a [u8],
        wanted: u64,
        visitor: &mut V,
    ) -> Result<Self, Reject> {
        let mut point = Self { start_unix_ns: 0, time_unix_ns: 0, value: None, flags: 0, bytes };
        let mut labels = Labels::new(bytes, ATTRIBUTES);
        let mut reader = Reader::new(bytes);
        loop {
            let start = reader;
            let Some(key) = reader.key()? else { break };
            match key {
                0x11 => point.start_unix_ns = reader.fixed64()?,
                0x19 => point.time_unix_ns = reader.fixed64()?,
                0x21 => point.value = Some(Number::Double(reader.double()?)),
                0x2a => drop(reader.bytes()?),
                0x31 => point.value = Some(Number::Int(reader.fixed64()? as i64)),
                0x3a => labels.step_over(start, &mut reader)?,
                0x40 => point.flags = reader.int32()? as u32,
                _ => reader.skip_unknown(key, 2..=8)?,
            }
        }
        labels.show(wanted, visitor)?;
        if point.time_unix_ns == 0 {
            return Err(Reason::TimeMissing.into());
        }
        if point.value.is_none() && point.flags & NO_RECORDED_VALUE == 0 {
            return Err(Reason::ValueMissing.into());
        }
        Ok(point)
    }
}
