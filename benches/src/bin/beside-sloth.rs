//! Prints fogbell beside Sloth's rules, as a table.
//!
//! `beside-sloth RULES FOLDER [SCENARIO...]`: the file that Sloth generated, and where a Prometheus
//! may keep its blocks meanwhile.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool prints")]

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use benches::beside::scenario::Scenario;
use benches::beside::theirs::{self, Rules};
use benches::beside::{Outcome, ours};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rules, folder, wanted @ ..] = arguments.as_slice() else {
        eprintln!("usage: beside-sloth RULES FOLDER [SCENARIO...]");
        return Ok(ExitCode::from(64));
    };
    let rules = Rules::read(Path::new(rules))?;
    println!(
        "| what happens | time to page, Sloth | fogbell | over after, Sloth | fogbell | false pages, Sloth | fogbell | bad events of 30 days | Sloth says | fogbell says |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for scenario in Scenario::all() {
        if !wanted.is_empty() && wanted.iter().all(|name| name != scenario.name) {
            continue;
        }
        let folder = Path::new(folder).join(scenario.name);
        let (sloth, fogbell) =
            (theirs::outcome(&scenario, &rules, &folder)?, ours::outcome(&scenario)?);
        let _ = std::fs::remove_dir_all(&folder);
        println!("{}", row(&scenario, sloth, fogbell));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(scenario: &Scenario, sloth: Outcome, fogbell: Outcome) -> String {
    let seconds = |span: Option<u64>| span.map_or("-".to_owned(), |s| format!("{s} s"));
    let percent = |ratio: Option<f64>| {
        ratio.map_or("nothing".to_owned(), |ratio| format!("{:.5} %", ratio * 100.0))
    };
    [
        scenario.text.to_owned(),
        seconds(sloth.page_s),
        seconds(fogbell.page_s),
        seconds(sloth.over_s),
        seconds(fogbell.over_s),
        sloth.false_pages.to_string(),
        fogbell.false_pages.to_string(),
        percent(Some(scenario.error_ratio())),
        percent(sloth.error_ratio),
        percent(fogbell.error_ratio),
    ]
    .iter()
    .fold("|".to_owned(), |row, cell| format!("{row} {cell} |"))
}
