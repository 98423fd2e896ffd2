//! Tickets about telemetry itself: a signal of a service that stopped, that comes late, or whose
//! clock is ahead.

use std::sync::Arc;
use std::time::Duration;

use alert::{Condition, Observation};
use dispatch::Routes;
use model::{Fingerprint, Labels, Service, Severity, Telemetry, Timestamp, Urgency};
use slo::duration_text;
use slo::source::SourceState;

use super::telling::name;
use crate::Engine;
use crate::services::ServiceState;

/// Callers that a summary names.
const CALLERS_NAMED: usize = 3;

/// What is wrong with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// It sends nothing for longer than it is used to.
    Absent,
    /// All that it sends is old.
    Late,
    /// Its clock is ahead.
    Ahead,
}

/// The alert of one trouble of one source; of all telemetry without a service.
#[derive(Clone, Debug)]
pub(crate) struct SourceAlert {
    service: Option<Arc<Service>>,
    signal: Option<Telemetry>,
    trouble: Trouble,
}

impl Trouble {
    const ALL: [Self; 3] = [Self::Absent, Self::Late, Self::Ahead];

    const fn alert_name(self) -> &'static str {
        match self {
            Self::Absent => "TelemetryAbsent",
            Self::Late => "TelemetryLate",
            Self::Ahead => "ClockAhead",
        }
    }

    const fn of(state: SourceState) -> Option<Self> {
        match state {
            SourceState::Absent => Some(Self::Absent),
            SourceState::Late => Some(Self::Late),
            SourceState::Ahead => Some(Self::Ahead),
            SourceState::Unheard | SourceState::Live | SourceState::Idle => None,
        }
    }

    /// Its bit among those of a service.
    const fn bit(self, signal: Telemetry) -> u16 {
        1 << (signal as usize * Self::ALL.len() + self as usize)
    }
}

impl SourceAlert {
    /// Labels of the alert: its identity.
    pub(super) fn labels(&self) -> Labels {
        let alert = self.trouble.alert_name().to_owned();
        let mut labels = Labels::from([("alertname".to_owned(), alert)]);
        let mut add = |name: &str, value: &str| {
            if !value.is_empty() {
                let _ = labels.insert(name.to_owned(), value.to_owned());
            }
        };
        self.service.iter().for_each(|service| name(service, &mut add));
        add("signal", self.signal.map_or("", Telemetry::as_str));
        labels
    }
}

impl Engine {
    /// The alerts about sources that may fire.
    pub(super) fn source_alerts(&self) -> impl Iterator<Item = SourceAlert> {
        let of = |service: &Arc<Service>, told: u16| {
            let service = Arc::clone(service);
            let all = Telemetry::ALL.into_iter();
            all.flat_map(|signal| Trouble::ALL.map(|trouble| (signal, trouble)))
                .filter(move |(signal, trouble)| told & trouble.bit(*signal) != 0)
                .map(move |(signal, trouble)| SourceAlert {
                    service: Some(Arc::clone(&service)),
                    signal: Some(signal),
                    trouble,
                })
        };
        let services = self.services.iter().filter(|(_, state)| state.told != 0);
        services.flat_map(move |(service, state)| of(service, state.told)).chain([everything()])
    }

    /// Tells what is wrong with sources, and what is well again.
    pub(super) fn judge_sources(&mut self) {
        let now = self.now;
        let all_silent = self.anything.presence.is_silent(now);
        self.judge_everything(all_silent);
        let mut told = Vec::new();
        for (service, state) in &self.services {
            for signal in Telemetry::ALL {
                let trouble = Trouble::of(state.state_of(signal, now));
                for known in Trouble::ALL {
                    let holds = trouble == Some(known);
                    let may_fire = state.told & known.bit(signal) != 0;
                    // Where nobody is heard at all, it is the way here that is broken.
                    let is_unclear = holds
                        && known == Trouble::Absent
                        && (all_silent || self.is_maintained(Some(service)));
                    if is_unclear || !(holds || may_fire) {
                        continue;
                    }
                    told.push((Arc::clone(service), signal, known, holds));
                }
            }
        }
        for (service, signal, trouble, holds) in told {
            self.judge_source(&service, signal, trouble, holds);
        }
    }

    fn judge_source(
        &mut self,
        service: &Arc<Service>,
        signal: Telemetry,
        trouble: Trouble,
        holds: bool,
    ) {
        let Some(state) = self.services.get(service) else { return };
        let summary = match trouble {
            _ if !holds => None,
            Trouble::Absent => self.absence(service, state, signal),
            Trouble::Late => Some(lateness(service, state, signal, self.now)),
            Trouble::Ahead => Some(clock_ahead(service, state, signal, self.now)),
        };
        let alert =
            SourceAlert { service: Some(Arc::clone(service)), signal: Some(signal), trouble };
        let bit = trouble.bit(signal);
        let fires = summary.is_some();
        if fires || state.told & bit != 0 {
            self.tell_source(&alert, summary);
        }
        if let Some(state) = self.services.get_mut(service) {
            state.told = if fires { state.told | bit } else { state.told & !bit };
        }
    }

    /// What the silence of a signal means; `None` if nothing was asked of the service.
    fn absence(
        &self,
        service: &Arc<Service>,
        state: &ServiceState,
        signal: Telemetry,
    ) -> Option<String> {
        let now = self.now;
        let rhythm = state.clock(signal).rhythm();
        let silence = rhythm.silence(now);
        let unseen = self.correlator.calls_since(service, now.before(silence));
        let speaks = |other: &Telemetry| *other != signal && state.state_of(*other, now).speaks();
        let others: Vec<Telemetry> = Telemetry::ALL.into_iter().filter(speaks).collect();
        let meaning = if let Some(unseen) = unseen {
            let named: Vec<String> = unseen
                .callers
                .iter()
                .take(CALLERS_NAMED)
                .map(|caller| caller.to_string())
                .collect();
            let more = unseen.callers.len().saturating_sub(CALLERS_NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let calls = unseen.calls;
            format!("{}{more} still call it ({calls} calls): not idle", named.join(", "))
        } else if others.is_empty() {
            "no other signal of it comes and nobody is seen to call it: \
             it stopped, or all of its telemetry did"
                .to_owned()
        } else if signal != Telemetry::Metrics && !others.contains(&Telemetry::Traces) {
            // What is not asked has no spans, and nothing to log; its metrics show that it lives.
            return None;
        } else {
            let others: Vec<_> = others.iter().map(|other| other.as_str()).collect();
            format!("its {} still come: how these leave it is broken", others.join(" and "))
        };
        let (silence, signal) = (about(silence), signal.as_str());
        let habit = about(rhythm.longest_silence());
        let mut text = format!("{service} has sent no {signal} for {silence}");
        if !rhythm.longest_silence().is_zero() {
            text.push_str(&format!(" (its longest pause in 8 days was {habit})"));
        }
        Some(format!("{text}; {meaning}"))
    }

    fn judge_everything(&mut self, all_silent: bool) {
        let (anything, now) = (&self.anything, self.now);
        let absent = |signal: Telemetry| anything.state_of(signal, now) == SourceState::Absent;
        let silences = anything.clocks.iter().map(|clock| clock.rhythm());
        let heard = silences.filter(|rhythm| rhythm.last_heard().is_some());
        let silence = heard.map(|rhythm| rhythm.silence(now)).min().unwrap_or_default();
        let summary = (all_silent && Telemetry::ALL.into_iter().any(absent)).then(|| {
            let silence = about(silence);
            format!("no telemetry of any service has arrived for {silence}; all SLOs are frozen")
        });
        self.tell_source(&everything(), summary);
    }

    fn tell_source(&mut self, alert: &SourceAlert, summary: Option<String>) {
        let labels = alert.labels();
        let is_known = self.alerts.get(Fingerprint::of(&labels)).is_some();
        if summary.is_none() && !is_known {
            return;
        }
        let condition = if summary.is_some() { Condition::Holds } else { Condition::Clear };
        let observation = ticket(labels, alert.service.clone(), condition, summary);
        self.observe(observation, Routes::default());
    }
}

/// A ticket about telemetry, which nobody declared.
pub(super) fn ticket(
    labels: Labels,
    service: Option<Arc<Service>>,
    condition: Condition,
    summary: Option<String>,
) -> Observation {
    let summary = summary.map(|summary| ("summary".to_owned(), summary));
    Observation {
        labels,
        annotations: summary.into_iter().collect(),
        condition,
        urgency: Urgency::Ticket,
        severity: Severity::Warning,
        service,
        slo: None,
        external: false,
    }
}

const fn everything() -> SourceAlert {
    SourceAlert { service: None, signal: None, trouble: Trouble::Absent }
}

fn lateness(service: &Service, state: &ServiceState, signal: Telemetry, now: Timestamp) -> String {
    let lag = state.clock(signal).lag(now).unwrap_or_default();
    format!(
        "{service}: even the newest {} are {} old when they arrive; what is judged of it is that far \
         behind, or its clock is",
        signal.as_str(),
        about(lag)
    )
}

fn clock_ahead(
    service: &Service,
    state: &ServiceState,
    signal: Telemetry,
    now: Timestamp,
) -> String {
    let ahead = state.clock(signal).clock_ahead(now);
    format!(
        "{service}: its {} lie {} in the future when they arrive; what is further ahead than a \
         minute is refused. Set its clock",
        signal.as_str(),
        about(ahead)
    )
}

/// A time as a person would say it: in its largest unit of which there are two.
pub(super) fn about(span: Duration) -> String {
    const UNITS_S: [u64; 3] = [86_400, 3600, 60];
    let seconds = span.as_secs();
    let unit = UNITS_S.into_iter().find(|unit| seconds >= 2 * unit).unwrap_or(1);
    duration_text(Duration::from_secs(seconds / unit * unit))
}
