use std::sync::Arc;
use std::time::Duration;

use model::{AlertState, Count, Service, Telemetry, Timestamp, TraceId};
use slo::budget::whole_volume;
use slo::judge::TREND_PARTS;
use slo::presence::WindowState;
use slo::slices::Slicing;
use slo::source::SourceState;

use crate::MaintenanceStatus;

/// Sources that one look shows; the others are judged all the same.
pub const SOURCES_MAX: usize = 20_000;

/// What can be looked at from outside, made anew at each look: SLOs and their numbers.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The engine's time.
    pub at: Timestamp,
    /// All SLOs, by name and group.
    pub slos: Vec<SloStatus>,
    /// Services known.
    pub services: usize,
    /// Series held.
    pub series: usize,
    /// The signals of each service, by service and signal, up to [`SOURCES_MAX`].
    pub sources: Vec<SourceStatus>,
    /// What is announced, and what was told afterwards.
    pub maintenance: Vec<MaintenanceStatus>,
    /// Events that came too late for every window, and too early to be true.
    pub dropped: Dropped,
}

/// Events that no window took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Older than any window.
    pub late: u64,
    /// Counted among the events, and too late for the verdict on their slice of time.
    pub unjudged: u64,
    /// Further in the future than the allowed skew.
    pub future: u64,
    /// Touches of series that there was no room for.
    pub series_refused: u64,
}

/// One signal of a service: when it speaks, and how its event time goes.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    /// The service.
    pub service: Arc<Service>,
    /// The signal.
    pub signal: Telemetry,
    /// What can be said of it.
    pub state: SourceState,
    /// Up to which event time its events have arrived; zero = none has.
    pub watermark: Timestamp,
    /// How old its oldest event was on arrival, of the last 5 to 10 minutes.
    pub lateness: Duration,
    /// How far its clock is ahead, at least.
    pub clock_ahead: Duration,
    /// For how long it has been silent.
    pub silence: Duration,
}

/// One SLO, or one group of it, and its numbers now.
#[derive(Clone, Debug)]
pub struct SloStatus {
    /// Its name.
    pub name: Arc<str>,
    /// The service, if one is known.
    pub service: Option<Arc<Service>>,
    /// What the document calls the service; the service's name for automatic ones.
    pub service_name: Arc<str>,
    /// Names and values of `groupBy`.
    pub group: Vec<(Arc<str>, Arc<str>)>,
    /// Whether fogbell made it.
    pub automatic: bool,
    /// The promise, 0..1.
    pub objective: f64,
    /// The SLO's window; of one that follows the calendar the longest that it can be.
    pub window: Duration,
    /// The slices of time in which the budget is counted; `None` = by events.
    pub slicing: Option<Slicing>,
    /// Data, no traffic, or no data.
    pub state: WindowState,
    /// Whether now is time that counts toward no budget.
    pub in_maintenance: bool,
    /// Numbers by window, shortest first; the SLO's own window last.
    pub windows: Vec<WindowStatus>,
    /// Share of the budget that is left; may be negative.
    pub budget_remaining_ratio: f64,
    /// When the budget will be gone at the present rate; `None` = not in sight.
    pub exhausted_at: Option<Timestamp>,
    /// State of the page and of the ticket alert.
    pub page: AlertState,
    /// State of the ticket alert.
    pub ticket: AlertState,
    /// Good events since the series is known.
    pub good_total: u64,
    /// Bad events since the series is known.
    pub bad_total: u64,
    /// The newest bad event that has a trace.
    pub exemplar: Option<(TraceId, Timestamp)>,
}

impl SloStatus {
    /// Share of events that may be bad, without the noise of binary fractions: 0.001 for 0.999.
    #[must_use]
    pub fn error_budget_ratio(&self) -> f64 {
        const DIGITS: f64 = 1e12;
        ((1.0 - self.objective) * DIGITS).round() / DIGITS
    }

    /// Share of the budget of the SLO's whole window that the events (or slices) of one of its
    /// windows have spent; a whole window that is known in part is taken to be like that part.
    #[must_use]
    pub fn budget_spent_ratio(&self, window: &WindowStatus) -> f64 {
        let Some(own) = self.windows.last() else { return 0.0 };
        // Where slices are judged, the budget is one of slices.
        let of = |window: &WindowStatus| match window.slices {
            Some(slices) => (slices.total, slices.bad),
            None => (window.total, window.bad as f64),
        };
        let length = own.ends_at.map_or(own.window, |end| end.since(own.from));
        let volume = whole_volume(of(own).0, length, own.passed.mul_f64(own.coverage));
        if volume == 0 {
            return 0.0;
        }
        of(window).1 / volume as f64 / self.error_budget_ratio()
    }

    /// How many times faster the newest quarter of a window burns than the whole of it; `None` if
    /// the quarter is no window of the SLO, or nothing burns.
    #[must_use]
    pub fn burn_trend_ratio(&self, window: &WindowStatus) -> Option<f64> {
        let newest = self.windows.iter().find(|w| w.window * TREND_PARTS == window.window)?;
        (window.burn_rate > 0.0).then(|| newest.burn_rate / window.burn_rate)
    }
}

/// Slices of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SliceCount {
    /// Closed ones.
    pub total: u64,
    /// How many of them are lost: whole ones, or the shares of bad events added up.
    pub bad: f64,
}

/// Numbers of one window.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowStatus {
    /// How long it is.
    pub window: Duration,
    /// Events in it.
    pub total: u64,
    /// Bad ones among them.
    pub bad: u64,
    /// Standard error of the bad ones, where spans are sampled and both are estimates; zero where
    /// each was seen.
    pub bad_error: f64,
    /// Closed slices of time in it, where they are judged in place of events.
    pub slices: Option<SliceCount>,
    /// Bad per total of what is judged; `None` without any.
    pub error_ratio: Option<f64>,
    /// How fast it burns, after volume correction.
    pub burn_rate: f64,
    /// Share of what has passed of the window in which the source was heard.
    pub coverage: f64,
    /// From where the sum reaches.
    pub from: Timestamp,
    /// Events in it that are left out of all other numbers, as they lie in maintenance.
    pub excluded: Count,
    /// Events that may be counted or left out wrongly: maintenance was told too late to tell them
    /// apart.
    pub unsure: Count,
    /// How much of it has passed and counts: all of a window that rolls, less maintenance.
    pub passed: Duration,
    /// When it ends and its budget begins anew; `None` of a window that rolls.
    pub ends_at: Option<Timestamp>,
}
