//! Starts, drives and stops the real parts around the binary.

pub(crate) mod capture;
pub(crate) mod clients;
pub(crate) mod consumer;
pub(crate) mod fogbell;
pub(crate) mod http;
pub(crate) mod incidents;
pub(crate) mod kafka;
pub(crate) mod otlp;
pub(crate) mod ports;
pub(crate) mod prepare;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod wait;
