//! Attributes as exporters write them, in one step: compact, the key before the value, the value a
//! string or an integer, nothing escaped. They are most of a request.

use super::number;
use super::text::Text;
use super::varint;

/// Keys of the fields of `KeyValue` and `AnyValue`: their numbers, as they stand in
/// [`super::schema`], with the wire type.
const KEY: u8 = 1 << 3 | 2;
const VALUE: u8 = 2 << 3 | 2;
const STRING_VALUE: u8 = 1 << 3 | 2;
const INT_VALUE: u8 = 3 << 3;

#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'j> {
    key: &'j [u8],
    value: Value<'j>,
}

#[derive(Debug, Clone, Copy)]
enum Value<'j> {
    String(&'j [u8]),
    Int(u64),
}

impl<'j> Text<'j> {
    /// Steps over the attribute that comes next, if it has the usual form. Else nothing is read.
    #[inline(always)]
    pub(super) fn attribute(&mut self) -> Option<Attribute<'j>> {
        let mut ahead = *self;
        let attribute = ahead.usual_attribute()?;
        *self = ahead;
        Some(attribute)
    }

    #[inline(always)]
    fn usual_attribute(&mut self) -> Option<Attribute<'j>> {
        self.exactly(br#"{"key":""#)?;
        let key = self.plain()?;
        self.exactly(br#","value":{""#)?;
        let value = if self.exactly(br#"stringValue":""#).is_some() {
            Value::String(self.plain()?)
        } else {
            self.exactly(br#"intValue":"#)?;
            let quoted = self.exactly(b"\"").is_some();
            let digits = if quoted { self.plain()? } else { self.number() };
            Value::Int(number::integer::<i64>(digits)? as u64)
        };
        self.exactly(b"}}")?;
        Some(Attribute { key, value })
    }
}

impl Attribute<'_> {
    /// Appends it as the field `number` of its message, which is below 16.
    #[inline(always)]
    pub(super) fn write(self, number: u8, out: &mut Vec<u8>) {
        let value_bytes = match self.value {
            Value::String(string) => field_bytes(string.len()),
            Value::Int(int) => 1 + varint::bytes(int),
        };
        let bytes = field_bytes(self.key.len()) + field_bytes(value_bytes);
        field(number << 3 | 2, bytes as u64, out);
        field(KEY, self.key.len() as u64, out);
        out.extend_from_slice(self.key);
        field(VALUE, value_bytes as u64, out);
        match self.value {
            Value::String(string) => {
                field(STRING_VALUE, string.len() as u64, out);
                out.extend_from_slice(string);
            }
            Value::Int(int) => field(INT_VALUE, int, out),
        }
    }
}

/// What a field of this length takes with its key.
const fn field_bytes(length: usize) -> usize {
    1 + varint::bytes(length as u64) + length
}

/// A field's key, and its length or number.
#[inline(always)]
fn field(key: u8, value: u64, out: &mut Vec<u8>) {
    if value < 0x80 {
        out.extend_from_slice(&[key, value as u8]);
    } else {
        out.push(key);
        varint::push(value, out);
    }
}
