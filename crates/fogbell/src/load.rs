//! `fogbell load`: what a daemon costs under load; and the limits that it is measured against.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use ::load::limit::{Limit, serve_forever};
use ::load::{CompareOptions, LoadOptions, Measurement, Progress};
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
        let comparison = runtime.block_on(::load::compare(compare_options(args), tell))?;
        say(&comparison.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let report = runtime.block_on(::load::run(options(args)?))?;
    say(&report.to_string());
    let served = report.items_accepted > 0;
    Ok(if served { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

fn compare_options(args: &LoadArgs) -> CompareOptions {
    let options = CompareOptions {
        pairs: args.pairs,
        connections: args.connections,
        in_flight: args.in_flight,
        ..CompareOptions::default()
    };
    match args.seconds {
        Some(seconds) => CompareOptions { duration: Duration::from_secs(seconds), ..options },
        None => options,
    }
}

/// A line for each measurement that is done.
fn tell(progress: Progress<'_>) {
    let Some(Measurement { ns_per_item, rss_peak_bytes, .. }) = progress.measurement else {
        return;
    };
    note(&format!(
        "{:>5} spans  {:<5} pair {}  {:<8} {ns_per_item:>7.0} ns a span, {:>4} MiB at most",
        progress.case.batch,
        progress.case.compression,
        progress.pair,
        progress.server,
        rss_peak_bytes >> 20
    ));
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
        assert_eq!(compare_options(&parsed(&["--pairs", "2"])).pairs, 2);
        assert_eq!(compare_options(&parsed(&[])).duration, CompareOptions::default().duration);
    }

    #[test]
    fn what_is_no_option_is_told() {
        for words in [["--compression", "lzma"], ["--protocol", "carrier-pigeon"]] {
            let error = options(&parsed(&words)).unwrap_err().to_string();
            assert!(error.contains(words[1]), "{error}");
        }
        let args = LimitArgs { mode: "walk".to_owned(), listen: "nowhere".to_owned() };
        assert!(limit(&args).unwrap_err().to_string().contains("nowhere"));
    }
}
