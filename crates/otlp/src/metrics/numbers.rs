//! Repeated numbers, packed or not, in one or several pieces.

use crate::wire::{Fault, Frames, Reader, field_number, len_key};

/// How the numbers of a list are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Fixed64,
    Varint,
}

/// Reads a packed list of varints and returns how many it holds.
pub(super) fn count_varints(packed: &[u8]) -> Result<usize, Fault> {
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

/// Where one list of fixed-width numbers lies in a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct FixedList<'a> {
    /// The message from the first occurrence on.
    message: &'a [u8],
    /// The numbers, if they all lie in one packed piece, as nearly every sender writes them.
    packed: &'a [[u8; 8]],
    len: usize,
}

impl<'a> FixedList<'a> {
    pub(super) const EMPTY: Self = Self { message: &[], packed: &[], len: 0 };

    /// Steps over one more occurrence, whose key was just read; `start` stands before the key.
    #[inline(always)]
    pub(super) fn step_over(
        &mut self,
        start: Reader<'a>,
        reader: &mut Reader<'a>,
        is_packed: bool,
    ) -> Result<(), Fault> {
        let numbers: &[[u8; 8]] = if is_packed {
            let (numbers, []) = reader.bytes()?.as_chunks() else { return Err(Fault::Packed) };
            self.len += numbers.len();
            numbers
        } else {
            reader.fixed64()?;
            self.len += 1;
            &[]
        };
        let is_first = self.message.is_empty();
        self.packed = if is_first { numbers } else { &[] };
        if is_first {
            self.message = start.rest();
        }
        Ok(())
    }

    /// The numbers as their bytes, if they lie in one piece.
    #[inline(always)]
    fn in_one_piece(&self) -> Option<&'a [[u8; 8]]> {
        (self.packed.len() == self.len).then_some(self.packed)
    }
}

/// The counts of a histogram's buckets.
#[derive(Debug, Clone, Copy)]
pub struct Counts<'a> {
    pub(super) place: Place<'a>,
}

/// Where counts lie.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// In a field of the point.
    Fixed(FixedList<'a>),
    /// As varints, in field 2 of the messages in the field `within` of the point.
    Varint { message: &'a [u8], within: u8, len: usize },
}

/// The field of the counts in a point with explicit bounds.
const COUNTS: u8 = 6;
/// The field of the counts in the buckets of an exponential histogram.
const BUCKET_COUNTS: u8 = 2;
/// The field of the bounds in a point.
const BOUNDS: u8 = 7;

impl<'a> Counts<'a> {
    pub(super) const fn fixed(list: FixedList<'a>) -> Self {
        Self { place: Place::Fixed(list) }
    }

    pub(super) const fn within(within: u8) -> Self {
        Self { place: Place::Varint { message: &[], within, len: 0 } }
    }

    /// How many buckets there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match &self.place {
            Place::Fixed(list) => list.len,
            Place::Varint { len, .. } => *len,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The counts as bytes, the lowest first, if they lie in one piece of the point: there is
    /// nothing faster to go through.
    #[inline(always)]
    #[must_use]
    pub fn in_one_piece(&self) -> Option<&'a [[u8; 8]]> {
        match &self.place {
            Place::Fixed(list) => list.in_one_piece(),
            Place::Varint { .. } => None,
        }
    }

    /// The counts in the order of the buckets.
    pub fn iter(&self) -> impl Iterator<Item = u64> + use<'a> {
        let (own, message, within) = match self.place {
            Place::Fixed(list) => (list.message, &[][..], 0),
            Place::Varint { message, within, .. } => (&[][..], message, within),
        };
        Numbers::new(own, COUNTS, Coding::Fixed64).chain(
            Frames::new(message, within)
                .flat_map(|buckets| Numbers::new(buckets, BUCKET_COUNTS, Coding::Varint)),
        )
    }
}

/// The upper bounds of a histogram's buckets but the last, which has none.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    pub(super) list: FixedList<'a>,
}

impl<'a> Bounds<'a> {
    /// How many bounds there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.list.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As [`Counts::in_one_piece`].
    #[inline(always)]
    #[must_use]
    pub fn in_one_piece(&self) -> Option<&'a [[u8; 8]]> {
        self.list.in_one_piece()
    }

    /// The bounds in the order sent, which should be increasing; that is not checked.
    pub fn iter(&self) -> impl Iterator<Item = f64> + use<'a> {
        Numbers::new(self.list.message, BOUNDS, Coding::Fixed64).map(f64::from_bits)
    }
}
