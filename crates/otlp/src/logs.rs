//! Log records.

use crate::envelope::{self, Items, Resource, Scope, Tally};
use crate::id;
use crate::outcome::{Malformed, Reject, Summary};
use crate::scratch::Scratch;
use crate::value::{Attributes, Pieces, Value, attributes};
use crate::wire::Reader;

/// Receives what a logs request holds, in this order: a resource, its scopes, the records of
/// each; before each record its attributes. All borrowed bytes live as long as the request.
pub trait LogsVisitor<'a> {
    /// Which attributes are wanted at all, by the length of their keys: see
    /// [`key_length_bit`](crate::key_length_bit). Asked once a request.
    fn key_lengths(&self) -> u64 {
        u64::MAX
    }

    /// What follows belongs to this resource. Called for every resource, also an empty one.
    fn resource(&mut self, resource: Resource<'a>);

    /// What follows was made by this scope. Called for every scope, also an empty one.
    fn scope(&mut self, scope: Scope<'a>);

    /// An attribute of the record that comes next.
    fn attribute(&mut self, key: &'a [u8], value: Value<'a>);

    /// A record; the attributes since the last record are its own.
    fn record(&mut self, record: &LogRecord<'a>);

    /// The attributes since the last record belong to a record that is left out.
    fn discard(&mut self);
}

/// One log record. Text is not checked for UTF-8.
#[derive(Debug, Clone, Copy)]
pub struct LogRecord<'a> {
    /// When it happened, in nanoseconds since the Unix epoch; 0 if the source does not say.
    pub time_unix_ns: u64,
    /// When it was seen by the first collector; 0 if not given.
    pub observed_time_unix_ns: u64,
    /// `SeverityNumber`: 0 unspecified, 1 to 24 from TRACE to FATAL4; other numbers as sent.
    pub severity_number: i32,
    /// The severity in the source's own words.
    pub severity_text: &'a [u8],
    /// The message.
    pub body: Value<'a>,
    /// All zero if the record belongs to no trace, or names it wrongly.
    pub trace_id: [u8; 16],
    /// All zero if the record belongs to no span, or names it wrongly.
    pub span_id: [u8; 8],
    /// W3C trace flags in the lowest byte.
    pub flags: u32,
    /// The name of the event that the record stands for; empty if none.
    pub event_name: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> LogRecord<'a> {
    /// The record's message as on the wire.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// All attributes, also those whose key lengths the visitor does not want.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, 6)
    }
}

/// Visits an `ExportLogsServiceRequest` (or `LogsData`, which has the same form).
///
/// # Errors
///
/// If the request cannot be read down to its records; then the visitor has seen nothing. A record
/// that cannot be read inside is left out and counted in the summary.
pub fn logs<'a, V: LogsVisitor<'a>>(
    request: &'a [u8],
    scratch: &'a Scratch,
    visitor: &mut V,
) -> Result<Summary, Malformed> {
    let wanted = visitor.key_lengths();
    envelope::walk(request, scratch, &mut Records { visitor, wanted })
}

pub(crate) fn count(request: &[u8]) -> Result<u64, Malformed> {
    envelope::count::<Records<'_, Nobody>>(request)
}

/// Stands for the visitor where none is needed.
enum Nobody {}

impl LogsVisitor<'_> for Nobody {
    fn resource(&mut self, _: Resource<'_>) {}
    fn scope(&mut self, _: Scope<'_>) {}
    fn attribute(&mut self, _: &[u8], _: Value<'_>) {}
    fn record(&mut self, _: &LogRecord<'_>) {}
    fn discard(&mut self) {}
}

struct Records<'v, V> {
    visitor: &'v mut V,
    wanted: u64,
}

impl<'a, V: LogsVisitor<'a>> Items<'a> for Records<'_, V> {
    #[inline(always)]
    fn count(_: &[u8]) -> u64 {
        1
    }

    fn resource(&mut self, resource: Resource<'a>) {
        self.visitor.resource(resource);
    }

    fn scope(&mut self, scope: Scope<'a>) {
        self.visitor.scope(scope);
    }

    #[inline(always)]
    fn item(&mut self, item: &'a [u8], tally: &mut Tally<'a>) {
        match record(item, self.wanted, self.visitor) {
            Ok(record) => {
                self.visitor.record(&record);
                tally.accept(1);
            }
            Err(reject) => {
                self.visitor.discard();
                tally.reject(1, reject, item);
            }
        }
    }
}

#[inline(always)]
fn record<'a, V: LogsVisitor<'a>>(
    bytes: &'a [u8],
    wanted: u64,
    visitor: &mut V,
) -> Result<LogRecord<'a>, Reject> {
    let mut record = LogRecord {
        time_unix_ns: 0,
        observed_time_unix_ns: 0,
        severity_number: 0,
        severity_text: &[],
        body: Value::Empty,
        trace_id: [0; 16],
        span_id: [0; 8],
        flags: 0,
        event_name: &[],
        bytes,
    };
    let (mut body, mut bodies): (&[u8], u32) = (&[], 0);
    let mut reader = Reader::new(bytes);
    loop {
        let start = reader;
        let Some(key) = reader.key()? else { break };
        match key {
            0x09 => record.time_unix_ns = reader.fixed64()?,
            0x10 => record.severity_number = reader.int32()?,
            0x1a => record.severity_text = reader.bytes()?,
            0x2a => {
                body = reader.bytes()?;
                bodies += 1;
            }
            0x32 => {
                reader = start;
                attributes(&mut reader, 0x32, wanted, |key, value| visitor.attribute(key, value))?;
            }
            0x38 => drop(reader.varint()?),
            0x45 => record.flags = reader.fixed32()?,
            0x4a => record.trace_id = id::valid_or_zero(reader.bytes()?),
            0x52 => record.span_id = id::valid_or_zero(reader.bytes()?),
            0x59 => record.observed_time_unix_ns = reader.fixed64()?,
            0x62 => record.event_name = reader.bytes()?,
            // Field 4 was a name that is no longer used: reserved, so unknown.
            _ if key >> 3 == 4 => reader.skip(key)?,
            _ => reader.skip_unknown(key, 1..=12)?,
        }
    }
    record.body = match bodies {
        0 => Value::Empty,
        1 => Value::read(body)?,
        _ => Value::read_pieces(Pieces { bytes, field: 5 }, 0)?,
    };
    Ok(record)
}
