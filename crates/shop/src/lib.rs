//! The simulated shop: services, traffic and faults that speak OTLP.
//!
//! [`Shop`] is pure: virtual time goes in, the export requests of every pod come out, and the same
//! seed gives the same bytes. [`run`] sends them to a real endpoint in real time.

mod attribute;
mod drill;
mod export;
mod exporter;
mod failure;
mod fault;
mod log;
mod metric;
mod pod;
mod random;
mod request;
mod sender;
mod shop;
mod span;
mod timeline;
mod topology;
mod visitor;

pub use drill::{
    DRILL_SERVICES_MAX, Degradation, Drill, DrillFault, DrillOptions, DrillTruth, Topology,
    UnknownDrillFault, UnknownTopology,
};
pub use export::Export;
pub use fault::{ANY_SERVICE, Fault, Truth, UnknownFault};
pub use sender::{Progress, SendError, run};
pub use shop::{REQUESTS_PER_S_MAX, Shop, ShopOptions};
pub use topology::{
    Database, OnFailure, Operation, Order, Partner, SERVICES, ServiceSpec, Statement, Step, Target,
    Transport, topology,
};

#[cfg(test)]
mod tests;
