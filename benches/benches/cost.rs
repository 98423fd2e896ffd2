//! `cargo bench -p benches`: the cost of a span and of a judgement, in time and instructions.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::error::Error;
use std::hint::black_box;
use std::path::Path;

use benches::fleet::Fleet;
use benches::instructions::Callgrind;
use benches::spans::{Case, REQUESTS_PER_FLUSH, Ring, Runner, SHAPE};
use benches::timing::{median, timed};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 25;
const SERIES: usize = 100_000;
/// Behind the series when they are judged: half an hour and more.
const PANES: u32 = 400;
const TICKS: usize = 11;
/// Under callgrind: so many that the set-up, which varies by some ten thousand instructions, does
/// not show.
const ITERATIONS: u32 = 32;
/// Series in the counted judging case.
const COUNTED_SERIES: f64 = 100.0;

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --all-targets` starts this too, unoptimised and without the flag.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("nothing to test: run `cargo bench -p benches`");
        return Ok(());
    }
    println!("{}\n", cpu());
    time_spans()?;
    time_judging()?;
    count_instructions()
}

fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores", model.map_or("unknown CPU", |(_, name)| name))
}

/// What one case took, by round: the median over its requests.
struct Timed {
    runner: Runner,
    ns_per_span: Vec<f64>,
}

fn time_spans() -> Result<(), Box<dyn Error>> {
    let mut ring = Ring::new(SHAPE)?;
    let mut cases = Vec::new();
    for case in Case::ALL {
        cases.push((case, Timed { runner: Runner::new(case)?, ns_per_span: Vec::new() }));
    }
    let mut flush_ns = Vec::new();
    for round in 0..=ROUNDS {
        ring.renew();
        for (case, timed_case) in &mut cases {
            let mut ns = Vec::with_capacity(ring.messages().len());
            for message in ring.messages() {
                let (taken, took) = timed(|| timed_case.runner.take(message, ring.now()));
                if !taken {
                    return Err(format!("{} refused a request", case.name()).into());
                }
                ns.push(took / SHAPE.batch as f64);
            }
            // The first round meets every name for the first time.
            if round > 0 {
                timed_case.ns_per_span.push(median(ns));
            }
            let due = round % (REQUESTS_PER_FLUSH / SHAPE.services) == 0;
            if *case == Case::Observe && due {
                flush_ns.push(timed(|| black_box(timed_case.runner.flush())).1);
            }
        }
    }
    print_spans(&cases, median(flush_ns));
    Ok(())
}

fn print_spans(cases: &[(Case, Timed)], flush_ns: f64) {
    println!(
        "spans: {} a request, {} services x {} routes, medians of {ROUNDS} rounds",
        SHAPE.batch, SHAPE.services, SHAPE.routes
    );
    println!("{:<26} {:>8} {:>18} {:>12}", "", "ns/span", "x bare walk", "spans/s/core");
    let bare = cases.first().map_or(&[][..], |(_, bare)| &bare.ns_per_span);
    for (case, timed) in cases {
        let ratios = timed.ns_per_span.iter().zip(bare).map(|(ns, bare)| ns / bare).collect();
        let ns = median(timed.ns_per_span.clone());
        println!("{:<26} {ns:>8.1} {:>18.2} {:>12.0}", case.name(), median(ratios), 1e9 / ns);
    }
    println!(
        "hand-over after {REQUESTS_PER_FLUSH} requests: {:.2} ms, {:.1} ns a span\n",
        flush_ns / 1e6,
        flush_ns / (REQUESTS_PER_FLUSH * SHAPE.batch) as f64
    );
}

fn time_judging() -> Result<(), Box<dyn Error>> {
    let mut fleet = Fleet::new(SERIES, PANES).ok_or("the objective is out of range")?;
    let (mut close, mut add, mut judge, mut firing) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..TICKS {
        close.push(timed(|| fleet.close()).1);
        add.push(timed(|| fleet.add()).1);
        let (alerting, took) = timed(|| fleet.judge());
        judge.push(took);
        firing = alerting;
    }
    println!("series: {SERIES}, 30 days, {PANES} panes behind them, {firing} fire");
    for (name, ns) in [("close a pane", close), ("add to it", add), ("judge", judge)] {
        let ns = median(ns);
        println!("{name:<26} {:>8.1} ns a series, {:.1} ms in all", ns / SERIES as f64, ns / 1e6);
    }
    println!("{:<26} {:>8} bytes a series\n", "memory", fleet.memory_bytes() / SERIES);
    Ok(())
}

fn count_instructions() -> Result<(), Box<dyn Error>> {
    let Some(callgrind) = Callgrind::find() else {
        println!("instructions: not counted, valgrind is not installed");
        return Ok(());
    };
    let count = Path::new(env!("CARGO_BIN_EXE_count"));
    println!("instructions ({}), a fixed request of {} spans", callgrind.version(), SHAPE.batch);
    let mut bare = None;
    for case in Case::ALL {
        let total = callgrind.per_iteration(count, case.name(), ITERATIONS)?;
        let per_span = total / SHAPE.batch as f64;
        let bare = *bare.get_or_insert(per_span);
        println!("{:<26} {per_span:>8.1} a span {:>11.2} x", case.name(), per_span / bare);
    }
    let judge = callgrind.per_iteration(count, "judge", ITERATIONS)? / COUNTED_SERIES;
    println!("{:<26} {judge:>8.1} a series", "close, add, judge");
    Ok(())
}
