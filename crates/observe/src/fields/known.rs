use super::{Protocol, Text};
use crate::keys::Keys;

/// How an attribute is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Text(Text),
    HttpStatus,
    RpcStatus,
    Port,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) key: &'static [u8],
    pub(super) is_read_as: Use,
    /// Older names give way to current ones, whichever comes first.
    pub(super) is_older: bool,
    /// What a span with this attribute speaks.
    pub(super) protocol: Protocol,
}

/// A key that is known, by its place in [`KNOWN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownKey(u8);

impl Known {
    const fn text(key: &'static [u8], text: Text) -> Self {
        Self { key, is_read_as: Use::Text(text), is_older: false, protocol: Protocol::None }
    }

    const fn older(key: &'static [u8], text: Text) -> Self {
        Self { is_older: true, ..Self::text(key, text) }
    }

    const fn system(key: &'static [u8], protocol: Protocol) -> Self {
        Self { protocol, ..Self::text(key, Text::System) }
    }

    const fn number(key: &'static [u8], is_read_as: Use, protocol: Protocol) -> Self {
        Self { key, is_read_as, is_older: false, protocol }
    }
}

/// Every key that is read.
pub(super) const KNOWN: [Known; 39] = [
    Known::text(b"user.id", Text::User),
    Known::system(b"db.system", Protocol::Database),
    Known::text(b"tenant.id", Text::Tenant),
    Known::text(b"http.route", Text::Route),
    Known::text(b"rpc.method", Text::RpcMethod),
    Known::system(b"rpc.system", Protocol::Rpc),
    Known::text(b"error.type", Text::ErrorType),
    Known::text(b"enduser.id", Text::Enduser),
    Known { protocol: Protocol::Http, ..Known::older(b"http.method", Text::Method) },
    Known::text(b"rpc.service", Text::RpcService),
    Known::number(b"server.port", Use::Port, Protocol::None),
    Known::text(b"peer.service", Text::PeerService),
    Known::older(b"url.template", Text::Route),
    Known::older(b"db.operation", Text::DbOperation),
    Known::text(b"db.namespace", Text::DbNamespace),
    Known::older(b"db.sql.table", Text::DbCollection),
    Known::older(b"net.peer.name", Text::ServerAddress),
    Known::number(b"net.peer.port", Use::Port, Protocol::None),
    Known::text(b"server.address", Text::ServerAddress),
    Known::system(b"db.system.name", Protocol::Database),
    Known::text(b"faas.coldstart", Text::ColdStart),
    Known::system(b"rpc.system.name", Protocol::Rpc),
    Known::number(b"http.status_code", Use::HttpStatus, Protocol::Http),
    Known::number(b"http.response.status_code", Use::HttpStatus, Protocol::Http),
    Known::text(b"db.query.summary", Text::DbSummary),
    Known::system(b"messaging.system", Protocol::Messaging),
    Known::text(b"feature_flag.key", Text::FlagKey),
    Known::text(b"db.operation.name", Text::DbOperation),
    Known::text(b"db.collection.name", Text::DbCollection),
    Known { protocol: Protocol::Http, ..Known::text(b"http.request.method", Text::Method) },
    Known::older(b"messaging.operation", Text::MessagingOperation),
    Known::older(b"messaging.operation.type", Text::MessagingOperation),
    Known::text(b"messaging.operation.name", Text::MessagingOperation),
    Known::number(b"rpc.grpc.status_code", Use::RpcStatus, Protocol::Rpc),
    Known::number(b"rpc.response.status_code", Use::RpcStatus, Protocol::Rpc),
    Known::text(b"network.peer.address", Text::PeerAddress),
    Known::older(b"feature_flag.variant", Text::FlagVariant),
    Known::text(b"feature_flag.result.variant", Text::FlagVariant),
    Known::text(b"messaging.destination.name", Text::Destination),
];

/// Their set.
pub(crate) const KNOWN_KEYS: Keys = {
    let (mut keys, mut at) = (Keys::NONE, 0);
    while at < KNOWN.len() {
        keys = keys.with(KNOWN[at].key);
        at += 1;
    }
    keys
};

/// A key's head and tail, which are all of it up to 32 bytes.
type Packed = [u64; 4];

const PACKED: [(Packed, usize); KNOWN.len()] = {
    let mut packed = [([0; 4], 0); KNOWN.len()];
    let mut at = 0;
    while at < KNOWN.len() {
        let key = KNOWN[at].key;
        assert!(key.len() <= 32);
        packed[at] = (pack(key), key.len());
        at += 1;
    }
    packed
};

const SLOT_BITS: u32 = 8;
const SLOTS: usize = 1 << SLOT_BITS;
const EMPTY: u8 = u8::MAX;
/// The first multiplier of its sequence with which no two keys share a slot.
const MULTIPLIER: u64 = {
    let mut multiplier = 0x9e37_79b9_7f4a_7c15_u64;
    while !is_perfect(multiplier) {
        multiplier = multiplier.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(2);
    }
    multiplier
};
const BY_SLOT: [u8; SLOTS] = {
    let mut slots = [EMPTY; SLOTS];
    let mut at = 0;
    while at < PACKED.len() {
        slots[slot_of(&PACKED[at].0, PACKED[at].1, MULTIPLIER)] = at as u8;
        at += 1;
    }
    slots
};

/// The key, if it is known: one multiplication and one comparison, whatever it is.
#[inline(always)]
pub(super) fn known(key: &[u8]) -> Option<KnownKey> {
    let packed = pack(key);
    let at = BY_SLOT[slot_of(&packed, key.len(), MULTIPLIER)];
    let (known, len) = PACKED.get(usize::from(at))?;
    // Word by word: an array that was just written cannot be read as a whole without a wait.
    let [a, b, c, d] = *known;
    let differs = a ^ packed[0] | b ^ packed[1] | c ^ packed[2] | d ^ packed[3];
    (differs == 0 && *len == key.len()).then_some(KnownKey(at))
}

impl KnownKey {
    #[inline(always)]
    pub(super) const fn get(self) -> Known {
        KNOWN[self.0 as usize]
    }
}

#[inline(always)]
const fn pack(key: &[u8]) -> Packed {
    const fn wide(bytes: &[u8; 16]) -> [u64; 2] {
        let both = u128::from_le_bytes(*bytes);
        [both as u64, (both >> 64) as u64]
    }
    if let (Some(head), Some(tail)) = (key.first_chunk::<16>(), key.last_chunk::<16>()) {
        let ([a, b], [c, d]) = (wide(head), wide(tail));
        return [a, d, b, c];
    }
    if let (Some(head), Some(tail)) = (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        return [u64::from_le_bytes(*head), u64::from_le_bytes(*tail), 0, 0];
    }
    if let (Some(head), Some(tail)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        return [u32::from_le_bytes(*head) as u64, u32::from_le_bytes(*tail) as u64, 0, 0];
    }
    // No known key is as short.
    [0; 4]
}

#[inline(always)]
const fn slot_of(packed: &Packed, len: usize, multiplier: u64) -> usize {
    let [head, tail, ..] = *packed;
    let mixed = (head ^ tail.rotate_left(31) ^ len as u64).wrapping_mul(multiplier);
    (mixed >> (64 - SLOT_BITS)) as usize
}

const fn is_perfect(multiplier: u64) -> bool {
    let mut taken = [false; SLOTS];
    let mut at = 0;
    while at < PACKED.len() {
        let slot = slot_of(&PACKED[at].0, PACKED[at].1, multiplier);
        if taken[slot] {
            return false;
        }
        taken[slot] = true;
        at += 1;
    }
    true
}
