//! How well causes, incidents and pages fit labelled faults.
//!
//! Pure: what a run of a case showed goes in, figures come out.

mod baseline;
mod figures;
pub mod scenario;

use std::time::Duration;

use model::{Cause, CauseKind, Timestamp};

pub use baseline::{Baseline, Ranking, Telemetry};
pub use figures::{Figures, SCORE_BINS, Tally};

/// A fault that was injected, and what is true of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Names of the service that was broken; any of them is right.
    pub services: Vec<String>,
    /// Pod or host that was broken; empty = not told.
    pub instance: String,
    /// What kind of fault it was; `None` = not told.
    pub kind: Option<CauseKind>,
    /// The tag that tells what was broken, key and value; `None` = not told.
    pub tag: Option<(String, String)>,
    /// When.
    pub injected_at: Timestamp,
}

/// A named suspect: a service, and the instance of it if that is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suspect {
    /// Name of the service, without namespace and environment.
    pub service: String,
    /// Pod or host; empty = not told.
    pub instance: String,
    /// What kind of fault it has.
    pub kind: CauseKind,
    /// The tag that tells it, key and value; empty = none.
    pub tag: (String, String),
    /// How far it is believed, 0..1; `None` where the method does not say.
    pub score: Option<f64>,
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
    /// Faults about which an incident opened.
    pub faults_opened: u64,
    /// Incidents that opened after the injection.
    pub opened: u64,
    /// Between the injection and the first page after it.
    pub paged_after: Option<Duration>,
    /// Pages before the injection.
    pub false_pages: u64,
    /// Of each incident, how many of its alerts each fault caused.
    pub grouped: Vec<Vec<u64>>,
    /// Of each incident, how many of its alerts no fault caused; shorter = none.
    pub of_none: Vec<u64>,
}

impl Suspect {
    /// The suspect that a cause names.
    #[must_use]
    pub fn of(cause: &Cause) -> Self {
        Self {
            service: bare(&cause.service).to_owned(),
            instance: cause.instance.clone(),
            kind: cause.kind,
            tag: (cause.tag_key.clone(), cause.tag_value.clone()),
            score: Some(cause.score),
        }
    }
}

/// The place of the first suspect that is one of these services, from 0 on.
#[must_use]
pub fn rank_of(services: &[String], suspects: &[Suspect]) -> Option<usize> {
    suspects.iter().position(|suspect| services.contains(&suspect.service))
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
