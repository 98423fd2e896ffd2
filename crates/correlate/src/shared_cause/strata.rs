use std::collections::BTreeSet;

use crate::names::ServiceId;
use crate::tags::{Seen, SeenTags};

/// A service's bad events by whether they have a tag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stratum {
    service: ServiceId,
    /// Bad events with the tag, and all of them.
    bad_with: f64,
    bad: f64,
    /// All events with the tag during the fault, and without it.
    with: f64,
    without: f64,
    /// Share of the traffic with the tag, during the fault and before it.
    traffic: f64,
}

/// Bad events of several services by one tag.
#[derive(Clone, Debug, Default)]
pub(super) struct Strata(Vec<Stratum>);

impl Stratum {
    /// `None` where nothing is bad.
    pub(super) fn of(service: ServiceId, tag: &Seen, seen: &SeenTags) -> Option<Self> {
        // A fault takes traffic away from where it is, so that the time before counts too.
        let whole = (seen.all_during.total + seen.all_before.total) as f64;
        let part = (tag.during.total + tag.before.total) as f64;
        let bad = seen.all_during.bad as f64;
        let with = tag.during.total as f64;
        (bad > 0.0 && whole > 0.0).then(|| Self {
            service,
            bad_with: (tag.during.bad as f64).min(bad),
            bad,
            with,
            without: (seen.all_during.total as f64 - with).max(0.0),
            traffic: (part / whole).min(1.0),
        })
    }

    /// Of a service without any event with the tag. `None` where nothing is bad.
    pub(super) fn elsewhere(service: ServiceId, seen: &SeenTags) -> Option<Self> {
        let bad = seen.all_during.bad as f64;
        let without = seen.all_during.total as f64;
        (bad > 0.0).then_some(Self {
            service,
            bad_with: 0.0,
            bad,
            with: 0.0,
            without,
            traffic: 0.0,
        })
    }

    /// The logarithm of how much likelier the bad events are if the tag explains `part` of them.
    fn log_likelihood_ratio(&self, part: f64) -> f64 {
        if self.traffic >= 1.0 {
            // Where all is, nothing can be told.
            return 0.0;
        }
        let expected = part + (1.0 - part) * self.traffic;
        let term = |events: f64, if_so: f64, if_not: f64| {
            if events > 0.0 { events * (if_so / if_not).ln() } else { 0.0 }
        };
        term(self.bad_with, expected, self.traffic)
            + term(self.bad - self.bad_with, 1.0 - expected, 1.0 - self.traffic)
    }
}

impl Extend<Stratum> for Strata {
    fn extend<T: IntoIterator<Item = Stratum>>(&mut self, strata: T) {
        self.0.extend(strata);
    }
}

impl Strata {
    pub(super) fn services(&self) -> impl Iterator<Item = ServiceId> {
        self.0.iter().map(|stratum| stratum.service)
    }

    /// Services with more bad events with the tag than their traffic there lets expect.
    pub(super) fn reached(&self) -> impl Iterator<Item = ServiceId> {
        let more = |stratum: &&Stratum| stratum.bad_with > stratum.bad * stratum.traffic;
        self.0.iter().filter(more).map(|stratum| stratum.service)
    }

    pub(super) fn within(&self, services: &BTreeSet<ServiceId>) -> Self {
        let within = self.0.iter().filter(|stratum| services.contains(&stratum.service));
        Self(within.copied().collect())
    }

    pub(super) fn without(&self, services: &BTreeSet<ServiceId>) -> Self {
        let left = self.0.iter().filter(|stratum| !services.contains(&stratum.service));
        Self(left.copied().collect())
    }

    /// Bad events with the tag beyond what the traffic there lets expect.
    pub(super) fn beyond(&self) -> f64 {
        self.0.iter().map(|s| s.bad_with - s.bad * s.traffic).sum()
    }

    /// The share of the bad events that the tag explains, 0..1.
    pub(super) fn explained(&self) -> f64 {
        let beyond = self.beyond();
        let room: f64 = self.0.iter().map(|s| s.bad * (1.0 - s.traffic)).sum();
        if room > 0.0 { (beyond / room).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The logarithm of how much likelier the bad events are if the tag explains as many of them
    /// as it seems than if it has nothing to do with them; at least 0.
    pub(super) fn log_likelihood_ratio(&self) -> f64 {
        let part = self.explained();
        self.0.iter().map(|stratum| stratum.log_likelihood_ratio(part)).sum::<f64>().max(0.0)
    }

    /// Share of bad events among those with the tag, and among those without.
    pub(super) fn rates(&self) -> (f64, f64) {
        let sum = |pick: fn(&Stratum) -> f64| self.0.iter().map(pick).sum::<f64>();
        let rate = |bad: f64, all: f64| if all > 0.0 { (bad / all).min(1.0) } else { 0.0 };
        (
            rate(sum(|s| s.bad_with), sum(|s| s.with)),
            rate(sum(|s| s.bad - s.bad_with), sum(|s| s.without)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stratum(id: u32, bad_with: f64, bad: f64, traffic: f64) -> Stratum {
        let (with, without) = (100.0 * traffic, 100.0 * (1.0 - traffic));
        Stratum { service: ServiceId(id), bad_with, bad, with, without, traffic }
    }

    #[test]
    fn few_bad_events_of_each_service_add_up() {
        let one = Strata(vec![stratum(0, 2.0, 2.0, 0.5)]);
        let five = Strata((0..5).map(|id| stratum(id, 2.0, 2.0, 0.5)).collect());
        assert_eq!((one.explained(), five.explained()), (1.0, 1.0));
        let (one, five) = (one.log_likelihood_ratio(), five.log_likelihood_ratio());
        assert!((one - 4.0_f64.ln()).abs() < 1e-9 && (five - 5.0 * one).abs() < 1e-9);
    }

    #[test]
    fn bad_events_that_fall_as_the_traffic_does_tell_nothing() {
        // Pooled without strata, 55 of 70 bad events would be where half of the traffic is.
        let strata = Strata(vec![stratum(0, 54.0, 60.0, 0.9), stratum(1, 1.0, 10.0, 0.1)]);
        assert_eq!((strata.explained(), strata.log_likelihood_ratio()), (0.0, 0.0));
        assert_eq!(strata.reached().count(), 0);
    }

    #[test]
    fn a_tag_that_everything_or_nothing_has_tells_nothing_and_stays_finite() {
        for traffic in [0.0, 1.0] {
            let strata = Strata(vec![stratum(0, 10.0 * traffic, 10.0, traffic)]);
            assert_eq!((strata.explained(), strata.log_likelihood_ratio()), (0.0, 0.0));
        }
        assert_eq!(Strata::default().log_likelihood_ratio(), 0.0);
    }

    #[test]
    fn bad_events_elsewhere_speak_against_the_tag() {
        let pure = Strata(vec![stratum(0, 10.0, 10.0, 0.5)]);
        let mixed = Strata(vec![stratum(0, 10.0, 10.0, 0.5), stratum(1, 2.0, 10.0, 0.5)]);
        assert!(mixed.explained() < 0.3);
        assert!(mixed.log_likelihood_ratio() < pure.log_likelihood_ratio());
        assert_eq!(mixed.without(&[ServiceId(1)].into()).explained(), pure.explained());
    }
}
