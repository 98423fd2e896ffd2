//! Runs one fixed piece of work some times, for callgrind to count: `count GROUP/CASE ITERATIONS`.

use std::error::Error;
use std::hint::black_box;

use benches::fleet::Fleet;
use benches::group::Group;
use benches::instructions::JUDGED_SERIES;
use benches::ring::{FIXED_NOW, requests};
use load::Shape;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The judging case: an hour of panes behind the series.
const PANES: u32 = 720;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, iterations] = arguments.as_slice() else {
        return Err("usage: count GROUP/CASE|judge ITERATIONS".into());
    };
    let iterations: u32 = iterations.parse()?;
    if name == "judge" { judge(iterations) } else { take(name, iterations) }
}

/// The same request again and again: the walk does not know, and an observer is asked after
/// repeats were taken out.
fn take(name: &str, iterations: u32) -> Result<(), Box<dyn Error>> {
    let (group, case) = name.split_once('/').ok_or("a case is named GROUP/CASE")?;
    let group = Group::ALL.into_iter().find(|known| known.name() == group);
    let group = group.ok_or("no such group")?;
    let case = group.cases()?.into_iter().find(|known| known.name() == case);
    let mut case = case.ok_or("no such case")?;
    // One request needs no fifty services, and a short set-up leaves less to subtract.
    let shape = Shape { services: group.shape().services.min(2), ..group.shape() };
    let request = requests(group.content(), shape)?.message(0, FIXED_NOW.unix_ns());
    for _ in 0..=iterations {
        if !case.take(&request, FIXED_NOW) {
            return Err("the request was refused".into());
        }
    }
    Ok(())
}

fn judge(iterations: u32) -> Result<(), Box<dyn Error>> {
    let mut fleet = Fleet::new(JUDGED_SERIES, PANES).ok_or("the objective is out of range")?;
    for _ in 0..=iterations {
        fleet.close();
        fleet.add();
        black_box(fleet.judge());
    }
    Ok(())
}
