//! `fogbell check`.
use crate::cli::ConfigArgs;
use crate::exit::Outcome;

/// Runs the subcommand.
pub(crate) fn run(_: &ConfigArgs) -> Outcome {
    anyhow::bail!("not written yet")
}
