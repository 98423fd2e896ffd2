//! The whole port, served in this process.

pub(crate) mod fixture;

mod access;
mod commands;
mod looking;
mod ports;
mod scraping;
