//! `fogbell incidents`.
pub(crate) mod client;
use crate::cli::IncidentsArgs;
use crate::exit::Outcome;

/// Runs the subcommand.
pub(crate) fn run(_: IncidentsArgs) -> Outcome {
    anyhow::bail!("not written yet")
}
