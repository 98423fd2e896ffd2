//! Counts instructions and holds them against their budget.
//!
//! `count --check FILE` and `count --write FILE` run `count CASE` under callgrind for every case.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool prints")]

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use benches::budget::{Budget, JUDGE, count_all, misses};
use benches::case::Case;
use benches::fleet::Fleet;
use benches::group::Group;
use benches::instructions::{Callgrind, ITERATIONS, JUDGED_SERIES};
use benches::ring::{FIXED_NOW, requests};
use load::Shape;
use model::Timestamp;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The judging case: an hour of panes behind the series.
const PANES: u32 = 720;
/// What a thousand items take at a million a second.
const REQUEST_EVERY: Duration = Duration::from_millis(1);

const USAGE: &str = "usage: count CASE | --check FILE | --write FILE";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--check", file] => check(Path::new(file)),
        ["--write", file] => write(Path::new(file)),
        [JUDGE] => judge(),
        [name] => take(name),
        _ => Err(USAGE.into()),
    }
}

fn count_here() -> Result<Budget, Box<dyn Error>> {
    let missing = "valgrind is not installed: `./dev setup test` installs it";
    let callgrind = Callgrind::find().ok_or(missing)?;
    println!("{}, {ITERATIONS} fixed requests once all names are known", callgrind.version());
    count_all(&callgrind, &std::env::current_exe()?)
}

fn check(file: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let budget: Budget = serde_json::from_str(&text)?;
    let counted = count_here()?;
    for (case, count) in &counted {
        let budget = budget.get(case).map_or_else(|| "none".to_owned(), f64::to_string);
        println!("{case:<34} {count:>9.1} budget {budget}");
    }
    let misses = misses(&budget, &counted);
    misses.iter().for_each(|miss| eprintln!("{}", miss.advice()));
    Ok(if misses.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write(file: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let counted = count_here()?;
    fs::write(file, format!("{}\n", serde_json::to_string_pretty(&counted)?))?;
    println!("{} cases in {}", counted.len(), file.display());
    Ok(ExitCode::SUCCESS)
}

/// Requests of two services after others of them have made every name known.
fn take(name: &str) -> Result<ExitCode, Box<dyn Error>> {
    let (group, case) = name.split_once('/').ok_or(USAGE)?;
    let group = Group::ALL.into_iter().find(|known| known.name() == group);
    let group = group.ok_or("no such group")?;
    let case = group.cases()?.into_iter().find(|known| known.name() == case);
    let mut case = case.ok_or("no such case")?;
    let shape = Shape { services: group.shape().services.min(2), ..group.shape() };
    let requests = requests(group.content(), shape)?;
    let request = |number: u32| {
        let at = FIXED_NOW.after(REQUEST_EVERY * number);
        (requests.message(u64::from(number), at.unix_ns()), at)
    };
    let (before, counted): (Vec<_>, Vec<_>) = (
        (0..ITERATIONS).map(request).collect(),
        (ITERATIONS..2 * ITERATIONS).map(request).collect(),
    );
    if !before.iter().all(|(request, now)| case.take(request, *now)) {
        return Err("a request was refused".into());
    }
    case.hand_over();
    if !counted_by_callgrind(|| take_all(&mut case, &counted)) {
        return Err("a counted request was refused".into());
    }
    Ok(ExitCode::SUCCESS)
}

fn take_all(case: &mut Case, requests: &[(Vec<u8>, Timestamp)]) -> bool {
    requests.iter().all(|(request, now)| case.take(request, *now))
}

fn judge() -> Result<ExitCode, Box<dyn Error>> {
    let mut fleet = Fleet::new(JUDGED_SERIES, PANES).ok_or("the objective is out of range")?;
    counted_by_callgrind(|| {
        for _ in 0..ITERATIONS {
            fleet.close();
            fleet.add();
            black_box(fleet.judge());
        }
    });
    Ok(ExitCode::SUCCESS)
}

/// Callgrind counts while this runs, and finds it by its name.
#[inline(never)]
fn counted_by_callgrind<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}
