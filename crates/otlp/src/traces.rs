//! Spans.

use crate::envelope::{self, Items, Resource, Scope, Tally};
use crate::id;
use crate::outcome::{Malformed, Reason, Reject, Summary};
use crate::scratch::Scratch;
use crate::value::{Attributes, Value, any_attribute, short_attribute, short_number, short_text};
use crate::wire::{Fault, Frames, Reader};

/// Receives what a trace request holds, in this order: a resource, its scopes, the spans of each;
/// before each span its attributes. All borrowed bytes live as long as the request.
///
/// It is shown before the request is known to be readable as a whole, so that it need not be gone
/// through twice: nothing counts until [`settle`](Self::settle).
pub trait TraceVisitor<'a> {
    /// Whether attributes with this key are wanted: the others are skipped unread. Asked for each
    /// attribute, so it has to be cheap, and may say yes to some that are not.
    #[inline(always)]
    fn wants(&self, key: &'a [u8]) -> bool {
        let _ = key;
        true
    }

    /// What follows belongs to this resource. Called for every resource, also an empty one.
    fn resource(&mut self, resource: Resource<'a>);

    /// What follows was made by this scope. Called for every scope, also an empty one.
    fn scope(&mut self, scope: Scope<'a>);

    /// An attribute of the span that comes next.
    fn attribute(&mut self, key: &'a [u8], value: Value<'a>);

    /// A span; the attributes since the last span are its own.
    fn span(&mut self, span: &Span<'a>);

    /// The attributes since the last span belong to a span that is left out.
    fn discard(&mut self);

    /// Whether no more should be shown before it is settled: a bound on what a visitor keeps back.
    /// Asked after each span; the rest of the request is then checked at once.
    #[inline(always)]
    fn is_full(&self) -> bool {
        false
    }

    /// The request is whole: what was shown since the last time counts. Called at least once for
    /// a request that is not refused, and last of all.
    fn settle(&mut self);

    /// What was shown since it was last settled does not count: the request is refused, or shown
    /// anew from its beginning in another order.
    fn forget(&mut self);
}

/// One span. Text is not checked for UTF-8.
#[derive(Debug, Clone, Copy)]
pub struct Span<'a> {
    /// Never all zero.
    pub trace_id: [u8; 16],
    /// Never all zero.
    pub span_id: [u8; 8],
    /// All zero for a root span.
    pub parent_span_id: [u8; 8],
    /// The operation.
    pub name: &'a [u8],
    /// `SpanKind`: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer; other
    /// numbers as sent.
    pub kind: i32,
    /// Nanoseconds since the Unix epoch, never 0.
    pub start_unix_ns: u64,
    /// Nanoseconds since the Unix epoch, never 0; a sender's clock may put it before the start.
    pub end_unix_ns: u64,
    /// `StatusCode`: 0 unset, 1 ok, 2 error; other numbers as sent.
    pub status_code: i32,
    /// What the sender says about its status.
    pub status_message: &'a [u8],
    /// W3C `tracestate`.
    pub trace_state: &'a [u8],
    /// W3C trace flags in the lowest byte, then whether the parent is remote.
    pub flags: u32,
    bytes: &'a [u8],
}

impl<'a> Span<'a> {
    #[inline(always)]
    const fn empty(bytes: &'a [u8]) -> Self {
        Self {
            trace_id: [0; 16],
            span_id: [0; 8],
            parent_span_id: [0; 8],
            name: &[],
            kind: 0,
            start_unix_ns: 0,
            end_unix_ns: 0,
            status_code: 0,
            status_message: &[],
            trace_state: &[],
            flags: 0,
            bytes,
        }
    }

    /// The span's message as on the wire.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// All attributes, also those that the visitor does not want.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, 9)
    }

    /// The events; one that cannot be read is left out.
    pub fn events(&self) -> impl Iterator<Item = Event<'a>> + use<'a> {
        Frames::new(self.bytes, 11).filter_map(|bytes| Event::read(bytes).ok())
    }

    /// The links; one that cannot be read is left out.
    pub fn links(&self) -> impl Iterator<Item = Link<'a>> + use<'a> {
        Frames::new(self.bytes, 13).filter_map(|bytes| Link::read(bytes).ok())
    }
}

/// Something that happened during a span.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Nanoseconds since the Unix epoch; 0 if not given.
    pub time_unix_ns: u64,
    /// What happened.
    pub name: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Event<'a> {
    /// The attributes in wire order.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, 3)
    }

    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut event = Self { time_unix_ns: 0, name: &[], bytes };
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                0x09 => event.time_unix_ns = reader.fixed64()?,
                0x12 => event.name = reader.bytes()?,
                0x1a | 0x20 => reader.skip(key)?,
                _ => reader.skip_unknown(key, 1..=4)?,
            }
        }
        Ok(event)
    }
}

/// A reference from a span to another one.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// All zero if not given or invalid.
    pub trace_id: [u8; 16],
    /// All zero if not given or invalid.
    pub span_id: [u8; 8],
    bytes: &'a [u8],
}

impl<'a> Link<'a> {
    /// The attributes in wire order.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, 4)
    }

    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut link = Self { trace_id: [0; 16], span_id: [0; 8], bytes };
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                0x0a => link.trace_id = id::valid_or_zero(reader.bytes()?),
                0x12 => link.span_id = id::valid_or_zero(reader.bytes()?),
                0x1a | 0x22 | 0x28 | 0x35 => reader.skip(key)?,
                _ => reader.skip_unknown(key, 1..=6)?,
            }
        }
        Ok(link)
    }
}

/// Visits an `ExportTraceServiceRequest` (or `TracesData`, which has the same form).
///
/// # Errors
///
/// If the request cannot be read down to its spans; then nothing was settled. A span that cannot
/// be read inside is left out and counted in the summary.
pub fn traces<'a, V: TraceVisitor<'a>>(
    request: &'a [u8],
    scratch: &'a Scratch,
    visitor: &mut V,
) -> Result<Summary, Malformed> {
    envelope::walk(request, scratch, &mut Spans { visitor, wanted: Vec::new() })
}

pub(crate) fn count(request: &[u8]) -> Result<u64, Malformed> {
    envelope::count::<Spans<'_, '_, Nobody>>(request)
}

/// Stands for the visitor where none is needed.
enum Nobody {}

impl TraceVisitor<'_> for Nobody {
    fn resource(&mut self, _: Resource<'_>) {}
    fn scope(&mut self, _: Scope<'_>) {}
    fn attribute(&mut self, _: &[u8], _: Value<'_>) {}
    fn span(&mut self, _: &Span<'_>) {}
    fn discard(&mut self) {}
    fn settle(&mut self) {}
    fn forget(&mut self) {}
}

struct Spans<'v, 'a, V> {
    visitor: &'v mut V,
    wanted: Vec<Wanted<'a>>,
}

/// Key and value of an attribute that the visitor wants.
///
/// Where an attribute begins is known once the one before it was measured. So they are measured
/// in a loop that does nothing else, and read in another that waits for nothing.
type Wanted<'a> = (&'a [u8], &'a [u8]);

impl<'a, V: TraceVisitor<'a>> Items<'a> for Spans<'_, 'a, V> {
    const REVOCABLE: bool = true;

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
        match span(item, &mut self.wanted, self.visitor) {
            Ok(()) => tally.accept(1),
            Err(reject) => {
                self.visitor.discard();
                tally.reject(1, reject, item);
            }
        }
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.visitor.is_full()
    }

    fn settle(&mut self) {
        self.visitor.settle();
    }

    fn forget(&mut self) {
        self.visitor.forget();
    }
}

/// The ids of a span as sent.
#[derive(Clone, Copy)]
struct Ids<'a> {
    trace: &'a [u8],
    span: &'a [u8],
    parent: &'a [u8],
}

/// Shows a span, or says why it is left out.
#[inline(always)]
fn span<'a, V: TraceVisitor<'a>>(
    bytes: &'a [u8],
    wanted: &mut Vec<Wanted<'a>>,
    visitor: &mut V,
) -> Result<(), Reject> {
    let mut span = Span::empty(bytes);
    let mut ids = Ids { trace: &[], span: &[], parent: &[] };
    let mut reader = Reader::new(bytes);
    wanted.clear();
    usual_start(&mut reader, &mut span, &mut ids)?;
    loop {
        let start = reader;
        let Some(key) = reader.key()? else { break };
        match key {
            0x0a => ids.trace = reader.bytes()?,
            0x12 => ids.span = reader.bytes()?,
            0x1a => span.trace_state = reader.bytes()?,
            0x22 => ids.parent = reader.bytes()?,
            0x2a => span.name = reader.bytes()?,
            0x30 => span.kind = reader.int32()?,
            0x39 => span.start_unix_ns = reader.fixed64()?,
            0x41 => span.end_unix_ns = reader.fixed64()?,
            0x4a => {
                reader = start;
                attributes(&mut reader, wanted, visitor)?;
            }
            // Events and links.
            0x5a | 0x6a => drop(reader.bytes()?),
            // Counts of what the sender dropped.
            0x50 | 0x60 | 0x70 => drop(reader.varint()?),
            0x7a => status(reader.bytes()?, &mut span)?,
            0x85 => span.flags = reader.fixed32()?,
            _ => reader.skip_unknown(key, 1..=16)?,
        }
    }
    show_all(wanted, visitor)?;
    span.trace_id = *id::valid(ids.trace).ok_or(Reason::TraceIdInvalid)?;
    span.span_id = *id::valid(ids.span).ok_or(Reason::SpanIdInvalid)?;
    if !ids.parent.is_empty() {
        let parent: Result<&[u8; 8], _> = ids.parent.try_into();
        span.parent_span_id = *parent.map_err(|_| Reason::ParentSpanIdInvalid)?;
    }
    if span.start_unix_ns == 0 || span.end_unix_ns == 0 {
        return Err(Reason::TimeMissing.into());
    }
    visitor.span(&span);
    Ok(())
}

/// Takes the run of attributes that begins where the reader stands: at least one.
#[inline(always)]
fn attributes<'a, V: TraceVisitor<'a>>(
    reader: &mut Reader<'a>,
    wanted: &mut Vec<Wanted<'a>>,
    visitor: &mut V,
) -> Result<(), Fault> {
    let mut any = false;
    while let Some((key, value)) = short_attribute(reader, 0x4a) {
        any = true;
        if visitor.wants(key) {
            wanted.push((key, value));
        }
    }
    if any {
        return Ok(());
    }
    // In the order of the wire.
    show_all(wanted, visitor)?;
    if let Some((key, value)) = any_attribute(reader, |key| visitor.wants(key))? {
        show_other(key, value, visitor);
    }
    Ok(())
}

#[inline(always)]
fn show_all<'a, V: TraceVisitor<'a>>(
    wanted: &mut Vec<Wanted<'a>>,
    visitor: &mut V,
) -> Result<(), Fault> {
    for &(key, value) in &*wanted {
        // Text and number have calls of their own: a value that is put together before one common
        // call goes through memory and costs as much as the whole parsing.
        if let Some(text) = short_text(value) {
            visitor.attribute(key, Value::Str(text));
        } else if let Some(number) = short_number(value) {
            visitor.attribute(key, Value::Int(number));
        } else {
            show_other(key, Value::read(value)?, visitor);
        }
    }
    wanted.clear();
    Ok(())
}

/// Keeps what is rare out of the way.
#[cold]
fn show_other<'a, V: TraceVisitor<'a>>(key: &'a [u8], value: Value<'a>, visitor: &mut V) {
    visitor.attribute(key, value);
}

/// Reads the fields up to the times, as long as they come in the order of their numbers, and
/// leaves the rest to the loop over all fields. Most senders write them so, and foreseen branches
/// cost less than the loop's jump by key.
#[inline(always)]
fn usual_start<'a>(
    reader: &mut Reader<'a>,
    span: &mut Span<'a>,
    ids: &mut Ids<'a>,
) -> Result<(), Fault> {
    if reader.take_byte(0x0a) {
        ids.trace = reader.bytes()?;
    }
    if reader.take_byte(0x12) {
        ids.span = reader.bytes()?;
    }
    if reader.take_byte(0x22) {
        ids.parent = reader.bytes()?;
    }
    if reader.take_byte(0x2a) {
        span.name = reader.bytes()?;
    }
    if reader.take_byte(0x30) {
        span.kind = reader.int32()?;
    }
    if reader.take_byte(0x39) {
        span.start_unix_ns = reader.fixed64()?;
    }
    if reader.take_byte(0x41) {
        span.end_unix_ns = reader.fixed64()?;
    }
    Ok(())
}

/// Further occurrences of the status are merged into the first.
#[inline(always)]
fn status<'a>(bytes: &'a [u8], span: &mut Span<'a>) -> Result<(), Fault> {
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.key()? {
        match key {
            0x12 => span.status_message = reader.bytes()?,
            0x18 => span.status_code = reader.int32()?,
            _ => reader.skip_unknown(key, 2..=3)?,
        }
    }
    Ok(())
}
