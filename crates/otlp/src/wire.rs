//! The protobuf wire format, read from borrowed bytes.
//!
//! Encoding: <https://protobuf.dev/programming-guides/encoding/>. What is accepted is what prost
//! accepts; deeper nesting of groups than [`GROUP_DEPTH_MAX`] is an error, as there.

use std::fmt;
use std::ops::RangeInclusive;

/// How deep unknown groups may nest. The limit of prost and of the C++ implementation.
pub const GROUP_DEPTH_MAX: u32 = 100;

/// The first byte of the mark with which the JSON reader spoils an item whose value has the wrong
/// type: field number 0 with wire type 7, which no valid message holds. A [`Fault`] code follows.
pub(crate) const SPOILED: u8 = 0x07;

/// Why bytes cannot be read as the message that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The bytes end inside a field.
    Truncated,
    /// A varint has more than ten bytes, or more than 64 bits.
    Varint,
    /// Field number 0 or a key above 32 bits.
    Key,
    /// Wire type 6 or 7.
    WireType,
    /// A known field with another wire type than its own.
    FieldType,
    /// An end of a group that is not open, or of another one than the open one.
    Group,
    /// Groups nest deeper than [`GROUP_DEPTH_MAX`].
    Depth,
    /// A packed list of fixed-width numbers that ends inside a number.
    Packed,
    /// JSON: a value of another type than the field's.
    JsonType,
    /// JSON: a number that does not fit the field.
    JsonNumber,
    /// JSON: bytes that are not base64.
    JsonBase64,
}

impl Fault {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "ends inside a field",
            Self::Varint => "varint longer than 64 bits",
            Self::Key => "invalid field number",
            Self::WireType => "unknown wire type",
            Self::FieldType => "wrong wire type for a known field",
            Self::Group => "unmatched end of group",
            Self::Depth => "groups nested too deep",
            Self::Packed => "packed list ends inside a number",
            Self::JsonType => "JSON value of the wrong type",
            Self::JsonNumber => "JSON number or enum that does not fit its field",
            Self::JsonBase64 => "JSON string that is not base64",
        }
    }

    /// The byte that follows [`SPOILED`], for the faults that JSON text can have.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::JsonNumber => 2,
            Self::JsonBase64 => 3,
            _ => 1,
        }
    }

    const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::JsonType,
            2 => Self::JsonNumber,
            3 => Self::JsonBase64,
            _ => Self::Key,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A field's number and wire type in one, as on the wire.
pub(crate) type Key = u64;

/// The wire type of a key.
#[inline(always)]
pub(crate) const fn wire_type(key: Key) -> u64 {
    key & 7
}

/// The field number of a key.
#[inline(always)]
pub(crate) const fn field_number(key: Key) -> u64 {
    key >> 3
}

/// The key of a length-delimited field.
#[inline(always)]
pub(crate) const fn len_key(field: u8) -> Key {
    (field as u64) << 3 | 2
}

/// Takes one field after the other from the front of borrowed bytes.
///
/// After an error the position is not meaningful beyond "in or before the field at fault".
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline(always)]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    #[inline(always)]
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next field's key, or nothing at the end. Only [`Reader::skip`] checks it, so every
    /// loop over fields must end in that for the keys that it does not know.
    #[inline(always)]
    pub(crate) fn key(&mut self) -> Result<Option<Key>, Fault> {
        match *self.rest {
            [] => Ok(None),
            [byte, ref rest @ ..] if byte < 0x80 => {
                self.rest = rest;
                Ok(Some(Key::from(byte)))
            }
            _ => self.varint_long().map(Some),
        }
    }

    /// Steps over the next byte if it is this one.
    #[inline(always)]
    pub(crate) fn take_byte(&mut self, expected: u8) -> bool {
        match *self.rest {
            [byte, ref rest @ ..] if byte == expected => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Steps over the fields that follow one of `payload` bytes, which began at `first` and ends
    /// here, and have the same key and the same length; returns how many they are.
    ///
    /// Where a field ends is taken from the first one and then compared with what it says itself:
    /// a processor that foresees the outcome goes on to the next field without waiting for the
    /// memory. Reading the lengths one after the other costs a cache miss a field.
    #[inline(always)]
    pub(crate) fn skip_alike(&mut self, first: Self, payload: usize) -> u64 {
        let whole = first.rest.len() - self.rest.len();
        let Some(head) = first.rest.first_chunk().map(|head| u32::from_le_bytes(*head)) else {
            return 0;
        };
        let unused = match whole - payload {
            head_bytes @ 2..=4 => 32 - 8 * head_bytes as u32,
            _ => return 0,
        };
        let mut count = 0;
        while let Some(next) = self.rest.first_chunk().map(|next| u32::from_le_bytes(*next))
            && (next ^ head) << unused == 0
            && let Some(rest) = self.rest.get(whole..)
        {
            self.rest = rest;
            count += 1;
        }
        count
    }

    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Result<u64, Fault> {
        match *self.rest {
            [byte, ref rest @ ..] if byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            _ => self.varint_long(),
        }
    }

    #[inline]
    fn varint_long(&mut self) -> Result<u64, Fault> {
        if let [low, high, ref rest @ ..] = *self.rest
            && high < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(low & 0x7f) | u64::from(high) << 7);
        }
        self.varint_any()
    }

    #[inline(never)]
    fn varint_any(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for (index, &byte) in self.rest.iter().enumerate().take(10) {
            if index == 9 && byte > 1 {
                return Err(Fault::Varint);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(if self.rest.len() >= 10 { Fault::Varint } else { Fault::Truncated })
    }

    #[inline(always)]
    pub(crate) fn take(&mut self, len: u64) -> Result<&'a [u8], Fault> {
        let len = usize::try_from(len).map_err(|_| Fault::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A length-delimited payload.
    #[inline(always)]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let len = self.varint()?;
        self.take(len)
    }

    #[inline(always)]
    pub(crate) fn fixed64(&mut self) -> Result<u64, Fault> {
        let (chunk, rest) = self.rest.split_first_chunk::<8>().ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*chunk))
    }

    #[inline(always)]
    pub(crate) fn fixed32(&mut self) -> Result<u32, Fault> {
        let (chunk, rest) = self.rest.split_first_chunk::<4>().ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*chunk))
    }

    #[inline(always)]
    pub(crate) fn double(&mut self) -> Result<f64, Fault> {
        self.fixed64().map(f64::from_bits)
    }

    /// An int32, uint32 or enum, cut to 32 bits as protobuf demands.
    #[inline(always)]
    pub(crate) fn int32(&mut self) -> Result<i32, Fault> {
        self.varint().map(|value| value as i32)
    }

    /// A zigzag-encoded sint32.
    #[inline(always)]
    pub(crate) fn sint32(&mut self) -> Result<i32, Fault> {
        self.varint().map(|value| {
            let value = value as u32;
            (value >> 1) as i32 ^ -((value & 1) as i32)
        })
    }

    /// Steps over the field whose key was just read, whatever its number.
    #[inline]
    pub(crate) fn skip(&mut self, key: Key) -> Result<(), Fault> {
        self.skip_within(key, GROUP_DEPTH_MAX)
    }

    /// Steps over a field of a message that defines the numbers in `known`, all of which the
    /// caller has matched by their full keys: one of these with another wire type is a fault.
    #[inline]
    pub(crate) fn skip_unknown(
        &mut self,
        key: Key,
        known: RangeInclusive<u64>,
    ) -> Result<(), Fault> {
        if known.contains(&field_number(key)) {
            return Err(Fault::FieldType);
        }
        self.skip(key)
    }

    fn skip_within(&mut self, key: Key, depth: u32) -> Result<(), Fault> {
        if key == Key::from(SPOILED) {
            return Err(Fault::from_code(self.rest.first().copied().unwrap_or_default()));
        }
        if field_number(key) == 0 || key > Key::from(u32::MAX) {
            return Err(Fault::Key);
        }
        match wire_type(key) {
            0 => self.varint().map(drop),
            1 => self.fixed64().map(drop),
            2 => self.bytes().map(drop),
            3 => self.skip_group(field_number(key), depth),
            4 => Err(Fault::Group),
            5 => self.fixed32().map(drop),
            _ => Err(Fault::WireType),
        }
    }

    #[cold]
    fn skip_group(&mut self, field: u64, depth: u32) -> Result<(), Fault> {
        let depth = depth.checked_sub(1).ok_or(Fault::Depth)?;
        loop {
            let key = self.key()?.ok_or(Fault::Truncated)?;
            if wire_type(key) == 4 {
                return if field_number(key) == field { Ok(()) } else { Err(Fault::Group) };
            }
            self.skip_within(key, depth)?;
        }
    }
}

/// The payloads of one length-delimited field of a message, in wire order. Ends at the end or at
/// the first byte that cannot be read.
#[derive(Debug, Clone)]
pub(crate) struct Frames<'a> {
    reader: Reader<'a>,
    key: Key,
}

impl<'a> Frames<'a> {
    pub(crate) const fn new(message: &'a [u8], field: u8) -> Self {
        Self { reader: Reader::new(message), key: len_key(field) }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.take_next()
    }
}

impl<'a> Frames<'a> {
    /// As `next`, for loops that are worth a copy of it.
    #[inline(always)]
    pub(crate) fn take_next(&mut self) -> Option<&'a [u8]> {
        let frame = self.find().ok().flatten();
        if frame.is_none() {
            self.reader = Reader::new(&[]);
        }
        frame
    }

    #[inline(always)]
    fn find(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        while let Some(key) = self.reader.key()? {
            if key == self.key {
                return self.reader.bytes().map(Some);
            }
            self.reader.skip(key)?;
        }
        Ok(None)
    }
}
