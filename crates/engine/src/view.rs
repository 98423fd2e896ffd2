use std::sync::Arc;
use std::time::Duration;

use model::{AlertState, Service, Timestamp, TraceId};
use slo::presence::WindowState;

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
    /// Events that came too late for every window, and too early to be true.
    pub dropped: Dropped,
}

/// Events that no window took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Older than any window.
    pub late: u64,
    /// Further in the future than the allowed skew.
    pub future: u64,
    /// Touches of series that there was no room for.
    pub series_refused: u64,
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
    /// The SLO's window.
    pub window: Duration,
    /// Data, no traffic, or no data.
    pub state: WindowState,
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

/// Numbers of one window.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowStatus {
    /// How long it is.
    pub window: Duration,
    /// Events in it.
    pub total: u64,
    /// Bad ones among them.
    pub bad: u64,
    /// Bad per total; `None` without events.
    pub error_ratio: Option<f64>,
    /// How fast it burns, after volume correction.
    pub burn_rate: f64,
    /// Share of the window in which the source was heard.
    pub coverage: f64,
    /// From where the sum reaches.
    pub from: Timestamp,
}
