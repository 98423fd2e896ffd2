//! `cargo xtask fuzz`: drives the targets of `fuzz/` with libFuzzer.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps::{cargo, finish};

const TARGETS: [&str; 4] = ["bytes", "rewritten", "json", "json-bytes"];
/// How long each target runs unless told.
const SECONDS: u64 = 60;
/// What of each target's inputs is kept in the repository: so many, of all sizes.
const CORPUS_INPUTS_MAX: usize = 200;
/// Longer inputs take longer and find little else.
const INPUT_BYTES_MAX: u32 = 2048;
/// Coverage for libFuzzer, as `cargo fuzz` asks for it, but without a sanitizer: those need a
/// nightly compiler, and nothing here is unsafe.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1 \
    --cfg fuzzing";

/// What to run.
struct Options {
    targets: Vec<String>,
    seconds: u64,
    keep: bool,
}

/// Runs the targets one after the other. `--keep` then puts a part of the smallest inputs that
/// reach all that was reached into `fuzz/corpus`.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let options = options(arguments)?;
    let built = root.join("target/fuzz");
    let mut build = cargo(root, &["build", "--release", "--locked", "--package", "fuzz", "--bins"]);
    build.args(["--features", "fuzz/targets", "--target-dir"]).arg(&built);
    // A target triple of its own keeps build scripts free of the flags.
    build.args(["--target", &host(root)?]).env("RUSTFLAGS", FLAGS);
    finish(build, "building the fuzz targets")?;
    for target in &options.targets {
        let binary = built.join(host(root)?).join("release").join(target);
        let found = built.join("corpus").join(target);
        let kept = root.join("fuzz/corpus").join(target);
        fs::create_dir_all(&found).map_err(|why| format!("{}: {why}", found.display()))?;
        let mut fuzzer = Command::new(&binary);
        fuzzer.arg(format!("-max_total_time={}", options.seconds));
        fuzzer.arg(format!("-max_len={INPUT_BYTES_MAX}"));
        fuzzer.args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
        fuzzer.arg(format!("-artifact_prefix={}/", built.display()));
        fuzzer.arg(&found).arg(&kept).current_dir(root);
        finish(fuzzer, target)?;
        if options.keep {
            keep(&binary, &found, &kept)?;
        }
    }
    Ok(())
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options { targets: Vec::new(), seconds: SECONDS, keep: false };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--keep" => options.keep = true,
            "--seconds" => {
                let seconds = rest.next().and_then(|text| text.parse().ok());
                options.seconds = seconds.ok_or("--seconds wants a number")?;
            }
            name if TARGETS.contains(&name) => options.targets.push(name.to_owned()),
            other => return Err(format!("no target {other:?}; there are: {}", TARGETS.join(", "))),
        }
    }
    if options.targets.is_empty() {
        options.targets = TARGETS.map(str::to_owned).into();
    }
    Ok(options)
}

/// The triple of this machine.
fn host(root: &Path) -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").current_dir(root).output();
    let output = output.map_err(|why| format!("cannot run rustc: {why}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc does not tell its host")?.to_owned())
}

/// Replaces what is kept by a part of the smallest inputs that reach the same.
fn keep(binary: &Path, found: &Path, kept: &Path) -> Result<(), String> {
    let merged = found.with_extension("merged");
    let failed = |why: io::Error| format!("{}: {why}", merged.display());
    let _ = fs::remove_dir_all(&merged);
    fs::create_dir_all(&merged).map_err(failed)?;
    let mut merge = Command::new(binary);
    merge.arg("-merge=1").arg(&merged).arg(kept).arg(found);
    finish(merge, "merging the corpus")?;
    let mut inputs: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(&merged).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        inputs.push((entry.metadata().map_err(failed)?.len(), entry.path()));
    }
    inputs.sort();
    fs::remove_dir_all(kept).and_then(|()| fs::create_dir_all(kept)).map_err(failed)?;
    // Evenly over their sizes: small ones reach what is simple, large ones what is deep.
    let step = inputs.len().div_ceil(CORPUS_INPUTS_MAX).max(1);
    for (_, input) in inputs.into_iter().rev().step_by(step) {
        let name = input.file_name().ok_or("an input without a name")?;
        fs::copy(&input, kept.join(name)).map_err(failed)?;
    }
    Ok(())
}
