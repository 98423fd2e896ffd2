use std::sync::Arc;
use std::time::Duration;

use correlate::SUBJECT_LABELS;
use model::{Maintenance, Telemetry};
use slo::judge::{AlertRule, BurnRateRule, NoDataRule, Objective};
use slo::openslo::{Composite, Indicator, SloDefinition};
use slo::slices::Slicing;
use slo::window::Calendar;

use crate::raised::RESOLVE_AFTER;

/// How an engine judges. One engine serves one tenant.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Whose.
    pub tenant: Arc<str>,
    /// The store's epoch: the first part of every incident id.
    pub epoch: u32,
    /// Seeds every hash: random in production against label flooding, fixed where runs are compared.
    pub seed: u64,
    /// Declared SLOs.
    pub slos: Vec<SloOptions>,
    /// SLOs for every service that serves; `None` turns them off.
    pub automatic: Option<AutomaticOptions>,
    /// The burn-rate table of SLOs that name none.
    pub rules: Vec<BurnRateRule>,
    /// Bad events, seen one by one, below which nothing fires.
    pub bad_events_min: u64,
    /// Services told apart; what is beyond is judged together as [`model::Service::OVERFLOW`].
    pub services_max: usize,
    /// SLI series held; beyond that new ones are counted and not judged.
    pub series_max: usize,
    /// Groups of one declared SLO; what is beyond counts as one more.
    pub groups_max: usize,
    /// Where a trace can be looked at, with `{trace_id}`.
    pub trace_url: Option<String>,
    /// How alerts of other systems are taken.
    pub raised: RaisedOptions,
    /// Declared maintenance.
    pub maintenance: Vec<Maintenance>,
}

/// How alerts of other systems are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaisedOptions {
    /// Labels that name the service or workload that an alert is about, the most telling first.
    pub service_labels: Vec<String>,
    /// An alert that is neither repeated nor says when it ends is over after this long.
    pub resolve_after: Duration,
}

impl Default for RaisedOptions {
    fn default() -> Self {
        let service_labels = SUBJECT_LABELS.map(str::to_owned).to_vec();
        Self { service_labels, resolve_after: RESOLVE_AFTER }
    }
}

/// One declared SLO.
#[derive(Clone, Debug)]
pub struct SloOptions {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// What the document calls the service.
    pub service: Arc<str>,
    /// The signal that it reads; `None` of a composite.
    pub signal: Option<Telemetry>,
    /// The promise.
    pub objective: Objective,
    /// Its window; of one that follows the calendar the longest that it can be.
    pub window: Duration,
    /// Where the periods of its window begin, if that follows the calendar.
    pub calendar: Option<Calendar>,
    /// The slices of time in which its budget is counted; `None` = by events.
    pub slicing: Option<Slicing>,
    /// What it alerts on; `None` = the rows of the default table that fit.
    pub rules: Option<Vec<AlertRule>>,
    /// What it alerts on when its source is silent.
    pub no_data: Vec<NoDataRule>,
    /// What it is made of, if it counts nothing itself.
    pub composite: Option<Composite>,
    /// The composite that alerts in its place.
    pub part_of: Option<Arc<str>>,
    /// Names of `groupBy`.
    pub group_by: Vec<Arc<str>>,
    /// Where to read what to do.
    pub runbook: Option<String>,
}

impl From<&SloDefinition> for SloOptions {
    /// As it is declared; its calendar is for whoever knows time zones to add.
    fn from(slo: &SloDefinition) -> Self {
        let composite = match &slo.indicator {
            Indicator::Composite(composite) => Some(composite.clone()),
            Indicator::Ratio { .. } | Indicator::Raw { .. } => None,
        };
        let group_by = slo.indicator.group_by().iter().map(|field| field.to_string().into());
        Self {
            name: slo.name.as_str().into(),
            service: slo.service.as_str().into(),
            signal: slo.indicator.signal(),
            objective: slo.objective,
            window: slo.window,
            calendar: None,
            slicing: slo.slicing,
            rules: slo.rules.clone(),
            no_data: slo.no_data.clone(),
            composite,
            part_of: slo.part_of.as_deref().map(Into::into),
            group_by: group_by.collect(),
            runbook: slo.runbook.clone(),
        }
    }
}

/// The SLOs that every serving service gets.
#[derive(Clone, Copy, Debug)]
pub struct AutomaticOptions {
    /// Requests that must not fail.
    pub availability: Objective,
    /// Requests that must be fast enough; what that means the data plane knows.
    pub latency: Objective,
    /// What is fast enough, for words only.
    pub latency_threshold: Duration,
    /// Their rolling window.
    pub window: Duration,
}
