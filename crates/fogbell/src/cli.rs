//! The command line.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use otlp::Signal;
use shop::Topology;

/// Watches OTLP telemetry, judges it against SLOs, and wakes the right person with the root cause.
#[derive(Debug, Parser)]
#[command(name = "fogbell", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
First steps:
  fogbell demo                       the whole path on this machine, with a simulated shop
  fogbell serve                      listen on loopback: OTLP on 4317 and 4318, API on 8420
  fogbell check --config FILE        every error of every file at once
  fogbell replay recording.jsonl     what would have paged, and why

Every key of fogbell.yaml is also an environment variable: emit.kafka.brokers is
FOGBELL_EMIT_KAFKA_BROKERS. Exit codes: 0 done, 1 failed, 64 wrong configuration.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the daemon
    Serve(ServeArgs),
    /// Run the daemon with a simulated shop, break something, and show the page
    Demo(DemoArgs),
    /// Write recordings of labelled faults in a generated system, for `replay --score`
    Drill(DrillArgs),
    /// Check the configuration and all SLO files, and say everything that is wrong
    Check(CheckArgs),
    /// Run recorded OTLP through the engine in virtual time, and say what would have paged
    Replay(ReplayArgs),
    /// List, show, acknowledge and resolve incidents of a running daemon
    Incidents(IncidentsArgs),
    /// Rank what changed in a stretch of time, even if no SLO fired
    Explain(ExplainArgs),
    /// Show the SLOs of a running daemon; print rules that other tools' dashboards need
    Slo(SloArgs),
    /// Announce maintenance, or tell of it afterwards: time that counts toward no budget
    Maintenance(MaintenanceArgs),
    /// Send a test page through every sink, and say what each answered
    Page(PageArgs),
    /// Drive a daemon with OTLP as fast as it goes, and say what it costs
    Load(LoadArgs),
    /// Run a limit server for `load --compare`
    #[command(hide = true)]
    Limit(LimitArgs),
}

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file; everything in it is optional
    #[arg(long, value_name = "FILE", env = "FOGBELL_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Check OpenSLO documents of v1 or v2alpha instead, and print them as v1, without comments
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) convert: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Where state lives; over data_dir of the configuration
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Data-plane threads; one for each core by default
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct DrillArgs {
    /// The folder for the recordings and their labels.json
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// How services call each other: layered, chain, fan
    #[arg(long, default_value = "layered")]
    pub(crate) topology: Topology,
    /// How many services
    #[arg(long, default_value_t = 40, value_name = "N")]
    pub(crate) services: usize,
    /// Kinds of faults with commas between, a case for each: error-return, exception, early-return,
    /// cpu, memory-leak, network-delay, packet-loss, partner-down, slow-database, bad-rollout,
    /// bad-pod, quota, pool-exhausted, disk-full, silent; or all
    #[arg(long, default_value = "all")]
    pub(crate) faults: String,
    /// Cases of each kind
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) cases: u32,
    /// Faults of each case, at different services
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) at_once: usize,
    /// Requests of users a second, before sampling
    #[arg(long, default_value_t = 20.0, value_name = "RATE")]
    pub(crate) requests_per_s: f64,
    /// Seconds before the fault
    #[arg(long, default_value_t = 120, value_name = "S")]
    pub(crate) calm: u64,
    /// Seconds of the fault
    #[arg(long, default_value_t = 120, value_name = "S")]
    pub(crate) fault_for: u64,
    /// Makes other systems and faults at other services
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// What the system is called in labels and scores
    #[arg(long, value_name = "NAME")]
    pub(crate) system: Option<String>,
    /// Share of spans that are lost
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub(crate) missing_spans: f64,
    /// Record no status, no status codes and no types of errors
    #[arg(long)]
    pub(crate) no_status: bool,
    /// How far clocks of services are off at most
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub(crate) clock_skew_ms: u64,
    /// Share of traces that are sampled at their head
    #[arg(long, default_value_t = 1.0, value_name = "SHARE")]
    pub(crate) sampling: f64,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// What to break: bad-rollout, slow-dependency, crash-loop, partner-429, cold-start, migration, region-loss
    #[arg(long, default_value = "bad-rollout")]
    pub(crate) fault: String,
    /// End after the page; exit code 0 only if its first cause names what was really broken
    #[arg(long)]
    pub(crate) once: bool,
    /// Print incidents as JSON lines instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// Seconds of health before the fault
    #[arg(long, default_value_t = 30, value_name = "S")]
    pub(crate) healthy: u64,
    /// Makes another shop of the same shape
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Recordings: Collector file-exporter JSON lines, plain or .zst, or length-delimited protobuf (.pb)
    #[arg(required_unless_present = "score", conflicts_with = "score", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Score the labelled faults of this file, whose recordings lie beside it: causes, incidents,
    /// pages; or of a folder of alert scenarios
    #[arg(long, value_name = "LABELS.JSON|DIR", conflicts_with = "target")]
    pub(crate) score: Option<PathBuf>,
    /// With --score: figures for each kind of fault too
    #[arg(long, requires = "score")]
    pub(crate) by_fault: bool,
    /// With --score: what each method answers in each case, too
    #[arg(long, requires = "score")]
    pub(crate) cases: bool,
    /// With --score: look at one signal alone
    #[arg(long, requires = "score", value_parser = signals(), value_name = "SIGNAL")]
    pub(crate) only: Option<Signal>,
    /// With --score: leave traces out, with what is logged in them, so that this share remains
    #[arg(long, requires = "score", default_value_t = 1.0, value_parser = share, value_name = "SHARE")]
    pub(crate) keep_traces: f64,
    /// With --keep-traces: which ones remain
    #[arg(long, requires = "score", default_value_t = 1, value_name = "N")]
    pub(crate) keep_seed: u64,
    /// Print one fogbell.v1.Incident a line for each revision, and an object that sums up; with --score, an object a row
    #[arg(long)]
    pub(crate) json: bool,
    /// Send to a running daemon over OTLP/gRPC instead, times shifted to now
    #[arg(long, value_name = "ADDR")]
    pub(crate) target: Option<String>,
    /// With --target: how many times faster than recorded
    #[arg(long, default_value_t = 1.0, value_name = "X", requires = "target")]
    pub(crate) speed: f64,
    /// With --target: file that holds the token
    #[arg(long, env = "FOGBELL_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Signal of length-delimited protobuf: traces, metrics or logs
    #[arg(long, default_value = "traces", value_parser = signals())]
    pub(crate) signal: Signal,
}

/// How to reach a running daemon.
#[derive(Clone, Debug, Args)]
pub(crate) struct ApiArgs {
    /// The daemon's API
    #[arg(
        long,
        global = true,
        default_value = "http://127.0.0.1:8420",
        env = "FOGBELL_API_URL",
        value_name = "URL"
    )]
    pub(crate) api: String,
    /// File that holds the token
    #[arg(long, global = true, env = "FOGBELL_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Tenant, where the credential does not tell
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) api: ApiArgs,
    /// When it began: RFC 3339, or how long ago, such as 10m
    #[arg(long, value_name = "T")]
    pub(crate) since: String,
    /// When it ended, in the same way; now if left out
    #[arg(long, value_name = "T")]
    pub(crate) until: Option<String>,
    /// Only this service and what it depends on
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Print a fogbell.v1.ExplainResponse as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct IncidentsArgs {
    #[command(flatten)]
    pub(crate) api: ApiArgs,
    #[command(subcommand)]
    pub(crate) verb: Option<IncidentsVerb>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IncidentsVerb {
    /// List incidents, newest first (the default)
    List {
        /// Only those that still burn
        #[arg(long)]
        live: bool,
    },
    /// Show one as a person would read it
    Show {
        /// Its id, k3f9a2-000123
        id: String,
    },
    /// Take it
    Ack(CommandArgs),
    /// Say that it is over
    Resolve(CommandArgs),
    /// Say that it is not over
    Reopen(CommandArgs),
    /// Follow incidents as they change
    Watch,
}

#[derive(Debug, Args)]
pub(crate) struct CommandArgs {
    /// Its id, k3f9a2-000123
    pub(crate) id: String,
    /// Why
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    /// The revision that you saw; the command is refused if there is a newer one
    #[arg(long, default_value_t = 0)]
    pub(crate) revision: u64,
}

#[derive(Debug, Args)]
pub(crate) struct SloArgs {
    #[command(flatten)]
    pub(crate) api: ApiArgs,
    #[command(subcommand)]
    pub(crate) verb: Option<SloVerb>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SloVerb {
    /// List SLOs, worst first (the default)
    List,
    /// Say how the numbers of one came to be: counts, coverage, rules, the traces behind them
    Explain {
        /// Its name, as `slo list` prints it
        name: String,
    },
    /// Print Prometheus recording rules that give fogbell's gauges the names of other tools
    Rules {
        #[command(flatten)]
        config: ConfigArgs,
        /// Whose names; all by default
        #[arg(long, value_enum, value_delimiter = ',', value_name = "TOOL")]
        names: Vec<Names>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct MaintenanceArgs {
    #[command(flatten)]
    pub(crate) api: ApiArgs,
    #[command(subcommand)]
    pub(crate) verb: Option<MaintenanceVerb>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MaintenanceVerb {
    /// List what lasts, what comes next, and what is over (the default)
    List,
    /// Add one, in place of the one of its name; budgets are computed anew
    Add(Box<MaintenanceAddArgs>),
    /// Take one back: budgets are as if it had never been
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct MaintenanceAddArgs {
    /// Names it
    pub(crate) name: String,
    /// Whose events do not count; all services if none is named
    #[arg(long = "service", value_name = "NAME")]
    pub(crate) services: Vec<String>,
    /// Of which SLOs; all if none is named
    #[arg(long = "slo", value_name = "NAME")]
    pub(crate) slos: Vec<String>,
    /// Why
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub(crate) reason: String,
    /// When it begins, in RFC 3339, or how long ago it began, such as 30m; now if it is left out
    #[arg(long, value_name = "TIME", conflicts_with = "start")]
    pub(crate) from: Option<String>,
    /// When it ends, in RFC 3339, or how long ago it ended
    #[arg(long, value_name = "TIME", conflicts_with_all = ["start", "duration"])]
    pub(crate) until: Option<String>,
    /// How long it lasts, such as 2h
    #[arg(long = "for", value_name = "DURATION", required_unless_present = "until")]
    pub(crate) duration: Option<String>,
    /// When it begins first by the clock on the wall, as "2026-11-29 02:00:00"
    #[arg(long, value_name = "TIME", requires = "duration")]
    pub(crate) start: Option<String>,
    /// The time zone of --start and --rrule, such as Europe/Berlin; UTC if it is left out
    #[arg(long, default_value = "", value_name = "ZONE", requires = "start")]
    pub(crate) time_zone: String,
    /// When it begins again, by a rule of RFC 5545, such as "FREQ=WEEKLY;BYDAY=SU"
    #[arg(long, default_value = "", value_name = "RULE", requires = "start")]
    pub(crate) rrule: String,
}

/// A tool whose names for SLO metrics are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Names {
    Sloth,
    Pyrra,
    Grafana,
}

#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Send a page that is marked as a test
    #[arg(long, required = true)]
    pub(crate) test: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// OTLP endpoint
    #[arg(long, default_value = "http://127.0.0.1:4317", value_name = "URL")]
    pub(crate) endpoint: String,
    /// grpc or http
    #[arg(long, default_value = "grpc")]
    pub(crate) protocol: String,
    /// spans, json-spans, points or records
    #[arg(long, default_value = "spans")]
    pub(crate) content: String,
    /// File that holds the token
    #[arg(long, env = "FOGBELL_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Items a request
    #[arg(long, default_value_t = 1000)]
    pub(crate) batch: usize,
    /// none, gzip or zstd
    #[arg(long, default_value = "none")]
    pub(crate) compression: String,
    /// Connections
    #[arg(long, default_value_t = 4)]
    pub(crate) connections: usize,
    /// Requests in flight on each
    #[arg(long, default_value_t = 4)]
    pub(crate) in_flight: usize,
    /// How long; 10 s, and 3 s for each measurement of --compare
    #[arg(long, value_name = "S")]
    pub(crate) seconds: Option<u64>,
    /// Items per second; as fast as it goes without
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Process of the server, whose cost is read
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Option<u32>,
    /// Start fogbell and the limit servers on one core, the loader on the other, run all cases in turn, print the table
    #[arg(long)]
    pub(crate) compare: bool,
    /// With --compare: how many pairs of each case; the median counts
    #[arg(long, default_value_t = 5)]
    pub(crate) pairs: usize,
    /// With --compare: only these cases, by the names of the table
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "compare")]
    pub(crate) cases: Vec<String>,
    /// With --compare: an OpenTelemetry Collector with spanmetrics and servicegraph, to run beside
    #[arg(long, value_name = "FILE", requires = "compare")]
    pub(crate) collector: Option<PathBuf>,
    /// Start fogbell idle, half busy, busy and overloaded, let faults happen, print when their pages came; exit code 0 only if all is within bounds
    #[arg(long, conflicts_with = "compare")]
    pub(crate) page_latency: bool,
    /// With --page-latency: faults under each load
    #[arg(long, default_value_t = 40, requires = "page_latency")]
    pub(crate) trials: usize,
    /// With --page-latency: loads, in percent of what fogbell takes in a closed loop
    #[arg(
        long,
        value_name = "PERCENT",
        value_delimiter = ',',
        default_value = "0,50,100,200",
        requires = "page_latency"
    )]
    pub(crate) loads: Vec<f64>,
    /// Start fogbell, drive it at full rate for so long, print its memory; exit code 0 only if it stays flat
    #[arg(long, value_name = "MINUTES", num_args = 0..=1, default_missing_value = "10", conflicts_with_all = ["compare", "page_latency"])]
    pub(crate) soak: Option<f64>,
    /// With --compare, --page-latency or --soak: lines of JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// touch, walk or json
    pub(crate) mode: String,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:4327")]
    pub(crate) listen: String,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "write a share from 0 to 1".to_owned())
}

fn signals() -> impl TypedValueParser<Value = Signal> {
    PossibleValuesParser::new(["traces", "metrics", "logs"]).map(|word| match word.as_str() {
        "traces" => Signal::Traces,
        "metrics" => Signal::Metrics,
        _ => Signal::Logs,
    })
}
