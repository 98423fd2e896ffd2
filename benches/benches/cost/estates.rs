//! 100,000 SLO series in one engine, each figure beside its limit.

use std::error::Error;

use benches::estate::{Estate, SERIES};
use benches::timing::{median, timed};

use crate::ESTATE;
use crate::table::Output;

const ROUNDS: usize = 31;
const RESTORES: usize = 3;
const MIB: f64 = 1_048_576.0;

/// A figure, and what it may be at most.
struct Limited {
    case: &'static str,
    value: f64,
    unit: &'static str,
    most: f64,
}

pub(crate) fn run(output: Output) -> Result<(), Box<dyn Error>> {
    let before = resident_mib();
    let mut estate = Estate::new().ok_or("the objective is out of range")?;
    let memory = resident_mib() - before - estate.rows_mib();
    let (mut take, mut turn, mut stop) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        take.push(timed(|| estate.pass()).1 / 1e6);
        turn.push(timed(|| estate.judge()).1 / 1e6);
        stop.push(timed(|| estate.checkpoint_stop()).1 / 1e6);
        estate.write();
    }
    let mut restore = Vec::new();
    for _ in 0..RESTORES {
        let rows = estate.rows();
        let (series, took) = timed(|| estate.restored(rows));
        // Each SLO has a series for all groups beyond the cap only once there are some.
        if series != SERIES {
            return Err(format!("{series} series were restored, of {SERIES}").into());
        }
        restore.push(took / 1e9);
    }
    let looks = estate.looks();
    let (mut expose, mut samples) = (Vec::new(), 0);
    for _ in 0..RESTORES {
        let (text, took) = timed(|| api::slo_metrics(&looks));
        samples = text.lines().filter(|line| !line.starts_with('#')).count();
        expose.push(took / 1e6 / samples as f64 * SERIES as f64);
    }
    let longest = stop.iter().copied().fold(0.0, f64::max);
    let limited = |case, value, unit, most| Limited { case, value, unit, most };
    let figures = [
        limited("turn", median(turn), "ms, a pane of all is closed and all are judged", 70.0),
        limited("checkpoint", median(stop), "ms, a tenth has changed", 10.0),
        limited("longest-checkpoint", longest, "ms, of all rounds", 10.0),
        limited("exposition", median(expose), "ms for 100,000 samples", 100.0),
        limited("restore", median(restore), "s, full rings", 5.0),
        limited("memory-resident", memory, "MiB, full rings", 1024.0),
    ];
    output.remark(&format!(
        "estate: {SERIES} series of 30 days with full rings, {samples} samples exposed"
    ));
    output.figure(ESTATE, "hand-over", median(take), "ms, a tenth of the series");
    let mut missed = Vec::new();
    for Limited { case, value, unit, most } in figures {
        output.figure(ESTATE, case, value, &format!("{unit}, at most {most}"));
        if value > most {
            missed.push(case);
        }
    }
    output.remark("");
    match missed.is_empty() {
        true => Ok(()),
        false => Err(format!("estate: beyond its limit: {}", missed.join(", ")).into()),
    }
}

/// What the process holds in memory.
fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or_default() * 1024.0 / MIB
}
