//! One pass over JSON text that writes wire bytes.
//!
//! A submessage's length is not known when it begins. Bytes are kept free for it; a shorter
//! length is written as a longer varint, and a longer one moves the message by the bytes missing.

use std::borrow::Cow;

use super::binary;
use super::number;
use super::schema::{Field, KEY_VALUE, Kind, Message};
use super::text::{Kind as Token, Quoted, Stop, Text};
use super::varint;
use super::{JSON_DEPTH_MAX, JSON_DUPLICATES_MAX};
use crate::wire::{Fault, Reader, SPOILED, field_number};

/// From this depth on, lengths get all the room that they can need, so that a deep message is not
/// moved once for each of its levels.
const WIDE_LENGTH_DEPTH: u32 = 32;

/// The digits of a number, and whether they came in quotes.
type Digits<'j> = (Cow<'j, [u8]>, bool);

pub(super) struct Transcoder<'j, 'o> {
    pub(super) text: Text<'j>,
    out: &'o mut Vec<u8>,
    depth: u32,
    duplicates: u32,
    /// What is wrong in the innermost unit that is open, and where.
    pub(super) spoiled: Option<(Fault, usize)>,
}

/// A value that is no hard error but does not fit its field.
type Ill = Fault;

impl<'j, 'o> Transcoder<'j, 'o> {
    pub(super) fn new(text: Text<'j>, out: &'o mut Vec<u8>) -> Self {
        Self { text, out, depth: 0, duplicates: 0, spoiled: None }
    }

    /// Reads an object and writes the fields of the message that it stands for.
    pub(super) fn message(&mut self, message: &'static Message) -> Result<(), Stop> {
        self.text.expect(b'{', "expected an object")?;
        if self.depth >= JSON_DEPTH_MAX {
            return Err(self.text.stop("nested too deep"));
        }
        self.depth += 1;
        let outer = if message.unit { self.spoiled.take() } else { None };
        if !self.text.take(b'}') {
            self.fields(message)?;
        }
        if message.unit {
            if let Some((fault, _)) = self.spoiled {
                self.out.extend_from_slice(&[SPOILED, fault.code()]);
            }
            self.spoiled = outer;
        }
        self.depth -= 1;
        Ok(())
    }

    fn fields(&mut self, message: &'static Message) -> Result<(), Stop> {
        let start = self.out.len();
        let (mut seen, mut next) = (0_u32, 0);
        loop {
            match self.name(message, next)? {
                None => self.text.skip(self.depth)?,
                Some(index) => {
                    next = index + 1;
                    let again = seen & 1 << index != 0;
                    seen |= 1 << index;
                    if let Some(field) = message.fields.get(index) {
                        self.field(field, again.then_some(start))?;
                    }
                }
            }
            if !self.text.more(b'}')? {
                return Ok(());
            }
        }
    }

    /// Reads a name and its colon; returns which field it is. Senders write the fields in one
    /// order, so those after the last one are tried first, without looking for the name's end.
    #[inline(always)]
    fn name(&mut self, message: &'static Message, next: usize) -> Result<Option<usize>, Stop> {
        for (index, field) in message.fields.iter().enumerate().skip(next).take(3) {
            if self.text.take_text(field.quoted) {
                return Ok(Some(index));
            }
        }
        let key = self.text.string()?;
        self.text.expect(b':', "expected a colon")?;
        Ok(find(message, key))
    }

    /// `again` is where the message begins that already has this field.
    fn field(&mut self, field: &'static Field, again: Option<usize>) -> Result<(), Stop> {
        if let Some(start) = again {
            self.remove(start, field.number)?;
        }
        let token = self.text.kind()?;
        let at = self.text.at;
        let ill = match (field.kind, token) {
            (_, Token::Null) => {
                self.text.word("null")?;
                None
            }
            (Kind::Message(message), Token::Object) => {
                self.submessage(field.number, message)?;
                None
            }
            (Kind::Messages(message), Token::Array) => {
                self.elements(|own| own.element(field.number, message))?
            }
            (Kind::Attributes, Token::Array) => self.attributes(field.number)?,
            (Kind::Uint64s | Kind::Fixed64s | Kind::Doubles, Token::Array) => {
                self.numbers(field)?
            }
            (Kind::Message(_) | Kind::Messages(_) | Kind::Attributes, _) => self.ill()?,
            (Kind::Uint64s | Kind::Fixed64s | Kind::Doubles, _) => self.ill()?,
            _ => self.scalar(field, token)?,
        };
        if let Some(fault) = ill {
            self.spoiled.get_or_insert((fault, at));
        }
        Ok(())
    }

    /// Steps over a value of the wrong type.
    fn ill(&mut self) -> Result<Option<Ill>, Stop> {
        self.text.skip(self.depth)?;
        Ok(Some(Fault::JsonType))
    }

    fn submessage(&mut self, number: u8, message: &'static Message) -> Result<(), Stop> {
        let room = if self.depth >= WIDE_LENGTH_DEPTH { 5 } else { message.length_bytes };
        let start = self.open(number, room);
        self.message(message)?;
        self.close(start, room);
        Ok(())
    }

    /// Reads an element of a list of messages.
    fn element(&mut self, number: u8, message: &'static Message) -> Result<Option<Ill>, Stop> {
        match self.text.kind()? {
            Token::Object => self.submessage(number, message).map(|()| None),
            // An element that is null is there, and empty.
            Token::Null => {
                self.text.word("null")?;
                let start = self.open(number, 1);
                self.close(start, 1);
                Ok(None)
            }
            _ => self.ill(),
        }
    }

    fn attributes(&mut self, number: u8) -> Result<Option<Ill>, Stop> {
        self.elements(|own| {
            // An attribute and its value are a level each.
            if own.depth + 1 < JSON_DEPTH_MAX
                && let Some(attribute) = own.text.attribute()
            {
                attribute.write(number, own.out);
                return Ok(None);
            }
            own.element(number, &KEY_VALUE)
        })
    }

    /// Reads an array; returns what was wrong with the first element that does not fit.
    fn elements(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<Option<Ill>, Stop>,
    ) -> Result<Option<Ill>, Stop> {
        self.text.expect(b'[', "expected an array")?;
        if self.depth >= JSON_DEPTH_MAX {
            return Err(self.text.stop("nested too deep"));
        }
        if self.text.take(b']') {
            return Ok(None);
        }
        self.depth += 1;
        let mut ill = None;
        loop {
            let found = element(self)?;
            ill = ill.or(found);
            if !self.text.more(b']')? {
                self.depth -= 1;
                return Ok(ill);
            }
        }
    }

    fn numbers(&mut self, field: &'static Field) -> Result<Option<Ill>, Stop> {
        let start = self.open(field.number, 2);
        let ill = self.elements(|own| {
            let token = own.text.kind()?;
            let Some((digits, quoted)) = own.digits(token)? else { return own.ill() };
            let digits = &*digits;
            let written = match field.kind {
                Kind::Uint64s => number::integer(digits).map(|value| own.varint(value)),
                Kind::Fixed64s => number::integer(digits).map(|value: u64| own.fixed64(value)),
                _ => double(digits, quoted).map(|value| own.fixed64(value.to_bits())),
            };
            Ok(written.is_none().then_some(Fault::JsonNumber))
        })?;
        self.close(start, 2);
        Ok(ill)
    }

    fn scalar(&mut self, field: &'static Field, token: Token) -> Result<Option<Ill>, Stop> {
        match (field.kind, token) {
            (Kind::Str, Token::String) => {
                let quoted = self.text.string()?;
                self.string(field.number, quoted);
                Ok(None)
            }
            (Kind::Id, Token::String) => {
                let quoted = self.text.string()?;
                self.id(field.number, &quoted.plain());
                Ok(None)
            }
            (Kind::Base64, Token::String) => {
                let quoted = self.text.string()?;
                Ok(self.base64(field.number, quoted))
            }
            (Kind::Bool, Token::True) => {
                self.key(field.number, 0);
                self.out.push(1);
                self.text.word("true").map(|()| None)
            }
            (Kind::Bool, Token::False) => {
                self.key(field.number, 0);
                self.out.push(0);
                self.text.word("false").map(|()| None)
            }
            (Kind::Str | Kind::Id | Kind::Base64 | Kind::Bool, _) => self.ill(),
            _ => match self.digits(token)? {
                Some((digits, quoted)) => {
                    let written = self.number(field, &digits, quoted);
                    Ok(written.is_none().then_some(Fault::JsonNumber))
                }
                None => self.ill(),
            },
        }
    }

    /// The digits of a number, and whether they came in quotes. Nothing if it is no number.
    fn digits(&mut self, token: Token) -> Result<Option<Digits<'j>>, Stop> {
        match token {
            Token::String => self.text.string().map(|quoted| Some((quoted.plain(), true))),
            Token::Number => {
                let stop = self.text.stop("invalid number");
                let digits = self.text.number();
                let valid = digits.iter().all(u8::is_ascii_digit) && !digits.starts_with(b"0")
                    || number::Decimal::read(digits).is_some();
                if valid { Ok(Some((digits.into(), false))) } else { Err(stop) }
            }
            _ => Ok(None),
        }
    }

    fn number(&mut self, field: &'static Field, digits: &[u8], quoted: bool) -> Option<()> {
        let number = field.number;
        match field.kind {
            Kind::Enum => self.varint_field(number, i64::from(number::integer::<i32>(digits)?)),
            Kind::Uint32 => self.varint_field(number, i64::from(number::integer::<u32>(digits)?)),
            Kind::Sint32 => {
                let value = number::integer::<i32>(digits)?;
                self.varint_field(number, i64::from((value << 1 ^ value >> 31) as u32));
            }
            Kind::Int64 => self.varint_field(number, number::integer(digits)?),
            Kind::Fixed32 => {
                let value = number::integer::<u32>(digits)?;
                self.key(number, 5);
                self.out.extend_from_slice(&value.to_le_bytes());
            }
            Kind::Fixed64 => self.fixed64_field(number, number::integer(digits)?),
            Kind::Sfixed64 => self.fixed64_field(number, number::integer::<i64>(digits)? as u64),
            _ => self.fixed64_field(number, double(digits, quoted)?.to_bits()),
        }
        Some(())
    }

    fn string(&mut self, number: u8, quoted: Quoted<'_>) {
        if !quoted.escaped {
            self.key(number, 2);
            self.varint(quoted.raw.len() as u64);
            self.out.extend_from_slice(quoted.raw);
            return;
        }
        // What an escape stands for is never longer than the escape.
        let room = varint::bytes(quoted.raw.len() as u64);
        let start = self.open(number, room);
        quoted.unescape(self.out);
        self.close(start, room);
    }

    /// What is no hex becomes one byte, which the walker finds to be no id.
    fn id(&mut self, number: u8, text: &[u8]) {
        let room = varint::bytes(text.len() as u64);
        let start = self.open(number, room);
        if binary::hex(text, self.out).is_none() {
            self.out.truncate(start);
            self.out.push(0);
        }
        self.close(start, room);
    }

    fn base64(&mut self, number: u8, quoted: Quoted<'_>) -> Option<Ill> {
        let room = varint::bytes(quoted.raw.len() as u64);
        let start = self.open(number, room);
        let done = binary::base64(&quoted.plain(), self.out);
        self.close(start, room);
        done.is_none().then_some(Fault::JsonBase64)
    }

    /// Takes back a field that comes again: the last one wins.
    #[cold]
    fn remove(&mut self, start: usize, number: u8) -> Result<(), Stop> {
        self.duplicates += 1;
        if self.duplicates > JSON_DUPLICATES_MAX {
            return Err(self.text.stop("too many duplicate keys"));
        }
        let fields = self.out.split_off(start);
        let mut reader = Reader::new(&fields);
        loop {
            let before = reader.rest();
            let Ok(Some(key)) = reader.key() else { return Ok(()) };
            if reader.skip(key).is_err() {
                return Ok(());
            }
            if field_number(key) != u64::from(number) {
                let len = before.len() - reader.rest().len();
                self.out.extend_from_slice(before.get(..len).unwrap_or_default());
            }
        }
    }

    #[inline(always)]
    fn key(&mut self, number: u8, wire_type: u8) {
        self.varint(u64::from(number) << 3 | u64::from(wire_type));
    }

    #[inline(always)]
    fn varint(&mut self, value: u64) {
        varint::push(value, self.out);
    }

    fn varint_field(&mut self, number: u8, value: i64) {
        self.key(number, 0);
        self.varint(value as u64);
    }

    fn fixed64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    fn fixed64_field(&mut self, number: u8, value: u64) {
        self.key(number, 1);
        self.fixed64(value);
    }

    /// Begins a length-delimited field with room for its length; returns where its body begins.
    #[inline(always)]
    fn open(&mut self, number: u8, room: usize) -> usize {
        self.key(number, 2);
        match room {
            1 => self.out.push(0),
            2 => self.out.extend_from_slice(&[0; 2]),
            _ => self.out.extend_from_slice([0; 10].get(..room).unwrap_or_default()),
        }
        self.out.len()
    }

    /// Writes the length of what came after `open`.
    #[inline(always)]
    fn close(&mut self, start: usize, room: usize) {
        let len = self.out.len() - start;
        if room == 1
            && len < 0x80
            && let Some(length) = self.out.get_mut(start - 1)
        {
            *length = len as u8;
            return;
        }
        self.close_wide(start, room, len);
    }

    fn close_wide(&mut self, start: usize, room: usize, mut len: usize) {
        let needed = varint::bytes(len as u64);
        if needed > room {
            let (end, more) = (self.out.len(), needed - room);
            self.out.extend_from_slice([0; 10].get(..more).unwrap_or_default());
            self.out.copy_within(start..end, start + more);
        }
        let width = needed.max(room);
        let Some(length) = self.out.get_mut(start - room..start - room + width) else { return };
        for byte in length.iter_mut() {
            *byte = (len & 0x7f) as u8 | 0x80;
            len >>= 7;
        }
        if let Some(last) = length.last_mut() {
            *last &= 0x7f;
        }
    }
}

fn double(digits: &[u8], quoted: bool) -> Option<f64> {
    if quoted { number::quoted_double(digits) } else { number::double(digits) }
}

/// The field of this name.
fn find(message: &'static Message, key: Quoted<'_>) -> Option<usize> {
    if key.escaped {
        let mut name = Vec::with_capacity(key.raw.len());
        key.unescape(&mut name);
        return message.fields.iter().position(|field| field.name.as_bytes() == name);
    }
    message.fields.iter().position(|field| field.name.as_bytes() == key.raw)
}
