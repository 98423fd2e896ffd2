//! Instructions of a fixed piece of work, counted by callgrind: equal from run to run for one binary,
//! so fit for budgets. Only what runs inside [`COUNTED`] is counted.

use std::path::Path;
use std::process::Command;

/// What callgrind counts: a function of the binary `count`, by its mangled name.
pub const COUNTED: &str = "*counted_by_callgrind*";
/// Requests that are counted, or turns of judging.
pub const ITERATIONS: u32 = 32;
/// Series in the counted judging case.
pub const JUDGED_SERIES: usize = 100;

/// Valgrind, if it is installed.
#[derive(Debug)]
pub struct Callgrind {
    version: String,
}

impl Callgrind {
    /// Looks for it.
    #[must_use]
    pub fn find() -> Option<Self> {
        let output = Command::new("valgrind").arg("--version").output().ok()?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(Self { version })
    }

    /// As it says itself.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Instructions of the counted part of `case` in the binary `count`.
    ///
    /// # Errors
    /// If it cannot be run; says why.
    pub fn count(&self, count: &Path, case: &str) -> Result<u64, String> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(format!("--toggle-collect={COUNTED}"))
            .arg(count)
            .arg(case)
            .output()
            .map_err(|error| format!("cannot run valgrind: {error}"))?;
        let log = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(format!("{case} under valgrind: {}\n{log}", output.status));
        }
        let collected = collected(&log).filter(|count| *count > 0);
        collected.ok_or_else(|| format!("callgrind gave no count for {case}:\n{log}"))
    }
}

/// The number after `Collected :`.
fn collected(log: &str) -> Option<u64> {
    let line = log.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::collected;

    #[test]
    fn finds_the_count_in_the_log() {
        let log = "==7== Events    : Ir\n==7== Collected : 123456\n==7==\n";
        assert_eq!(collected(log), Some(123_456));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }
}
