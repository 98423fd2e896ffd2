//! Alerts of other systems: a storm of new ones, and the same ones again.

use std::error::Error;

use benches::storm::Storm;
use benches::timing::{median, timed};

use crate::STORM;
use crate::table::Output;

/// A storm of ten seconds in ticks of 200 ms.
const ALERTS: usize = 100_000;
const TICKS: usize = 50;
const ROUNDS: usize = 11;
/// Repetitions that one core must take, as nanoseconds for each: a million a second.
const REPEAT_NS_MAX: f64 = 1_000.0;
/// What a turn of the engine may take of the second that a page has.
const TURN_MS_MAX: f64 = 500.0;

pub(crate) fn run(output: Output) -> Result<(), Box<dyn Error>> {
    let mut storm = Storm::new(ALERTS);
    let each = storm.batches().div_ceil(TICKS);
    let mut turns = Vec::new();
    for tick in 0..TICKS {
        let (from, until) = (tick * each, ((tick + 1) * each).min(storm.batches()));
        let batches = storm.read(from, until);
        turns.push(timed(|| storm.tick(batches)).1);
    }
    let all: f64 = turns.iter().sum();
    let longest_ms = turns.iter().copied().fold(0.0, f64::max) / 1e6;
    let mut repeats = Vec::new();
    for _ in 0..ROUNDS {
        // Each request is read just before its alerts are raised, as in the daemon.
        let mut took = 0.0;
        for batch in 0..storm.batches() {
            let read = storm.read(batch, batch + 1);
            took += timed(|| storm.raise(read)).1;
        }
        repeats.push(took / ALERTS as f64);
        storm.tick(Vec::new());
    }
    let repeat_ns = median(repeats);
    let pages = storm.pages();
    output.remark(&format!("storm: {ALERTS} alerts in 10 s about {} faults", Storm::faults()));
    output.figure(STORM, "raise", all / ALERTS as f64, "ns an alert, judged and told");
    output.figure(STORM, "longest-turn", longest_ms, &format!("ms, at most {TURN_MS_MAX}"));
    output.figure(STORM, "pages", pages as f64, &format!("pages, {} wanted", Storm::faults()));
    output.figure(STORM, "repeat", repeat_ns, &format!("ns an alert, at most {REPEAT_NS_MAX}"));
    output.remark("");
    let broken = [
        (repeat_ns > REPEAT_NS_MAX).then_some("a repetition takes too long"),
        (longest_ms > TURN_MS_MAX).then_some("a turn takes too long"),
        (pages != Storm::faults()).then_some("there is not one page for each fault"),
    ];
    match broken.into_iter().flatten().next() {
        Some(broken) => Err(format!("storm: {broken}").into()),
        None => Ok(()),
    }
}
