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
        Some((first, rest)) if !first.starts_with('-') => (vec![root.join(first)], rest),
        _ => (SETS.map(|set| root.join(set)).to_vec(), arguments),
    };
    let (there, missing): (Vec<PathBuf>, Vec<PathBuf>) =
        sets.into_iter().partition(|set| set.exists());
    for set in &missing {
        eprintln!("{} is not here, and is left out", set.display());
    }
    if there.is_empty() {
        let what = "name a file of labels whose recordings lie beside it, or a folder of scenarios";
        return Err(format!("there is nothing to score: {what}"));
    }
    let build = cargo(root, &["build", "--release", "--locked", "--package", "fogbell"]);
    finish(build, "building fogbell")?;
    for set in there {
        let mut replay = Command::new(root.join("target/release/fogbell"));
        replay.args(["replay", "--score"]).arg(&set).args(flags).current_dir(root);
        finish(replay, "scoring")?;
    }
    Ok(())
}
