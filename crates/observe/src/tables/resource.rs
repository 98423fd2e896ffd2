use std::sync::Arc;

use model::{Service, TagPair};
use otlp::{Resource, Value};

use super::{OVERFLOW, Outcomes, ResourceEntry, ServiceEntry, Tables, Tag, purpose};
use crate::hash::{Hash128, Key, Seed};

/// What the SDK specification calls a service that has no name.
const UNKNOWN_SERVICE: &[u8] = b"unknown_service";

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

impl Tables {
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

    /// Counts spans that serve under one of their tags.
    pub(crate) fn count_tag(&mut self, tag: u32, outcomes: Outcomes) {
        let entry = self.tags.get_mut(tag);
        entry.outcomes.add_all(outcomes);
        if !entry.touched {
            entry.touched = true;
            self.touched.tags.push(tag);
            self.tags.keep(tag, self.generation);
        }
    }
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

fn value_hash(start: Hash128, value: Value<'_>) -> Hash128 {
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
