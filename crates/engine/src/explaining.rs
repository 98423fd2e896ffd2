//! What changed in a stretch of time, asked by a person.

use correlate::{Diagnosis, EXPLAIN_REACH};
use model::{Service, Timestamp};
use std::sync::Arc;

use crate::{Engine, Refusal};

/// What a person asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// When it began.
    pub since: Timestamp,
    /// When it ended; zero = it has not.
    pub until: Timestamp,
    /// A service, by its name alone or in full; empty = all.
    pub service: String,
}

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

    /// The same, as a person asks it.
    ///
    /// # Errors
    /// If the times lie beyond what is remembered or in the wrong order, or the service is not
    /// known.
    pub fn answer(&self, question: &Question) -> Result<Diagnosis, Refusal> {
        let refuse = |what: String| Err(Refusal::Impossible(what));
        let since = question.since;
        let until = if question.until.is_set() { question.until.min(self.now) } else { self.now };
        if since >= until {
            return refuse(format!("since: {since} does not lie before {until}"));
        }
        if self.now.since(since) > EXPLAIN_REACH {
            let minutes = EXPLAIN_REACH.as_secs() / 60;
            return refuse(format!("since: only the last {minutes} minutes are remembered"));
        }
        if question.service.is_empty() {
            return Ok(self.explain(since, until, None));
        }
        match self.service_called(&question.service) {
            Some(service) => Ok(self.explain(since, until, Some(&service))),
            None => refuse(format!("service: {} is not known", question.service)),
        }
    }

    fn service_called(&self, name: &str) -> Option<Arc<Service>> {
        let mut services = self.services.keys();
        let named = services.find(|service| service.to_string() == name);
        named.or_else(|| self.services.keys().find(|service| service.name == name)).cloned()
    }
}
