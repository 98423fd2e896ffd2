//! The figures as a table, and as JSON.

use std::fmt;

use ::replay::score::{SCORE_BINS, Tally};
use serde_json::{Value, json};

use super::{Kinds, Row, Tallies};

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::One(kind) => f.write_str(kind),
            Self::AllBut(kind) => write!(f, "all but {kind}"),
        }
    }
}

/// One object a line.
pub(super) fn json(
    (system, kinds, row): &(String, Kinds, Row),
    tally: &Tally,
    by_fault: bool,
) -> String {
    let figures = tally.figures();
    let mut object = json!({
        "system": system,
        "mode": row.mode,
        "method": row.method,
        "cases": figures.cases,
        "ac1": figures.ac1,
        "ac3": figures.ac3,
        "ac5": figures.ac5,
        "instance_ac1": figures.instance_ac1,
        "avg5": figures.avg5,
        "opened": figures.opened,
        "incidents_per_fault": figures.incidents_per_fault,
        "pairwise_f1": figures.pairwise_f1,
        "purity": figures.purity,
        "page_s_p50": figures.page_s_p50,
        "false_pages": figures.false_pages,
        "case_s": figures.case_s,
    });
    let more = [
        ("fault", by_fault.then(|| kinds.to_string().into())),
        ("kind_ac1", figures.kind_ac1.map(Value::from)),
        ("tag_ac1", figures.tag_ac1.map(Value::from)),
    ];
    if let Some(fields) = object.as_object_mut() {
        let more = more.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        fields.extend(more);
    }
    object.to_string()
}

/// A table for people; causes are said as n of N.
pub(super) fn lines(tallies: &Tallies) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<26}{:<24}{:<10}{:<15}{:>9}{:>9}{:>9}{:>9}{:>7}{:>7}{:>7}{:>8}{:>8}{:>6}{:>8}{:>7}{:>7}{:>8}",
        "system",
        "fault",
        "mode",
        "method",
        "AC@1",
        "AC@3",
        "AC@5",
        "inst@1",
        "kind@1",
        "tag@1",
        "Avg@5",
        "opened",
        "inc/flt",
        "F1",
        "purity",
        "page s",
        "false",
        "case s",
    )];
    for ((system, kinds, row), tally) in tallies {
        let figures = tally.figures();
        let of = |count: u64| format!("{count}/{}", figures.cases);
        let share = |figure: Option<f64>| figure.map_or("-".to_owned(), |f| format!("{f:.2}"));
        let of_known = |(named, known): (u64, u64)| match known {
            0 => "-".to_owned(),
            _ => format!("{named}/{known}"),
        };
        lines.push(format!(
            "{:<26}{:<24}{:<10}{:<15}{:>9}{:>9}{:>9}{:>9}{:>7}{:>7}{:>7.2}{:>8}{:>8}{:>6}{:>8}{:>7}{:>7}{:>8.3}",
            system,
            kinds.to_string(),
            row.mode,
            row.method,
            of(tally.named_within(1)),
            of(tally.named_within(3)),
            of(tally.named_within(5)),
            of_known(tally.instances()),
            of_known(tally.kinds()),
            of_known(tally.tags()),
            figures.avg5,
            share(figures.opened),
            share(figures.incidents_per_fault),
            share(figures.pairwise_f1),
            share(figures.purity),
            figures.page_s_p50.map_or("-".to_owned(), |s| format!("{s:.1}")),
            figures.false_pages.map_or("-".to_owned(), |pages| pages.to_string()),
            figures.case_s,
        ));
    }
    lines.extend(tallies.iter().filter_map(|(key, tally)| by_score(key, tally)));
    lines
}

/// How often a first suspect of each score is right, where the method gives scores.
fn by_score((system, kinds, row): &(String, Kinds, Row), tally: &Tally) -> Option<String> {
    let bins = tally.by_score();
    let bin = |(at, (named, right)): (usize, &(u64, u64))| {
        let from = |at: usize| at as f64 / SCORE_BINS as f64;
        (*named > 0).then(|| format!("{:.1}-{:.1} {right}/{named}", from(at), from(at + 1)))
    };
    let told: Vec<String> = bins.iter().enumerate().filter_map(bin).collect();
    let kinds = kinds.to_string();
    let head = format!("{system:<26}{kinds:<24}{:<10}{:<15}", row.mode, row.method);
    (!told.is_empty()).then(|| format!("{head}right by score: {}", told.join(", ")))
}
