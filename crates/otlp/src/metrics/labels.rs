//! The attributes of a point, which a sender repeats from point to point of a stream.

use super::MetricsVisitor;
use crate::value::attributes;
use crate::wire::{Fault, Reader};

/// Where the attributes of a point lie. They are read once the rest of it could be, since who
/// knows the stream need not look at them again.
#[derive(Debug)]
pub(super) struct Labels<'a> {
    point: &'a [u8],
    field: u8,
    /// The attributes, if they lie in one piece.
    run: &'a [u8],
    is_scattered: bool,
}

impl<'a> Labels<'a> {
    #[inline(always)]
    pub(super) fn new(point: &'a [u8], field: u8) -> Self {
        Self { point, field, run: &[], is_scattered: false }
    }

    /// Steps over an attribute whose key was just read, and over those that follow it. `start`
    /// stands before the key.
    #[inline(always)]
    pub(super) fn step_over(
        &mut self,
        start: Reader<'a>,
        reader: &mut Reader<'a>,
    ) -> Result<(), Fault> {
        reader.bytes()?;
        while reader.take_byte(self.field << 3 | 2) {
            reader.bytes()?;
        }
        self.is_scattered |= !self.run.is_empty();
        let run = start.rest();
        self.run = run.get(..run.len() - reader.rest().len()).unwrap_or_default();
        Ok(())
    }

    /// Shows the attributes to a visitor that does not know them.
    #[inline(always)]
    pub(super) fn show<V: MetricsVisitor<'a>>(
        &self,
        wanted: u64,
        visitor: &mut V,
    ) -> Result<(), Fault> {
        if !self.is_scattered {
            if visitor.knows(self.run) {
                return Ok(());
            }
            return self.show_all(self.run, wanted, visitor);
        }
        self.show_all(self.point, wanted, visitor)
    }

    #[inline(always)]
    fn show_all<V: MetricsVisitor<'a>>(
        &self,
        bytes: &'a [u8],
        wanted: u64,
        visitor: &mut V,
    ) -> Result<(), Fault> {
        let field_key = self.field << 3 | 2;
        let mut reader = Reader::new(bytes);
        loop {
            let start = reader;
            let Some(key) = reader.key()? else { return Ok(()) };
            if key != u64::from(field_key) {
                reader.skip(key)?;
                continue;
            }
            reader = start;
            attributes(&mut reader, field_key, wanted, |key, value| {
                visitor.attribute(key, value);
            })?;
        }
    }
}
