//! `cargo xtask score`: labelled faults through the release binary.

use std::path::Path;
use std::process::Command;

use crate::steps::{cargo, finish};

/// Where labelled faults lie, from the root of the workspace. They are no part of it.
const LABELS: &str = "../shared/data/nezha/labels.json";

/// Scores the labelled faults. `arguments` go to `fogbell replay --score`; the first may be
/// another file of labels.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let (labels, flags) = match arguments.split_first() {
        Some((first, rest)) if !first.starts_with('-') => (root.join(first), rest),
        _ => (root.join(LABELS), arguments),
    };
    if !labels.is_file() {
        return Err(format!(
            "there are no labelled faults at {}: name a file of labels whose recordings lie \
             beside it",
            labels.display()
        ));
    }
    let build = cargo(root, &["build", "--release", "--locked", "--package", "fogbell"]);
    finish(build, "building fogbell")?;
    let mut replay = Command::new(root.join("target/release/fogbell"));
    replay.args(["replay", "--score"]).arg(&labels).args(flags).current_dir(root);
    finish(replay, "scoring")
}
