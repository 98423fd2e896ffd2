use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use model::Telemetry;

use super::{CalendarWindow, Spot};
use crate::composite::Composition;
use crate::filter::{Field, Filter};
use crate::judge::{AlertRule, BurnRateRule, NoDataRule, Objective};
use crate::slices::Slicing;

/// Annotations that name a runbook, the first that is there counts.
pub const RUNBOOK_ANNOTATIONS: [&str; 3] = ["fogbell/runbook", "runbook", "runbook_url"];

/// One objective of an SLO, ready to be judged.
#[derive(Clone, Debug, PartialEq)]
pub struct SloDefinition {
    /// `metadata.name`; with several objectives `name:1`, `name:2`, in their order. The objectives
    /// of a composite are `name/1`, `name/2`.
    pub name: String,
    /// The composite that this is a part of; it alerts in its place.
    pub part_of: Option<String>,
    /// For people; with several objectives the objective's own display name follows.
    pub display_name: String,
    /// `spec.service`
    pub service: String,
    /// `spec.description`
    pub description: String,
    /// `metadata.labels`
    pub labels: BTreeMap<String, Vec<String>>,
    /// `metadata.annotations`
    pub annotations: BTreeMap<String, String>,
    /// Where the runbook is, from the annotations.
    pub runbook: Option<String>,
    /// What is counted.
    pub indicator: Indicator,
    /// What is promised.
    pub objective: Objective,
    /// The rolling window; of a calendar window the longest that it can be.
    pub window: Duration,
    /// The calendar that the window follows, if it does.
    pub calendar: Option<CalendarWindow>,
    /// The slices of time in which the budget is counted; `None` = by events.
    pub slicing: Option<Slicing>,
    /// From the alert policies; `None` = the configured rows. Read through [`Self::rules_or`].
    pub rules: Option<Vec<AlertRule>>,
    /// From the alert policies that ask for an alert when the source is silent.
    pub no_data: Vec<NoDataRule>,
    /// Where the SLO stands.
    pub spot: Spot,
}

/// What an SLO counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Indicator {
    /// Events of `total`, of which `numerator` says which are good or bad: an event counts if it
    /// passes `total`, and is good (or bad) if it passes the numerator's filter too.
    Ratio {
        /// Good or bad events.
        numerator: Numerator,
        /// All events.
        total: Selector,
    },
    /// Points of metrics whose values are ratios themselves, each [`RAW_PARTS`] of which so many
    /// are good (or bad) as its value says.
    Raw {
        /// What the values are shares of.
        raw_type: RawType,
        /// Which points.
        selector: Selector,
    },
    /// Other SLOs.
    Composite(Composite),
}

/// An SLO that is made of others.
#[derive(Clone, Debug, PartialEq)]
pub struct Composite {
    /// Their names: that of the composite, `/`, and the number of the objective.
    pub parts: Vec<String>,
    /// How they make one.
    pub composition: Composition,
}

/// How many parts a point of a raw ratio counts as, so that counts stay whole numbers.
pub const RAW_PARTS: u64 = 1_000_000;

/// `ratioMetric.rawType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawType {
    /// Values are good per total.
    Success,
    /// Values are bad per total.
    Failure,
}

/// Which side of a ratio is selected.
#[derive(Clone, Debug, PartialEq)]
pub enum Numerator {
    /// The good ones.
    Good(Selector),
    /// The bad ones.
    Bad(Selector),
}

/// Which events are counted. Both sides of a ratio have the same signal and the same `group_by`.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// The signal.
    pub signal: Telemetry,
    /// Which of its events.
    pub filter: Filter,
    /// The fields whose values make a group; empty = one group.
    pub group_by: Vec<Field>,
}

/// Why a well-formed document is not judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// A metric source of another type than `otlp`.
    Source(String),
    /// `groupBy` in an objective of a composite.
    CompositeGroups,
}

impl SloDefinition {
    /// The rows that judge this SLO: its own, else those of `defaults` that fit its window and its
    /// slices and can fire at its target.
    #[must_use]
    pub fn rules_or(&self, defaults: &[BurnRateRule]) -> Vec<AlertRule> {
        match &self.rules {
            Some(rules) => rules.clone(),
            None => {
                let fits = |rule: &AlertRule| {
                    let has_slices = self.slicing.is_none_or(|slicing| slicing.fit(rule));
                    has_slices && rule.fits(self.window) && rule.can_fire(self.objective)
                };
                defaults.iter().map(AlertRule::from).filter(fits).collect()
            }
        }
    }
}

impl Indicator {
    /// The selector of all events; none of a composite, which selects none itself.
    #[must_use]
    pub fn total(&self) -> Option<&Selector> {
        match self {
            Self::Ratio { total, .. } | Self::Raw { selector: total, .. } => Some(total),
            Self::Composite(_) => None,
        }
    }

    /// The signal that is read; `None` of a composite.
    #[must_use]
    pub fn signal(&self) -> Option<Telemetry> {
        self.total().map(|total| total.signal)
    }

    /// The fields whose values make a group; empty = one group.
    #[must_use]
    pub fn group_by(&self) -> &[Field] {
        self.total().map_or(&[], |total| &total.group_by)
    }
}

impl Numerator {
    /// The selector, whichever side it is.
    #[must_use]
    pub fn selector(&self) -> &Selector {
        let (Self::Good(selector) | Self::Bad(selector)) = self;
        selector
    }
}

impl Unsupported {
    /// What to write instead.
    #[must_use]
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Source(_) => "write `type: otlp` with `signal` and `filter`",
            Self::CompositeGroups => "leave groupBy out, or write one SLO for each indicator",
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Source(kind) => return write!(f, "metric sources of type {kind:?} are not read"),
            Self::CompositeGroups => "groups of composite SLOs are",
        };
        write!(f, "{what} not yet judged")
    }
}
