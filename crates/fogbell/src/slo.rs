//! `fogbell slo`: what is promised, how it stands, and the same for other tools.

mod account;
mod list;
mod rules;

use crate::cli::{SloArgs, SloVerb};
use crate::exit::Outcome;

/// Runs the subcommand.
pub(crate) fn run(args: &SloArgs) -> Outcome {
    match &args.verb {
        None | Some(SloVerb::List) => list::run(&args.api, args.json),
        Some(SloVerb::Explain { name }) => account::run(&args.api, name, args.json),
        Some(SloVerb::Rules { config, names }) => rules::run(config, names),
    }
}
