mod known;

use otlp::Value;

use known::{Known, Use};
use known::{KnownKey, known};

pub(crate) use known::KNOWN_KEYS;

/// Attributes of a span that the data plane reads, current and older names of the semantic
/// conventions taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Text {
    Method,
    Route,
    RpcService,
    RpcMethod,
    DbOperation,
    DbCollection,
    DbSummary,
    DbNamespace,
    Destination,
    MessagingOperation,
    PeerService,
    ServerAddress,
    PeerAddress,
    System,
    ErrorType,
    FlagKey,
    FlagVariant,
    Enduser,
    User,
    Tenant,
    ColdStart,
}

const TEXTS: usize = Text::ColdStart as usize + 1;

/// How a span speaks to its peer, by the attributes that it carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Protocol {
    #[default]
    None,
    Http,
    Rpc,
    Database,
    Messaging,
}

/// The attributes of one span, read once each.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    /// Bit n = text n is there under its current name.
    current: u32,
    /// Bit n = text n is there.
    present: u32,
    texts: [&'a [u8]; TEXTS],
    /// 0 = none.
    pub(crate) http_status: u16,
    /// A gRPC status code; -1 = none.
    pub(crate) rpc_status: i8,
    /// 0 = none.
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
}

/// Names of the gRPC status codes, by number.
const GRPC_CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

impl<'a> Fields<'a> {
    pub(crate) const fn new() -> Self {
        Self {
            current: 0,
            present: 0,
            texts: [&[]; TEXTS],
            http_status: 0,
            rpc_status: -1,
            port: 0,
            protocol: Protocol::None,
        }
    }

    /// Forgets the attributes of the last span.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.current = 0;
        self.present = 0;
        self.http_status = 0;
        self.rpc_status = -1;
        self.port = 0;
        self.protocol = Protocol::None;
    }

    /// The text; empty if there is none.
    #[inline(always)]
    pub(crate) fn get(&self, text: Text) -> &'a [u8] {
        if self.present & 1 << text as u32 == 0 { &[] } else { self.texts[text as usize] }
    }

    #[inline(always)]
    pub(crate) fn any(&self, texts: &[Text]) -> bool {
        texts.iter().any(|&text| self.present & 1 << text as u32 != 0)
    }

    /// Takes an attribute up, if it is one of those that are read.
    #[inline(always)]
    pub(crate) fn read(&mut self, key: &[u8], value: Value<'a>) {
        if let Some(key) = known(key) {
            self.take(key, value);
        }
    }

    #[inline(always)]
    fn take(&mut self, key: KnownKey, value: Value<'a>) {
        match value {
            Value::Str(text) if !text.is_empty() => self.take_text(key.get(), text),
            Value::Int(number) => self.take_number(key.get(), number),
            Value::Bool(cold) if key.get().is_read_as == Use::Text(Text::ColdStart) => {
                self.take_text(key.get(), if cold { b"true" } else { b"false" });
            }
            _ => {}
        }
    }

    #[inline(always)]
    fn take_text(&mut self, known: Known, text: &'a [u8]) {
        let Use::Text(name) = known.is_read_as else { return self.take_number_of(known, text) };
        let bit = 1 << name as u32;
        if !(known.is_older && self.current & bit != 0) {
            self.texts[name as usize] = text;
            self.present |= bit;
            self.current |= if known.is_older { 0 } else { bit };
        }
        if known.protocol != Protocol::None {
            self.speaks(known.protocol);
        }
    }

    /// Some senders write numbers as text.
    #[cold]
    fn take_number_of(&mut self, known: Known, text: &[u8]) {
        match known.is_read_as {
            Use::HttpStatus => self.http_status(number_of_text(text).unwrap_or_default()),
            Use::RpcStatus => self.rpc_status(grpc_code_of_text(text)),
            Use::Port => self.port = number_of_text(text).unwrap_or_default(),
            Use::Text(_) => {}
        }
    }

    #[inline(always)]
    fn take_number(&mut self, known: Known, number: i64) {
        let small = u16::try_from(number).unwrap_or_default();
        match known.is_read_as {
            Use::HttpStatus => self.http_status(small),
            Use::RpcStatus => self.rpc_status(grpc_code_of_number(number)),
            Use::Port => self.port = small,
            Use::Text(_) => {}
        }
    }

    /// RPC, databases and brokers that are reached over HTTP stay what they are.
    #[inline(always)]
    fn speaks(&mut self, protocol: Protocol) {
        if protocol != Protocol::Http || self.protocol == Protocol::None {
            self.protocol = protocol;
        }
    }

    fn http_status(&mut self, code: u16) {
        self.http_status = code;
        self.speaks(Protocol::Http);
    }

    /// That a call is an RPC does not make a database of it something else.
    fn rpc_status(&mut self, code: i8) {
        self.rpc_status = code;
        if self.protocol == Protocol::None {
            self.protocol = Protocol::Rpc;
        }
    }
}

/// Numbers that some senders send as text.
fn number_of_text(text: &[u8]) -> Option<u16> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// -1 = no gRPC status code.
fn grpc_code_of_number(number: i64) -> i8 {
    if (0..GRPC_CODES.len() as i64).contains(&number) { number as i8 } else { -1 }
}

/// By number or name; -1 = neither.
fn grpc_code_of_text(text: &[u8]) -> i8 {
    let by_name = GRPC_CODES.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(text));
    match (by_name, number_of_text(text)) {
        (Some(code), _) => code as i8,
        (None, Some(code)) => grpc_code_of_number(i64::from(code)),
        (None, None) => -1,
    }
}

#[cfg(test)]
mod tests;
