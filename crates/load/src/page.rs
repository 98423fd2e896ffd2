//! How long after its deciding event a page is in the hands of its receiver, while the daemon is
//! idle, busy and overloaded.

mod row;
mod sink;
mod table;
#[cfg(test)]
mod tests;
mod trial;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::child::{Binaries, Child, Pinning};
use crate::compare::{Run, Server};
use crate::drive;
use crate::error::LoadError;
use crate::ledger::Ledger;
use crate::options::{LoadOptions, Protocol};
use crate::process::Usage;
use crate::report::LoadReport;

pub use row::{PAGE_P99_MAX, PageRow, Pages};

use sink::Sink;
use trial::{EVERY, HEARD_FOR, TRIALS_MAX, Trials};

/// Shares of the daemon's capacity beyond this say nothing more.
const SHARE_MAX: f64 = 10.0;
/// The load goes on beyond the last fault, until its page is due.
const LOAD_AFTER: Duration = Duration::from_secs(2);
/// A page that is not there so long after the last deciding request was taken is missing.
const PAGES_WITHIN: Duration = Duration::from_secs(10);
const PAGES_POLL: Duration = Duration::from_millis(50);
/// Waited for pages that come twice, and for the daemon to come to rest.
const SETTLE: Duration = Duration::from_secs(2);

/// What [`page_latency`] measures.
#[derive(Debug, Clone)]
pub struct PageOptions {
    /// Understands `serve --data-dir DIR --config FILE`.
    pub fogbell_binary: PathBuf,
    /// Loads, in shares of what the daemon can take; 0 is none.
    pub shares: Vec<f64>,
    /// Faults under each load, 1 to 120.
    pub trials: usize,
    /// Spans a request of the load.
    pub batch: usize,
    /// Connections of the closed loop that finds the capacity, and requests on each.
    pub closed: (usize, usize),
    /// The same of the open loops. Enough that an overloaded daemon has to refuse, and no sender
    /// is missing.
    pub open: (usize, usize),
    /// How long the capacity is measured.
    pub capacity_duration: Duration,
    /// The most resident memory that the daemon may have: the ceiling that it is told to stay under,
    /// `limits.memory_bytes`.
    pub rss_max_bytes: u64,
    /// Of ids.
    pub seed: u64,
    /// As in [`CompareOptions`](crate::CompareOptions).
    pub server_core: usize,
}

impl Default for PageOptions {
    /// The binary that runs; idle, half, full and twice the capacity; 40 faults each.
    fn default() -> Self {
        Self {
            fogbell_binary: std::env::current_exe().unwrap_or_else(|_| "fogbell".into()),
            shares: vec![0.0, 0.5, 1.0, 2.0],
            trials: 40,
            batch: 1000,
            closed: (4, 4),
            open: (32, 16),
            capacity_duration: Duration::from_secs(5),
            rss_max_bytes: 512 << 20,
            seed: 1,
            server_core: 0,
        }
    }
}

/// All rows; `Display` prints the table.
#[derive(Debug, Clone)]
pub struct PageReport {
    /// Spans a second that the daemon can take: those of a closed loop, by the time that its core
    /// spent on them.
    pub capacity_per_s: f64,
    /// In the order of the shares.
    pub rows: Vec<PageRow>,
    /// How the runs were made, in a line or two.
    pub method: String,
}

impl PageReport {
    /// Whether every row is within all bounds.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.rows.iter().all(|row| row.misses().is_empty())
    }
}

/// Starts a daemon for each load, fresh and pinned to one core; lets faults happen in it, one after
/// the other, each in a service of its own; and notes when their pages come to a gRPC sink.
///
/// The deciding event is the request that makes the condition of a page true: each service is known
/// for 32 s with good events only, and then one request brings twenty bad ones, twice what a page
/// needs, half of all in the window. The latency counts from when that request was meant to leave;
/// where it was refused, from when the attempt left that was taken. `progress` is called after each
/// row.
///
/// # Errors
/// If the daemon does not come up, takes nothing or cannot be scraped, or an option makes no sense.
pub async fn page_latency(
    options: PageOptions,
    mut progress: impl FnMut(&PageRow),
) -> Result<PageReport, LoadError> {
    options.check()?;
    let pinning = Pinning::new(options.server_core);
    let capacity_per_s = capacity(&options, &pinning).await?;
    let mut rows = Vec::with_capacity(options.shares.len());
    for share in &options.shares {
        let row = row(&options, &pinning, *share, capacity_per_s).await?;
        progress(&row);
        rows.push(row);
    }
    let method = options.method(&pinning, capacity_per_s);
    Ok(PageReport { capacity_per_s, rows, method })
}

async fn capacity(options: &PageOptions, pinning: &Pinning) -> Result<f64, LoadError> {
    let run = Run::of(Server::Fogbell, Protocol::Grpc);
    let child = Child::start(&options.binaries(), run, pinning).await?;
    let (connections, in_flight) = options.closed;
    let load = LoadOptions {
        connections,
        in_flight,
        duration: options.capacity_duration,
        ..options.load(&child)
    };
    let report = drive::run(load).await?;
    child.stop().await;
    if report.items_accepted == 0 {
        let reason = format!("refused {:?}", report.items_refused);
        return Err(LoadError::NothingAccepted { server: run.server.to_string(), reason });
    }
    // Neighbours on the machine, or a loader that is slower, must not make the daemon look small.
    let of_core = report.items_per_s_per_core().filter(|_| pinning.is_pinned());
    Ok(of_core.unwrap_or_default().max(report.items_per_s()))
}

async fn row(
    options: &PageOptions,
    pinning: &Pinning,
    share: f64,
    capacity_per_s: f64,
) -> Result<PageRow, LoadError> {
    let sink = Sink::start().await?;
    let run = Run { pages_to: Some(sink.address()), ..Run::of(Server::Fogbell, Protocol::Grpc) };
    let child = Child::start(&options.binaries(), run, pinning).await?;
    let mut trials = Trials::new(child.address(), options.trials, options.seed)?;
    trials.introduce().await?;
    let faults = async {
        tokio::time::sleep(HEARD_FOR).await;
        trials.run().await
    };
    let offered_per_s = share * capacity_per_s;
    let (trialled, load) = tokio::try_join!(faults, open_loop(options, &child, offered_per_s))?;
    await_pages(&sink, options.trials).await;
    let rss_peak_bytes = Usage::of(child.pid())?.rss_peak_bytes;
    let accepted_seen =
        trials.spans_accepted() + load.as_ref().map_or(0, |load| load.items_accepted);
    let ledger = Ledger::scrape(child.api(), accepted_seen).await?;
    child.stop().await;
    Ok(PageRow {
        share,
        offered_per_s,
        load,
        pages: Pages::of(&trialled, &sink.arrivals()),
        ledger,
        rss_peak_bytes,
        rss_max_bytes: options.rss_max_bytes,
    })
}

/// All of it counts, so that the daemon's account can be compared with it.
async fn open_loop(
    options: &PageOptions,
    child: &Child,
    rate: f64,
) -> Result<Option<LoadReport>, LoadError> {
    if rate <= 0.0 {
        return Ok(None);
    }
    let (connections, in_flight) = options.open;
    let load = LoadOptions {
        connections,
        in_flight,
        warm_up: Duration::ZERO,
        duration: HEARD_FOR + Trials::last_for(options.trials) + LOAD_AFTER,
        rate: Some(rate),
        ..options.load(child)
    };
    drive::run(load).await.map(Some)
}

async fn await_pages(sink: &Sink, count: usize) {
    let deadline = Instant::now() + PAGES_WITHIN;
    let came = || sink.arrivals().iter().filter(|arrival| arrival.triggers).count();
    while came() < count && Instant::now() < deadline {
        tokio::time::sleep(PAGES_POLL).await;
    }
    tokio::time::sleep(SETTLE).await;
}

impl PageOptions {
    fn check(&self) -> Result<(), LoadError> {
        if !(1..=TRIALS_MAX).contains(&self.trials) {
            let trials = self.trials;
            return Err(LoadError::Option(format!("trials {trials} is not 1 to {TRIALS_MAX}")));
        }
        let is_sane = |share: &f64| (0.0..=SHARE_MAX).contains(share);
        if self.shares.is_empty() || !self.shares.iter().all(is_sane) {
            let shares = &self.shares;
            return Err(LoadError::Option(format!("loads {shares:?} are not 0 to {SHARE_MAX}")));
        }
        Ok(())
    }

    fn binaries(&self) -> Binaries<'_> {
        Binaries { fogbell: &self.fogbell_binary, collector: None }
    }

    fn load(&self, child: &Child) -> LoadOptions {
        LoadOptions {
            endpoint: format!("http://{}", child.address()),
            batch: self.batch,
            seed: self.seed,
            server_pid: Some(child.pid()),
            ..LoadOptions::default()
        }
    }

    fn method(&self, pinning: &Pinning, capacity_per_s: f64) -> String {
        let LoadOptions { services, routes, compression, .. } = LoadOptions::default();
        format!(
            "{pinning}; spans of {services}x{routes}, batch {}, compression {compression}, gRPC; \
             closed loop {} x {}: {capacity_per_s:.0} spans/s of the core; then open loops {} x {}, {} faults \
             each, one every {} ms",
            self.batch,
            self.closed.0,
            self.closed.1,
            self.open.0,
            self.open.1,
            self.trials,
            EVERY.as_millis()
        )
    }
}
