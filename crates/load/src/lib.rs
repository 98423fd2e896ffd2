//! The load generator behind `fogbell load`: OTLP requests encoded ahead, driven over
//! loopback, and the limits that a daemon is measured against.
//!
//! [`run`] drives one server and says what it cost; [`compare`] starts a daemon and the
//! [`limit`] servers in turn and prints their cost side by side; [`page_latency`] says how soon
//! pages leave a daemon under load, and what it does with more than it can take; [`soak`] looks at
//! its memory for a long time. [`Requests`] makes the payload; the benchmarks use it too.

mod child;
mod client;
mod collector;
mod compare;
mod drive;
mod error;
mod feed;
mod latency;
mod ledger;
pub mod limit;
mod objectives;
mod options;
mod page;
mod payload;
mod process;
mod refusal;
mod report;
mod schedule;
mod soak;
#[cfg(test)]
mod tests;
mod wire;

pub use compare::{
    Base, Case, CompareOptions, Comparison, Measurement, Progress, Row, Server, compare,
};
pub use drive::run;
pub use error::LoadError;
pub use latency::Latencies;
pub use ledger::Ledger;
pub use objectives::Objectives;
pub use options::{Compression, LoadOptions, Protocol};
pub use page::{PAGE_P99_MAX, PageOptions, PageReport, PageRow, Pages, page_latency};
pub use payload::{Content, Requests, Shape};
pub use report::{LoadReport, ServerCost};
pub use soak::{GROWTH_MAX, Sample, Soak, SoakOptions, soak};
