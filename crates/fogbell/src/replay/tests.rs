use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use otlp::Signal;
use prost::Message;
use serde_json::Value;
use shop::{Export, Fault, Shop, ShopOptions};

use super::recording::Item;
use super::*;

pub(super) const START_S: u64 = 1_795_400_000;

/// What the shop exports in `seconds` with a fault after 20.
pub(super) fn recorded(fault: Option<Fault>, seconds: u64) -> Vec<Export> {
    let start = Timestamp::from_unix_s(START_S);
    let options = ShopOptions {
        fault,
        fault_start_after: Duration::from_secs(20),
        requests_per_s: 40.0,
        ..ShopOptions::default()
    };
    let mut shop = Shop::new(&options, start.unix_ns());
    let until = |second| start.after(Duration::from_secs(second)).unix_ns();
    (1..=seconds).flat_map(|second| shop.advance(until(second))).collect()
}

pub(super) fn lines(exports: &[Export]) -> String {
    exports.iter().map(|export| export.json() + "\n").collect()
}

pub(super) fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn merged(files: Vec<PathBuf>) -> Merge {
    let open = |file| Recording::open(file, Signal::Traces, &Position::default()).unwrap();
    Merge::new(files.into_iter().map(open).collect())
}

fn player(style: Style) -> Player {
    let loaded = config::from_path(None, &mut std::iter::empty());
    let (observer, engine) = options(&loaded).unwrap();
    Player::new(observer, engine, style)
}

/// Everything that a replay of the files prints.
fn played(style: Style, files: Vec<PathBuf>) -> Vec<String> {
    let out = RefCell::new(Vec::new());
    let tally = Tally::new(files.len());
    let say = |line: &str| out.borrow_mut().push(line.to_owned());
    play(player(style), Parts::new(merged(files)), tally, &Console::silent(), say).unwrap();
    out.into_inner()
}

fn summary(lines: &[String]) -> Value {
    let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    last["summary"].clone()
}

/// Times of all requests in the order in which they come, and places of what is broken.
fn read(files: Vec<PathBuf>) -> (Vec<u64>, Vec<String>) {
    let mut merge = merged(files);
    let (mut times, mut broken) = (Vec::new(), Vec::new());
    while let Some(item) = merge.next().unwrap() {
        match item {
            Item::Record(record) => times.push(record.newest.map_or(0, Timestamp::unix_s)),
            Item::Broken(place, why) => broken.push(format!("{place}: {why}")),
        }
    }
    (times, broken)
}

fn spans_until(end_s: u64) -> Export {
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        start_time_unix_nano: (end_s - 1) * 1_000_000_000,
        end_time_unix_nano: end_s * 1_000_000_000,
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    Export::Traces(ExportTraceServiceRequest { resource_spans })
}

#[test]
fn a_recorded_fault_pages_once_and_names_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let exports = recorded(Some(Fault::Partner429), 75);
    let file = written(folder.path(), "shop.jsonl", lines(&exports).as_bytes());
    let json = played(Style::Json, vec![file.clone()]);
    let summary = summary(&json);
    assert_eq!(summary["pages"], 1, "{summary}");
    assert_eq!(summary["requests"], exports.len());
    assert_eq!((&summary["rejected"], &summary["broken"]), (&0.into(), &0.into()));
    let revisions: Vec<Value> =
        json[..json.len() - 1].iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = revisions.iter().rfind(|incident| incident["urgency"] == "PAGE").unwrap();
    let truth = Fault::Partner429.expected();
    let cause = last["causes"][0]["service"].as_str().unwrap();
    assert!(cause.contains(truth.service), "{cause} for {}", truth.service);
    let text = played(Style::Human(Paint::off()), vec![file]).join("\n");
    assert_eq!(text.matches("a page would have left").count(), 1, "{text}");
    assert!(text.contains("would have left: opened\n"), "{text}");
    assert!(text.contains("pages 1"), "{text}");
}

#[test]
fn the_form_of_a_recording_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let exports: Vec<_> = recorded(Some(Fault::Partner429), 45)
        .into_iter()
        .filter(|e| e.spans().count() > 0)
        .collect();
    let text = lines(&exports);
    let delimited: Vec<u8> = exports
        .iter()
        .flat_map(|export| match export {
            Export::Traces(request) => request.encode_length_delimited_to_vec(),
            other => panic!("{other:?}"),
        })
        .collect();
    let word = |body: &[u8]| [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat();
    let words: Vec<u8> = exports.iter().flat_map(|export| word(&export.encode())).collect();
    let packed = |export: &Export| zstd::encode_all(export.json().as_bytes(), 1).unwrap();
    let packed_words: Vec<u8> = exports.iter().flat_map(|export| word(&packed(export))).collect();
    let mut expected = None;
    for (name, bytes) in [
        ("lines", text.clone().into_bytes()),
        ("lines, zstd", zstd::encode_all(text.as_bytes(), 1).unwrap()),
        ("varints", delimited.clone()),
        ("varints, zstd", zstd::encode_all(delimited.as_slice(), 1).unwrap()),
        ("words", words),
        ("words, each zstd", packed_words),
    ] {
        let mut printed = played(Style::Json, vec![written(folder.path(), "recording", &bytes)]);
        let summary = summary(&printed);
        let _ = printed.pop();
        assert_eq!(summary["requests"], exports.len(), "{name}");
        assert_eq!(expected.get_or_insert_with(|| printed.clone()), &printed, "{name}");
    }
    assert!(expected.is_some_and(|printed| !printed.is_empty()));
}

#[test]
fn broken_lines_are_named_and_the_rest_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let good = |end_s| spans_until(end_s).json();
    let text = [
        good(START_S),
        "not json".to_owned(),
        String::new(),
        "{\"resourceSpans\":[{]}".to_owned(),
        "{\"resourceProfiles\":[]}".to_owned(),
        good(START_S + 1),
    ]
    .join("\n");
    let file = written(folder.path(), "r.jsonl", text.as_bytes());
    let (times, broken) = read(vec![file.clone()]);
    assert_eq!(times, [START_S, START_S + 1]);
    for (line, problem) in [2, 4, 5].into_iter().zip(&broken) {
        assert!(problem.starts_with(&format!("{}:{line}: ", file.display())), "{problem}");
    }
    assert_eq!(broken.len(), 3, "{broken:?}");
    let summary = summary(&played(Style::Json, vec![file]));
    assert_eq!((&summary["broken"], &summary["requests"]), (&3.into(), &2.into()));
}

#[test]
fn recordings_are_merged_in_the_order_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name, offsets: &[u64]| {
        let exports: Vec<_> = offsets.iter().map(|offset| spans_until(START_S + offset)).collect();
        written(folder.path(), name, lines(&exports).as_bytes())
    };
    let (a, b, c) = (file("a", &[1, 4, 9]), file("b", &[2, 3, 10]), file("c", &[]));
    let (times, broken) = read(vec![a, b, c]);
    assert_eq!(broken, [] as [String; 0]);
    let offsets: Vec<_> = times.iter().map(|time| time - START_S).collect();
    assert_eq!(offsets, [1, 2, 3, 4, 9, 10]);
}

#[test]
fn a_recording_that_ends_in_the_middle_is_replayed_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    let text = lines(&recorded(None, 5));
    let packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
    let cut = &packed[..packed.len() / 2];
    let (times, broken) = read(vec![written(folder.path(), "cut.jsonl.zst", cut)]);
    assert!(!times.is_empty());
    assert_eq!(broken.len(), 1, "{broken:?}");
}

#[test]
fn a_wrong_clock_is_left_out_and_a_recording_of_another_time_is_a_part_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (now, years) = (START_S, 100_000_000);
    let later = now + years;
    for (times, broken, parts) in [
        (vec![now, now + 1, later, now + 2], 1, 1),
        (vec![now, later, 2 * later, now + 1], 2, 1),
        (vec![now, now + 1, later, later + 1], 2, 1),
        (vec![now, now + 1, later, later + 1, later + 2], 0, 2),
        (vec![later, now, now + 1, now + 2, now + 3], 0, 2),
        (vec![now, later, later + 1, later + 2, now, now + 1, now + 2], 0, 3),
    ] {
        let exports: Vec<_> = times.iter().copied().map(spans_until).collect();
        let file = written(folder.path(), "r.jsonl", lines(&exports).as_bytes());
        let summary = summary(&played(Style::Json, vec![file]));
        let expected = (broken.into(), parts.into(), (times.len() - broken).into());
        let found = (&summary["broken"], &summary["parts"], &summary["requests"]);
        assert_eq!(found, (&expected.0, &expected.1, &expected.2), "{times:?}");
        assert!(summary["recordedSeconds"].as_f64().unwrap() < 10.0, "{summary}");
    }
}

#[test]
fn what_cannot_be_read_at_all_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path| Recording::open(path, Signal::Traces, &Position::default());
    assert!(open(folder.path().join("none.jsonl")).is_err());
    assert!(open(folder.path().to_path_buf()).is_err());
    let file = written(folder.path(), "empty.jsonl", b"");
    let done = play(
        player(Style::Json),
        Parts::new(merged(vec![file])),
        Tally::new(1),
        &Console::silent(),
        |_| {},
    );
    assert!(done.is_err());
}

/// A daemon on free ports with a store of its own.
async fn daemon(folder: &Path) -> ::runtime::Daemon {
    let loaded = config::from_path(None, &mut std::iter::empty());
    let mut options = DaemonOptions::new(&loaded, SEED).unwrap();
    let free = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    (options.api, options.workers.grpc, options.workers.http) = (free, free, free);
    options.workers.count = 1;
    options.data_dir = folder.join("data");
    ::runtime::Daemon::start(options).await.unwrap()
}

#[test]
fn a_running_daemon_takes_a_recording_as_if_it_happened_now() {
    let folder = tempfile::tempdir().unwrap();
    let exports = recorded(None, 4);
    let file = written(folder.path(), "shop.jsonl", lines(&exports).as_bytes());
    let runtime = runtime(2).unwrap();
    let daemon = runtime.block_on(daemon(folder.path()));
    let tally = runtime.block_on(async {
        let channel = channel(&daemon.endpoints().grpc.to_string()).await.unwrap();
        let mut target = Target::new(&channel, &Credential::default(), 100.0);
        let (mut merge, mut tally) = (merged(vec![file]), Tally::new(1));
        while let Some(item) = merge.next().unwrap() {
            let Item::Record(record) = item else { panic!("{item:?}") };
            target.take(&record, &mut tally).await.unwrap();
        }
        assert!(target.all_taken(), "{:?}", target.lines(&tally, Duration::ZERO));
        tally
    });
    let items: usize = exports.iter().map(Export::items).sum();
    assert_eq!(tally.requests, exports.len() as u64);
    assert_eq!((tally.items, tally.rejected.len()), (items as u64, 0));

    let api = crate::cli::ApiArgs {
        api: daemon.endpoints().api.to_string(),
        token_file: None,
        tenant: None,
    };
    let slos = crate::incidents::client::http_get(&api, "/api/v1/slos").unwrap();
    assert!(serde_json::from_str::<Value>(&slos).unwrap()["slos"].is_array(), "{slos}");
    assert!(crate::incidents::client::http_get(&api, "/api/v1/nothing").is_err());
    runtime.block_on(async {
        let mut client = crate::incidents::client::connect(&api).await.unwrap();
        let request = contract::v1::GetRequest { id: "k3f9a2-000001".to_owned(), revision: 0 };
        let status = client.get(request).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::NotFound);
        daemon.drain().await;
    });
}
