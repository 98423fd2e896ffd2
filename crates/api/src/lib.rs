//! Incident gRPC service, HTTP API and Prometheus exposition, all on one port.
//!
//! [`serve()`] is the whole of it; [`Feed`] is where committed incidents come in, [`Control`]
//! what it asks of the daemon behind it.

mod command;
mod control;
mod exposition;
mod fault;
mod feed;
mod grpc;
mod http;
mod listing;
mod origin;
mod selection;
mod server;
mod shared;
mod subscribers;
mod token;

pub use control::{Control, Health};
pub use exposition::slo_metrics;
pub use feed::{Feed, FeedItem, Resume, ResumeError, Subscription};
pub use server::{ApiState, serve};

#[cfg(test)]
mod tests;
