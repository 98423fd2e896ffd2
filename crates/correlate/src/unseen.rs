//! Calls to a service that itself says nothing of them.

use std::sync::Arc;

use model::{Service, Timestamp};

use crate::Correlator;
use crate::series::Bucket;

/// Who called a service that was silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// Calls, by the callers' count.
    pub calls: u64,
    /// The callers, in their order.
    pub callers: Vec<Arc<Service>>,
}

impl Correlator {
    /// The calls to a service since a moment, in whole buckets after it; `None` without any. The
    /// counts reach back 20 minutes.
    #[must_use]
    pub fn calls_since(&self, service: &Service, since: Timestamp) -> Option<Unseen> {
        let callee = self.names.service_named(service)?;
        // The silence began within a bucket, the first part of which was heard.
        let from = Bucket(Bucket::of(since).0.saturating_add(1));
        let mut unseen = Unseen { calls: 0, callers: Vec::new() };
        for ((caller, _), edge) in self.facts.calls_to(callee) {
            let calls = edge.counts.sum(from, Bucket(u32::MAX)).calls;
            let Some(caller) = self.names.service_at(caller).filter(|_| calls > 0) else {
                continue;
            };
            unseen.calls = unseen.calls.saturating_add(calls);
            unseen.callers.push(Arc::clone(caller));
        }
        unseen.callers.sort();
        unseen.callers.dedup();
        (unseen.calls > 0).then_some(unseen)
    }
}
