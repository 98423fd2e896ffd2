//! A daemon next to the two limits, in turn, under the same load.

mod child;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use crate::drive::run;
use crate::error::LoadError;
use crate::options::{Compression, LoadOptions, Protocol};
use crate::payload::Content;
use crate::report::{LoadReport, mib};

use child::{Child, Pinning};

/// What [`compare`] measures.
#[derive(Debug, Clone)]
pub struct CompareOptions {
    /// Understands `serve --data-dir DIR` and `limit touch|walk --listen ADDRESS`. So the limits
    /// have the daemon's allocator and compiler flags.
    pub fogbell_binary: PathBuf,
    /// In this order.
    pub cases: Vec<Case>,
    /// How often each server runs in each case, in turn; at least 1. Single pairs wobble by a
    /// quarter: 5 give a fair median.
    pub pairs: usize,
    /// Before each measurement.
    pub warm_up: Duration,
    /// Of each measurement.
    pub duration: Duration,
    /// Connections to the server.
    pub connections: usize,
    /// Requests on their way on each connection.
    pub in_flight: usize,
    /// Services.
    pub services: usize,
    /// Of ids.
    pub seed: u64,
    /// The core that the server is pinned to while the loader gets all the others. Without
    /// `taskset`, or with one core only, nothing is pinned, and the table says so.
    pub server_core: usize,
}

/// One row of the comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Spans in a request.
    pub batch: usize,
    /// Of the request bodies.
    pub compression: Compression,
    /// Routes of each service.
    pub routes: usize,
    /// How the daemon is driven; the limits are always driven over gRPC.
    pub protocol: Protocol,
}

impl Default for CompareOptions {
    /// The binary that runs, batches of 1000, 512 and 100 spans uncompressed and 1000 compressed,
    /// five pairs.
    fn default() -> Self {
        let case = |(batch, compression)| Case {
            batch,
            compression,
            routes: 40,
            protocol: Protocol::Grpc,
        };
        let cases = [
            (1000, Compression::None),
            (512, Compression::None),
            (100, Compression::None),
            (1000, Compression::Zstd),
            (1000, Compression::Gzip),
        ];
        Self {
            fogbell_binary: std::env::current_exe().unwrap_or_else(|_| "fogbell".into()),
            cases: cases.map(case).into(),
            pairs: 5,
            warm_up: Duration::from_secs(1),
            duration: Duration::from_secs(3),
            connections: 4,
            in_flight: 4,
            services: 50,
            seed: 1,
            server_core: 0,
        }
    }
}

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The limit that does not look at the bytes.
    Touch,
    /// The limit that does the bare walk.
    Walk,
    /// The daemon, with its defaults.
    Fogbell,
}

/// What one server cost in one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// The server's CPU for each accepted span.
    pub ns_per_item: f64,
    /// The most resident memory since the server began.
    pub rss_peak_bytes: u64,
    /// Cores that the server kept busy.
    pub server_cores: f64,
    /// Cores that the loader kept busy.
    pub loader_cores: f64,
    /// Accepted spans a second of wall time.
    pub items_per_s: f64,
    /// Share of the sent spans that was accepted.
    pub accepted: f64,
}

/// A step of [`compare`]: before a measurement, and after it with what it gave.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The row.
    pub case: &'a Case,
    /// From 1 to `pairs`.
    pub pair: usize,
    /// Who is measured.
    pub server: Server,
    /// None before.
    pub measurement: Option<Measurement>,
}

/// All measurements; `Display` prints the table.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// In the order of the cases.
    pub rows: Vec<Row>,
    /// How the runs were made, in a line or two.
    pub method: String,
}

/// What a case gave, by pair.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was sent.
    pub case: Case,
    /// The limit that does not look.
    pub touch: Vec<Measurement>,
    /// The bare walk: W.
    pub walk: Vec<Measurement>,
    /// The daemon.
    pub fogbell: Vec<Measurement>,
}

/// Starts daemon, walk and touch in turn, each fresh, pinned to one core, and drives each with the
/// same load; `pairs` times for each case. `progress` is called before and after each run.
///
/// # Errors
/// If a server does not come up, takes nothing, or an option makes no sense.
pub async fn compare(
    options: CompareOptions,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<Comparison, LoadError> {
    if options.pairs == 0 || options.cases.is_empty() {
        return Err(LoadError::Option("a comparison needs a case and a pair".to_owned()));
    }
    let pinning = Pinning::new(options.server_core);
    let mut rows = Vec::with_capacity(options.cases.len());
    for case in &options.cases {
        let mut row = Row::of(case.clone());
        for pair in 1..=options.pairs {
            for server in [Server::Fogbell, Server::Walk, Server::Touch] {
                progress(Progress { case, pair, server, measurement: None });
                let measurement = measure(&options, &pinning, case, server).await?;
                progress(Progress { case, pair, server, measurement: Some(measurement) });
                row.of_server(server).push(measurement);
            }
        }
        rows.push(row);
    }
    Ok(Comparison { rows, method: options.method(&pinning) })
}

async fn measure(
    options: &CompareOptions,
    pinning: &Pinning,
    case: &Case,
    server: Server,
) -> Result<Measurement, LoadError> {
    let child = Child::start(&options.fogbell_binary, server, case.protocol, pinning).await?;
    let load = LoadOptions {
        endpoint: format!("http://{}", child.address()),
        protocol: if server == Server::Fogbell { case.protocol } else { Protocol::Grpc },
        content: Content::Spans,
        batch: case.batch,
        compression: case.compression,
        connections: options.connections,
        in_flight: options.in_flight,
        warm_up: options.warm_up,
        duration: options.duration,
        rate: None,
        services: options.services,
        routes: case.routes,
        seed: options.seed,
        server_pid: Some(child.pid()),
        token: None,
    };
    let report = run(load).await?;
    child.stop().await;
    Measurement::of(&report).ok_or_else(|| LoadError::NothingAccepted {
        server: server.to_string(),
        reason: format!("refused {:?}", report.items_refused),
    })
}

impl CompareOptions {
    fn method(&self, pinning: &Pinning) -> String {
        format!(
            "{pinning}; {} connections x {} in flight, {} services; {} x {:?} after {:?} of \
             warm-up, each server fresh and in turn",
            self.connections,
            self.in_flight,
            self.services,
            self.pairs,
            self.duration,
            self.warm_up
        )
    }
}

impl Measurement {
    fn of(report: &LoadReport) -> Option<Self> {
        let server = report.server?;
        let wall_s = report.wall.as_secs_f64();
        Some(Self {
            ns_per_item: report.server_ns_per_item()?,
            rss_peak_bytes: server.rss_peak_bytes,
            server_cores: server.cpu.as_secs_f64() / wall_s,
            loader_cores: report.loader_cpu.as_secs_f64() / wall_s,
            items_per_s: report.items_per_s(),
            accepted: report.items_accepted as f64 / report.items_sent as f64,
        })
    }
}

impl Row {
    const fn of(case: Case) -> Self {
        Self { case, touch: Vec::new(), walk: Vec::new(), fogbell: Vec::new() }
    }

    const fn of_server(&mut self, server: Server) -> &mut Vec<Measurement> {
        match server {
            Server::Touch => &mut self.touch,
            Server::Walk => &mut self.walk,
            Server::Fogbell => &mut self.fogbell,
        }
    }

    /// The daemon's CPU per span over that of the walk of the same pair: the median and the worst.
    #[must_use]
    pub fn ratio(&self) -> (f64, f64) {
        let ratios = || {
            self.fogbell
                .iter()
                .zip(&self.walk)
                .map(|(ours, walk)| ours.ns_per_item / walk.ns_per_item)
        };
        (median(ratios()), ratios().fold(0.0, f64::max))
    }

    /// The largest resident memory of the daemon in any run, in MiB.
    #[must_use]
    pub fn rss_peak_mib(&self) -> f64 {
        mib(self.fogbell.iter().map(|run| run.rss_peak_bytes).max().unwrap_or(0))
    }
}

/// Of an even number, the mean of the two in the middle; 0 of none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (Some(value), 1) => *value,
        (Some(value), _) => {
            f64::midpoint(*value, values.get(middle - 1).copied().unwrap_or(*value))
        }
        (None, _) => 0.0,
    }
}
