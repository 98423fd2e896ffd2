//! The steps of `cargo xtask test`, each printed with the time it took.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::tidy;

/// One cargo call of `cargo xtask test`.
struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

const LINT: &[&str] =
    &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];

// `--all-targets` leaves out targets that a plain `cargo test` leaves out.
const LINT_BLACKBOX: &[&str] =
    &["clippy", "--package", "blackbox", "--test", "blackbox", "--locked", "--", "-D", "warnings"];

// The build names the same packages and kinds of target as the two test steps, so that cargo
// resolves the same features for all three and builds every dependency once. The black-box tests
// run the unoptimised binary, with its overflow checks and debug assertions on.
const BUILD: &[&str] = &["build", "--workspace", "--bins", "--tests", "--locked"];

// Each scenario runs several servers, so a few at a time is what two cores bear without stretching
// the deadlines that the scenarios assert.
const BLACKBOX: &[&str] =
    &["test", "--workspace", "--test", "blackbox", "--locked", "--", "--test-threads", "2"];

/// Counts with the binary that it builds, as released: what is optimised otherwise counts otherwise.
const BUDGET: &[&str] =
    &["run", "--release", "--package", "benches", "--bin", "count", "--locked", "--"];
const BUDGET_FILE: &str = "benches/budget.json";

const STEPS: &[Step] = &[
    Step { name: "format", arguments: &["fmt", "--all", "--check"], environment: &[] },
    Step { name: "lint", arguments: LINT, environment: &[] },
    Step { name: "lint black box", arguments: LINT_BLACKBOX, environment: &[] },
    Step { name: "build", arguments: BUILD, environment: &[] },
    Step { name: "unit tests", arguments: &["test", "--workspace", "--locked"], environment: &[] },
    Step { name: "black-box tests", arguments: BLACKBOX, environment: &[] },
    Step {
        name: "documentation",
        arguments: &["doc", "--workspace", "--no-deps", "--locked"],
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
    },
];

/// Holds instruction counts against their budget, or renews it.
pub(crate) fn budget(root: &Path, what: &str) -> Result<(), String> {
    let mut command = cargo(root, BUDGET);
    command.args([what, BUDGET_FILE]);
    finish(command, "instruction budget")
}

/// Runs every check and every test; ends at the first step that fails.
pub(crate) fn test(root: &Path) -> Result<(), String> {
    let mut times = Vec::new();
    let mut outcome = timed("tidy", &mut times, || tidy::run(root));
    for step in STEPS {
        if outcome.is_err() {
            break;
        }
        outcome = timed(step.name, &mut times, || {
            let mut command = cargo(root, step.arguments);
            command.envs(step.environment.iter().copied());
            finish(command, step.name)
        });
    }
    if outcome.is_ok() {
        outcome = timed("instruction budget", &mut times, || budget(root, "--check"));
    }
    println!();
    for (name, time) in &times {
        println!("{:>7.1} s  {name}", time.as_secs_f64());
    }
    outcome
}

fn timed(
    name: &'static str,
    times: &mut Vec<(&'static str, Duration)>,
    step: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    println!("==> {name}");
    let start = Instant::now();
    let outcome = step();
    times.push((name, start.elapsed()));
    outcome
}

/// A call of cargo in `root`.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(arguments);
    command
}

/// Runs `command`; what it prints goes through.
pub(crate) fn finish(mut command: Command, name: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: failed ({status})")),
        Err(error) => Err(format!("{name}: cannot run it: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{cargo, finish};

    #[test]
    fn a_failing_command_fails_its_step() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(finish(cargo(root, &["--version"]), "version").is_ok());
        let failed = finish(cargo(root, &["no-such-subcommand"]), "nothing");
        assert!(failed.is_err_and(|why| why.starts_with("nothing: failed")));
    }
}
