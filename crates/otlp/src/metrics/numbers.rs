//! Repeated numbers, packed or not, in one or several pieces.

use crate::wire::{Fault, Frames, Reader, field_number, len_key};

/// How the numbers of a list are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Fixed64,
    Varint,
}

/// Reads one more occurrence of a repeated field and returns how many numbers it holds.
pub(super) fn check_packed(packed: &[u8], coding: Coding) -> Result<usize, Fault> {
    if coding == Coding::Fixed64 {
        return if packed.len().is_multiple_of(8) {
            Ok(packed.len() / 8)
        } else {
            Err(Fault::Packed)
        };
    }
    let (mut reader, mut len) = (Reader::new(packed), 0);
    while !reader.rest().is_empty() {
        reader.varint()?;
        len += 1;
    }
    Ok(len)
}

/// The numbers of one field of a message that was checked before.
#[derive(Debug, Clone)]
struct Numbers<'a> {
    message: Reader<'a>,
    packed: Reader<'a>,
    field: u8,
    coding: Coding,
}

impl<'a> Numbers<'a> {
    fn new(message: &'a [u8], field: u8, coding: Coding) -> Self {
        Self { message: Reader::new(message), packed: Reader::new(&[]), field, coding }
    }

    fn one(reader: &mut Reader<'_>, coding: Coding) -> Option<u64> {
        match coding {
            Coding::Fixed64 => reader.fixed64().ok(),
            Coding::Varint => reader.varint().ok(),
        }
    }
}

impl Iterator for Numbers<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            if !self.packed.rest().is_empty() {
                return Self::one(&mut self.packed, self.coding);
            }
            let key = self.message.key().ok()??;
            if key == len_key(self.field) {
                self.packed = Reader::new(self.message.bytes().ok()?);
            } else if field_number(key) == u64::from(self.field) {
                return Self::one(&mut self.message, self.coding);
            } else {
                self.message.skip(key).ok()?;
            }
        }
    }
}

/// The counts of a histogram's buckets.
#[derive(Debug, Clone, Copy)]
pub struct Counts<'a> {
    pub(super) message: &'a [u8],
    /// The field of `message` that holds the bucket message with the list; 0 if `message` itself
    /// holds the list.
    pub(super) within: u8,
    pub(super) field: u8,
    pub(super) len: usize,
}

impl<'a> Counts<'a> {
    pub(super) const fn empty(within: u8, field: u8) -> Self {
        Self { message: &[], within, field, len: 0 }
    }

    /// How many buckets there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The counts in the order of the buckets.
    pub fn iter(&self) -> impl Iterator<Item = u64> + use<'a> {
        let (own, within) =
            if self.within == 0 { (self.message, &[][..]) } else { (&[][..], self.message) };
        let field = self.field;
        Numbers::new(own, field, Coding::Fixed64).chain(
            Frames::new(within, self.within)
                .flat_map(move |buckets| Numbers::new(buckets, field, Coding::Varint)),
        )
    }
}

/// The upper bounds of a histogram's buckets but the last, which has none.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    pub(super) message: &'a [u8],
    pub(super) field: u8,
    pub(super) len: usize,
}

impl<'a> Bounds<'a> {
    /// How many bounds there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bounds in the order sent, which should be increasing; that is not checked.
    pub fn iter(&self) -> impl Iterator<Item = f64> + use<'a> {
        Numbers::new(self.message, self.field, Coding::Fixed64).map(f64::from_bits)
    }
}
