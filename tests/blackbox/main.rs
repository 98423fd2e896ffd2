//! Black-box tests: the `fogbell` binary between real clients, a real Kafka broker and a real
//! Prometheus, all on loopback. A part that is missing fails its test and names what to install.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "in a test a panic is how an expectation fails, and it prints why"
)]

mod access;
mod commands;
mod crash;
mod daemon;
mod deployment;
mod harness;
mod intake;
mod maintenance;
mod oracle;
mod outage;
mod overload;
mod parts;
mod path;
mod raised;
mod recordings;
mod redaction;
mod rules;
mod slos;
