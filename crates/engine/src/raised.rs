//! Alerts that other systems raise.

use std::collections::BTreeSet;
use std::time::Duration;

use alert::{Condition, Observation};
use dispatch::Routes;
use model::{Fingerprint, Labels, RaisedAlert, Severity, Timestamp, Urgency};

use crate::Engine;

/// The default of [`RaisedOptions::resolve_after`](crate::RaisedOptions::resolve_after): Alertmanager's `resolve_timeout`.
pub const RESOLVE_AFTER: Duration = Duration::from_secs(5 * 60);
/// The label that says how bad an alert is.
const SEVERITY_LABEL: &str = "severity";

/// When to look whether alerts from outside have ended: a repetition moves an end, and is not noted
/// here until the time comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Raised {
    due: BTreeSet<(Timestamp, Fingerprint)>,
}

impl Raised {
    fn look_at(&mut self, fingerprint: Fingerprint, at: Timestamp) {
        let _ = self.due.insert((at, fingerprint));
    }

    fn take_due(&mut self, now: Timestamp) -> Vec<Fingerprint> {
        let later = self.due.split_off(&(now.after(Duration::from_nanos(1)), Fingerprint(0)));
        let due = std::mem::replace(&mut self.due, later);
        due.into_iter().map(|(_, fingerprint)| fingerprint).collect()
    }
}

impl Engine {
    /// Takes alerts from outside. One that is raised again is the same alert; one whose end has
    /// passed is over.
    pub(crate) fn raise(&mut self, alerts: Vec<RaisedAlert>) {
        let now = self.now;
        for alert in alerts {
            let fingerprint = Fingerprint::of(&alert.labels);
            let timeout = now.after(self.options.raised.resolve_after);
            let ends_at = if alert.ends_at.is_set() { alert.ends_at } else { timeout };
            if ends_at <= now {
                self.take_back(fingerprint);
            } else if !self.alerts.repeats(fingerprint, ends_at, now) {
                let observation = self.observation_of(alert);
                let waits = observation.condition == Condition::Waits;
                self.observe(observation, Routes::default());
                if self.alerts.repeats(fingerprint, ends_at, now) || waits {
                    self.raised.look_at(fingerprint, ends_at);
                }
            }
        }
    }

    /// Ends what nobody has repeated.
    pub(crate) fn end_raised(&mut self) {
        for fingerprint in self.raised.take_due(self.now) {
            match self.alerts.ends_at(fingerprint) {
                Some(ends_at) if ends_at > self.now => self.raised.look_at(fingerprint, ends_at),
                Some(_) => self.take_back(fingerprint),
                None => {}
            }
        }
    }

    /// After a restart nobody knows when alerts end: they have a whole timeout from now.
    pub(crate) fn resume_raised(&mut self) {
        let ends_at = self.now.after(self.options.raised.resolve_after);
        let external = self.alerts.firing().filter(|alert| alert.external);
        let fingerprints: Vec<Fingerprint> = external.map(|alert| alert.fingerprint).collect();
        for fingerprint in fingerprints {
            let _ = self.alerts.repeats(fingerprint, ends_at, self.now);
            self.raised.look_at(fingerprint, ends_at);
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
        let said = (&alert.labels, &alert.annotations);
        let service = self.correlator.place(said, &self.options.raised.service_labels, self.now);
        // Its sender repeats it, and it fires once the work is over.
        let waits = self.is_maintained(service.as_deref());
        Observation {
            service,
            labels: alert.labels,
            annotations: alert.annotations,
            condition: if waits { Condition::Waits } else { Condition::Holds },
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
