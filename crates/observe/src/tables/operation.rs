use std::sync::Arc;

use model::{AutomaticSli, AutomaticSource, Peer, PeerKind, SeriesKey, SpanKind};

use super::{Edge, OVERFLOW, Operation, Tables, Template, lossy, purpose};
use crate::arena::NONE;
use crate::hash::Key;
use crate::series::Series;

/// What a new operation is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewOperation<'a> {
    pub(crate) kind: SpanKind,
    pub(crate) first: &'a [u8],
    pub(crate) separator: char,
    pub(crate) second: &'a [u8],
    /// Its route, if it is one that serves HTTP.
    pub(crate) route: &'a [u8],
}

/// What a new peer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewPeer<'a> {
    pub(crate) kind: PeerKind,
    pub(crate) address: &'a [u8],
    pub(crate) port: u16,
    pub(crate) system: &'a [u8],
}

impl Tables {
    /// An operation that is not known yet. `separator` stands between the parts of its name.
    #[cold]
    pub(crate) fn new_operation(&mut self, key: Key, service: u32, new: &NewOperation<'_>) -> u32 {
        let family = Key::from(service);
        let kind = new.kind;
        if !self.operations.has_room(family) {
            let start = self.seed.start(purpose::OPERATION_OVERFLOW);
            let key = start.number(u64::from(service)).number(kind as u64).finish();
            return self.operations.find(key, self.generation).unwrap_or_else(|| {
                let operation = Operation::new(service, kind, Arc::from(OVERFLOW), NONE);
                self.insert_operation(key, operation)
            });
        }
        let mut name = lossy(new.first).into_owned();
        if !new.second.is_empty() {
            if !name.is_empty() {
                name.push(new.separator);
            }
            name.push_str(&lossy(new.second));
        }
        let name = self.clean(name.as_bytes());
        let route_tag = match new.route {
            [] => NONE,
            route => self.tag(service, "http.route", route),
        };
        let operation = Operation::new(service, kind, name, route_tag);
        self.insert_operation(key, operation)
    }

    /// A peer that is not known yet.
    #[cold]
    pub(crate) fn new_edge(&mut self, key: Key, caller: u32, new: &NewPeer<'_>) -> u32 {
        let family = Key::from(caller);
        if !self.edges.has_room(family) {
            let start = self.seed.start(purpose::EDGE_OVERFLOW);
            let key = start.number(u64::from(caller)).finish();
            return self.edges.find(key, self.generation).unwrap_or_else(|| {
                let peer = Peer {
                    kind: PeerKind::Other,
                    address: OVERFLOW.to_owned(),
                    system: String::new(),
                };
                self.insert_edge(key, Edge::new(caller, peer))
            });
        }
        let mut address = self.clean(new.address).to_string();
        if new.port != 0 {
            address.push_str(&format!(":{}", new.port));
        }
        let peer = Peer { kind: new.kind, address, system: self.clean(new.system).to_string() };
        self.insert_edge(key, Edge::new(caller, peer))
    }

    fn insert_operation(&mut self, key: Key, operation: Operation) -> u32 {
        let family = Key::from(operation.service);
        let id = self.operations.insert(key, family, self.generation, operation);
        self.operation_latencies.reach(id);
        id
    }

    fn insert_edge(&mut self, key: Key, edge: Edge) -> u32 {
        let id = self.edges.insert(key, Key::from(edge.caller), self.generation, edge);
        self.edge_latencies.reach(id);
        id
    }

    /// The series of an automatic SLI of a service.
    pub(crate) fn automatic_series(
        &mut self,
        service: u32,
        sli: AutomaticSli,
        source: AutomaticSource,
    ) -> u32 {
        let known = self.services.get(service).series[sli as usize][source as usize];
        if known != NONE {
            self.series.keep(known, self.generation);
            return known;
        }
        let start = self.seed.start(purpose::AUTOMATIC).number(u64::from(service));
        let key = start.number(sli as u64).number(source as u64).finish();
        let name = self.services.get(service).service.clone();
        // There are four at most for each service, and services are limited.
        let series = Series::new(SeriesKey::Automatic { service: name, sli, source });
        let id = self.series.insert(key, key, self.generation, series);
        self.services.get_mut(service).series[sli as usize][source as usize] = id;
        id
    }

    /// The template of a log message, which [`crate::template::of_message`] has made.
    /// Those that warn and others have room of their own, so that talk crowds out no warning.
    pub(crate) fn template(&mut self, service: u32, masked: &str, warns: bool) -> u32 {
        let start = self.seed.start(purpose::TEMPLATE).number(u64::from(service));
        let key = start.bytes(masked.as_bytes()).finish();
        if let Some(id) = self.templates.find(key, self.generation) {
            return id;
        }
        let family = Key::from(service) << 1 | Key::from(warns);
        let (key, text) = if self.templates.has_room(family) {
            (key, self.clean(masked.as_bytes()))
        } else {
            let overflow = start.number(u64::from(warns)).finish();
            if let Some(id) = self.templates.find(overflow, self.generation) {
                return id;
            }
            (overflow, Arc::from(OVERFLOW))
        };
        let template = Template { service, touched: false, severity: 0, text, count: 0 };
        self.templates.insert(key, family, self.generation, template)
    }
}
