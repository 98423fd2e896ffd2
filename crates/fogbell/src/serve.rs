//! `fogbell serve`: the daemon until it is told to stop.

use std::process::ExitCode;

use runtime::{Daemon, DaemonOptions, Definitions};
use telemetry::{LogFormat, Recorder};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::ServeArgs;
use crate::exit::{Outcome, USAGE, note};
use crate::settings;

/// Threads of the runtime that serves the API and the sinks; workers have their own.
const RUNTIME_THREADS: usize = 2;

/// Runs the subcommand.
pub(crate) fn run(args: &ServeArgs) -> Outcome {
    let Ok(loaded) = settings::load(&args.config) else { return Ok(ExitCode::from(USAGE)) };
    let log = loaded.config.log;
    let format = match log.format {
        config::LogFormat::Auto => LogFormat::Auto,
        config::LogFormat::Human => LogFormat::Human,
        config::LogFormat::Json => LogFormat::Json,
    };
    telemetry::init_logs(settings::level(log.level), format);
    let seed = runtime::random_seed();
    let mut options = DaemonOptions::new(&loaded, seed)?;
    if let Some(data_dir) = &args.data_dir {
        options.data_dir.clone_from(data_dir);
    }
    if let Some(workers) = args.workers {
        options.workers.count = workers;
    }
    options.recorder = Some(Recorder::install()?);
    runtime(RUNTIME_THREADS)?.block_on(serve(args, options, seed))
}

/// A runtime for everything but the data plane.
pub(crate) fn runtime(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()
}

async fn serve(args: &ServeArgs, options: DaemonOptions, seed: u64) -> Outcome {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let data_dir = options.data_dir.clone();
    let daemon = Daemon::start(options).await?;
    let at = daemon.endpoints();
    tracing::info!(
        otlp_grpc = %at.grpc,
        otlp_http = %at.http,
        api = %at.api,
        data_dir = %data_dir.display(),
        "fogbell listens"
    );
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(args, &daemon, seed),
        }
    }
    tracing::info!("draining");
    daemon.drain().await;
    tracing::info!("done");
    Ok(ExitCode::SUCCESS)
}

/// Takes the definitions anew; with an error in them everything stays as it was.
fn reload(args: &ServeArgs, daemon: &Daemon, seed: u64) {
    let refused = |why: &str| {
        telemetry::Counter::Reloads.add(1, &[("outcome", "refused".to_owned())]);
        tracing::error!(why, "the new configuration was refused; the old one stays");
    };
    let Ok(loaded) = settings::load(&args.config) else {
        return refused("it has errors, see above");
    };
    match Definitions::new(&loaded, seed) {
        Ok(definitions) => {
            let slos = definitions.slis.len();
            daemon.redefine(definitions);
            tracing::info!(slos, "definitions were reloaded; addresses, limits and sinks were not");
        }
        Err(error) => {
            note(&format!("{error}"));
            refused("its SLOs cannot be put to work together");
        }
    }
}
