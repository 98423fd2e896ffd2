use otlp::Signal;
use serde_json::{Value, json};
use shop::Fault;

use super::*;
use crate::replay::tests::{START_S, lines, recorded, written};

const FAULT_AFTER_S: u64 = 20;

fn label(case: &str, service: &str) -> Value {
    json!({
        "case": case,
        "system": "shop",
        "root_cause_service": service,
        "fault": "bad-rollout",
        "inject_time_unix_s": START_S + FAULT_AFTER_S,
    })
}

/// The figures of the labels, of each as it is printed, and whether all were scored.
fn scored(
    labels: &Value,
    folder: &Path,
    only: Option<Signal>,
) -> anyhow::Result<(Vec<Value>, bool)> {
    let file = written(folder, "labels.json", labels.to_string().as_bytes());
    let loaded = config::from_path(None, &mut std::iter::empty());
    let (observer, engine) = crate::replay::options(&loaded)?;
    let scoring = Scoring { observer, engine, by_fault: true, heard: Heard { only, ..Heard::ALL } };
    let scored = score_all(&file, &scoring)?;
    let printed = scored.tallies.iter().map(|(key, tally)| table::json(key, tally, true));
    Ok((printed.map(|line| serde_json::from_str(&line).unwrap()).collect(), !scored.lacks))
}

fn row<'a>(rows: &'a [Value], mode: &str, method: &str, fault: &str) -> &'a Value {
    let is_it =
        |row: &&Value| row["mode"] == mode && row["method"] == method && row["fault"] == fault;
    rows.iter().find(is_it).unwrap_or_else(|| panic!("no {mode} {method} {fault} in {rows:?}"))
}

#[test]
fn labelled_faults_are_scored_by_every_method_and_what_is_broken_costs_itself() {
    let folder = tempfile::tempdir().unwrap();
    let exports = recorded(Some(Fault::BadRollout), 75);
    let _ = written(folder.path(), "a.jsonl", lines(&exports).as_bytes());
    let truth = Fault::BadRollout.expected().service;
    let right = label("a", truth);
    let (rows, is_whole) = scored(&json!([right]), folder.path(), None).unwrap();
    assert!(is_whole);
    assert_eq!(rows.len(), 2 * (2 + BASELINES.len()), "{rows:?}");
    let explained = row(&rows, EXPLAIN, FOGBELL, "all");
    assert_eq!((&explained["cases"], &explained["ac1"]), (&1.into(), &1.0.into()), "{explained}");
    assert_eq!(explained["instance_ac1"], Value::Null, "no pod is labelled: {explained}");
    let told = row(&rows, INCIDENT.mode, FOGBELL, "bad-rollout");
    assert_eq!((&told["ac1"], &told["false_pages"]), (&1.0.into(), &0.into()), "{told}");
    assert!(told["page_s_p50"].as_f64().unwrap() < 30.0, "{told}");
    assert_eq!(row(&rows, EXPLAIN, "alert-count", "all")["cases"], 1);

    let mixed = json!([{ "case": "a" }, label("b", truth), right, label("a", "nobody")]);
    let (rows, is_whole) = scored(&mixed, folder.path(), None).unwrap();
    assert!(!is_whole);
    let explained = row(&rows, EXPLAIN, FOGBELL, "all");
    assert_eq!((&explained["cases"], &explained["ac1"]), (&2.into(), &0.5.into()), "{explained}");
}

#[test]
fn what_was_answered_in_a_case_is_told_with_its_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let exports = recorded(Some(Fault::BadRollout), 75);
    for file in ["a.jsonl", "b.jsonl"] {
        let _ = written(folder.path(), file, lines(&exports).as_bytes());
    }
    let truth = Fault::BadRollout.expected().service;
    let file = written(
        folder.path(),
        "labels.json",
        json!([label("a", truth), label("b", "nobody")]).to_string().as_bytes(),
    );
    let loaded = config::from_path(None, &mut std::iter::empty());
    let (observer, engine) = crate::replay::options(&loaded).unwrap();
    let scoring = Scoring { observer, engine, by_fault: false, heard: Heard::ALL };
    let answers = score_all(&file, &scoring).unwrap().answers;
    let by_fogbell: Vec<&Answer> = answers
        .iter()
        .filter(|answer| (answer.row.mode, answer.row.method) == (EXPLAIN, FOGBELL))
        .collect();
    let [right, wrong] = by_fogbell.as_slice() else { panic!("{}", by_fogbell.len()) };
    let object: Value = serde_json::from_str(&answers::json(right)).unwrap();
    assert_eq!((&object["rank"], &object["suspects"][0]["service"]), (&1.into(), &truth.into()));
    assert_eq!(object["causes"][0]["kind"], "CODE", "{object}");
    assert!(!object["causes"][0]["evidence"].as_array().unwrap().is_empty(), "{object}");
    let line = answers::line(wrong);
    assert!(line.contains(" - ") && line.contains(&format!("nobody: {truth}")), "{line}");
}

#[test]
fn the_keys_are_those_that_scores_are_compared_by() {
    let key = ("shop".to_owned(), Kinds::All, INCIDENT);
    let object: Value = serde_json::from_str(&table::json(&key, &Tally::default(), false)).unwrap();
    let keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    let mut wanted = [
        "system",
        "cases",
        "ac1",
        "ac3",
        "ac5",
        "instance_ac1",
        "avg5",
        "opened",
        "incidents_per_fault",
        "pairwise_f1",
        "purity",
        "page_s_p50",
        "false_pages",
        "case_s",
        "mode",
        "method",
    ];
    wanted.sort_unstable();
    assert_eq!(keys, wanted);
}

#[test]
fn labels_that_are_none_are_refused_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let refusal =
        |labels: &Value| format!("{:#}", scored(labels, folder.path(), None).unwrap_err());
    assert!(refusal(&json!({})).contains("labels.json: a JSON array of labels is wanted"));
    assert!(refusal(&json!([])).contains("there is no case in it"));
    let entry = refusal(&json!([{ "case": "a", "system": "shop" }]));
    assert!(entry.contains("entry 1: missing field `root_cause_service`"), "{entry}");
    let mut of_no_kind = label("a", "cart");
    of_no_kind["root_cause_kind"] = "FIRE".into();
    let entry = refusal(&json!([of_no_kind]));
    assert!(entry.contains("entry 1: root_cause_kind is none of CODE, CPU, "), "{entry}");
}
