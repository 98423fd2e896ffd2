//! Instructions of a fixed piece of work, counted by callgrind: nearly equal from run to run, so fit
//! for budgets. The work is run `n` and `2 n` times; the difference leaves the set-up out.

use std::path::Path;
use std::process::Command;

/// So many that the set-up, which varies by some ten thousand instructions, does not show.
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

    /// Instructions for one of `n` iterations of `case` in the binary `count`.
    ///
    /// # Errors
    /// If it cannot be run; says why.
    pub fn per_iteration(&self, count: &Path, case: &str, n: u32) -> Result<f64, String> {
        let (once, twice) = (total(count, case, n)?, total(count, case, 2 * n)?);
        Ok((twice as f64 - once as f64) / f64::from(n))
    }
}

fn total(count: &Path, case: &str, iterations: u32) -> Result<u64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(count)
        .args([case, &iterations.to_string()])
        .output()
        .map_err(|error| format!("cannot run valgrind: {error}"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{case} under valgrind: {}\n{log}", output.status));
    }
    collected(&log).ok_or_else(|| format!("callgrind gave no count for {case}:\n{log}"))
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
