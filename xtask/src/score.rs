//! `cargo xtask score`: labelled faults through the release binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps::{cargo, finish};

/// Where labelled faults and alert scenarios lie, from the root of the workspace. They are no part
/// of it.
const SETS: [&str; 2] = ["../shared/data/nezha/labels.json", "../shared/data/itbench"];

/// Drills that are made anew and scored with the sets: name, and what `fogbell drill` is told.
const DRILLS: [(&str, &[&str]); 9] = [
    ("layered-40", &[]),
    ("layered-200", &["--services", "200", "--requests-per-s", "60"]),
    ("chain-24", &["--topology", "chain", "--services", "24"]),
    ("fan-31", &["--topology", "fan", "--services", "31"]),
    ("layered-40-pairs", &["--at-once", "2"]),
    ("layered-40-no-status", &["--no-status"]),
    ("layered-40-missing-spans", &["--missing-spans", "0.3"]),
    ("layered-40-clock-skew", &["--clock-skew-ms", "200"]),
    ("layered-40-sampled", &["--sampling", "0.01", "--requests-per-s", "400"]),
];

/// Scores the labelled faults, the alert scenarios and the drills. `arguments` go to `fogbell replay
/// --score`; the first may be another set, which is scored alone.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let is_named = arguments.first().is_some_and(|first| !first.starts_with('-'));
    let (sets, flags) = match arguments.split_first() {
        Some((named, rest)) if !named.starts_with('-') => {
            let set = root.join(named);
            if !set.exists() {
                let what =
                    "a file of labels whose recordings lie beside it, or a folder of scenarios";
                return Err(format!("{}: not there; {what} is wanted", set.display()));
            }
            (vec![set], rest)
        }
        _ => (known(root), arguments),
    };
    let build = cargo(root, &["build", "--release", "--locked", "--package", "fogbell"]);
    finish(build, "building fogbell")?;
    let fogbell = root.join("target/release/fogbell");
    let drills = if is_named { Vec::new() } else { drills(root, &fogbell)? };
    for set in sets.into_iter().chain(drills) {
        let mut replay = Command::new(&fogbell);
        replay.args(["replay", "--score"]).arg(&set).args(flags).current_dir(root);
        finish(replay, "scoring")?;
    }
    Ok(())
}

/// The labels of all drills, written under `target/drills`.
fn drills(root: &Path, fogbell: &Path) -> Result<Vec<PathBuf>, String> {
    let folder = root.join("target/drills");
    let mut labels = Vec::new();
    for (name, options) in DRILLS {
        let out = folder.join(name);
        let mut drill = Command::new(fogbell);
        drill.arg("drill").arg("--out").arg(&out).args(["--system", name]).args(options);
        // What it says is no part of the scores.
        drill.stdout(std::process::Stdio::null());
        finish(drill, "drill")?;
        labels.push(out.join("labels.json"));
    }
    Ok(labels)
}

/// The sets that are here; of each other one it is said that it is left out.
fn known(root: &Path) -> Vec<PathBuf> {
    let (here, missing): (Vec<PathBuf>, Vec<PathBuf>) =
        SETS.iter().map(|set| root.join(set)).partition(|set| set.exists());
    for set in &missing {
        eprintln!("{} is not here, and is left out", set.display());
    }
    here
}
