//! What changed in a stretch of time, asked by a person.

use correlate::Diagnosis;
use model::{Service, Timestamp};

use crate::Engine;

impl Engine {
    /// Ranks what changed in `since..until` against the time before it, even if no SLO fired; of
    /// one service and what it depends on, if one is named. See [`correlate::Correlator::explain`].
    #[must_use]
    pub fn explain(
        &self,
        since: Timestamp,
        until: Timestamp,
        service: Option<&Service>,
    ) -> Diagnosis {
        self.correlator.explain(since, until, service)
    }
}
