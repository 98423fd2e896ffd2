//! The alert state machine: inactive, pending, firing, no data, inactive again.
//!
//! Invariants: an alert is its labels' fingerprint, so a repeat updates and never duplicates; an
//! alert whose source is silent neither fires nor clears; flapping holds notifications, not the
//! record. Knows nothing of incidents, services' graphs or deliveries.

mod book;
mod flap;

pub use book::{AlertBook, AlertRow, Condition, Observation, Transition, TransitionKind};
pub use flap::Flap;
