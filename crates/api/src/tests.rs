//! The whole port, served in this process.

pub(crate) mod fixture;

mod access;
mod asking;
mod commands;
mod looking;
mod ports;
mod scraping;
