//! `cargo xtask bench`: what fogbell promises of its cost, measured, in one table.

mod collector;
mod options;
mod promise;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::metadata;
use crate::steps::cargo;
use options::Options;
use promise::Promise;

/// Groups of the benchmarks in process that the table shows.
const GROUPS: [&str; 8] =
    ["spans", "wide", "points", "records", "json", "slos-by-route", "slos-on-all", "judge"];

/// Measures what `arguments` choose and prints the table. A promise that is missed fails nothing.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let collector =
        if options.peers { Some(collector::build(&metadata::target_folder(root)?)?) } else { None };
    println!("==> in process");
    let mut inside = cargo(root, &["bench", "--locked", "--package", "benches", "--", "--json"]);
    inside.args(GROUPS);
    let inside = lines(inside, "benchmarks", Exit::Success)?;

    println!("==> over loopback, {} pairs of {} s", options.pairs, options.seconds);
    let mut compare = load(root);
    compare.args(["--compare", "--json"]).args(options.for_load());
    if let Some(collector) = &collector {
        compare.arg("--collector").arg(collector);
    }
    let compared = lines(compare, "fogbell load --compare", Exit::Success)?;
    let pages = if options.pages { pages(root)? } else { Vec::new() };

    let mut promises = Vec::new();
    for row in compared.iter().filter(|line| !is_method(line)) {
        promises.extend(Promise::of_comparison(row, &inside)?);
    }
    for row in pages.iter().filter(|line| !is_method(line)) {
        promises.extend(Promise::of_pages(row)?);
    }
    promises.extend(Promise::of_series(&inside));
    println!("\n{}", machine());
    for line in compared.iter().chain(&pages).filter(|line| is_method(line)) {
        println!("{}", line.get("method").and_then(Value::as_str).unwrap_or_default());
    }
    println!("{}", Promise::HEADER);
    promises.iter().for_each(|promise| println!("{promise}"));
    let held = promises.iter().filter(|promise| promise.is_held()).count();
    println!("{held} of {} held", promises.len());
    Ok(())
}

/// How a measurement may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Success,
    /// With what it measured, and 1 if that misses a bound.
    Verdict,
}

fn load(root: &Path) -> Command {
    cargo(root, &["run", "--release", "--locked", "--package", "fogbell", "--", "load"])
}

fn pages(root: &Path) -> Result<Vec<Value>, String> {
    println!("==> pages under load");
    let mut pages = load(root);
    pages.args(["--page-latency", "--json"]);
    lines(pages, "fogbell load --page-latency", Exit::Verdict)
}

fn is_method(line: &Value) -> bool {
    line.get("method").is_some()
}

/// Runs `command`, whose standard output is lines of JSON; what it tells people goes through.
fn lines(mut command: Command, name: &str, exit: Exit) -> Result<Vec<Value>, String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{name}: cannot run it: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let is_verdict =
        exit == Exit::Verdict && output.status.code() == Some(1) && !text.trim().is_empty();
    if !output.status.success() && !is_verdict {
        return Err(format!("{name}: failed ({})\n{text}", output.status));
    }
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            serde_json::from_str(line).map_err(|error| format!("{name}: {line:?}: {error}"))
        })
        .collect()
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{}, {cores} cores, load {load}", model.map_or("unknown CPU", |(_, name)| name))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Exit, lines};

    #[test]
    fn a_measurement_that_fails_or_prints_no_json_is_an_error() {
        let ended = |script: &str, exit| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            lines(command, "it", exit)
        };
        let shell = |script: &str| ended(script, Exit::Success);
        assert_eq!(shell("echo '{\"a\":1}'; echo; echo '{\"a\":2}'").unwrap().len(), 2);
        assert!(shell("echo '{\"a\":1}'; exit 3").unwrap_err().contains("failed"));
        assert!(shell("echo '{\"a\":1}'; exit 1").is_err());
        assert_eq!(ended("echo '{\"a\":1}'; exit 1", Exit::Verdict).unwrap().len(), 1);
        assert!(ended("exit 1", Exit::Verdict).is_err());
        assert!(shell("echo done").unwrap_err().contains("\"done\""));
    }
}
