//! fogbell beside the rules that Sloth generates, in a Prometheus: the same counters, a month of
//! them with a fault at its end, and what each makes of them.

pub mod ours;
pub mod scenario;
pub mod theirs;

use crate::beside::scenario::Scenario;

/// Why it could not be done.
pub type Error = Box<dyn std::error::Error>;

/// What one side made of a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Seconds from the fault to the page; `None` if nobody was paged within it.
    pub page_s: Option<u64>,
    /// Seconds from the end of the fault until the page was over.
    pub over_s: Option<u64>,
    /// Pages that began while nothing was wrong.
    pub false_pages: usize,
    /// Share of bad events over 30 days.
    pub error_ratio: Option<f64>,
}

/// Since when a page lasts, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paged {
    /// Seconds since the month began.
    pub from_s: u64,
    /// The same; `None` if it still lasts.
    pub until_s: Option<u64>,
}

impl Outcome {
    /// From all pages of the month.
    #[must_use]
    pub fn of(scenario: &Scenario, pages: &[Paged], error_ratio: Option<f64>) -> Self {
        let fault = &scenario.fault;
        // Whoever is told a little late is told of the fault all the same.
        let is_due = |page: &&Paged| {
            fault.start <= page.from_s && page.from_s <= fault.end + scenario::TOLD_AFTER_S
        };
        let due = if fault.is_empty() { None } else { pages.iter().find(is_due) };
        let within = |page: &Paged| !fault.is_empty() && is_due(&page);
        Self {
            page_s: due.map(|page| page.from_s - fault.start),
            over_s: due
                .and_then(|page| page.until_s)
                .map(|until_s| until_s.saturating_sub(fault.end)),
            false_pages: pages.iter().filter(|page| !within(page)).count(),
            error_ratio,
        }
    }
}
