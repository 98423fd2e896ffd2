//! What tests need beside the binary: programs that must be installed, and libraries that are
//! fetched once and kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A file of this package, by its path below `tests/`.
pub(crate) fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A command for `program`; where that is not installed, the test fails and names the package.
pub(crate) fn program(program: &str, package: &str) -> Command {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()));
    assert!(found, "{program} is not installed: run `./dev setup test`, or install {package}");
    Command::new(program)
}

/// A folder of the data that others collected, which is no part of the project: below
/// `../shared/data`, or where `FOGBELL_DATA` says. Where it is not, a test has nothing to try.
pub(crate) fn data(folder: &str) -> Option<PathBuf> {
    let data = std::env::var_os("FOGBELL_DATA").map(PathBuf::from);
    let folder = data.unwrap_or_else(|| root().join("../shared/data")).join(folder);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: there is no {}, and FOGBELL_DATA names no other", folder.display());
    None
}

/// Runs `command` to its end and returns what it printed; a failure fails the test.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("starts the command");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{printed}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// Fills `folder` by `fill` unless that was done before for the same `recipe`. Tests and test
/// processes that come at the same time wait for the first.
pub(crate) fn once(folder: &Path, recipe: &str, fill: impl FnOnce()) {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let cache = root().join(".cache");
    fs::create_dir_all(&cache).unwrap();
    let lock = File::create(cache.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let stamp = cache.join(format!("{name}.stamp"));
    if folder.is_dir() && fs::read_to_string(&stamp).is_ok_and(|done| done == recipe) {
        return;
    }
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    fill();
    fs::write(stamp, recipe).unwrap();
}
