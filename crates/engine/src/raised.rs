//! Alerts that other systems raise.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alert::{Condition, Observation};
use dispatch::Routes;
use model::{Fingerprint, Labels, RaisedAlert, Severity, Timestamp, Urgency};

use crate::Engine;

/// An alert that is neither repeated nor says when it ends is over after this long: Alertmanager's
/// `resolve_timeout`.
pub const RESOLVE_AFTER: Duration = Duration::from_secs(5 * 60);
/// The label that says how bad an alert is.
const SEVERITY_LABEL: &str = "severity";

/// When alerts from outside end unless they are repeated.
#[derive(Clone, Debug, Default)]
pub(crate) struct Raised {
    ends: BTreeMap<Fingerprint, Timestamp>,
    due: BTreeSet<(Timestamp, Fingerprint)>,
}

impl Raised {
    fn set(&mut self, fingerprint: Fingerprint, ends_at: Timestamp) {
        if let Some(before) = self.ends.insert(fingerprint, ends_at)
            && before != ends_at
        {
            let _ = self.due.remove(&(before, fingerprint));
        }
        let _ = self.due.insert((ends_at, fingerprint));
    }

    fn end(&mut self, fingerprint: Fingerprint) {
        if let Some(before) = self.ends.remove(&fingerprint) {
            let _ = self.due.remove(&(before, fingerprint));
        }
    }

    fn take_due(&mut self, now: Timestamp) -> Vec<Fingerprint> {
        let mut ended = Vec::new();
        while let Some((_, fingerprint)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.end(fingerprint);
            ended.push(fingerprint);
        }
        ended
    }
}

impl Engine {
    /// Takes alerts from outside. One that is raised again is the same alert; one whose end has
    /// passed is over.
    pub(crate) fn raise(&mut self, alerts: Vec<RaisedAlert>) {
        let now = self.now;
        for alert in alerts {
            let fingerprint = Fingerprint::of(&alert.labels);
            let timeout = now.after(RESOLVE_AFTER);
            let ends_at = if alert.ends_at.is_set() { alert.ends_at } else { timeout };
            if ends_at <= now {
                self.raised.end(fingerprint);
                self.take_back(fingerprint);
            } else if self.alerts.repeats(fingerprint, now) {
                self.raised.set(fingerprint, ends_at);
            } else {
                let observation = self.observation_of(alert);
                self.observe(observation, Routes::default());
                if self.alerts.get(fingerprint).is_some() {
                    self.raised.set(fingerprint, ends_at);
                }
            }
        }
    }

    /// Ends what nobody has repeated.
    pub(crate) fn end_raised(&mut self) {
        for fingerprint in self.raised.take_due(self.now) {
            self.take_back(fingerprint);
        }
    }

    /// After a restart nobody knows when alerts end: they have a whole timeout from now.
    pub(crate) fn resume_raised(&mut self) {
        let ends_at = self.now.after(RESOLVE_AFTER);
        let external = self.alerts.firing().filter(|alert| alert.external);
        let fingerprints: Vec<Fingerprint> = external.map(|alert| alert.fingerprint).collect();
        for fingerprint in fingerprints {
            self.raised.set(fingerprint, ends_at);
        }
    }

    fn take_back(&mut self, fingerprint: Fingerprint) {
        let Some(alert) = self.alerts.get(fingerprint).filter(|alert| alert.external) else {
            return;
        };
        let observation = Observation {
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            condition: Condition::Clear,
            urgency: alert.urgency,
            severity: alert.severity,
            service: alert.service.clone(),
            slo: None,
            external: true,
        };
        self.observe(observation, Routes::default());
    }

    fn observation_of(&mut self, alert: RaisedAlert) -> Observation {
        let severity = severity_of(&alert.labels);
        let urgency = match severity {
            Severity::Critical => Urgency::Page,
            Severity::Error | Severity::Warning | Severity::Info => Urgency::Ticket,
        };
        Observation {
            service: self.correlator.place(&alert.labels, &alert.annotations, self.now),
            labels: alert.labels,
            annotations: alert.annotations,
            condition: Condition::Holds,
            urgency,
            severity,
            slo: None,
            external: true,
        }
    }
}

/// By the words that rules commonly use; what says nothing is a warning.
fn severity_of(labels: &Labels) -> Severity {
    match labels.get(SEVERITY_LABEL).map(|word| word.to_ascii_lowercase()).as_deref() {
        Some("critical" | "page" | "emergency" | "fatal" | "disaster" | "p1") => Severity::Critical,
        Some("error" | "high" | "major" | "p2") => Severity::Error,
        Some("info" | "none" | "low" | "p4" | "p5") => Severity::Info,
        _ => Severity::Warning,
    }
}
