//! `fogbell drill`: recordings of labelled faults in a generated system.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use shop::{Degradation, Drill, DrillFault, DrillOptions, DrillTruth};

use crate::cli::DrillArgs;
use crate::exit::{Outcome, say};

/// When every drill begins: 2026-01-01.
const START_UNIX_S: u64 = 1_767_225_600;
const LABELS: &str = "labels.json";
/// Requests that one case may simulate, before sampling.
const REQUESTS_MAX: f64 = 2_000_000.0;
/// Seconds that one case may last.
const SECONDS_MAX: u64 = 3_600;
const CASES_MAX: u32 = 1_000;
/// Fast, and small enough.
const ZSTD_LEVEL: i32 = 3;

/// Runs the subcommand.
pub(crate) fn run(args: &DrillArgs) -> Outcome {
    let faults = check(args)?;
    let out = &args.out;
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let mut labels = Vec::new();
    for case in 0..args.cases {
        for at in 0..faults.len() {
            let at_once = faults.iter().cycle().skip(at).take(args.at_once).copied();
            let options = DrillOptions {
                seed: args.seed.wrapping_add(u64::from(case) * 1_000).wrapping_add(at as u64),
                topology: args.topology,
                services: args.services,
                requests_per_s: args.requests_per_s,
                faults: at_once.collect(),
                calm: Duration::from_secs(args.calm),
                degradation: degradation(args),
            };
            labels.extend(write(args, &options, case)?);
        }
    }
    let file = out.join(LABELS);
    let text = serde_json::to_string_pretty(&labels)?;
    std::fs::write(&file, text + "\n").with_context(|| file.display().to_string())?;
    say(&format!("{} faults in {}", labels.len(), file.display()));
    Ok(ExitCode::SUCCESS)
}

fn check(args: &DrillArgs) -> anyhow::Result<Vec<DrillFault>> {
    let faults = match args.faults.as_str() {
        "all" => DrillFault::ALL.to_vec(),
        some => some.split(',').map(|name| name.trim().parse()).collect::<Result<Vec<_>, _>>()?,
    };
    let seconds = args.calm.saturating_add(args.fault_for);
    if !(1..=SECONDS_MAX).contains(&seconds) {
        bail!("--calm and --fault-for make {seconds} s, write 1 to {SECONDS_MAX} in all");
    }
    let requests = args.requests_per_s * seconds as f64;
    if !(requests > 0.0 && requests <= REQUESTS_MAX) {
        bail!("--requests-per-s makes {requests} requests a case, write 1 to {REQUESTS_MAX}");
    }
    if !(1..=CASES_MAX).contains(&args.cases) || !(1..=faults.len()).contains(&args.at_once) {
        bail!("--cases wants 1 to {CASES_MAX}, --at-once 1 to {}", faults.len());
    }
    for (name, share) in [("missing-spans", args.missing_spans), ("sampling", args.sampling)] {
        if !(0.0..=1.0).contains(&share) {
            bail!("--{name} {share} is no share from 0 to 1");
        }
    }
    Ok(faults)
}

fn degradation(args: &DrillArgs) -> Degradation {
    Degradation {
        missing_spans: args.missing_spans,
        no_status: args.no_status,
        clock_skew_ms: args.clock_skew_ms,
        sampling: args.sampling,
    }
}

/// Writes one case, and gives its labels.
fn write(args: &DrillArgs, options: &DrillOptions, case: u32) -> anyhow::Result<Vec<Value>> {
    let system = args.system.clone();
    let system = system.unwrap_or_else(|| format!("{}-{}", options.topology, options.services));
    let kinds: Vec<&str> = options.faults.iter().map(|fault| fault.name()).collect();
    let name = format!("{system}-{}-{case}", kinds.join("+"));
    let start_ns = START_UNIX_S * 1_000_000_000;
    let mut drill = Drill::new(options, start_ns);
    record(&mut drill, args, &args.out.join(format!("{name}.jsonl.zst")), start_ns)?;
    let label = |truth: &DrillTruth| {
        let (key, value) = truth.tag.unzip();
        json!({
            "case": name,
            "system": system,
            "root_cause_service": truth.service,
            "root_cause_pod": truth.pod,
            "root_cause_kind": truth.fault.kind(),
            "root_cause_tag_key": key,
            "root_cause_tag_value": value,
            "fault": truth.fault.name(),
            "inject_time_unix_s": truth.from_unix_ns / 1_000_000_000,
        })
    };
    Ok(drill.truths().iter().map(label).collect())
}

fn record(drill: &mut Drill, args: &DrillArgs, path: &Path, start_ns: u64) -> anyhow::Result<()> {
    let shown = || path.display().to_string();
    let file = BufWriter::new(File::create(path).with_context(shown)?);
    let mut packed = zstd::stream::write::Encoder::new(file, ZSTD_LEVEL)?;
    for second in 1..=args.calm.saturating_add(args.fault_for) {
        for export in drill.advance(start_ns + second * 1_000_000_000) {
            writeln!(packed, "{}", export.json()).with_context(shown)?;
        }
    }
    packed.finish().and_then(|mut file| file.flush()).with_context(shown)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Verb};

    fn drill(words: &[&str]) -> Outcome {
        let words = ["fogbell", "drill"].iter().chain(words);
        match Cli::try_parse_from(words)?.verb {
            Verb::Drill(args) => run(&args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_drill_can_be_scored() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_str().unwrap();
        let words = ["--out", out, "--services", "10", "--calm", "60", "--fault-for", "60"];
        let code = drill(&[&words[..], &["--faults", "cpu,exception"]].concat()).unwrap();
        assert_eq!(code, ExitCode::SUCCESS);
        let figures = crate::replay::scored(&folder.path().join(LABELS)).unwrap();
        assert_eq!((figures.cases, figures.ac1), (2, 1.0), "{figures:?}");
        assert_eq!(figures.kind_ac1, Some(1.0), "{figures:?}");
        let again = tempfile::tempdir().unwrap();
        let words = ["--out", again.path().to_str().unwrap(), "--at-once", "2", "--faults"];
        let few = ["--services", "10", "--calm", "5", "--fault-for", "5"];
        let _ = drill(&[&words[..], &["cpu,exception"], &few].concat()).unwrap();
        let labels = std::fs::read(again.path().join(LABELS)).unwrap();
        let labels: Vec<Value> = serde_json::from_slice(&labels).unwrap();
        assert_eq!(labels.len(), 4);
        assert_eq!(labels[0]["case"], labels[1]["case"]);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_str().unwrap();
        for (words, expected) in [
            (["--faults", "fire"], "\"fire\" is no fault: error-return, "),
            (["--sampling", "2"], "--sampling 2 is no share"),
            (["--calm", "9000"], "make 9120 s, write 1 to 3600"),
            (["--at-once", "99"], "--at-once 1 to 17"),
            (["--requests-per-s", "0"], "makes 0 requests a case"),
        ] {
            let error = drill(&[&["--out", out], &words[..]].concat()).unwrap_err();
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        }
    }
}
