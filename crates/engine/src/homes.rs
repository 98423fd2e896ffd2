//! Where alerts about a service have their place.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{IncidentId, Service};

/// How many services have a home; beyond that all are forgotten, and found again by comparing.
const HOMES_MAX: usize = 20_000;

/// Where alerts about one service go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// Into an opening, by its number.
    Opening(u64),
    /// Into an incident.
    Incident(IncidentId),
}

/// The home of each service. One may be gone: whoever asks looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Homes {
    of: BTreeMap<Arc<Service>, Home>,
}

impl Homes {
    pub(crate) fn of(&self, service: &Service) -> Option<Home> {
        self.of.get(service).copied()
    }

    pub(crate) fn settle(&mut self, service: Arc<Service>, home: Home) {
        if self.of.len() >= HOMES_MAX && !self.of.contains_key(&service) {
            self.of.clear();
        }
        let _ = self.of.insert(service, home);
    }

    pub(crate) fn leave(&mut self, service: &Service) {
        let _ = self.of.remove(service);
    }
}
