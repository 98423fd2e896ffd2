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
    let inside = lines(inside, "benchmarks")?;

    println!("==> over loopback, {} pairs of {} s", options.pairs, options.seconds);
    let mut compare = cargo(root, &["run", "--release", "--locked", "--package", "fogbell", "--"]);
    compare.args(["load", "--compare", "--json"]).args(options.for_load());
    if let Some(collector) = &collector {
        compare.arg("--collector").arg(collector);
    }
    let compared = lines(compare, "fogbell load --compare")?;

    let (method, rows): (Vec<&Value>, Vec<&Value>) =
        compared.iter().partition(|line| line.get("method").is_some());
    let mut promises = Vec::new();
    for row in rows {
        promises.extend(Promise::of_comparison(row, &inside)?);
    }
    promises.extend(Promise::of_series(&inside));
    println!("\n{}", machine());
    for line in method {
        println!("{}", line.get("method").and_then(Value::as_str).unwrap_or_default());
    }
    println!("{}", Promise::HEADER);
    promises.iter().for_each(|promise| println!("{promise}"));
    let held = promises.iter().filter(|promise| promise.is_held()).count();
    println!("{held} of {} held", promises.len());
    Ok(())
}

/// Runs `command`, whose standard output is lines of JSON; what it tells people goes through.
fn lines(mut command: Command, name: &str) -> Result<Vec<Value>, String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{name}: cannot run it: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
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

    use super::lines;

    #[test]
    fn a_measurement_that_fails_or_prints_no_json_is_an_error() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            lines(command, "it")
        };
        assert_eq!(shell("echo '{\"a\":1}'; echo; echo '{\"a\":2}'").unwrap().len(), 2);
        assert!(shell("echo '{\"a\":1}'; exit 3").unwrap_err().contains("failed"));
        assert!(shell("echo done").unwrap_err().contains("\"done\""));
    }
}
