//! `cargo bench -p benches [-- WORD...]`: the cost of a span, a point, a record and a judgement, in
//! time and instructions. Words choose groups; `--json` prints a line of JSON for each case.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

mod counted;
mod estates;
mod inflated;
mod judged;
mod stormed;
mod table;

use std::error::Error;
use std::process::ExitCode;

use benches::case::Case;
use benches::group::Group;
use benches::ring::Ring;
use benches::timing::{median, timed};
use table::{Output, Row};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 25;
/// The groups that are no [`Group`].
const JUDGE: &str = "judge";
const STORM: &str = "storm";
const ESTATE: &str = "estate";
const INFLATE: &str = "inflate";
const INSTRUCTIONS: &str = "instructions";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` starts this too, unoptimised and without the flag.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("nothing to test: run `cargo bench -p benches`");
        return Ok(ExitCode::SUCCESS);
    }
    let output = if arguments.iter().any(|argument| argument == "--json") {
        Output::Json
    } else {
        Output::Table
    };
    let words: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    let names = || {
        Group::ALL.map(Group::name).into_iter().chain([JUDGE, STORM, ESTATE, INFLATE, INSTRUCTIONS])
    };
    if let Some(unknown) = words.iter().find(|word| names().all(|name| name != **word)) {
        let names: Vec<&str> = names().collect();
        println!("no group {unknown:?}; there are: {}", names.join(", "));
        return Ok(ExitCode::FAILURE);
    }
    let wanted = |name: &str| words.is_empty() || words.contains(&name);
    output.begin();
    for group in Group::ALL.into_iter().filter(|group| wanted(group.name())) {
        output.group(group, ROUNDS, &time(group)?);
    }
    if wanted(JUDGE) {
        judged::run(output)?;
    }
    if wanted(STORM) {
        stormed::run(output)?;
    }
    if wanted(ESTATE) {
        estates::run(output)?;
    }
    if wanted(INFLATE) {
        inflated::run(output)?;
    }
    if wanted(INSTRUCTIONS) {
        counted::run(output)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What one case took, by round: the median over its requests.
struct Timed {
    case: Case,
    ns: Vec<f64>,
    /// Of each hand-over, in all.
    hand_over_ns: Vec<f64>,
}

fn time(group: Group) -> Result<Vec<Row>, Box<dyn Error>> {
    let shape = group.shape();
    let mut ring = Ring::new(group.content(), shape)?;
    let cases = group.cases()?.into_iter();
    let mut cases: Vec<Timed> =
        cases.map(|case| Timed { case, ns: Vec::new(), hand_over_ns: Vec::new() }).collect();
    let rounds_per_hand_over = (group.requests_per_hand_over() / shape.services).max(1);
    for round in 0..=ROUNDS {
        ring.renew();
        let hands_over = round % rounds_per_hand_over == 0;
        for timed in &mut cases {
            timed.round(&ring, shape.batch, hands_over)?;
        }
        // The first round meets every name for the first time.
        if round == 0 {
            cases.iter_mut().for_each(Timed::forget);
        }
    }
    let items_per_hand_over = rounds_per_hand_over * shape.services * shape.batch;
    let base = cases.first().map(|first| first.ns.clone()).unwrap_or_default();
    let rows = cases.into_iter().map(|timed| timed.row(&base, items_per_hand_over));
    Ok(rows.collect())
}

impl Timed {
    fn round(&mut self, ring: &Ring, batch: usize, hands_over: bool) -> Result<(), Box<dyn Error>> {
        let mut ns = Vec::with_capacity(ring.messages().len());
        for message in ring.messages() {
            let (taken, took) = timed(|| self.case.take(message, ring.now()));
            if !taken {
                return Err(format!("{} refused a request", self.case.name()).into());
            }
            ns.push(took / batch as f64);
        }
        self.ns.push(median(ns));
        if hands_over {
            self.hand_over_ns.push(timed(|| self.case.hand_over()).1);
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.ns.clear();
        self.hand_over_ns.clear();
    }

    /// The ratio includes the hand-over.
    fn row(self, base: &[f64], items_per_hand_over: usize) -> Row {
        let hands_over = self.case.items_counted().is_some();
        let hand_over_ns =
            if hands_over { median(self.hand_over_ns) / items_per_hand_over as f64 } else { 0.0 };
        let ratios = self.ns.iter().zip(base).map(|(ns, base)| (ns + hand_over_ns) / base);
        Row {
            case: self.case.name(),
            ratio: median(ratios.collect()),
            ns: median(self.ns),
            hand_over_ns,
            dropped: self.case.items_dropped(),
        }
    }
}
