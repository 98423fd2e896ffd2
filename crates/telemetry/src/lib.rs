//! fogbell's own metrics, their names in one place, and the set-up of its logs.
//!
//! Every metric is a variant of [`Counter`], [`Gauge`] or [`Histogram`], so that none is born from
//! a string at its place of use; the catalogue is also what the documentation lists.

mod catalogue;
mod logs;
mod recorder;

pub use catalogue::{Counter, Gauge, Histogram, Label};
pub use logs::{LogFormat, init_logs};
pub use recorder::{Recorder, RecorderError};
