use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Service, Severity, SloImpact, Timestamp, Urgency};

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
const SEPARATOR: u8 = 0xff;

/// Labels of an alert, in order of their names.
pub type Labels = BTreeMap<String, String>;

/// The identity of an alert: FNV-1a over its labels as Prometheus computes it
/// (`model.LabelSet.Fingerprint`), so that both name the same alert the same.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Fingerprint(pub u64);

/// Where an alert stands.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum AlertState {
    /// Its condition does not hold.
    #[default]
    Inactive,
    /// It holds, but not yet for long enough.
    Pending,
    /// It holds.
    Firing,
    /// It held, and its source has gone silent since: frozen, neither worse nor better.
    NoData,
}

/// One alert, with what is known of it now.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Alert {
    /// Of the labels.
    pub fingerprint: Fingerprint,
    /// What it is about; `alertname` among them.
    pub labels: Labels,
    /// What a person should read.
    pub annotations: Labels,
    /// Where it stands.
    pub state: AlertState,
    /// What it asks for on its own.
    pub urgency: Urgency,
    /// How bad it is.
    pub severity: Severity,
    /// The service it is about, if one is known.
    pub service: Option<Arc<Service>>,
    /// What it says of an SLO, if it is a burn-rate alert.
    pub slo: Option<SloImpact>,
    /// When its condition came to hold.
    pub first_at: Timestamp,
    /// When it last held.
    pub last_at: Timestamp,
    /// How often it was raised again.
    pub repeats: u64,
    /// Whether it came through the alert intake.
    pub external: bool,
    /// Whether it changes so often that its notifications are held.
    pub flapping: bool,
}

/// An alert as another system raises it, or takes it back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RaisedAlert {
    /// What it is about; its identity.
    pub labels: Labels,
    /// What a person should read.
    pub annotations: Labels,
    /// When it began; zero = now.
    pub starts_at: Timestamp,
    /// When it ends or ended; zero = when it is no longer repeated.
    pub ends_at: Timestamp,
}

impl Fingerprint {
    /// Of a set of labels.
    #[must_use]
    pub fn of(labels: &Labels) -> Self {
        let mut hash = FNV_OFFSET;
        let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        for (name, value) in labels {
            name.bytes().for_each(&mut add);
            add(SEPARATOR);
            value.bytes().for_each(&mut add);
            add(SEPARATOR);
        }
        Self(hash)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_set_has_the_fingerprint_that_prometheus_gives_it() {
        assert_eq!(Fingerprint::of(&Labels::new()).to_string(), "cbf29ce484222325");
    }

    #[test]
    fn name_and_value_do_not_run_together() {
        let labels = |name: &str, value: &str| Labels::from([(name.to_owned(), value.to_owned())]);
        assert_ne!(Fingerprint::of(&labels("ab", "c")), Fingerprint::of(&labels("a", "bc")));
    }
}
