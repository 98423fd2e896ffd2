//! OpenSLO documents, read whole and compiled to the definitions that are judged.
//!
//! All of v1 is read into types, and v2alpha in the form of v1. What is read but not yet judged is refused by
//! [`Documents::compile`] with an [`Unsupported`] reason; it never passes in silence.

mod compile;
mod composite;
mod definition;
mod documents;
mod measure;
mod object;
mod read;
mod read_alert;
mod read_slo;
mod rules;
mod shorthand;
mod sliced;
mod source;
mod v2alpha;

pub use definition::{
    Composite, Indicator, Numerator, RAW_PARTS, RUNBOOK_ANNOTATIONS, RawType, Selector,
    SloDefinition, Unsupported,
};
pub use documents::{DOCUMENTS_MAX, Documents};
pub use object::{
    AlertCondition, AlertNotificationTarget, AlertPolicy, Budgeting, CalendarWindow, DataSource,
    Metadata, Metric, MetricSource, ObjectiveDocument, Reference, Service, Severity, Sli,
    SloDocument, Spot, ThresholdOp, TimeWindow,
};
pub use shorthand::{Shorthand, ShorthandUnit};
pub use source::GROUP_BY_KEYS_MAX;

#[cfg(test)]
mod tests;
