//! What a service served in a month.

use std::ops::Range;

/// How often counters are told: a scrape, or an export.
pub const EVERY_S: u64 = 30;
/// The month, and a day more in which the fault lies.
pub const DAYS: u64 = 31;
/// A day in seconds.
pub const DAY_S: u64 = 86_400;
/// All of it.
pub const MONTH_S: u64 = DAYS * DAY_S;
/// The window of the SLO.
pub const WINDOW_S: u64 = 30 * DAY_S;
/// When faults begin: on the last day at six in the morning, between two scrapes.
pub const FAULT_S: u64 = 30 * DAY_S + 6 * 3600 + 10;
/// A page that comes at most so long after a fault still is one of the fault.
pub const TOLD_AFTER_S: u64 = 300;
/// Requests a second by day.
const RATE: f64 = 10.0;

/// A month.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// One word.
    pub name: &'static str,
    /// What happens.
    pub text: &'static str,
    /// Seconds since the month began; empty if nothing happens that should wake anyone.
    pub fault: Range<u64>,
    /// Requests a second, at a second.
    rate: fn(u64) -> f64,
    /// Share of them that fails while the fault lasts, and else.
    bad_ratio: (f64, fn(u64) -> f64),
    /// Nothing ever failed before, so that nobody counted failures.
    pub never_failed: bool,
    /// When nobody can see it.
    pub unseen: Range<u64>,
}

/// Counters at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Seconds since the month began.
    pub at_s: u64,
    /// Requests that went well.
    pub good: u64,
    /// Requests that failed.
    pub bad: u64,
}

impl Scenario {
    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let steady: fn(u64) -> f64 = |_| RATE;
        let healthy: fn(u64) -> f64 = |_| 0.0;
        let lasting = |minutes: u64| FAULT_S..FAULT_S + 60 * minutes;
        let of = |name, text, fault, ratio| Self {
            name,
            text,
            fault,
            rate: steady,
            bad_ratio: (ratio, healthy),
            never_failed: false,
            unseen: 0..0,
        };
        let nights: fn(u64) -> f64 = |s| if is_night(s) { RATE / 100.0 } else { RATE };
        let rare: fn(u64) -> f64 = |_| 1.0 / 60.0;
        vec![
            of("outage", "all requests fail for 10 min", lasting(10), 1.0),
            of("fifth", "20 % fail for 30 min", lasting(30), 0.2),
            of("slow-burn", "2 % fail for 6 h", lasting(360), 0.02),
            of("slower-burn", "0.8 % fail for 12 h", lasting(720), 0.008),
            Self {
                never_failed: true,
                ..of(
                    "first-errors",
                    "all fail for 3 min, of a service that never failed",
                    lasting(3),
                    1.0,
                )
            },
            Self {
                never_failed: true,
                ..of(
                    "first-minute",
                    "all fail for 1 min, of a service that never failed",
                    lasting(1),
                    1.0,
                )
            },
            Self {
                rate: rare,
                ..of("lone-error", "one request a minute, and one fails", FAULT_S..FAULT_S, 0.0)
            }
            .with_one_failure(),
            Self {
                unseen: FAULT_S..FAULT_S + 2400,
                ..of("unseen", "no telemetry for 40 min", FAULT_S..FAULT_S, 0.0)
            },
            Self {
                rate: nights,
                bad_ratio: (0.0, |s| if is_night(s) { 0.03 } else { 0.0 }),
                ..of(
                    "nights",
                    "a hundredth of the traffic at night, 3 % of which fails",
                    FAULT_S..FAULT_S,
                    0.0,
                )
            },
        ]
    }

    fn with_one_failure(mut self) -> Self {
        self.bad_ratio.1 = |s| if (FAULT_S..FAULT_S + 60).contains(&s) { 1.0 } else { 0.0 };
        self
    }

    /// Counters at every scrape, from zero on; those of the time in which nobody sees are missing.
    pub fn counters(&self) -> impl Iterator<Item = Counters> {
        let (mut good, mut bad) = (0.0, 0.0);
        (1..=MONTH_S / EVERY_S).filter_map(move |scrape| {
            for at_s in (scrape - 1) * EVERY_S..scrape * EVERY_S {
                let (during, otherwise) = self.bad_ratio;
                let ratio = if self.fault.contains(&at_s) { during } else { otherwise(at_s) };
                let requests = (self.rate)(at_s);
                bad += requests * ratio;
                good += requests * (1.0 - ratio);
            }
            let at_s = scrape * EVERY_S;
            let counters = Counters { at_s, good: whole(good), bad: whole(bad) };
            (!self.unseen.contains(&at_s)).then_some(counters)
        })
    }

    /// Share of bad events in the last 30 days.
    #[must_use]
    pub fn error_ratio(&self) -> f64 {
        let at = |wanted_s: u64| self.counters().find(|counters| counters.at_s >= wanted_s);
        let (Some(first), Some(last)) = (at(MONTH_S - WINDOW_S), at(MONTH_S)) else { return 0.0 };
        let (good, bad) = (last.good - first.good, last.bad - first.bad);
        bad as f64 / (good + bad) as f64
    }
}

/// Eight hours of each day.
const fn is_night(second: u64) -> bool {
    second % DAY_S < 8 * 3600
}

fn whole(requests: f64) -> u64 {
    // What was added up in parts may end just below a whole number.
    (requests + 1e-6) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_as_they_say() {
        let all = Scenario::all();
        let of = |name: &str| all.iter().find(|scenario| scenario.name == name).unwrap();
        let last = |name: &str| of(name).counters().last().unwrap();
        assert_eq!(last("outage").bad, 6_000);
        assert_eq!(last("slow-burn").bad, 6 * 3600 * 10 / 50);
        assert_eq!(last("lone-error").bad, 1);
        assert_eq!(of("unseen").counters().count() as u64, MONTH_S / EVERY_S - 80);
        assert!((of("nights").error_ratio() - 0.03 * 0.005 / 1.005).abs() < 1e-6);
    }
}
