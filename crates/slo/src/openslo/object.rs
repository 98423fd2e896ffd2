use std::collections::BTreeMap;
use std::time::Duration;

use document::{Level, Node, Place, Problem, Problems, Tree};
use model::Urgency;

use super::Shorthand;
use crate::judge::{Condition, Fraction, Objective};

/// Where something stands, for problems that are found after reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// File, line and column.
    pub place: Place,
    /// Keys from the document's root.
    pub path: String,
}

/// `metadata`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Unique among the objects of its kind; RFC 1123 label. Empty on inline objects without.
    pub name: String,
    /// For people; the name where none is given.
    pub display_name: String,
    /// Each with one or more values.
    pub labels: BTreeMap<String, Vec<String>>,
    /// Anything that tools want to keep.
    pub annotations: BTreeMap<String, String>,
    /// Where the object stands.
    pub spot: Spot,
}

/// An object given inline, or by the name of another document.
#[derive(Clone, Debug, PartialEq)]
pub enum Reference<T> {
    /// Given in place.
    Inline(Box<T>),
    /// The name, and where it is said.
    Named(String, Spot),
}

/// `kind: Service`.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.description`
    pub description: String,
}

/// `kind: DataSource`. Connection details are not kept: fogbell is sent its telemetry.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSource {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.type`
    pub kind: String,
}

/// `kind: SLI`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sli {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.description`
    pub description: String,
    /// `spec.thresholdMetric` or `spec.ratioMetric`
    pub metric: Metric,
}

/// What an SLI measures.
#[derive(Clone, Debug, PartialEq)]
pub enum Metric {
    /// `thresholdMetric`
    Threshold(MetricSource),
    /// `ratioMetric.good` and `.total`
    Good {
        /// Good events.
        good: MetricSource,
        /// All events.
        total: MetricSource,
    },
    /// `ratioMetric.bad` and `.total`
    Bad {
        /// Bad events.
        bad: MetricSource,
        /// All events.
        total: MetricSource,
    },
    /// `ratioMetric.raw` with `rawType: success`
    RawSuccess(MetricSource),
    /// `ratioMetric.raw` with `rawType: failure`
    RawFailure(MetricSource),
}

/// `metricSource`.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSource {
    /// Name of a data source.
    pub data_source: Option<(String, Spot)>,
    /// `type`; that of the data source where none is given.
    pub kind: Option<String>,
    /// `spec`, whose form the type decides.
    pub spec: Option<Tree>,
    /// Where the source stands.
    pub spot: Spot,
}

/// `kind: SLO`.
#[derive(Clone, Debug, PartialEq)]
pub struct SloDocument {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.description`
    pub description: String,
    /// `spec.service`
    pub service: String,
    /// `spec.indicator` or `spec.indicatorRef`; none in composite SLOs.
    pub indicator: Option<Reference<Sli>>,
    /// `spec.timeWindow[0]`
    pub window: TimeWindow,
    /// `spec.budgetingMethod`
    pub budgeting: Budgeting,
    /// `spec.objectives`, at least one.
    pub objectives: Vec<ObjectiveDocument>,
    /// `spec.alertPolicies`; empty where none are given.
    pub policies: Vec<Reference<AlertPolicy>>,
    /// Where `timeWindow` stands.
    pub window_spot: Spot,
    /// Where `budgetingMethod` stands.
    pub budgeting_spot: Spot,
}

/// An entry of `timeWindow`.
#[derive(Clone, Debug, PartialEq)]
pub enum TimeWindow {
    /// Ends now.
    Rolling(Shorthand),
    /// Follows the calendar.
    Calendar(CalendarWindow),
}

/// A window that follows the calendar: it begins anew every so many days, months or years.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarWindow {
    /// `duration`
    pub length: Shorthand,
    /// `calendar.startTime`, `2022-01-31 12:00:00`: the time of a clock on the wall.
    pub start_time: String,
    /// `calendar.timeZone`, an IANA name.
    pub time_zone: String,
    /// Where `timeWindow` stands.
    pub spot: Spot,
}

/// How a budget is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budgeting {
    /// Good events against all events.
    Occurrences,
    /// Good slices of time against all slices.
    Timeslices,
    /// The mean of the slices' ratios.
    RatioTimeslices,
}

/// An entry of `objectives`.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectiveDocument {
    /// `displayName`
    pub display_name: String,
    /// `op`, for threshold metrics.
    pub op: Option<ThresholdOp>,
    /// `value`, for threshold metrics.
    pub value: Option<f64>,
    /// `target` or `targetPercent`.
    pub objective: Objective,
    /// `timeSliceTarget`
    pub time_slice_target: Option<Fraction>,
    /// `timeSliceWindow`
    pub time_slice_window: Option<Duration>,
    /// `indicator` or `indicatorRef`, in composite SLOs.
    pub indicator: Option<Reference<Sli>>,
    /// `compositeWeight`, above zero; counts as 1 where none is given.
    pub composite_weight: Option<Fraction>,
    /// Where the objective stands.
    pub spot: Spot,
}

/// On which side of an objective's value the good measurements lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThresholdOp {
    /// `lte`
    AtMost,
    /// `gte`
    AtLeast,
    /// `lt`
    Below,
    /// `gt`
    Above,
}

/// `kind: AlertPolicy`. Its conditions hold together (AND); the policies of an SLO each alone (OR).
#[derive(Clone, Debug, PartialEq)]
pub struct AlertPolicy {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.description`
    pub description: String,
    /// `spec.alertWhenNoData`
    pub when_no_data: bool,
    /// `spec.alertWhenResolved`; true where it is not given.
    pub when_resolved: bool,
    /// `spec.alertWhenBreaching`; true where it is not given.
    pub when_breaching: bool,
    /// `spec.conditions`. The specification allows one; several are read, as its users write them.
    pub conditions: Vec<Reference<AlertCondition>>,
    /// `spec.notificationTargets`
    pub targets: Vec<Reference<AlertNotificationTarget>>,
}

/// `kind: AlertCondition`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertCondition {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.description`
    pub description: String,
    /// `spec.severity`
    pub severity: Severity,
    /// `spec.condition`
    pub condition: Condition,
}

/// How urgent a condition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Severity {
    /// The word of the document.
    pub word: String,
    /// What it asks for.
    pub urgency: Urgency,
}

/// `kind: AlertNotificationTarget`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertNotificationTarget {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.description`
    pub description: String,
    /// `spec.target`
    pub target: String,
}

impl Spot {
    pub(super) fn of(node: &Node<'_>) -> Self {
        Self { place: node.place().clone(), path: node.path().to_owned() }
    }

    pub(super) fn error(
        &self,
        problems: &Problems,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.report(problems, Level::Error, what.into(), mend.into());
    }

    pub(super) fn warn(
        &self,
        problems: &Problems,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.report(problems, Level::Warning, what.into(), mend.into());
    }

    fn report(&self, problems: &Problems, level: Level, what: String, mend: String) {
        let (place, path) = (self.place.clone(), self.path.clone());
        problems.push(Problem { level, place, path, what, mend });
    }
}
