//! What the readers of telemetry are held against, for tests and for fuzzing alike: prost and
//! serde as oracles, and generators of requests that draw from a seed or from a fuzzer's bytes.
//!
//! A check that fails panics, as tests and fuzzers want it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "an oracle reports by panicking"
)]

pub mod generate;
pub mod hostile;
pub mod json;
pub mod normal;
pub mod protobuf;
pub mod rebuild;
mod spelling;
pub mod target;
mod wire;
