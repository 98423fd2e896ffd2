//! What services log of errors and warnings, in a trace or outside of any.

use std::collections::BTreeMap;

use model::{LogTemplateDelta, ServiceDelta};

use crate::facts::capped;
use crate::habits::{Doing, ERROR_SEVERITY_MIN, Lines};
use crate::names::{ServiceId, WordId};
use crate::ring::{Ring, Tally, narrow};
use crate::series::Bucket;

/// How many templates are counted, of all services; further ones are not.
const TEMPLATES_MAX: usize = 20_000;
/// How many services' records are counted; further ones are not.
const VOLUMES_MAX: usize = 10_000;

/// Log records of any severity.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Volume {
    pub(crate) records: u64,
}

/// All records of severity WARN or above, by service and template, and how much a service logs in
/// all. Ordered maps, since their order reaches the output.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    pub(crate) templates: BTreeMap<Doing, Ring<Lines>>,
    pub(crate) volumes: BTreeMap<ServiceId, Ring<Volume>>,
}

impl Tally for Volume {
    type Packed = [u32; 1];

    fn pack(&self) -> Self::Packed {
        [narrow(self.records)]
    }

    fn unpack([records]: &Self::Packed) -> Self {
        Self { records: u64::from(*records) }
    }

    fn add(&mut self, other: &Self) {
        self.records = self.records.saturating_add(other.records);
    }
}

impl Records {
    pub(crate) fn hear(&mut self, id: ServiceId, delta: &ServiceDelta, bucket: Bucket) {
        if delta.logs > 0
            && let Some(volume) = capped(&mut self.volumes, id, VOLUMES_MAX)
        {
            volume.add(bucket, &Volume { records: delta.logs });
        }
    }

    pub(crate) fn count(&mut self, key: Doing, delta: &LogTemplateDelta, bucket: Bucket) {
        if let Some(counted) = capped(&mut self.templates, key, TEMPLATES_MAX) {
            let errors = if delta.severity >= ERROR_SEVERITY_MIN { delta.count } else { 0 };
            counted.add(bucket, &Lines { total: delta.count, errors });
        }
    }

    /// Templates in use.
    pub(crate) fn words(&self) -> impl Iterator<Item = WordId> {
        self.templates.keys().map(|(_, template)| *template)
    }

    /// Drops what was silent since before a bucket.
    pub(crate) fn forget(&mut self, before: Bucket) {
        self.templates.retain(|_, ring| ring.end() > before);
        self.volumes.retain(|_, ring| ring.end() > before);
    }
}
