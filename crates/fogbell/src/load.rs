//! `fogbell load`: what a daemon costs under load; and the limits that it is measured against.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use ::load::limit::{Limit, serve_forever};
use ::load::{
    Case, CompareOptions, LoadOptions, PageOptions, PageRow, Progress, Sample, SoakOptions,
};
use anyhow::Context;

use crate::cli::{LimitArgs, LoadArgs};
use crate::exit::{Outcome, note, say};
use crate::incidents::client::read_token;
use crate::serve::runtime;

/// Threads that make and send requests; on fewer cores they share.
const LOADER_THREADS: usize = 2;
const SECONDS_DEFAULT: u64 = 10;

/// Runs the subcommand.
pub(crate) fn run(args: &LoadArgs) -> Outcome {
    let runtime = runtime(LOADER_THREADS)?;
    if args.compare {
        let comparison = runtime.block_on(::load::compare(compare_options(args)?, tell))?;
        if args.json {
            comparison.json_lines().for_each(|line| say(&line));
        } else {
            say(&comparison.to_string());
        }
        return Ok(ExitCode::SUCCESS);
    }
    if args.page_latency {
        let told = |row: &PageRow| note(&row.to_string());
        let report = runtime.block_on(::load::page_latency(page_options(args), told))?;
        if args.json {
            report.json_lines().for_each(|line| say(&line));
        } else {
            say(&report.to_string());
        }
        return Ok(ended(report.is_held()));
    }
    if let Some(minutes) = args.soak {
        let told = |sample: Sample| note(&sample.to_string());
        let soak = runtime.block_on(::load::soak(soak_options(args, minutes)?, told))?;
        say(&if args.json { soak.json() } else { soak.to_string() });
        return Ok(ended(soak.is_held()));
    }
    if args.json {
        anyhow::bail!("--json needs --compare, --page-latency or --soak");
    }
    let report = runtime.block_on(::load::run(options(args)?))?;
    say(&report.to_string());
    Ok(ended(report.items_accepted > 0))
}

const fn ended(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a limit server until the process ends.
pub(crate) fn limit(args: &LimitArgs) -> Outcome {
    let limit: Limit = args.mode.parse()?;
    let listen: SocketAddr = args
        .listen
        .parse()
        .with_context(|| format!("--listen {:?} is not like 127.0.0.1:4327", args.listen))?;
    serve_forever(limit, listen)?;
    Ok(ExitCode::SUCCESS)
}

fn options(args: &LoadArgs) -> anyhow::Result<LoadOptions> {
    Ok(LoadOptions {
        endpoint: args.endpoint.clone(),
        protocol: args.protocol.parse()?,
        content: args.content.parse()?,
        batch: args.batch,
        compression: args.compression.parse()?,
        connections: args.connections,
        in_flight: args.in_flight,
        duration: Duration::from_secs(args.seconds.unwrap_or(SECONDS_DEFAULT)),
        rate: args.rate,
        server_pid: args.pid,
        token: args.token_file.as_deref().map(read_token).transpose()?,
        ..LoadOptions::default()
    })
}

fn compare_options(args: &LoadArgs) -> anyhow::Result<CompareOptions> {
    let options = CompareOptions {
        cases: cases(&args.cases)?,
        collector_binary: args.collector.clone(),
        pairs: args.pairs,
        connections: args.connections,
        in_flight: args.in_flight,
        ..CompareOptions::default()
    };
    Ok(match args.seconds {
        Some(seconds) => CompareOptions { duration: Duration::from_secs(seconds), ..options },
        None => options,
    })
}

fn page_options(args: &LoadArgs) -> PageOptions {
    PageOptions {
        shares: args.loads.iter().map(|percent| percent / 100.0).collect(),
        trials: args.trials,
        batch: args.batch,
        closed: (args.connections, args.in_flight),
        ..PageOptions::default()
    }
}

fn soak_options(args: &LoadArgs, minutes: f64) -> anyhow::Result<SoakOptions> {
    let duration = Duration::try_from_secs_f64(minutes * 60.0)
        .with_context(|| format!("--soak {minutes} is no number of minutes"))?;
    Ok(SoakOptions {
        duration,
        batch: args.batch,
        connections: args.connections,
        in_flight: args.in_flight,
        ..SoakOptions::default()
    })
}

/// All of them if none is named.
fn cases(names: &[String]) -> anyhow::Result<Vec<Case>> {
    let all = Case::all();
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|case| case.name != **name)) {
        let known: Vec<&str> = all.iter().map(|case| case.name).collect();
        anyhow::bail!("no case {unknown:?}; there are: {}", known.join(", "));
    }
    let wanted = |case: &Case| names.is_empty() || names.iter().any(|name| name == case.name);
    Ok(all.into_iter().filter(wanted).collect())
}

/// A line for each measurement that is done.
fn tell(progress: Progress<'_>) {
    note(&progress.to_string());
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Verb};

    fn parsed(words: &[&str]) -> LoadArgs {
        let words = ["fogbell", "load"].iter().chain(words);
        match Cli::try_parse_from(words).unwrap().verb {
            Verb::Load(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_becomes_options() {
        let words = ["--batch", "512", "--compression", "zstd", "--seconds", "4", "--rate", "1e6"];
        let options = options(&parsed(&words)).unwrap();
        assert_eq!(options.batch, 512);
        assert_eq!(options.compression, ::load::Compression::Zstd);
        assert_eq!(options.duration, Duration::from_secs(4));
        assert_eq!(options.rate, Some(1e6));
        let compared = |words: &[&str]| compare_options(&parsed(words));
        let options = compared(&["--compare", "--pairs", "2", "--cases", "json,wide"]).unwrap();
        let names: Vec<&str> = options.cases.iter().map(|case| case.name).collect();
        assert_eq!((options.pairs, names), (2, vec!["wide", "json"]));
        assert_eq!(compared(&[]).unwrap().duration, CompareOptions::default().duration);
        let error = compared(&["--compare", "--cases", "wider"]).unwrap_err().to_string();
        assert!(error.contains("wider") && error.contains("batch-1000"), "{error}");
    }

    #[test]
    fn loads_are_percent_and_a_soak_takes_ten_minutes() {
        let options = page_options(&parsed(&["--page-latency", "--loads", "50,150"]));
        assert_eq!((options.shares, options.trials), (vec![0.5, 1.5], 40));
        assert_eq!(page_options(&parsed(&["--page-latency"])).shares, [0.0, 0.5, 1.0, 2.0]);
        assert_eq!(parsed(&["--soak"]).soak, Some(10.0));
        let duration = |minutes| soak_options(&parsed(&[]), minutes).map(|soak| soak.duration);
        assert_eq!(duration(0.5).unwrap(), Duration::from_secs(30));
        assert!(duration(-1.0).unwrap_err().to_string().contains("-1"));
    }

    #[test]
    fn what_is_no_option_is_told() {
        for words in
            [["--compression", "lzma"], ["--protocol", "carrier-pigeon"], ["--content", "hay"]]
        {
            let error = options(&parsed(&words)).unwrap_err().to_string();
            assert!(error.contains(words[1]), "{error}");
        }
        let args = LimitArgs { mode: "walk".to_owned(), listen: "nowhere".to_owned() };
        assert!(limit(&args).unwrap_err().to_string().contains("nowhere"));
    }
}
