//! The control plane: one deterministic state machine from pane deltas and time to effects.
//!
//! [`Engine`] is the one boundary of the core: `handle(input, now)`, `poll_effect()`,
//! `poll_timeout()`, and rows to restore from. It never waits, reads no clock and touches no IO.

mod account;
mod changes;
mod command;
mod composites;
mod counting;
mod crowd;
mod describing;
mod effect;
mod engine;
mod explaining;
mod following;
mod hitters;
mod homes;
mod input;
mod judging;
mod looking;
mod maintenance;
mod opening;
mod options;
mod pairings;
mod persist;
mod raised;
mod refresh;
mod requests;
mod routes;
mod rows;
mod series;
mod services;
mod slices;
mod unwritten;
mod view;

pub use account::{RuleAccount, SloAccount, WindowAccount};
pub use correlate::Diagnosis;
pub use effect::Effect;
pub use engine::Engine;
pub use explaining::Question;
pub use input::{Command, Input, Refusal, Reply, Verb};
pub use maintenance::{MAINTENANCE_MAX, MaintenanceStatus};
pub use opening::{PAGE_WAIT, TICKET_WAIT};
pub use options::{AutomaticOptions, EngineOptions, RaisedOptions, SloOptions};
pub use raised::RESOLVE_AFTER;
pub use rows::RestoreReport;
pub use slo::duration_text;
pub use view::{Dropped, SOURCES_MAX, SliceCount, SloStatus, SourceStatus, View, WindowStatus};

#[cfg(test)]
mod tests;
