//! What a process cost so far, from /proc.

use std::fs;
use std::time::Duration;

use crate::error::LoadError;

/// The unit of /proc/<pid>/stat: USER_HZ is 100 on x86-64 and aarch64 Linux.
const TICK: Duration = Duration::from_millis(10);

/// CPU and memory of a process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time of all threads, to 10 ms.
    pub cpu: Duration,
    pub rss_bytes: u64,
    /// The largest since the process began.
    pub rss_peak_bytes: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Result<Self, LoadError> {
        let failed = |reason: String| LoadError::Process { pid, reason };
        let read = |file: &str| {
            fs::read_to_string(format!("/proc/{pid}/{file}"))
                .map_err(|error| failed(error.to_string()))
        };
        Self::parse(&read("stat")?, &read("status")?)
            .ok_or_else(|| failed("its /proc files have an unknown form, or it ended".to_owned()))
    }

    fn parse(stat: &str, status: &str) -> Option<Self> {
        // The name, in parentheses, may hold anything; utime and stime are fields 14 and 15.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u32>().ok();
        let cpu = TICK * ticks()?.checked_add(ticks()?)?;
        let kib = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?;
            value.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
        };
        Some(Self { cpu, rss_bytes: kib("VmRSS:")? << 10, rss_peak_bytes: kib("VmHWM:")? << 10 })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Usage;

    #[test]
    fn reads_a_name_with_spaces_and_parentheses() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 900 0 0 0 250 150 0 0 20 0 3 0 100 1 2 3";
        let status = "Name:\ta ) b\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let expected =
            Usage { cpu: Duration::from_secs(4), rss_bytes: 1 << 20, rss_peak_bytes: 2 << 20 };
        assert_eq!(Usage::parse(stat, status), Some(expected));
        assert_eq!(Usage::parse("42 (a) Z 1", status), None);
        assert_eq!(Usage::parse(stat, "Name:\ta\n"), None);
    }

    #[test]
    fn reads_this_process() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss_bytes > 0 && usage.rss_peak_bytes > 0);
    }
}
