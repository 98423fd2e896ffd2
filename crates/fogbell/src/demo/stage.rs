//! The stage of the demo: a daemon on free ports with a store of its own, and a line of progress.

use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use model::Timestamp;
use runtime::{Daemon, DaemonOptions, Endpoints};
use shop::{Fault, Progress};

use crate::cli::DemoArgs;
use crate::exit::note;

/// Everything that must be taken down again.
pub(super) struct Stage {
    data_dir: PathBuf,
    line: Line,
}

/// A line on the terminal that is written over; on anything else, single lines now and then.
#[derive(Clone)]
struct Line {
    live: bool,
    written: Arc<AtomicBool>,
}

impl Stage {
    /// Starts the daemon.
    pub(super) async fn set_up() -> anyhow::Result<(Self, Daemon)> {
        let name = format!("fogbell-demo-{}", std::process::id());
        let data_dir = std::env::temp_dir().join(name);
        let loaded = config::from_path(None, &mut std::iter::empty());
        let mut options = DaemonOptions::new(&loaded, runtime::random_seed())?;
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        (options.api, options.workers.grpc, options.workers.http) = (free, free, free);
        options.data_dir.clone_from(&data_dir);
        options.recorder = telemetry::Recorder::install().ok();
        let daemon = Daemon::start(options).await.context("the demo's daemon cannot start")?;
        let live = std::io::stderr().is_terminal();
        let line = Line { live, written: Arc::default() };
        Ok((Self { data_dir, line }, daemon))
    }

    /// Tells what the shop does, as it does it.
    pub(super) fn progress(
        &self,
        args: &DemoArgs,
        fault: Fault,
        start: Timestamp,
        at: Endpoints,
    ) -> impl FnMut(&Progress) + Send + use<> {
        let line = self.line.clone();
        let healthy_s = args.healthy;
        note(&format!(
            "fogbell listens: OTLP/gRPC {}, OTLP/HTTP {}, API http://{}",
            at.grpc, at.http, at.api
        ));
        note(&format!("{healthy_s} s of health, then {fault}: {}", fault.describe()));
        let (mut told_s, mut broken) = (0, false);
        move |progress| {
            let elapsed_s = Timestamp::from_unix_ns(progress.shop_unix_ns).since(start).as_secs();
            if !broken && elapsed_s >= healthy_s {
                broken = true;
                line.tell(&format!("{elapsed_s:>3} s  the fault begins: {fault}"));
            }
            if elapsed_s == told_s || !line.live && !elapsed_s.is_multiple_of(10) {
                return;
            }
            told_s = elapsed_s;
            let state = if broken { "broken" } else { "healthy" };
            line.write(&format!(
                "{elapsed_s:>3} s  {state:<8} {} spans, {} points, {} log records sent",
                progress.spans, progress.points, progress.log_records
            ));
        }
    }

    /// Says something that stays.
    pub(super) fn tell(&self, text: &str) {
        self.line.tell(text);
    }

    /// Makes room for something longer.
    pub(super) fn clear_line(&self) {
        self.line.clear();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.data_dir) {
            tracing::debug!(%error, "the demo's data stays behind");
        }
    }
}

impl Line {
    fn write(&self, text: &str) {
        if !self.live {
            return note(text);
        }
        self.written.store(true, Ordering::Relaxed);
        let mut stderr = std::io::stderr();
        let _ = write!(stderr, "\r\u{1b}[2K{text}");
        let _ = stderr.flush();
    }

    fn clear(&self) {
        if self.live && self.written.swap(false, Ordering::Relaxed) {
            let _ = write!(std::io::stderr(), "\r\u{1b}[2K");
        }
    }

    fn tell(&self, text: &str) {
        self.clear();
        note(text);
    }
}
