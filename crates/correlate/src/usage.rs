//! How much of their resources services use.

use std::collections::BTreeMap;

use model::UsageDelta;

use crate::facts::capped;
use crate::names::{ServiceId, WordId};
use crate::ring::{Ring, Tally};
use crate::series::Bucket;

/// How many gauges are kept, of all services and instances; further ones are not.
const GAUGES_MAX: usize = 20_000;

/// Some points of a gauge.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Level {
    pub(crate) count: u32,
    pub(crate) sum: f64,
}

/// Service, instance and metric.
pub(crate) type Gauge = (ServiceId, WordId, WordId);

/// All gauges of resources. An ordered map, since its order reaches the output.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usages {
    pub(crate) gauges: BTreeMap<Gauge, Ring<Level>>,
}

impl Tally for Level {
    type Packed = [u32; 2];

    fn pack(&self) -> Self::Packed {
        [self.count, (self.sum as f32).to_bits()]
    }

    fn unpack([count, sum]: &Self::Packed) -> Self {
        Self { count: *count, sum: f64::from(f32::from_bits(*sum)) }
    }

    fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum += other.sum;
    }
}

impl Level {
    pub(crate) fn mean(self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}

impl Usages {
    pub(crate) fn count(&mut self, gauge: Gauge, delta: &UsageDelta, bucket: Bucket) {
        if let Some(ring) = capped(&mut self.gauges, gauge, GAUGES_MAX) {
            ring.add(bucket, &Level { count: delta.count, sum: delta.sum });
        }
    }

    /// Instances and metrics in use.
    pub(crate) fn words(&self) -> impl Iterator<Item = WordId> {
        self.gauges.keys().flat_map(|(_, instance, metric)| [*instance, *metric])
    }

    /// Drops what was silent since before a bucket.
    pub(crate) fn forget(&mut self, before: Bucket) {
        self.gauges.retain(|_, ring| ring.end() > before);
    }
}
