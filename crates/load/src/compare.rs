//! A daemon next to what it is measured against, in turn, under the same load.

mod case;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use crate::child::{Binaries, Child, Pinning};
use crate::drive;
use crate::error::LoadError;
use crate::options::LoadOptions;
use crate::report::{LoadReport, mib};

pub(crate) use case::Run;
pub use case::{Base, Case};

/// What [`compare`] measures.
#[derive(Debug, Clone)]
pub struct CompareOptions {
    /// Understands `serve --data-dir DIR` and `limit touch|walk|json --listen ADDRESS`. So the
    /// limits have the daemon's allocator and compiler flags.
    pub fogbell_binary: PathBuf,
    /// An OpenTelemetry Collector with the spanmetrics and servicegraph connectors, as a peer.
    pub collector_binary: Option<PathBuf>,
    /// In this order.
    pub cases: Vec<Case>,
    /// How often daemon and base run in each case, in turn; at least 1. Single pairs wobble by a
    /// quarter: 5 give a fair median.
    pub pairs: usize,
    /// How often the Collector runs in each case that has a bound for it, each beside a pair.
    pub peer_pairs: usize,
    /// Before each measurement.
    pub warm_up: Duration,
    /// Of each measurement.
    pub duration: Duration,
    /// Connections to the server.
    pub connections: usize,
    /// Requests on their way on each connection.
    pub in_flight: usize,
    /// Of ids.
    pub seed: u64,
    /// The core that the server is pinned to while the loader gets all the others. Without
    /// `taskset`, or with one core only, nothing is pinned, and the table says so.
    pub server_core: usize,
}

impl Default for CompareOptions {
    /// The binary that runs, all cases, five pairs.
    fn default() -> Self {
        Self {
            fogbell_binary: std::env::current_exe().unwrap_or_else(|_| "fogbell".into()),
            collector_binary: None,
            cases: Case::all(),
            pairs: 5,
            peer_pairs: 3,
            warm_up: Duration::from_secs(1),
            duration: Duration::from_secs(3),
            connections: 4,
            in_flight: 4,
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
    /// The limit that reads JSON with serde.
    Json,
    /// The daemon.
    Fogbell,
    /// The OpenTelemetry Collector.
    Collector,
}

/// What one server cost in one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// The server's CPU for each accepted item.
    pub ns_per_item: f64,
    /// The most resident memory since the server began.
    pub rss_peak_bytes: u64,
    /// Cores that the server kept busy.
    pub server_cores: f64,
    /// Cores that the loader kept busy.
    pub loader_cores: f64,
    /// Accepted items a second of wall time.
    pub items_per_s: f64,
    /// Share of the sent items that was accepted.
    pub accepted: f64,
}

/// A measurement that was made.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The row.
    pub case: &'a Case,
    /// From 1 to `pairs`.
    pub pair: usize,
    /// Who was measured.
    pub server: Server,
    /// What it gave.
    pub measurement: Measurement,
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
    /// The transport alone, once, where there is a limit for it.
    pub touch: Option<Measurement>,
    /// What the daemon is compared with.
    pub base: Vec<Measurement>,
    /// The daemon.
    pub fogbell: Vec<Measurement>,
    /// The Collector, beside the first pairs.
    pub collector: Vec<Measurement>,
}

/// Starts the daemon and what it is compared with in turn, each fresh, pinned to one core, and
/// drives each with the same load; `pairs` times for each case. `progress` is called after each run.
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
            for run in options.runs(case, pair) {
                let measurement = measure(&options, &pinning, case, run).await?;
                progress(Progress { case, pair, server: run.server, measurement });
                row.add(run, measurement);
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
    run: Run,
) -> Result<Measurement, LoadError> {
    let binaries = Binaries {
        fogbell: &options.fogbell_binary,
        collector: options.collector_binary.as_deref(),
    };
    let child = Child::start(&binaries, run, pinning).await?;
    let load = LoadOptions {
        endpoint: format!("http://{}", child.address()),
        protocol: run.protocol,
        content: case.content,
        batch: case.shape.batch,
        compression: case.compression,
        connections: options.connections,
        in_flight: options.in_flight,
        warm_up: options.warm_up,
        duration: options.duration,
        rate: None,
        services: case.shape.services,
        routes: case.shape.routes,
        seed: options.seed,
        server_pid: Some(child.pid()),
        token: None,
    };
    let report = drive::run(load).await?;
    child.stop().await;
    Measurement::of(&report).ok_or_else(|| LoadError::NothingAccepted {
        server: run.server.to_string(),
        reason: format!("refused {:?}", report.items_refused),
    })
}

impl CompareOptions {
    fn runs(&self, case: &Case, pair: usize) -> Vec<Run> {
        let peer = Run::of(Server::Collector, case.protocol);
        let has_peer = self.collector_binary.is_some() && case.peer_bound.is_some();
        [
            Some(case.ours()),
            Some(case.base_run()),
            case.touch().filter(|_| pair == 1),
            Some(peer).filter(|_| has_peer && pair <= self.peer_pairs),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn method(&self, pinning: &Pinning) -> String {
        format!(
            "{pinning}; {} connections x {} in flight; {} x {:?} after {:?} of warm-up, each \
             server fresh and in turn",
            self.connections, self.in_flight, self.pairs, self.duration, self.warm_up
        )
    }
}

impl Measurement {
    fn of(report: &LoadReport) -> Option<Self> {
        let server = report.server.as_ref()?;
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
        Self { case, touch: None, base: Vec::new(), fogbell: Vec::new(), collector: Vec::new() }
    }

    fn add(&mut self, run: Run, measurement: Measurement) {
        // The base may be a daemon too.
        if run == self.case.base_run() {
            self.base.push(measurement);
            return;
        }
        match run.server {
            Server::Touch => self.touch = Some(measurement),
            Server::Fogbell => self.fogbell.push(measurement),
            Server::Collector => self.collector.push(measurement),
            Server::Walk | Server::Json => {}
        }
    }

    /// The daemon's CPU per item over that of the base of the same pair: the median and the worst.
    #[must_use]
    pub fn ratio(&self) -> (f64, f64) {
        let ratios = || quotients(&self.fogbell, &self.base);
        (median(ratios()), ratios().fold(0.0, f64::max))
    }

    /// Whether the median ratio is within the case's bound.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.ratio().0 <= self.case.bound
    }

    /// The Collector's CPU per item over the daemon's beside it: the median and the least. `None`
    /// if it did not run.
    #[must_use]
    pub fn peer_ratio(&self) -> Option<(f64, f64)> {
        let ratios = || quotients(&self.collector, &self.fogbell);
        let least = ratios().reduce(f64::min)?;
        Some((median(ratios()), least))
    }

    /// The largest resident memory of the daemon in any run, in MiB.
    #[must_use]
    pub fn rss_peak_mib(&self) -> f64 {
        mib(self.fogbell.iter().map(|run| run.rss_peak_bytes).max().unwrap_or(0))
    }
}

/// The cost of one over that of the other, pair by pair.
fn quotients<'a>(
    above: &'a [Measurement],
    below: &'a [Measurement],
) -> impl Iterator<Item = f64> + 'a {
    above.iter().zip(below).map(|(above, below)| above.ns_per_item / below.ns_per_item)
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

#[cfg(test)]
mod tests {
    use super::{Case, Measurement, Row};

    fn measured(costs_ns: [f64; 3]) -> Vec<Measurement> {
        let measurement = |ns_per_item| Measurement {
            ns_per_item,
            rss_peak_bytes: 160 << 20,
            server_cores: 1.0,
            loader_cores: 0.5,
            items_per_s: 1e6,
            accepted: 1.0,
        };
        costs_ns.map(measurement).into()
    }

    #[test]
    fn a_row_is_judged_by_the_median_of_its_pairs() {
        let case = Case::all().remove(0);
        let mut row = Row::of(case.clone());
        row.base = measured([100.0, 200.0, 100.0]);
        row.fogbell = measured([120.0, 250.0, 190.0]);
        row.collector = measured([2400.0, 2500.0, 5700.0]);
        assert_eq!(row.ratio(), (1.25, 1.9));
        assert_eq!(row.peer_ratio(), Some((20.0, 10.0)));
        assert!(row.is_held() && case.bound == 1.3);
        let shown = row.to_string();
        assert!(shown.contains("held") && shown.contains("memory MISSED 150 MiB"), "{shown}");
        row.case.bound = 1.2;
        assert!(!row.is_held() && row.to_string().contains("MISSED  "), "{row}");
        assert!(row.json().contains("\"held\":false"), "{}", row.json());
    }

    #[test]
    fn names_tell_cases_apart() {
        let mut names: Vec<&str> = Case::all().iter().map(|case| case.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
