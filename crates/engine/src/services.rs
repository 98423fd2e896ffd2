//! What a delta says of services: who was heard, and which source their SLIs come from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use model::{
    AutomaticSli, AutomaticSource, PaneDelta, SeriesKey, Service, ServiceDelta, Telemetry,
    Timestamp,
};
use slo::judge::Arrival;
use slo::presence::{Presence, SILENCE_AFTER};
use slo::source::{SourceClock, SourceState};

use crate::Engine;
use crate::series::{Series, Slo};

/// What is known of a service beside its numbers.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(crate) struct ServiceState {
    pub(crate) presence: Presence,
    /// Its signals' event time, in the order of [`Telemetry::ALL`].
    pub(crate) clocks: [SourceClock; Telemetry::ALL.len()],
    /// Which alerts of its silence and of its clocks may fire, a bit each.
    pub(crate) told: u16,
    /// Whether spans ever came: without any, nobody can tell who calls the service.
    pub(crate) has_spans: bool,
    /// Since when an automatic SLI comes from histograms, availability and latency; unset while it
    /// comes from spans. It never goes back, and only what starts after the switch counts.
    histograms_since: [Timestamp; 2],
}

impl ServiceState {
    pub(crate) fn new() -> Self {
        Self {
            presence: Presence::new(SILENCE_AFTER),
            clocks: Default::default(),
            told: 0,
            has_spans: false,
            histograms_since: [Timestamp::ZERO; 2],
        }
    }

    fn hear(&mut self, heard: &ServiceDelta, now: Timestamp) {
        self.presence.heard(now);
        self.has_spans |= heard.spans > 0;
        for (signal, items) in
            Telemetry::ALL.into_iter().zip([heard.spans, heard.points, heard.logs])
        {
            let times = heard.times_of(signal);
            if items > 0 || !times.is_empty() {
                self.clocks[signal as usize].hear(times, now);
            }
        }
    }

    /// Nobody listened for a while.
    fn gap(&mut self, from: Timestamp, until: Timestamp) {
        self.presence.gap(from, until);
        self.clocks.iter_mut().for_each(|clock| clock.listen_since(until));
    }

    /// The event time of a signal.
    pub(crate) const fn clock(&self, signal: Telemetry) -> &SourceClock {
        &self.clocks[signal as usize]
    }

    /// What a signal's clock says.
    pub(crate) fn state_of(&self, signal: Telemetry, now: Timestamp) -> SourceState {
        self.clock(signal).state(self.presence.silence_after(), now)
    }

    /// Up to when the events of a signal have arrived; of all signals where it sends none of this.
    pub(crate) fn watermark(&self, signal: Option<Telemetry>) -> Timestamp {
        let own = signal.map(|signal| self.clock(signal).watermark());
        let all = self.clocks.iter().map(SourceClock::watermark).max().unwrap_or_default();
        own.filter(|own| own.is_set()).unwrap_or(all)
    }

    /// The signal that an SLO reads; `None` of a composite.
    pub(crate) fn signal_of(&self, slo: &Slo) -> Option<Telemetry> {
        let automatic = slo.automatic.map(|sli| {
            let has_histograms = self.histograms_since[sli as usize].is_set();
            if has_histograms { Telemetry::Metrics } else { Telemetry::Traces }
        });
        automatic.or(slo.signal)
    }

    /// Up to when what an SLO reads has arrived; an idle signal holds nothing up.
    pub(crate) fn arrived_until(&self, slo: &Slo, now: Timestamp) -> Timestamp {
        match self.arrival(slo, now) {
            Arrival::Until(watermark) => watermark,
            Arrival::Idle => self.watermark(None),
        }
    }

    /// How late what an SLO reads comes.
    pub(crate) fn lateness(&self, slo: &Slo, now: Timestamp) -> Duration {
        self.signal_of(slo).map_or(Duration::ZERO, |signal| self.clock(signal).lateness(now))
    }

    /// How far what an SLO reads has arrived.
    pub(crate) fn arrival(&self, slo: &Slo, now: Timestamp) -> Arrival {
        let signal = self.signal_of(slo);
        let is_idle = signal.is_some_and(|signal| {
            let state = self.state_of(signal, now);
            state != SourceState::Unheard && !state.speaks()
        });
        if is_idle || self.presence.is_silent(now) {
            Arrival::Idle
        } else {
            Arrival::Until(self.watermark(signal))
        }
    }

    /// From when on events of this source count; `None` if the other source rules.
    fn counts_from(
        &mut self,
        sli: AutomaticSli,
        source: AutomaticSource,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let since = &mut self.histograms_since[sli as usize];
        match source {
            AutomaticSource::Spans if since.is_set() => None,
            AutomaticSource::Spans => Some(Timestamp::ZERO),
            AutomaticSource::Histograms if since.is_set() => Some(*since),
            AutomaticSource::Histograms => {
                // A service whose histograms come with its very first telemetry loses nothing.
                let first = self.presence.first_heard().unwrap_or(now);
                let young = now.since(first) < SILENCE_AFTER;
                *since = if young { Timestamp::from_unix_ns(1) } else { now };
                Some(*since)
            }
        }
    }
}

/// The service that stands for all beyond the cap, and the keys of its series.
#[derive(Debug)]
pub(crate) struct Overflow {
    service: Arc<Service>,
    keys: [[Arc<SeriesKey>; 2]; 2],
}

impl Overflow {
    pub(crate) fn new() -> Self {
        let service = Arc::new(Service::named(Service::OVERFLOW));
        let key = |sli, source| {
            Arc::new(SeriesKey::Automatic { service: Arc::clone(&service), sli, source })
        };
        let keys = |sli| [key(sli, AutomaticSource::Spans), key(sli, AutomaticSource::Histograms)];
        let keys = [keys(AutomaticSli::Availability), keys(AutomaticSli::Latency)];
        Self { service, keys }
    }
}

impl Engine {
    /// Notes who was heard.
    pub(crate) fn hear(&mut self, delta: &PaneDelta) {
        let now = self.now;
        for heard in &delta.services {
            self.anything.hear(heard, now);
            let service = if self.has_room_for(&heard.service) {
                Arc::clone(&heard.service)
            } else {
                Arc::clone(&self.overflow.service)
            };
            self.services.entry(service).or_insert_with(ServiceState::new).hear(heard, now);
        }
    }

    /// Each worker has a cap of its own, so that together they may know more services than one
    /// engine is to judge.
    fn has_room_for(&self, service: &Arc<Service>) -> bool {
        self.services.len() < self.options.services_max || self.services.contains_key(service)
    }

    /// The key under which a series is judged.
    pub(crate) fn judged_as(&self, key: &Arc<SeriesKey>) -> Arc<SeriesKey> {
        match &**key {
            SeriesKey::Automatic { service, sli, source } if !self.has_room_for(service) => {
                Arc::clone(&self.overflow.keys[*sli as usize][*source as usize])
            }
            SeriesKey::Automatic { .. } | SeriesKey::Declared { .. } => Arc::clone(key),
        }
    }

    /// From when on the events of a key count; `None` if another source rules its series.
    pub(crate) fn counts_from(&mut self, key: &SeriesKey) -> Option<Timestamp> {
        let SeriesKey::Automatic { service, sli, source } = key else {
            return Some(Timestamp::ZERO);
        };
        let now = self.now;
        match self.services.get_mut(service) {
            Some(state) => state.counts_from(*sli, *source, now),
            None => {
                let state = self.services.entry(Arc::clone(service));
                state.or_insert_with(ServiceState::new).counts_from(*sli, *source, now)
            }
        }
    }

    /// Notes time in which nobody could listen.
    pub(crate) fn gap(&mut self, from: Timestamp, until: Timestamp) {
        self.anything.gap(from, until);
        self.services.values_mut().for_each(|state| state.gap(from, until));
    }
}

/// What tells whether a series' source is silent: its service, else one of the name that the
/// document gives, else any telemetry at all.
pub(crate) fn source_of<'a>(
    services: &'a BTreeMap<Arc<Service>, ServiceState>,
    anything: &'a ServiceState,
    series: &Series,
) -> &'a ServiceState {
    if let Some(state) = series.service.as_ref().and_then(|service| services.get(service)) {
        return state;
    }
    source_named(services, anything, &series.slo.service_first)
}

/// As [`source_of`], by the name that the document gives, as the first of all services of it.
pub(crate) fn source_named<'a>(
    services: &'a BTreeMap<Arc<Service>, ServiceState>,
    anything: &'a ServiceState,
    first: &Arc<Service>,
) -> &'a ServiceState {
    // Services sort by name first: the bare name comes before all others of that name.
    let from = services.range::<Arc<Service>, _>(first..);
    let named = from.into_iter().next().filter(|(service, _)| service.name == first.name);
    named.map_or(anything, |(_, state)| state)
}
