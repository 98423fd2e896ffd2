use std::borrow::Cow;
use std::sync::Arc;

use enrich::Redactor;
use model::{
    AutomaticSli, AutomaticSource, Peer, PeerKind, SeriesKey, Service, SpanKind, TagPair, Timestamp,
};
use otlp::{Resource, Value};

use crate::arena::{Arena, Generation, NONE};
use crate::hash::{Key, Seed};
use crate::histogram::Histogram;
use crate::options::{Limits, TEXT_BYTES_MAX};
use crate::series::Series;

/// The name of entries that take what is beyond a limit.
pub(crate) const OVERFLOW: &str = Service::OVERFLOW;
/// What the SDK specification calls a service that has no name.
const UNKNOWN_SERVICE: &[u8] = b"unknown_service";

/// Tells apart what is hashed to the same table.
mod purpose {
    pub(super) const SERVICE: u64 = 1;
    pub(super) const RESOURCE: u64 = 2;
    pub(super) const RESOURCE_OVERFLOW: u64 = 3;
    pub(super) const TAG: u64 = 4;
    pub(super) const TAG_FAMILY: u64 = 5;
    pub(super) const TEXT: u64 = 6;
    pub(super) const OPERATION_OVERFLOW: u64 = 7;
    pub(super) const EDGE_OVERFLOW: u64 = 8;
    pub(super) const AUTOMATIC: u64 = 9;
    pub(super) const TEMPLATE: u64 = 10;
    pub(super) const COMMON_RESOURCE: u64 = 11;
}

/// Resource attributes that are root-cause tags.
const RESOURCE_TAGS: [&str; 8] = [
    "cloud.availability_zone",
    "cloud.region",
    "host.name",
    "k8s.cluster.name",
    "k8s.node.name",
    "k8s.pod.name",
    "service.version",
    "tenant.id",
];

/// Everything that is interned, with what was counted for it since the last hand-over.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) seed: Seed,
    pub(crate) generation: Generation,
    pub(crate) limits: Limits,
    redactor: Arc<Redactor>,
    pub(crate) services: Arena<ServiceEntry>,
    pub(crate) resources: Arena<ResourceEntry>,
    pub(crate) operations: Arena<Operation>,
    pub(crate) edges: Arena<Edge>,
    pub(crate) tags: Arena<Tag>,
    pub(crate) tag_sets: Arena<Arc<[TagPair]>>,
    pub(crate) series: Arena<Series>,
    pub(crate) texts: Arena<Arc<str>>,
    pub(crate) templates: Arena<Template>,
    pub(crate) touched: Touched,
    pub(crate) overflow_service: u32,
    pub(crate) overflow_text: u32,
}

/// Ids of what was counted since the last hand-over, each once.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(crate) services: Vec<u32>,
    pub(crate) resources: Vec<u32>,
    pub(crate) operations: Vec<u32>,
    pub(crate) edges: Vec<u32>,
    pub(crate) tags: Vec<u32>,
    pub(crate) series: Vec<u32>,
    pub(crate) templates: Vec<u32>,
}

#[derive(Debug)]
pub(crate) struct ServiceEntry {
    pub(crate) service: Arc<Service>,
    pub(crate) touched: bool,
    pub(crate) spans: u64,
    pub(crate) points: u64,
    pub(crate) logs: u64,
    pub(crate) error_logs: u64,
    pub(crate) newest: Timestamp,
    pub(crate) subjects: Vec<u64>,
    /// Series ids by SLI and source; [`NONE`] until they are needed.
    pub(crate) series: [[u32; 2]; 2],
}

/// Spans by outcome, since the last hand-over: far fewer than 2^32.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) total: u32,
    pub(crate) errors: u32,
    pub(crate) slow: u32,
}

#[derive(Debug)]
pub(crate) struct ResourceEntry {
    pub(crate) service: u32,
    /// Root-cause tags.
    pub(crate) tags: Vec<u32>,
    /// The same in full.
    pub(crate) tag_set: u32,
    /// A hash that does not follow the order of attributes, equal in every worker.
    pub(crate) common: u128,
    pub(crate) touched: bool,
    pub(crate) outcomes: Outcomes,
}

#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) service: u32,
    pub(crate) route_tag: u32,
    pub(crate) kind: SpanKind,
    pub(crate) touched: bool,
    pub(crate) name: Arc<str>,
    pub(crate) outcomes: Outcomes,
    pub(crate) entry_total: u32,
    pub(crate) entry_bad: u32,
    pub(crate) latency: Histogram,
}

#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) caller: u32,
    pub(crate) touched: bool,
    pub(crate) peer: Arc<Peer>,
    pub(crate) calls: u32,
    pub(crate) errors: u32,
    pub(crate) throttled: u32,
    pub(crate) unanswered: u32,
    pub(crate) latency: Histogram,
}

#[derive(Debug)]
pub(crate) struct Tag {
    pub(crate) service: u32,
    pub(crate) touched: bool,
    pub(crate) pair: TagPair,
    pub(crate) outcomes: Outcomes,
}

#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) service: u32,
    pub(crate) touched: bool,
    pub(crate) severity: u8,
    pub(crate) text: Arc<str>,
    pub(crate) count: u64,
}

impl Outcomes {
    #[inline(always)]
    pub(crate) fn add(&mut self, error: bool, slow: bool) {
        self.total = self.total.wrapping_add(1);
        self.errors = self.errors.wrapping_add(u32::from(error));
        self.slow = self.slow.wrapping_add(u32::from(slow));
    }

    pub(crate) fn add_all(&mut self, other: Self) {
        self.total = self.total.wrapping_add(other.total);
        self.errors = self.errors.wrapping_add(other.errors);
        self.slow = self.slow.wrapping_add(other.slow);
    }
}

impl Tables {
    pub(crate) fn new(seed: u64, limits: Limits, redactor: Arc<Redactor>) -> Self {
        let unlimited = usize::MAX;
        let mut tables = Self {
            seed: Seed::new(seed),
            generation: 0,
            redactor,
            services: Arena::new(limits.services, unlimited),
            resources: Arena::new(limits.resources, unlimited),
            operations: Arena::new(limits.operations, limits.operations_per_service),
            edges: Arena::new(limits.edges, limits.peers_per_service),
            tags: Arena::new(limits.tags, limits.tag_values_per_key),
            tag_sets: Arena::new(limits.tag_sets, unlimited),
            series: Arena::new(limits.series, limits.groups_per_slo),
            texts: Arena::new(limits.messages, unlimited),
            templates: Arena::new(limits.templates, limits.templates_per_service),
            touched: Touched::default(),
            overflow_service: 0,
            overflow_text: 0,
            limits,
        };
        // Entries of the maximum generation are never idle.
        let overflow = Arc::new(Service::named(OVERFLOW));
        tables.overflow_service =
            tables.services.insert(0, 0, Generation::MAX, ServiceEntry::new(overflow));
        tables.overflow_text = tables.texts.insert(0, 0, Generation::MAX, Arc::from(OVERFLOW));
        tables
    }

    /// The text as it may be kept: valid, cut to a length, redacted.
    pub(crate) fn clean(&self, bytes: &[u8]) -> Arc<str> {
        let text = lossy(bytes);
        Arc::from(&*self.redactor.redact(&text))
    }

    pub(crate) fn keeps(&self, key: &str) -> bool {
        // A tenant is named by the tags that are looked for, a user never is.
        key == "tenant.id" || self.redactor.keeps(key)
    }

    /// A message, an error type or the like.
    pub(crate) fn text(&mut self, bytes: &[u8]) -> u32 {
        let key = self.seed.of(purpose::TEXT, bytes);
        if let Some(id) = self.texts.find(key, self.generation) {
            return id;
        }
        if !self.texts.has_room(0) {
            return self.overflow_text;
        }
        let text = self.clean(bytes);
        self.texts.insert(key, 0, self.generation, text)
    }

    fn service(&mut self, name: &[u8], namespace: &[u8], environment: &[u8]) -> u32 {
        let name = if name.is_empty() { UNKNOWN_SERVICE } else { name };
        let start = self.seed.start(purpose::SERVICE);
        let key = start.bytes(name).bytes(namespace).bytes(environment).finish();
        if let Some(id) = self.services.find(key, self.generation) {
            return id;
        }
        if !self.services.has_room(0) {
            return self.overflow_service;
        }
        let text = |bytes| self.clean(bytes).to_string();
        let service = Service {
            name: text(name),
            namespace: text(namespace),
            environment: text(environment),
        };
        self.services.insert(key, 0, self.generation, ServiceEntry::new(Arc::new(service)))
    }

    /// The resource of what follows, read once and then known by its bytes.
    pub(crate) fn resource(&mut self, resource: Resource<'_>) -> u32 {
        let key = self.seed.of(purpose::RESOURCE, resource.bytes());
        if let Some(id) = self.resources.find(key, self.generation) {
            let service = self.resources.get(id).service;
            self.services.keep(service, self.generation);
            return id;
        }
        let (mut name, mut namespace): (&[u8], &[u8]) = (b"", b"");
        let (mut environment, mut environment_before): (&[u8], &[u8]) = (b"", b"");
        for (key, value) in resource.attributes() {
            let Value::Str(text) = value else { continue };
            match key {
                b"service.name" => name = text,
                b"service.namespace" => namespace = text,
                b"deployment.environment.name" => environment = text,
                b"deployment.environment" => environment_before = text,
                _ => {}
            }
        }
        let environment = if environment.is_empty() { environment_before } else { environment };
        let service = self.service(name, namespace, environment);
        if !self.resources.has_room(0) || service == self.overflow_service {
            return self.untagged_resource(service, common_hash(resource));
        }
        let mut tags = Vec::new();
        let mut pairs = Vec::new();
        for (key, value) in resource.attributes() {
            let Some(known) = RESOURCE_TAGS.iter().find(|known| known.as_bytes() == key) else {
                continue;
            };
            let Value::Str(text) = value else { continue };
            if text.is_empty() || !self.keeps(known) {
                continue;
            }
            let tag = self.tag(service, known, text);
            pairs.push(self.tags.get(tag).pair.clone());
            tags.push(tag);
        }
        let tag_set = self.tag_sets.insert(key, 0, self.generation, pairs.into());
        let common = common_hash(resource);
        let entry = ResourceEntry { tags, ..ResourceEntry::new(service, tag_set, common) };
        self.resources.insert(key, 0, self.generation, entry)
    }

    /// The resource that stands for all those of a service that there is no room for.
    fn untagged_resource(&mut self, service: u32, common: u128) -> u32 {
        let start = self.seed.start(purpose::RESOURCE_OVERFLOW);
        let key = start.number(u64::from(service)).finish();
        if let Some(id) = self.resources.find(key, self.generation) {
            self.resources.get_mut(id).common = common;
            return id;
        }
        let none: Arc<[TagPair]> = Arc::from([]);
        let tag_set = self.tag_sets.insert(key, 0, self.generation, none);
        let entry = ResourceEntry::new(service, tag_set, common);
        self.resources.insert(key, 0, self.generation, entry)
    }

    /// A tag value of a service.
    pub(crate) fn tag(&mut self, service: u32, key: &str, value: &[u8]) -> u32 {
        let number = u64::from(service);
        let start = self.seed.start(purpose::TAG).number(number).bytes(key.as_bytes());
        let id = start.bytes(value).finish();
        if let Some(tag) = self.tags.find(id, self.generation) {
            return tag;
        }
        let family = self.seed.start(purpose::TAG_FAMILY).number(number).bytes(key.as_bytes());
        let family = family.finish();
        let text = if self.tags.has_room(family) {
            self.clean(value)
        } else {
            // One bucket per key of a service, whatever the values are.
            let overflow = start.number(0).finish();
            if let Some(tag) = self.tags.find(overflow, self.generation) {
                return tag;
            }
            return self.insert_tag(overflow, family, service, (Arc::from(key), OVERFLOW.into()));
        };
        self.insert_tag(id, family, service, (Arc::from(key), text))
    }

    fn insert_tag(&mut self, id: Key, family: Key, service: u32, pair: TagPair) -> u32 {
        let tag = Tag { service, touched: false, pair, outcomes: Outcomes::default() };
        self.tags.insert(id, family, self.generation, tag)
    }

    /// Counts a span that serves under one of its tags.
    #[inline]
    pub(crate) fn count_tag(&mut self, tag: u32, error: bool, slow: bool) {
        let mut outcomes = Outcomes::default();
        outcomes.add(error, slow);
        self.count_tag_all(tag, outcomes);
    }

    pub(crate) fn count_tag_all(&mut self, tag: u32, outcomes: Outcomes) {
        let entry = self.tags.get_mut(tag);
        entry.outcomes.add_all(outcomes);
        if !entry.touched {
            entry.touched = true;
            self.touched.tags.push(tag);
            self.tags.keep(tag, self.generation);
        }
    }

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
                self.operations.insert(key, family, self.generation, operation)
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
        self.operations.insert(key, family, self.generation, operation)
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
                self.edges.insert(key, family, self.generation, Edge::new(caller, peer))
            });
        }
        let mut address = self.clean(new.address).to_string();
        if new.port != 0 {
            address.push_str(&format!(":{}", new.port));
        }
        let peer = Peer { kind: new.kind, address, system: self.clean(new.system).to_string() };
        self.edges.insert(key, family, self.generation, Edge::new(caller, peer))
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
    pub(crate) fn template(&mut self, service: u32, masked: &str) -> u32 {
        let start = self.seed.start(purpose::TEMPLATE).number(u64::from(service));
        let key = start.bytes(masked.as_bytes()).finish();
        if let Some(id) = self.templates.find(key, self.generation) {
            return id;
        }
        let family = Key::from(service);
        let (key, text) = if self.templates.has_room(family) {
            (key, self.clean(masked.as_bytes()))
        } else {
            let overflow = start.number(0).finish();
            if let Some(id) = self.templates.find(overflow, self.generation) {
                return id;
            }
            (overflow, Arc::from(OVERFLOW))
        };
        let template = Template { service, touched: false, severity: 0, text, count: 0 };
        self.templates.insert(key, family, self.generation, template)
    }

    /// The service, marked as heard since the last hand-over.
    #[inline]
    pub(crate) fn hear(&mut self, service: u32) -> &mut ServiceEntry {
        let entry = self.services.get_mut(service);
        if !entry.touched {
            entry.touched = true;
            self.touched.services.push(service);
        }
        entry
    }

    /// The series, marked as touched since the last hand-over.
    #[inline]
    pub(crate) fn touch_series(&mut self, id: u32) -> &mut Series {
        let series = self.series.get_mut(id);
        if !series.touched {
            series.touched = true;
            self.touched.series.push(id);
        }
        series
    }
}

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

impl ServiceEntry {
    fn new(service: Arc<Service>) -> Self {
        Self {
            service,
            touched: false,
            spans: 0,
            points: 0,
            logs: 0,
            error_logs: 0,
            newest: Timestamp::ZERO,
            subjects: Vec::new(),
            series: [[NONE; 2]; 2],
        }
    }
}

impl ResourceEntry {
    fn new(service: u32, tag_set: u32, common: u128) -> Self {
        let outcomes = Outcomes::default();
        Self { service, tags: Vec::new(), tag_set, common, touched: false, outcomes }
    }
}

impl Operation {
    fn new(service: u32, kind: SpanKind, name: Arc<str>, route_tag: u32) -> Self {
        Self {
            service,
            route_tag,
            kind,
            touched: false,
            name,
            outcomes: Outcomes::default(),
            entry_total: 0,
            entry_bad: 0,
            latency: Histogram::new(),
        }
    }
}

impl Edge {
    fn new(caller: u32, peer: Peer) -> Self {
        Self {
            caller,
            touched: false,
            peer: Arc::new(peer),
            calls: 0,
            errors: 0,
            throttled: 0,
            unanswered: 0,
            latency: Histogram::new(),
        }
    }
}

/// The text, cut between characters; what is no UTF-8 is replaced.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    let mut end = bytes.len().min(TEXT_BYTES_MAX);
    while end > 0 && end < bytes.len() && bytes[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    String::from_utf8_lossy(&bytes[..end])
}

/// The identity of a resource across workers.
fn common_hash(resource: Resource<'_>) -> u128 {
    attributes_hash(purpose::COMMON_RESOURCE, resource.attributes())
}

/// A hash of attributes in any order, equal in every worker.
pub(crate) fn attributes_hash(purpose: u64, attributes: otlp::Attributes<'_>) -> u128 {
    attributes.fold(u128::from(purpose), |sum, (key, value)| {
        let start = Seed::COMMON.start(purpose).bytes(key);
        sum.wrapping_add(value_hash(start, value).finish())
    })
}

fn value_hash(start: crate::hash::Hash128, value: Value<'_>) -> crate::hash::Hash128 {
    match value {
        Value::Empty => start.number(0),
        Value::Str(text) => start.number(1).bytes(text),
        Value::Bool(flag) => start.number(2).number(u64::from(flag)),
        Value::Int(number) => start.number(3).number(number as u64),
        Value::Double(number) => start.number(4).number(number.to_bits()),
        Value::Bytes(bytes) => start.number(5).bytes(bytes),
        Value::Array(array) => array.iter().fold(start.number(6), value_hash).number(7),
        Value::Map(map) => {
            let entries = map.iter();
            entries.fold(start.number(8), |hash, (key, value)| value_hash(hash.bytes(key), value))
        }
    }
}
