//! `fogbell replay --score`: labelled faults through the engine, and how well it names them.

mod answers;
mod case;
mod heard;
mod labels;
mod scenarios;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use ::replay::score::{Baseline, Shown, Suspect, Tally, suspects};
use engine::EngineOptions;
use model::Cause;
use observe::ObserverOptions;

use self::case::Run;
use self::heard::Heard;
use self::labels::Label;
use crate::cli::ReplayArgs;
use crate::exit::{Outcome, USAGE, note, say};
use crate::settings;

/// What is scored: how the time of the fault came to be known, and who names the suspects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    mode: &'static str,
    method: &'static str,
}

/// Tallies by system, kinds of faults and row.
type Tallies = BTreeMap<(String, Kinds, Row), Tally>;

/// What a row answers in one case.
struct Answer {
    label: Label,
    row: Row,
    suspects: Vec<Suspect>,
    /// What the suspects follow from, where the method says it.
    causes: Vec<Cause>,
}

/// What was scored.
#[derive(Default)]
struct Scored {
    tallies: Tallies,
    answers: Vec<Answer>,
    /// Something could not be read, and was left out.
    lacks: bool,
}

/// Which kinds of faults a tally is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kinds {
    All,
    One(String),
    AllBut(String),
}

/// How cases are scored.
struct Scoring {
    observer: ObserverOptions,
    engine: EngineOptions,
    by_fault: bool,
    heard: Heard,
}

const EXPLAIN: &str = "explain";
const FOGBELL: &str = "fogbell";
const INCIDENT: Row = Row { mode: "incident", method: FOGBELL };
const BASELINES: [(Baseline, &str); 2] =
    [(Baseline::AlertCount, "alert-count"), (Baseline::RobustScorer, "robust-scorer")];

/// Scores every case of the labels, or the scenarios of a folder, and prints the figures.
///
/// A case whose label or recording cannot be read is told and left out, and the exit code says so.
pub(super) fn run(args: &ReplayArgs, file: &Path) -> Outcome {
    let Ok(loaded) = settings::load(&args.config) else { return Ok(ExitCode::from(USAGE)) };
    let (observer, engine) = super::options(&loaded)?;
    let heard = Heard { only: args.only, traces: args.keep_traces, seed: args.keep_seed };
    let scoring = Scoring { observer, engine, by_fault: args.by_fault, heard };
    let Scored { tallies, answers, lacks } = score_all(file, &scoring)?;
    let answers = answers.iter().filter(|_| args.cases);
    if args.json {
        answers.for_each(|answer| say(&answers::json(answer)));
        tallies.iter().for_each(|(key, tally)| say(&table::json(key, tally, args.by_fault)));
    } else {
        answers.for_each(|answer| say(&answers::line(answer)));
        table::lines(&tallies).iter().for_each(|line| say(line));
    }
    Ok(if lacks { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn score_all(file: &Path, scoring: &Scoring) -> anyhow::Result<Scored> {
    let mut scored = Scored::default();
    if file.is_dir() {
        scenarios::score(file, &scoring.observer, &scoring.engine, &mut scored.tallies)?;
        return Ok(scored);
    }
    let labels = labels::read(file)?;
    scored.lacks = !labels.broken.is_empty();
    for why in &labels.broken {
        note(&format!("fogbell: {why}; the entry is left out"));
    }
    let mut kinds: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for label in labels.whole.iter().filter(|_| scoring.by_fault) {
        let _ = kinds.entry(&label.system).or_default().insert(&label.fault);
    }
    for label in &labels.whole {
        let at_once = label.at_once(&labels.whole);
        let of_system = kinds.get(&*label.system).into_iter().flatten();
        let others = of_system.filter(|kind| **kind != label.fault);
        let mut counts_in = vec![Kinds::All];
        if scoring.by_fault {
            counts_in.push(Kinds::One(label.fault.clone()));
            counts_in.extend(others.map(|kind| Kinds::AllBut((*kind).to_owned())));
        }
        if let Err(error) = score(label, &at_once, scoring, &counts_in, &mut scored) {
            scored.lacks = true;
            note(&format!("fogbell: {}: {error:#}; the case is left out", label.case));
        }
    }
    Ok(scored)
}

/// Scores a fault. Of several at once, the services of the others are no wrong suspects, the incident
/// that ranks the fault highest is the fault's, and whose alert is whose is not told.
fn score(
    label: &Label,
    others: &[&str],
    scoring: &Scoring,
    counts_in: &[Kinds],
    scored: &mut Scored,
) -> anyhow::Result<()> {
    let mut add = |row: Row, causes: Vec<Cause>, mut shown: Shown| {
        shown.suspects.retain(|suspect| !others.contains(&&*suspect.service));
        shown.told = shown.told.filter(|_| others.is_empty());
        for kinds in counts_in {
            let key = (label.system.clone(), kinds.clone(), row);
            scored.tallies.entry(key).or_default().add(&label.truth, &shown);
        }
        scored.answers.push(Answer { label: label.clone(), row, suspects: shown.suspects, causes });
    };
    let began = Instant::now();
    let run = Run::of(label, scoring)?;
    let explained = suspects(&run.explained.causes);
    let (told, mut by_incident) = run.told(label.truth.injected_at);
    if !others.is_empty() {
        by_incident = run.causes_naming(&label.truth.services, label.truth.injected_at);
    }
    let took = began.elapsed();
    let fogbell = Row { mode: EXPLAIN, method: FOGBELL };
    let shown = Shown { suspects: explained, told: Some(told.clone()), took };
    add(fogbell, run.explained.causes, shown);
    let shown = Shown { suspects: suspects(&by_incident), told: Some(told), took };
    add(INCIDENT, by_incident, shown);
    let began = Instant::now();
    let telemetry = case::telemetry(label, &scoring.heard)?;
    let read = began.elapsed();
    for (baseline, method) in BASELINES {
        let began = Instant::now();
        let suspects = telemetry.rank(baseline);
        let shown = Shown { suspects, told: None, took: read + began.elapsed() };
        add(Row { mode: EXPLAIN, method }, Vec::new(), shown);
    }
    Ok(())
}

/// How well `explain` does on all cases of labels, with the default configuration.
#[cfg(test)]
pub(crate) fn scored(labels: &Path) -> anyhow::Result<::replay::score::Figures> {
    let loaded = config::from_path(None, &mut std::iter::empty());
    let (observer, engine) = super::options(&loaded)?;
    let scoring = Scoring { observer, engine, by_fault: false, heard: Heard::ALL };
    let scored = score_all(labels, &scoring)?;
    let row = Row { mode: EXPLAIN, method: FOGBELL };
    let of_row = scored.tallies.iter().find(|((.., is), _)| *is == row);
    Ok(of_row.map(|(_, tally)| tally.figures()).unwrap_or_default())
}

#[cfg(test)]
mod tests;
