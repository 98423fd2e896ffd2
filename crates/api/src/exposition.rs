//! The SLO gauges and fogbell's own metrics, as Prometheus reads them.
//!
//! What comes from a look at the SLOs is rendered once and shared by all who scrape until the next
//! look; fogbell's own metrics change at any time and are appended to each answer.

mod accept;
mod cache;
mod families;
mod gzip;
mod labels;
mod own;
mod sources;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;

use auth::Tenant;
use engine::View;

pub(crate) use accept::{Format, takes_gzip};
pub(crate) use cache::Exposition;
pub(crate) use labels::budgeting;

/// The gauges of these looks at SLOs in the text format 0.0.4, as one scrape gets them without
/// fogbell's own metrics.
#[must_use]
pub fn slo_metrics(views: &BTreeMap<Tenant, Arc<View>>) -> String {
    families::render(views, Format::Text)
}

#[cfg(test)]
mod tests;
