//! The load generator behind `fogbell load`: OTLP requests encoded ahead, driven over
//! loopback, and the limits that a daemon is measured against.
//!
//! [`run`] drives one server and says what it cost; [`compare`] starts a daemon and the
//! [`limit`] servers in turn and prints their cost side by side. [`Requests`] makes the payload;
//! the benchmarks use it too.

mod client;
mod compare;
mod drive;
mod error;
mod feed;
mod latency;
pub mod limit;
mod objectives;
mod options;
mod payload;
mod process;
mod report;
mod schedule;
#[cfg(test)]
mod tests;
mod wire;

pub use compare::{
    Base, Case, CompareOptions, Comparison, Measurement, Progress, Row, Server, compare,
};
pub use drive::run;
pub use error::LoadError;
pub use latency::Latencies;
pub use objectives::Objectives;
pub use options::{Compression, LoadOptions, Protocol};
pub use payload::{Content, Requests, Shape};
pub use report::{LoadReport, ServerCost};
