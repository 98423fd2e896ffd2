//! Chores of the workspace: `cargo xtask tidy | test | budget | bench | score | fuzz`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool prints")]

mod bench;
mod fuzz;
mod metadata;
mod score;
mod steps;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask <chore>

  tidy   check layers, sizes, names and the other house rules
  test   run every check and every test, as CI does
  budget hold instruction counts against benches/budget.json; needs valgrind
           --write        renew the budget
  bench  measure what fogbell promises of its cost, and print it with its bounds
           --quick        3 pairs of 1 s, and no pages under load
           --pairs N      pairs of each case, of which the median counts (5)
           --seconds N    of each measurement (3)
           --cases A,B    only these cases of `fogbell load --compare`, and no pages under load
           --peers        build an OpenTelemetry Collector and run it beside; needs Go
  score  replay labelled faults, and say how well causes, incidents and pages fit them
           FILE|FOLDER    labels with recordings beside them, or alert scenarios
                          (../shared/data/nezha/labels.json, ../shared/data/itbench)
           --by-fault     each kind of fault too
           --json         one object a row
  fuzz   fuzz the readers of telemetry with libFuzzer, on the targets that are named or on all
           --seconds N    of each target (60)
           --keep         renew the corpus in fuzz/corpus
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let chore = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let outcome = match (chore.as_deref(), rest.as_slice()) {
        (Some("tidy"), []) => tidy::run(root),
        (Some("test"), []) => steps::test(root),
        (Some("budget"), []) => steps::budget(root, "--check"),
        (Some("budget"), [write]) if write == "--write" => steps::budget(root, write),
        (Some("bench"), _) => bench::run(root, &rest),
        (Some("score"), _) => score::run(root, &rest),
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
