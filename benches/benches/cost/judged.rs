//! The control plane: many series that are judged together.

use std::error::Error;

use benches::fleet::Fleet;
use benches::timing::{median, timed};

use crate::JUDGE;
use crate::table::Output;

const SERIES: usize = 100_000;
/// Behind the series when they are judged: half an hour and more.
const PANES: u32 = 400;
const TICKS: usize = 11;
/// Series whose rings are full, and the panes of 30 days that fill them.
const FULL_SERIES: usize = 20;
const FULL_PANES: u32 = 30 * 17_280;

pub(crate) fn run(output: Output) -> Result<(), Box<dyn Error>> {
    let mut fleet = Fleet::new(SERIES, PANES).ok_or("the objective is out of range")?;
    let (mut close, mut add, mut judge, mut firing) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..TICKS {
        close.push(timed(|| fleet.close()).1);
        add.push(timed(|| fleet.add()).1);
        let (alerting, took) = timed(|| fleet.judge());
        judge.push(took);
        firing = alerting;
    }
    output.remark(&format!(
        "judge: {SERIES} series, 30 days, {PANES} panes behind them, {firing} fire"
    ));
    for (name, ns) in [("close-a-pane", close), ("add-to-it", add), ("judge", judge)] {
        let ns = median(ns);
        let unit = format!("ns a series, {:.1} ms in all", ns / 1e6);
        output.figure(JUDGE, name, ns / SERIES as f64, &unit);
    }
    let bytes = fleet.memory_bytes() as f64 / SERIES as f64;
    output.figure(JUDGE, "memory", bytes, "bytes a series");
    let full = Fleet::new(FULL_SERIES, FULL_PANES).ok_or("the objective is out of range")?;
    let bytes = full.memory_bytes() as f64 / FULL_SERIES as f64;
    output.figure(JUDGE, "memory-full", bytes, "bytes a series after 30 days");
    output.remark("");
    Ok(())
}
