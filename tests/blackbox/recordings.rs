//! Recorded telemetry through `fogbell replay`, and the demo.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use contract::v1;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::fogbell;
use crate::harness::otlp::{Outcome, Shop, now_ns};
use crate::harness::prepare;

const SECOND: u64 = 1_000_000_000;

fn replay(options: &[&str], file: &Path) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = fogbell::command();
    command.current_dir(folder.path()).arg("replay").args(options).arg(file);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    output
}

/// Incidents, one for each revision, and the last object, which sums up.
fn parsed(output: &Output) -> (Vec<v1::Incident>, Value) {
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    let mut lines: Vec<&str> = text.lines().collect();
    let last = lines.pop().expect("a last object sums up");
    let incident = |line: &&str| serde_json::from_str(line).expect("an incident as protobuf JSON");
    (lines.iter().map(incident).collect(), serde_json::from_str(last).expect("JSON"))
}

/// What a replay printed, without how long it took on the wall's clock.
fn effects(output: &Output) -> (String, Value) {
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    let (incidents, summary) = text.trim_end().rsplit_once('\n').expect("incidents and a summary");
    let mut summary: Value = serde_json::from_str(summary).expect("JSON");
    for of_the_wall_clock in ["speed", "wallSeconds"] {
        let removed =
            summary["summary"].as_object_mut().expect("a summary").remove(of_the_wall_clock);
        assert!(removed.is_some(), "{of_the_wall_clock}");
    }
    (incidents.to_owned(), summary)
}

/// Half a minute of health, then half a minute of fault, as the Collector's file exporter writes.
fn recording() -> (TempDir, PathBuf) {
    let begin_ns = now_ns() - 600 * SECOND;
    let shop = Shop::new();
    let mut text = String::new();
    for second in 0..70 {
        let outcome = if second < 40 { Outcome::Fine } else { Outcome::Broken };
        let request = shop.requests_at(20, outcome, begin_ns + second * SECOND);
        let _ = writeln!(text, "{}", serde_json::to_string(&request).unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording.jsonl");
    fs::write(&file, text).unwrap();
    (folder, file)
}

#[test]
fn the_same_recording_gives_the_same_bytes() {
    let (folder, file) = recording();
    let first = replay(&["--json"], &file);
    let (incidents, summary) = parsed(&first);
    assert_eq!(incidents.first().expect("it pages").revision, 1, "{summary}");
    assert_eq!(incidents[0].urgency(), v1::Urgency::Page);
    assert_eq!(incidents[0].causes[0].service, "payments");
    assert!(summary.is_object(), "{summary}");
    let second = replay(&["--json"], &file);
    assert_eq!(effects(&first), effects(&second));

    // The compressed recording is the same recording.
    let packed = folder.path().join("recording.jsonl.zst");
    fs::write(&packed, zstd::encode_all(&fs::read(&file).unwrap()[..], 3).unwrap()).unwrap();
    assert_eq!(parsed(&replay(&["--json"], &packed)).0, incidents);
    let told = replay(&[], &file);
    let told = String::from_utf8_lossy(&told.stdout);
    assert!(told.contains("payments"), "{told}");
}

/// Labelled recordings are no part of the project; where they are, one of each system is tried.
#[test]
fn recorded_faults_of_others_run_through() {
    let Some(cases) = prepare::data("nezha") else { return };
    let entries = fs::read_dir(&cases).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for system in ["online-boutique", "train-ticket"] {
        let of_system = |path: &&PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with(system) && name.ends_with(".jsonl.zst")
        };
        let file = files.iter().find(of_system).unwrap_or_else(|| panic!("no case of {system}"));
        let (_, summary) = parsed(&replay(&["--json"], file));
        eprintln!("{system}: {summary}");
        assert!(summary.is_object(), "{summary}");
    }
}

/// A fault of the demo: the exit code says whether the first cause named what was broken.
#[track_caller]
fn demo(fault: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = fogbell::command();
    command.current_dir(folder.path()).args(["demo", "--once", "--fault", fault]);
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}\n{said}", output.status);
    assert!(told.len() > 200, "the page is on the terminal: {told}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the demo leaves nothing behind");
}

#[test]
fn the_demo_of_a_bad_rollout_names_it() {
    demo("bad-rollout");
}

#[test]
fn the_demo_of_a_throttling_partner_names_it() {
    demo("partner-429");
}
