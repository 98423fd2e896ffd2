//! `cargo xtask score`: labelled faults through the release binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps::{cargo, finish};

/// Where labelled faults and alert scenarios lie, from the root of the workspace. They are no part
/// of it.
const SETS: [&str; 2] = ["../shared/data/nezha/labels.json", "../shared/data/itbench"];

/// Scores the labelled faults and alert scenarios. `arguments` go to `fogbell replay --score`; the
/// first may be another set.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
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
    if sets.is_empty() {
        return Ok(());
    }
    let build = cargo(root, &["build", "--release", "--locked", "--package", "fogbell"]);
    finish(build, "building fogbell")?;
    for set in sets {
        let mut replay = Command::new(root.join("target/release/fogbell"));
        replay.args(["replay", "--score"]).arg(&set).args(flags).current_dir(root);
        finish(replay, "scoring")?;
    }
    Ok(())
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
