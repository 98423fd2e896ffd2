mod operation;
mod resource;

use std::borrow::Cow;
use std::sync::Arc;

use enrich::Redactor;
use model::{EventTimes, Peer, Service, SpanKind, TagPair, Telemetry};

use crate::arena::{Arena, Generation, NONE};
use crate::hash::Seed;
use crate::histogram::{Histograms, Octaves};
use crate::options::{GROUPS_LENIENCE, Limits, TEXT_BYTES_MAX};
use crate::series::Series;

pub(crate) use operation::{NewOperation, NewPeer};
pub(crate) use resource::attributes_hash;

/// The name of entries that take what is beyond a limit.
pub(crate) const OVERFLOW: &str = Service::OVERFLOW;
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
    pub(crate) operation_latencies: Histograms,
    pub(crate) edges: Arena<Edge>,
    pub(crate) edge_latencies: Histograms,
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
    pub(crate) times: [EventTimes; Telemetry::ALL.len()],
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
    pub(crate) latency: Octaves,
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
    pub(crate) latency: Octaves,
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

    pub(crate) const fn is_bad(self) -> bool {
        self.errors | self.slow != 0
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
            operation_latencies: Histograms::default(),
            edge_latencies: Histograms::default(),
            edges: Arena::new(limits.edges, limits.peers_per_service),
            tags: Arena::new(limits.tags, limits.tag_values_per_key),
            tag_sets: Arena::new(limits.tag_sets, unlimited),
            series: Arena::lenient(limits.series, limits.groups_per_slo, GROUPS_LENIENCE),
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

impl ServiceEntry {
    fn new(service: Arc<Service>) -> Self {
        Self {
            service,
            touched: false,
            spans: 0,
            points: 0,
            logs: 0,
            error_logs: 0,
            times: Default::default(),
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
            latency: Octaves::default(),
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
            latency: Octaves::default(),
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
