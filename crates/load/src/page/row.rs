//! What was seen under one load.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::sink::Arrival;
use super::trial::Trial;
use crate::latency::Latencies;
use crate::ledger::Ledger;
use crate::report::{LoadReport, mib};

/// How late pages may be at the 99th percentile.
pub const PAGE_P99_MAX: Duration = Duration::from_secs(1);

/// Pages and their deciding events.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    /// Faults whose deciding request was taken: each makes a page.
    pub expected: usize,
    /// Of those, pages that came.
    pub received: usize,
    /// Faults whose deciding request was never taken, in spite of all retries.
    pub undecided: usize,
    /// Deliveries that came again, and faults that paged again.
    pub doubled: usize,
    /// Pages about something else.
    pub stray: usize,
    /// How often deciding requests were refused before they were taken.
    pub refusals: u64,
    /// From the moment at which the request that made the condition true was meant to leave, or
    /// left after a refusal, to the moment at which its page was in the hands of the sink.
    pub latencies: Latencies,
    /// From the same moment to the answer of the daemon: what the request waits for others.
    pub answers: Latencies,
    /// From that answer to the page: what the decision and its delivery take.
    pub decisions: Latencies,
}

/// One row of the table.
#[derive(Debug, Clone)]
pub struct PageRow {
    /// In shares of what the daemon can take.
    pub share: f64,
    /// Spans a second that were to be sent beside the faults.
    pub offered_per_s: f64,
    /// What became of them; `None` without load.
    pub load: Option<LoadReport>,
    /// Pages and their deciding events.
    pub pages: Pages,
    /// The daemon's own account.
    pub ledger: Ledger,
    /// The most resident memory of the daemon since it began.
    pub rss_peak_bytes: u64,
    /// What that may be.
    pub rss_max_bytes: u64,
}

impl Pages {
    pub(super) fn of(trials: &[Trial], arrivals: &[Arrival]) -> Self {
        let mut pages = Self::default();
        // The same delivery may come again; what counts is when it came first.
        let mut first: BTreeMap<&str, &Arrival> = BTreeMap::new();
        for arrival in arrivals {
            let _ = first.entry(&arrival.id).or_insert(arrival);
        }
        pages.doubled = arrivals.len() - first.len();
        let triggers: Vec<&Arrival> =
            first.into_values().filter(|arrival| arrival.triggers).collect();
        for trial in trials {
            pages.refusals += trial.refusals;
            let (Some(decided), Some(answered)) = (trial.decided, trial.answered) else {
                pages.undecided += 1;
                continue;
            };
            pages.expected += 1;
            pages.answers.record(answered.saturating_duration_since(decided));
            let about = triggers.iter().filter(|page| page.services.contains(&trial.service));
            let came: Vec<Instant> = about.map(|page| page.at).collect();
            if let Some(first) = came.iter().min() {
                pages.received += 1;
                pages.latencies.record(first.saturating_duration_since(decided));
                pages.decisions.record(first.saturating_duration_since(answered));
                pages.doubled += came.len() - 1;
            }
        }
        let is_stray =
            |page: &&&Arrival| trials.iter().all(|trial| !page.services.contains(&trial.service));
        pages.stray = triggers.iter().filter(is_stray).count();
        pages
    }

    /// Whether each fault paged, once, and nothing else did.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.received == self.expected
            && self.undecided == 0
            && self.doubled == 0
            && self.stray == 0
    }
}

impl PageRow {
    /// Everything about the row that is out of bounds, in words.
    #[must_use]
    pub fn misses(&self) -> Vec<String> {
        let mut misses = Vec::new();
        let p99 = self.pages.latencies.quantile(0.99);
        if p99 > PAGE_P99_MAX {
            misses.push(format!("p99 above {} ms", PAGE_P99_MAX.as_millis()));
        }
        if !self.pages.is_exact() {
            let Pages { expected, received, undecided, doubled, stray, .. } = self.pages;
            misses.push(format!(
                "{received} of {expected} pages, {doubled} twice, {stray} about nothing, \
                 {undecided} never taken"
            ));
        }
        if self.rss_peak_bytes > self.rss_max_bytes {
            misses.push(format!("memory above {:.0} MiB", mib(self.rss_max_bytes)));
        }
        if self.ledger.unaccounted() > 0 {
            misses.push(format!("{} spans unaccounted for", self.ledger.unaccounted()));
        }
        let for_good = self.load.as_ref().map_or(0, |load| load.items_refused_for_good);
        if for_good > 0 {
            misses.push(format!("{for_good} spans refused for good"));
        }
        misses
    }

    /// Spans of refused requests.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.load.as_ref().map_or(0, |load| load.items_refused.values().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its deciding request is answered after 150 ms.
    fn trial(service: &str, decided: Option<Instant>) -> Trial {
        let answered = decided.map(|decided| decided + Duration::from_millis(150));
        Trial { service: service.to_owned(), decided, answered, refusals: 0 }
    }

    fn page(id: &str, service: &str, at: Instant) -> Arrival {
        Arrival { at, id: id.to_owned(), triggers: true, services: vec![service.to_owned()] }
    }

    #[test]
    fn each_fault_pages_once_and_the_first_page_counts() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let trials = [trial("a", Some(start)), trial("b", Some(after(100)))];
        let arrivals = [page("1", "a", after(300)), page("2", "b", after(500))];
        let pages = Pages::of(&trials, &arrivals);
        assert!(pages.is_exact(), "{pages:?}");
        assert_eq!(pages.latencies.max(), Duration::from_millis(400));
        assert_eq!(pages.answers.max(), Duration::from_millis(150));
        assert_eq!(pages.decisions.max(), Duration::from_millis(250));

        let update = Arrival { triggers: false, ..page("3", "a", after(900)) };
        let told = [arrivals.to_vec(), vec![update]].concat();
        assert!(Pages::of(&trials, &told).is_exact());
        for (wrong, is_so) in [
            (page("1", "a", after(600)), (|p| p.doubled == 1) as fn(&Pages) -> bool),
            (page("4", "a", after(600)), |p| p.doubled == 1),
            (page("5", "c", after(600)), |p| p.stray == 1),
        ] {
            let pages = Pages::of(&trials, &[arrivals.to_vec(), vec![wrong]].concat());
            assert!(is_so(&pages) && !pages.is_exact(), "{pages:?}");
        }
    }

    #[test]
    fn a_page_that_is_missing_or_was_never_decided_is_a_miss() {
        let start = Instant::now();
        let trials = [trial("a", Some(start)), trial("b", None)];
        let pages = Pages::of(&trials, &[]);
        assert_eq!((pages.expected, pages.received, pages.undecided), (1, 0, 1));
        let row = PageRow {
            share: 2.0,
            offered_per_s: 0.0,
            load: None,
            pages,
            ledger: Ledger::default(),
            rss_peak_bytes: 2,
            rss_max_bytes: 1,
        };
        let misses = row.misses();
        assert!(misses[0].starts_with("0 of 1 pages") && misses.len() == 2, "{misses:?}");
    }
}
