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
    output.remark("");
    Ok(())
}
