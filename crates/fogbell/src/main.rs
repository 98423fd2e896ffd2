//! The fogbell binary: serve, demo, drill, check, replay, incidents, explain, slo, page, load.

mod check;
mod cli;
mod convert;
mod demo;
mod drill;
mod exit;
mod explain;
mod incidents;
mod load;
mod maintenance;
mod page;
mod paint;
mod replay;
mod report;
mod serve;
mod settings;
mod slo;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Verb};

// Telemetry is large, short-lived buffers: half of the transport's cost is the allocator's
// (see benches/README.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.verb {
        Verb::Serve(args) => serve::run(&args),
        Verb::Demo(args) => demo::run(&args),
        Verb::Drill(args) => drill::run(&args),
        Verb::Check(args) if !args.convert.is_empty() => convert::run(&args.convert),
        Verb::Check(args) => check::run(&args.config),
        Verb::Replay(args) => replay::run(&args),
        Verb::Incidents(args) => incidents::run(args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Slo(args) => slo::run(&args),
        Verb::Maintenance(args) => maintenance::run(&args),
        Verb::Page(args) => page::run(&args),
        Verb::Load(args) => load::run(&args),
        Verb::Limit(args) => load::limit(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            exit::complain(&error);
            ExitCode::FAILURE
        }
    }
}
