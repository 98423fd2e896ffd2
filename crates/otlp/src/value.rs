//! Attribute values: borrowed, nested ones read when they are asked for.
//!
//! Protobuf merges repeated occurrences of a submessage. An `AnyValue` may thus lie in several
//! pieces of its parent, and its array in several pieces of it. Views remember the parent and go
//! over all the pieces, so that nothing has to be copied.

use crate::wire::{Fault, Frames, Reader};

/// How deep values may nest; what is deeper reads as empty. The recursion limit of prost.
pub const VALUE_DEPTH_MAX: u8 = 100;

const ARRAY_FIELD: u8 = 5;
const MAP_FIELD: u8 = 6;

/// The value of an attribute, or the body of a log record.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// No value is set.
    Empty,
    /// A string; its UTF-8 is not checked yet, see [`Value::as_str`].
    Str(&'a [u8]),
    /// A truth value.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// Opaque bytes.
    Bytes(&'a [u8]),
    /// A list of values.
    Array(ArrayView<'a>),
    /// A list of named values.
    Map(MapView<'a>),
}

impl<'a> Value<'a> {
    /// The text, if this is a string of valid UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        match self {
            Self::Str(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The integer, if this is one.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// Reads one `AnyValue` that lies in one piece.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        Self::read_pieces(Pieces { bytes, field: 0 }, 0)
    }

    /// Reads one `AnyValue` from all its pieces: the last member of the oneof wins, and further
    /// occurrences of the same message member are merged into it.
    pub(crate) fn read_pieces(pieces: Pieces<'a>, depth: u8) -> Result<Self, Fault> {
        let mut value = Value::Empty;
        let (mut arrays, mut maps) = (0, 0);
        for bytes in pieces.iter() {
            let mut reader = Reader::new(bytes);
            while let Some(key) = reader.key()? {
                value = match key {
                    0x0a => Value::Str(reader.bytes()?),
                    0x10 => Value::Bool(reader.varint()? != 0),
                    0x18 => Value::Int(reader.varint()? as i64),
                    0x21 => Value::Double(reader.double()?),
                    0x2a => {
                        reader.bytes()?;
                        arrays += 1;
                        match value {
                            Value::Array(_) => value,
                            _ => Value::Array(ArrayView { pieces, skip: arrays - 1, depth }),
                        }
                    }
                    0x32 => {
                        reader.bytes()?;
                        maps += 1;
                        match value {
                            Value::Map(_) => value,
                            _ => Value::Map(MapView { pieces, skip: maps - 1, depth }),
                        }
                    }
                    0x3a => Value::Bytes(reader.bytes()?),
                    // `string_value_strindex` points into the dictionary of a profile.
                    0x40 => {
                        reader.varint()?;
                        Value::Empty
                    }
                    _ => {
                        reader.skip_unknown(key, 1..=8)?;
                        value
                    }
                };
            }
        }
        Ok(value)
    }
}

/// The pieces of one `AnyValue`: `bytes` itself if `field` is 0, else every occurrence of that
/// length-delimited field in the message `bytes`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pieces<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) field: u8,
}

#[derive(Debug, Clone)]
enum PieceIter<'a> {
    Whole(Option<&'a [u8]>),
    Parts(Frames<'a>),
}

impl<'a> Pieces<'a> {
    fn iter(self) -> PieceIter<'a> {
        if self.field == 0 {
            PieceIter::Whole(Some(self.bytes))
        } else {
            PieceIter::Parts(Frames::new(self.bytes, self.field))
        }
    }
}

impl<'a> Iterator for PieceIter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Self::Whole(bytes) => bytes.take(),
            Self::Parts(frames) => frames.next(),
        }
    }
}

/// The elements of an array or a map: frames of field 1, in frames of field 5 or 6, in pieces.
#[derive(Debug, Clone)]
struct Elements<'a> {
    pieces: PieceIter<'a>,
    containers: Frames<'a>,
    elements: Frames<'a>,
    field: u8,
    skip: u32,
}

impl<'a> Elements<'a> {
    fn new(pieces: Pieces<'a>, field: u8, skip: u32, depth: u8) -> Self {
        let bytes = if depth < VALUE_DEPTH_MAX { pieces.bytes } else { &[] };
        Self {
            pieces: Pieces { bytes, ..pieces }.iter(),
            containers: Frames::new(&[], field),
            elements: Frames::new(&[], 1),
            field,
            skip,
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if let Some(element) = self.elements.next() {
                return Some(element);
            }
            match self.containers.next() {
                Some(_) if self.skip > 0 => self.skip -= 1,
                Some(container) => self.elements = Frames::new(container, 1),
                None => self.containers = Frames::new(self.pieces.next()?, self.field),
            }
        }
    }
}

/// The elements of an array value. They are read when iterated; one that cannot be read ends it.
#[derive(Debug, Clone, Copy)]
pub struct ArrayView<'a> {
    pieces: Pieces<'a>,
    skip: u32,
    depth: u8,
}

impl<'a> ArrayView<'a> {
    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let depth = self.depth.saturating_add(1);
        Elements::new(self.pieces, ARRAY_FIELD, self.skip, self.depth)
            .map_while(move |bytes| Value::read_pieces(Pieces { bytes, field: 0 }, depth).ok())
    }
}

/// The entries of a map value. They are read when iterated; one that cannot be read ends it.
#[derive(Debug, Clone, Copy)]
pub struct MapView<'a> {
    pieces: Pieces<'a>,
    skip: u32,
    depth: u8,
}

impl<'a> MapView<'a> {
    /// The keys, their UTF-8 unchecked, and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], Value<'a>)> + use<'a> {
        let depth = self.depth.saturating_add(1);
        Elements::new(self.pieces, MAP_FIELD, self.skip, self.depth)
            .map_while(move |entry| key_value(entry, depth).ok())
    }
}

/// Reads one `KeyValue` of any form.
fn key_value(bytes: &[u8], depth: u8) -> Result<(&[u8], Value<'_>), Fault> {
    let (key, pieces) = key_and_pieces(bytes)?;
    Ok((key, Value::read_pieces(pieces, depth)?))
}

fn key_and_pieces(bytes: &[u8]) -> Result<(&[u8], Pieces<'_>), Fault> {
    let (mut key, mut value, mut values) = (&[][..], &[][..], 0_u32);
    let mut reader = Reader::new(bytes);
    while let Some(wire_key) = reader.key()? {
        match wire_key {
            0x0a => key = reader.bytes()?,
            0x12 => {
                value = reader.bytes()?;
                values += 1;
            }
            0x18 => drop(reader.varint()?),
            _ => reader.skip_unknown(wire_key, 1..=3)?,
        }
    }
    let whole = Pieces { bytes: value, field: 0 };
    Ok((key, if values > 1 { Pieces { bytes, field: 2 } } else { whole }))
}

/// The bit of [`key_lengths`](crate::MetricsVisitor::key_lengths) that stands for keys of this
/// length: bit n for n bytes, bit 63 for 63 bytes and more.
#[inline(always)]
#[must_use]
pub const fn key_length_bit(key_bytes: usize) -> u64 {
    1 << if key_bytes < 63 { key_bytes } else { 63 }
}

/// Gives the visitor the attributes that begin where the reader stands, unless their length says
/// that they are not wanted. The field's key byte is there, or a longer form of it: at least one
/// attribute is read, and then the run of those that follow.
#[inline(always)]
pub(crate) fn attributes<'a>(
    reader: &mut Reader<'a>,
    field_key: u8,
    wanted: u64,
    mut visit: impl FnMut(&'a [u8], Value<'a>),
) -> Result<(), Fault> {
    let is_wanted = |key: &[u8]| wanted & key_length_bit(key.len()) != 0;
    let mut any = false;
    while let Some((key, value)) = short_attribute(reader, field_key) {
        any = true;
        if is_wanted(key) {
            if let Some(text) = short_text(value) {
                visit(key, Value::Str(text));
            } else if let Some(number) = short_number(value) {
                visit(key, Value::Int(number));
            } else {
                visit(key, Value::read(value)?);
            }
        }
    }
    if !any && let Some((key, value)) = any_attribute(reader, is_wanted)? {
        visit(key, value);
    }
    Ok(())
}

/// The text, if the value is one in its usual form.
#[inline(always)]
pub(crate) fn short_text(value: &[u8]) -> Option<&[u8]> {
    match value {
        [0x0a, len, text @ ..] if usize::from(*len) == text.len() => Some(text),
        _ => None,
    }
}

/// The number, if the value is one in its usual form, of at most 14 bits.
#[inline(always)]
pub(crate) fn short_number(value: &[u8]) -> Option<i64> {
    match *value {
        [0x18, byte] if byte < 0x80 => Some(i64::from(byte)),
        [0x18, low, high] if low >= 0x80 && high < 0x80 => {
            Some(i64::from(low & 0x7f) | i64::from(high) << 7)
        }
        _ => None,
    }
}

/// Takes an attribute of any form; nothing if it is not wanted.
#[cold]
pub(crate) fn any_attribute<'a>(
    reader: &mut Reader<'a>,
    is_wanted: impl Fn(&'a [u8]) -> bool,
) -> Result<Option<(&'a [u8], Value<'a>)>, Fault> {
    reader.key()?;
    let (key, pieces) = key_and_pieces(reader.bytes()?)?;
    if !is_wanted(key) {
        return Ok(None);
    }
    Ok(Some((key, Value::read_pieces(pieces, 0)?)))
}

/// Takes an attribute of the form `field_key L 0a K key 12 V value` with one byte for each length
/// and nothing else in it; returns key and value. Nearly every attribute on the wire is one short
/// key and one short value and nothing else.
#[inline(always)]
pub(crate) fn short_attribute<'a>(
    reader: &mut Reader<'a>,
    field_key: u8,
) -> Option<(&'a [u8], &'a [u8])> {
    let (&head, rest) = reader.rest().split_first_chunk::<4>()?;
    // One comparison for: the field's key, L < 128, the key's key, K < 128.
    let head = u32::from_le_bytes(head);
    if head & 0x80ff_80ff != u32::from_le_bytes([field_key, 0, 0x0a, 0]) {
        return None;
    }
    let (len, key_len) = ((head >> 8 & 0x7f) as usize, (head >> 24) as usize);
    let value_len = len.checked_sub(key_len + 4)?;
    let (key, tail) = rest.split_at_checked(key_len)?;
    let (&middle, tail) = tail.split_first_chunk::<2>()?;
    if middle != [0x12, value_len as u8] {
        return None;
    }
    let (value, rest) = tail.split_at_checked(value_len)?;
    *reader = Reader::new(rest);
    Some((key, value))
}

/// The attributes of a message, read when iterated; one that cannot be read ends it.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    frames: Frames<'a>,
}

impl<'a> Attributes<'a> {
    pub(crate) const fn new(message: &'a [u8], field: u8) -> Self {
        Self { frames: Frames::new(message, field) }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        key_value(self.frames.next()?, 0).ok()
    }
}

/// Checks that a `KeyValue` can be read down to its value.
pub(crate) fn check_key_value(bytes: &[u8]) -> Result<(), Fault> {
    key_value(bytes, 0).map(drop)
}
