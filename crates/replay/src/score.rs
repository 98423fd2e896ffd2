//! How well causes, incidents and pages fit labelled faults.
//!
//! Pure: what a run of a case showed goes in, figures come out.

mod baseline;
mod figures;

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Cause, Timestamp};

pub use baseline::{Baseline, Ranking, Telemetry};
pub use figures::{Figures, Tally};

/// A fault that was injected, and what is true of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Name of the service that was broken.
    pub service: String,
    /// Pod or host that was broken; empty = not told.
    pub instance: String,
    /// When.
    pub injected_at: Timestamp,
}

/// A named suspect: a service, and the instance of it if that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suspect {
    /// Name of the service, without namespace and environment.
    pub service: String,
    /// Pod or host; empty = not told.
    pub instance: String,
}

/// What one case showed.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Who was named, best first; each service once.
    pub suspects: Vec<Suspect>,
    /// What incidents did, unless only suspects were asked for.
    pub told: Option<Told>,
    /// How long the case took, reading included.
    pub took: Duration,
}

/// What incidents and pages there were.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Incidents that opened after the injection.
    pub opened: u64,
    /// Between the injection and the first page after it.
    pub paged_after: Option<Duration>,
    /// Pages before the injection.
    pub false_pages: u64,
    /// Alerts by the incident that holds them, and by whether the fault caused them.
    pub grouped: BTreeMap<u64, Grouped>,
}

/// Alerts of one incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grouped {
    /// Those that began after the injection.
    pub of_fault: u64,
    /// Those that began before it.
    pub of_none: u64,
}

impl Suspect {
    /// The suspect that a cause names.
    #[must_use]
    pub fn of(cause: &Cause) -> Self {
        Self { service: bare(&cause.service).to_owned(), instance: cause.instance.clone() }
    }
}

/// The suspects that causes name, each service once.
#[must_use]
pub fn suspects(causes: &[Cause]) -> Vec<Suspect> {
    let mut suspects: Vec<Suspect> = Vec::new();
    for suspect in causes.iter().map(Suspect::of) {
        if suspects.iter().all(|known| known.service != suspect.service) {
            suspects.push(suspect);
        }
    }
    suspects
}

/// A service's name without the namespace before it and the environment behind it.
fn bare(service: &str) -> &str {
    let name = service.rsplit('/').next().unwrap_or(service);
    name.split('@').next().unwrap_or(name)
}

#[cfg(test)]
mod tests;
