//! The messages of fogbell.v1: protobuf, their JSON, and their conversion from the model.
//!
//! [`v1`] is generated from `proto/fogbell/v1`. A model value converts with `From<&model::T>`;
//! what commands carry (actors, links, states, times) converts back.

mod convert;
mod message;

pub use convert::{Unspecified, duration, timestamp, timestamp_from, timestamp_of_rfc3339};
pub use message::{Message, json};

/// The descriptors of all messages and services, an encoded `google.protobuf.FileDescriptorSet`,
/// for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/fogbell.v1.bin"));

/// Package `fogbell.v1`, generated.
#[allow(
    missing_docs,
    unreachable_pub,
    rust_2018_idioms,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/fogbell.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/fogbell.v1.serde.rs"));
}

#[cfg(test)]
mod tests;
