use model::PeerKind;

use super::{Judged, SpanWalk};
use crate::arena::NONE;
use crate::fields::{Fields, Protocol, Text};
use crate::tables::NewPeer;
use crate::verdict;

const EDGE: u64 = 32;

impl<'a> SpanWalk<'_, 'a> {
    /// The edge of a span that calls, by what it says of its peer; [`NONE`] if it says nothing.
    #[inline(always)]
    pub(super) fn edge(&mut self) -> u32 {
        let Some(peer) = peer_of(&self.fields) else { return NONE };
        let tables = &mut self.state.tables;
        let kind = (peer.kind as u64) << 32 | u64::from(peer.port);
        let start = tables.seed.start(EDGE).number(u64::from(self.run.service) << 40 ^ kind);
        let key = start.bytes(peer.address).bytes(peer.system).finish();
        match tables.edges.find(key, tables.generation) {
            Some(id) => id,
            None => tables.new_edge(key, self.run.service, &peer),
        }
    }

    /// A span that calls: its edge.
    #[inline(always)]
    pub(super) fn call(&mut self, judged: &Judged) {
        if judged.edge == NONE {
            return;
        }
        let tables = &mut self.state.tables;
        let edge = tables.edges.get_mut(judged.edge);
        edge.calls += 1;
        tables.edge_latencies.add(judged.edge, &mut edge.latency, judged.duration_ns);
        if judged.error {
            edge.errors += 1;
            edge.throttled += u32::from(verdict::is_throttled(&self.fields));
            edge.unanswered += u32::from(verdict::is_unanswered(&self.fields));
        }
        if !edge.touched {
            edge.touched = true;
            tables.touched.edges.push(judged.edge);
        }
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
