use model::PeerKind;

use super::SpanWalk;
use crate::fields::{Fields, Protocol, Text};
use crate::hash::Key;
use crate::tables::NewPeer;

pub(super) const EDGE: u64 = 32;

impl<'a> SpanWalk<'_, 'a> {
    /// Whom a span calls, by what it says of its peer; nothing if it says nothing.
    #[inline(always)]
    pub(super) fn peer(&self) -> Option<(Key, NewPeer<'a>)> {
        let peer = peer_of(&self.fields)?;
        let key = self.from.edges.tagged((peer.kind as u64) << 32 | u64::from(peer.port));
        let key = key.bytes(peer.address);
        let key = if peer.system.is_empty() { key } else { key.bytes(peer.system) };
        Some((key.finish(), peer))
    }
}

/// `peer.service`, else `server.address` and port, else the peer's network address, else what
/// the call is about: database or destination, else the system alone.
#[inline(always)]
fn peer_of<'a>(fields: &Fields<'a>) -> Option<NewPeer<'a>> {
    let kind = match fields.protocol {
        Protocol::Http => PeerKind::Http,
        Protocol::Rpc => PeerKind::Rpc,
        Protocol::Database => PeerKind::Database,
        Protocol::Messaging => PeerKind::Messaging,
        Protocol::None => PeerKind::Other,
    };
    let system = fields.get(Text::System);
    let peer = |address, port| Some(NewPeer { kind, address, port, system });
    let service = fields.get(Text::PeerService);
    if !service.is_empty() {
        return peer(service, 0);
    }
    for text in [Text::ServerAddress, Text::PeerAddress] {
        let address = fields.get(text);
        if !address.is_empty() {
            return peer(address, fields.port);
        }
    }
    let name = match kind {
        PeerKind::Database if !fields.get(Text::DbNamespace).is_empty() => Text::DbNamespace,
        PeerKind::Database => Text::DbCollection,
        _ => Text::Destination,
    };
    let address = fields.get(name);
    if address.is_empty() && system.is_empty() { None } else { peer(address, 0) }
}
