//! Runs one fixed piece of work some times, for callgrind to count: `count CASE ITERATIONS`.

use std::error::Error;
use std::hint::black_box;

use benches::fleet::Fleet;
use benches::spans::{Case, FIXED_NOW, Runner, SHAPE};
use load::{Requests, Shape};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The judging case: a hundred series, an hour of panes behind them.
const SERIES: usize = 100;
const PANES: u32 = 720;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, iterations] = arguments.as_slice() else {
        return Err("usage: count CASE ITERATIONS".into());
    };
    let iterations: u32 = iterations.parse()?;
    if name == "judge" { judge(iterations) } else { take(name, iterations) }
}

/// The same request again and again: the walk does not know, and an observer is asked after
/// repeats were taken out.
fn take(name: &str, iterations: u32) -> Result<(), Box<dyn Error>> {
    let case = Case::named(name).ok_or("no such case")?;
    // One request needs no fifty services, and a short set-up leaves less to subtract.
    let request = Requests::new(Shape { services: 2, ..SHAPE }, 1)?.message(0, FIXED_NOW.unix_ns());
    let mut runner = Runner::new(case)?;
    for _ in 0..=iterations {
        if !runner.take(&request, FIXED_NOW) {
            return Err("the request was refused".into());
        }
    }
    Ok(())
}

fn judge(iterations: u32) -> Result<(), Box<dyn Error>> {
    let mut fleet = Fleet::new(SERIES, PANES).ok_or("the objective is out of range")?;
    for _ in 0..=iterations {
        fleet.close();
        fleet.add();
        black_box(fleet.judge());
    }
    Ok(())
}
