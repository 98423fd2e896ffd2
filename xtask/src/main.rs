//! Chores of the workspace: `cargo xtask tidy | test | bench`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool prints")]

mod fuzz;
mod metadata;
mod steps;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask <chore>

  tidy         check layers, sizes, names and the other house rules
  test         run every check and every test, as CI does
  bench [ARG]  run the benchmarks; arguments go to `cargo bench`
  fuzz [TARGET...] [--seconds N] [--keep]
               fuzz the readers of telemetry with libFuzzer; --keep renews the corpus
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let chore = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let outcome = match (chore.as_deref(), rest.as_slice()) {
        (Some("tidy"), []) => tidy::run(root),
        (Some("test"), []) => steps::test(root),
        (Some("bench"), _) => steps::bench(root, &rest),
        (Some("fuzz"), _) => fuzz::run(root, &rest),
        (None | Some("help" | "--help" | "-h"), _) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(64);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
