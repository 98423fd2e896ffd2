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
mod writer;

pub(crate) use accept::{Format, takes_gzip};
pub(crate) use cache::Exposition;
pub(crate) use labels::budgeting;

#[cfg(test)]
mod tests;
