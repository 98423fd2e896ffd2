//! The data plane: walks OTLP bytes once and adds what it reads to small mergeable aggregates.
//!
//! An [`Observer`] belongs to one worker and one tenant. It takes requests with
//! [`Observer::traces`], [`Observer::metrics`] and [`Observer::logs`], and hands over what was
//! touched with [`Observer::flush`]. It decides nothing and keeps no baselines; it has no clock,
//! no lock, and allocates only for what it has not met before.

mod arena;
mod declared;
mod fields;
mod flush;
mod hash;
mod histogram;
mod index;
mod keys;
mod logs;
mod metrics;
mod observer;
mod options;
mod plan;
mod recall;
mod series;
mod spans;
mod state;
mod streams;
mod sweep;
mod tables;
mod template;
mod usage;
mod verdict;
mod weight;

pub use observer::{Entries, Observer, ObserverStats};
pub use options::{
    AutomaticSettings, ERROR_SEVERITY_MIN, EVENT_AGE_MAX, FUTURE_SKEW_MAX, GENERATION_S,
    GROUPS_LENIENCE, HANDED_OVER_MAX, IDLE_GENERATIONS, LATENCY_THRESHOLD_NS, Limits,
    ObserverOptions, RECALL_GENERATIONS, RECALL_REACH_S, RECALL_SPANS_MAX, TEMPLATE_SEVERITY_MIN,
    TEXT_BYTES_MAX,
};
pub use plan::SliPlan;
pub use recall::RecallReach;

#[cfg(test)]
mod tests;
