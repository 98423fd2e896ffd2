use otlp::{Value, key_length_bit};

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

/// Every key that is read.
const KEYS: [&[u8]; 39] = [
    b"user.id",
    b"db.system",
    b"tenant.id",
    b"http.route",
    b"rpc.method",
    b"rpc.system",
    b"error.type",
    b"enduser.id",
    b"http.method",
    b"rpc.service",
    b"server.port",
    b"peer.service",
    b"url.template",
    b"db.operation",
    b"db.namespace",
    b"db.sql.table",
    b"net.peer.name",
    b"net.peer.port",
    b"server.address",
    b"db.system.name",
    b"faas.coldstart",
    b"rpc.system.name",
    b"http.status_code",
    b"http.response.status_code",
    b"db.query.summary",
    b"messaging.system",
    b"feature_flag.key",
    b"db.operation.name",
    b"db.collection.name",
    b"http.request.method",
    b"messaging.operation",
    b"messaging.operation.type",
    b"messaging.operation.name",
    b"rpc.grpc.status_code",
    b"rpc.response.status_code",
    b"network.peer.address",
    b"feature_flag.variant",
    b"feature_flag.result.variant",
    b"messaging.destination.name",
];

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

/// The lengths of all keys that [`Fields::read`] knows.
pub(crate) const KEY_LENGTHS: u64 = {
    let (mut mask, mut at) = (0, 0);
    while at < KEYS.len() {
        mask |= key_length_bit(KEYS[at].len());
        at += 1;
    }
    mask
};

/// By length of key, modulo 32: a bit for the low five bits of each first letter.
const FIRST_LETTERS: [u32; 32] = {
    let (mut letters, mut at) = ([0; 32], 0);
    while at < KEYS.len() {
        letters[KEYS[at].len() & 31] |= 1 << (KEYS[at][0] & 31);
        at += 1;
    }
    letters
};

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
    ///
    /// The value is taken apart here, so that it does not go through memory; and a look at the
    /// key's first letter spares most of the keys that are not read a call.
    #[inline(always)]
    pub(crate) fn read(&mut self, key: &'a [u8], value: Value<'a>) {
        let Some(&first) = key.first() else { return };
        let letters = FIRST_LETTERS[key.len() & 31];
        if letters & 1 << (first & 31) == 0 {
            return;
        }
        match value {
            Value::Str(text) if !text.is_empty() => self.read_text(key, text),
            Value::Int(number) => self.read_number(key, number),
            Value::Bool(cold) if key == b"faas.coldstart" => {
                self.set(Text::ColdStart, if cold { b"true" } else { b"false" });
            }
            _ => {}
        }
    }

    fn read_number(&mut self, key: &[u8], number: i64) {
        match key {
            b"http.response.status_code" | b"http.status_code" => {
                self.http_status(u16::try_from(number).unwrap_or_default());
            }
            b"server.port" | b"net.peer.port" => {
                self.port = u16::try_from(number).unwrap_or_default();
            }
            b"rpc.grpc.status_code" | b"rpc.response.status_code" => {
                self.rpc_status(grpc_code_of_number(number));
            }
            _ => {}
        }
    }

    #[inline(never)]
    fn read_text(&mut self, key: &[u8], text: &'a [u8]) {
        match key.len() {
            7 if key == b"user.id" => self.set(Text::User, text),
            9 => match key {
                b"db.system" => self.system(Protocol::Database, text),
                b"tenant.id" => self.set(Text::Tenant, text),
                _ => {}
            },
            10 => match key {
                b"http.route" => self.set(Text::Route, text),
                b"rpc.method" => self.set(Text::RpcMethod, text),
                b"rpc.system" => self.system(Protocol::Rpc, text),
                b"error.type" => self.set(Text::ErrorType, text),
                b"enduser.id" => self.set(Text::Enduser, text),
                _ => {}
            },
            11 => match key {
                b"http.method" => self.method_before(text),
                b"rpc.service" => self.set(Text::RpcService, text),
                b"server.port" => self.port = number_of_text(text).unwrap_or_default(),
                _ => {}
            },
            12 => match key {
                b"peer.service" => self.set(Text::PeerService, text),
                b"url.template" => self.set_older(Text::Route, text),
                b"db.operation" => self.set_older(Text::DbOperation, text),
                b"db.namespace" => self.set(Text::DbNamespace, text),
                b"db.sql.table" => self.set_older(Text::DbCollection, text),
                _ => {}
            },
            13 => match key {
                b"net.peer.name" => self.set_older(Text::ServerAddress, text),
                b"net.peer.port" => self.port = number_of_text(text).unwrap_or_default(),
                _ => {}
            },
            14 => match key {
                b"server.address" => self.set(Text::ServerAddress, text),
                b"db.system.name" => self.system(Protocol::Database, text),
                _ => {}
            },
            15 if key == b"rpc.system.name" => self.system(Protocol::Rpc, text),
            _ => self.read_long(key, text),
        }
    }

    fn read_long(&mut self, key: &[u8], text: &'a [u8]) {
        match key {
            b"http.status_code" | b"http.response.status_code" => {
                self.http_status(number_of_text(text).unwrap_or_default());
            }
            b"db.query.summary" => self.set(Text::DbSummary, text),
            b"messaging.system" => self.system(Protocol::Messaging, text),
            b"feature_flag.key" => self.set(Text::FlagKey, text),
            b"db.operation.name" => self.set(Text::DbOperation, text),
            b"db.collection.name" => self.set(Text::DbCollection, text),
            b"http.request.method" => self.method(text),
            b"messaging.operation" | b"messaging.operation.type" => {
                self.set_older(Text::MessagingOperation, text);
            }
            b"messaging.operation.name" => self.set(Text::MessagingOperation, text),
            b"rpc.grpc.status_code" | b"rpc.response.status_code" => {
                self.rpc_status(grpc_code_of_text(text));
            }
            b"network.peer.address" => self.set(Text::PeerAddress, text),
            b"feature_flag.variant" => self.set_older(Text::FlagVariant, text),
            b"feature_flag.result.variant" => self.set(Text::FlagVariant, text),
            b"messaging.destination.name" => self.set(Text::Destination, text),
            _ => {}
        }
    }

    #[inline(always)]
    fn set(&mut self, text: Text, value: &'a [u8]) {
        self.texts[text as usize] = value;
        self.present |= 1 << text as u32;
        self.current |= 1 << text as u32;
    }

    /// An older name: the current one wins, whichever comes first.
    #[inline(always)]
    fn set_older(&mut self, text: Text, value: &'a [u8]) {
        if self.current & 1 << text as u32 == 0 {
            self.texts[text as usize] = value;
            self.present |= 1 << text as u32;
        }
    }

    fn method(&mut self, value: &'a [u8]) {
        self.set(Text::Method, value);
        self.speaks(Protocol::Http);
    }

    fn method_before(&mut self, value: &'a [u8]) {
        self.set_older(Text::Method, value);
        self.speaks(Protocol::Http);
    }

    fn system(&mut self, protocol: Protocol, value: &'a [u8]) {
        self.set(Text::System, value);
        self.protocol = protocol;
    }

    /// RPC, databases and brokers that are reached over HTTP stay what they are.
    fn speaks(&mut self, protocol: Protocol) {
        if self.protocol == Protocol::None {
            self.protocol = protocol;
        }
    }

    fn http_status(&mut self, code: u16) {
        self.http_status = code;
        self.speaks(Protocol::Http);
    }

    fn rpc_status(&mut self, code: i8) {
        self.rpc_status = code;
        self.speaks(Protocol::Rpc);
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
