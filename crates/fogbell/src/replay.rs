//! `fogbell replay`.
use crate::cli::ReplayArgs;
use crate::exit::Outcome;

/// Runs the subcommand.
pub(crate) fn run(_: &ReplayArgs) -> Outcome {
    anyhow::bail!("not written yet")
}
