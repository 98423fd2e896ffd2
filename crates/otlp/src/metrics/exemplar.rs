//! Single measurements that a point was made from.

use super::number::Number;
use crate::id;
use crate::value::Attributes;
use crate::wire::{Fault, Frames, Reader};

/// A measurement that stands for others, and the span in which it was taken.
#[derive(Debug, Clone, Copy)]
pub struct Exemplar<'a> {
    /// Nanoseconds since the Unix epoch; 0 if not given.
    pub time_unix_ns: u64,
    /// The measured value, if it is given.
    pub value: Option<Number>,
    /// All zero if the measurement belongs to no trace.
    pub trace_id: [u8; 16],
    /// All zero if the measurement belongs to no span.
    pub span_id: [u8; 8],
    bytes: &'a [u8],
}

impl<'a> Exemplar<'a> {
    /// The attributes that the aggregation dropped from the point.
    #[must_use]
    pub const fn filtered_attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, 7)
    }

    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut exemplar =
            Self { time_unix_ns: 0, value: None, trace_id: [0; 16], span_id: [0; 8], bytes };
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                0x11 => exemplar.time_unix_ns = reader.fixed64()?,
                0x19 => exemplar.value = Some(Number::Double(reader.double()?)),
                0x22 => exemplar.span_id = id::valid_or_zero(reader.bytes()?),
                0x2a => exemplar.trace_id = id::valid_or_zero(reader.bytes()?),
                0x31 => exemplar.value = Some(Number::Int(reader.fixed64()? as i64)),
                0x3a => drop(reader.bytes()?),
                _ => reader.skip_unknown(key, 2..=7)?,
            }
        }
        Ok(exemplar)
    }
}

/// The exemplars of a point; one that cannot be read is left out.
pub(super) fn exemplars<'a>(
    point: &'a [u8],
    field: u8,
) -> impl Iterator<Item = Exemplar<'a>> + use<'a> {
    Frames::new(point, field).filter_map(|bytes| Exemplar::read(bytes).ok())
}
