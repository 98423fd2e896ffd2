use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use model::Urgency;
use slo::judge::{BurnRateRule, DEFAULT_RULES, Fraction, Objective};

use crate::{Occasion, Secret};

const DAY_S: u64 = 86_400;
const MIB: u64 = 1 << 20;

/// The whole configuration. Its keys are those of `fogbell.yaml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the state is kept.
    pub data_dir: PathBuf,
    /// Intake.
    pub receive: Receive,
    /// HTTP API, `/metrics`, web page, gRPC incident service.
    pub api: Api,
    /// Who may do what.
    pub auth: Auth,
    /// Which SLOs there are.
    pub slos: Slos,
    /// When they alert.
    pub alerting: Alerting,
    /// When events count toward no budget.
    pub maintenance: Vec<DeclaredMaintenance>,
    /// What incidents are enriched with.
    pub enrich: Enrich,
    /// Where pages, tickets and incidents go.
    pub emit: Emit,
    /// What is capped.
    pub limits: Limits,
    /// fogbell's own logs.
    pub log: Log,
}

/// `receive`
#[derive(Clone, Debug, PartialEq)]
pub struct Receive {
    /// `otlp.grpc.listen`
    pub grpc_listen: SocketAddr,
    /// `otlp.http.listen`
    pub http_listen: SocketAddr,
    /// Largest request, after decompression.
    pub request_bytes_max: u64,
    /// When a request is answered.
    pub ack: Ack,
    /// OTLP from Kafka; off while there are no brokers.
    pub kafka: ReceiveKafka,
}

/// An entry of `maintenance`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredMaintenance {
    /// Names it.
    pub name: String,
    /// Services; empty = all.
    pub services: Vec<String>,
    /// SLOs; empty = all.
    pub slos: Vec<String>,
    /// Why.
    pub reason: String,
    /// When.
    pub occasion: Occasion,
}

/// When a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// Once it is in a bounded queue.
    Accepted,
    /// Once the pane delta that holds it is journalled.
    Durable,
}

/// `receive.kafka`
#[derive(Clone, Debug, PartialEq)]
pub struct ReceiveKafka {
    /// `host:port` each; empty = off.
    pub brokers: Vec<String>,
    /// Topics by signal.
    pub topics: OtlpTopics,
    /// Consumer group.
    pub group: String,
}

/// `receive.kafka.topics`
#[derive(Clone, Debug, PartialEq)]
pub struct OtlpTopics {
    /// Spans.
    pub traces: String,
    /// Metric points.
    pub metrics: String,
    /// Log records.
    pub logs: String,
}

/// `api`
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Names under which it is called, beside addresses and `localhost`: without a credential,
    /// requests for other hosts are refused, so that no web page can reach it by a name of its own.
    pub hosts: Vec<String>,
}

/// `auth`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Auth {
    /// Listen off loopback without credentials.
    pub insecure: bool,
    /// Credentials; a tenant may have several.
    pub tenants: Vec<Tenant>,
    /// Keys and certificates.
    pub tls: Tls,
}

/// An entry of `auth.tenants`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    /// The tenant's name.
    pub name: String,
    /// The file that holds its token.
    pub token_file: PathBuf,
    /// What the token allows.
    pub role: Role,
}

/// What a credential allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Send telemetry.
    Ingest,
    /// Look.
    Viewer,
    /// Acknowledge and resolve.
    Responder,
    /// Everything.
    Admin,
}

/// `auth.tls`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// Certificate chain.
    pub cert: Option<PathBuf>,
    /// Private key.
    pub key: Option<PathBuf>,
    /// Authority that clients' certificates must come from.
    pub client_ca: Option<PathBuf>,
}

/// `slos`
#[derive(Clone, Debug, PartialEq)]
pub struct Slos {
    /// Globs of OpenSLO files, relative to the configuration's folder.
    pub files: Vec<String>,
    /// Whether every serving service gets SLOs of its own.
    pub automatic: bool,
    /// What these promise.
    pub automatic_defaults: AutomaticDefaults,
}

/// `slos.automatic_defaults`
#[derive(Clone, Debug, PartialEq)]
pub struct AutomaticDefaults {
    /// Share of requests that must not fail.
    pub availability: Objective,
    /// Share of requests that must be fast.
    pub latency_ratio: Objective,
    /// What is fast.
    pub latency: Duration,
    /// Rolling window of both.
    pub window: Duration,
}

/// `alerting`
#[derive(Clone, Debug, PartialEq)]
pub struct Alerting {
    /// Rows of the burn-rate table, for SLOs without policies of their own.
    pub rules: Vec<BurnRateRule>,
    /// Fewest bad events in a long window that alert.
    pub bad_events_min: u64,
    /// Labels of alerts of other systems that name the service or workload that they are about,
    /// the most telling first.
    pub service_labels: Vec<String>,
    /// When an alert of another system is over that is neither repeated nor says so itself.
    pub resolve_after: Duration,
}

/// `enrich`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Enrich {
    /// Link to a trace; holds `{trace_id}`.
    pub trace_url: Option<String>,
    /// File of the service catalogue.
    pub catalog: Option<PathBuf>,
    /// Attributes that are kept beside the conventional ones.
    pub attributes_keep: Vec<String>,
    /// Regular expressions of what is redacted beside the built-in ones.
    pub redact: Vec<String>,
}

/// `emit`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Emit {
    /// Kafka; off while there are no brokers.
    pub kafka: KafkaSink,
    /// Servers of the user's.
    pub grpc: Vec<GrpcSink>,
}

/// `emit.kafka`
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaSink {
    /// `host:port` each; empty = off.
    pub brokers: Vec<String>,
    /// Form of the values.
    pub format: EmitFormat,
    /// Topics by what they hold.
    pub topics: EmitTopics,
    /// How missing topics are created; `None` = never.
    pub create_topics: Option<CreateTopics>,
    /// Passed to librdkafka. May hold passwords.
    pub properties: BTreeMap<String, Secret>,
}

/// Form of values on Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmitFormat {
    /// Protobuf.
    Protobuf,
    /// Protobuf JSON.
    Json,
}

/// `emit.kafka.topics`; each may hold `{tenant}`.
#[derive(Clone, Debug, PartialEq)]
pub struct EmitTopics {
    /// Snapshots of incidents.
    pub incidents: String,
    /// What changed.
    pub events: String,
    /// Pages.
    pub pages: String,
    /// Tickets.
    pub tickets: String,
}

/// `emit.kafka.create_topics`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreateTopics {
    /// Partitions of each topic.
    pub partitions: u32,
    /// Replicas of each partition.
    pub replication: u16,
}

/// An entry of `emit.grpc`.
#[derive(Clone, Debug, PartialEq)]
pub struct GrpcSink {
    /// Unique among the sinks.
    pub name: String,
    /// `http://` or `https://`, host and port.
    pub endpoint: String,
    /// What it is sent.
    pub urgencies: Vec<Urgency>,
}

/// `limits`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Ceiling of the process's memory.
    pub memory_bytes: u64,
    /// Estimated work that a worker takes on at once: for as long as that ticks, recalls and the
    /// answers to other clients wait.
    pub work_ahead: Duration,
    /// Compact span records kept for trace context.
    pub recall_bytes: u64,
    /// Services of a tenant.
    pub services: usize,
    /// SLI series of a tenant.
    pub series: usize,
    /// Groups of one SLO.
    pub groups_per_slo: usize,
    /// Values of one tag key.
    pub tag_values_per_key: usize,
}

/// `log`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// Least level that is written.
    pub level: LogLevel,
    /// Form of a line.
    pub format: LogFormat,
}

/// Least level that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Errors alone.
    Error,
    /// And warnings.
    Warn,
    /// And what an operator wants to know.
    Info,
    /// And what a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "./fogbell-data".into(),
            receive: Receive::default(),
            api: Api { listen: loopback(8420), hosts: Vec::new() },
            auth: Auth::default(),
            slos: Slos::default(),
            maintenance: Vec::new(),
            alerting: Alerting {
                rules: DEFAULT_RULES.to_vec(),
                bad_events_min: 10,
                service_labels: correlate::SUBJECT_LABELS.map(str::to_owned).to_vec(),
                resolve_after: Duration::from_secs(5 * 60),
            },
            enrich: Enrich::default(),
            emit: Emit::default(),
            limits: Limits::default(),
            log: Log { level: LogLevel::Info, format: LogFormat::Auto },
        }
    }
}

impl Default for Receive {
    fn default() -> Self {
        Self {
            grpc_listen: loopback(4317),
            http_listen: loopback(4318),
            request_bytes_max: 16 * MIB,
            ack: Ack::Accepted,
            kafka: ReceiveKafka {
                brokers: Vec::new(),
                topics: OtlpTopics {
                    traces: "otlp_spans".to_owned(),
                    metrics: "otlp_metrics".to_owned(),
                    logs: "otlp_logs".to_owned(),
                },
                group: "fogbell".to_owned(),
            },
        }
    }
}

impl Default for Slos {
    fn default() -> Self {
        Self {
            files: vec!["slos/**/*.yaml".to_owned()],
            automatic: true,
            automatic_defaults: AutomaticDefaults {
                availability: promise(999, 1000),
                latency_ratio: promise(99, 100),
                latency: Duration::from_millis(500),
                window: Duration::from_secs(30 * DAY_S),
            },
        }
    }
}

impl Default for KafkaSink {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            format: EmitFormat::Protobuf,
            topics: EmitTopics {
                incidents: "fogbell.incidents.v1".to_owned(),
                events: "fogbell.incident-events.v1".to_owned(),
                pages: "fogbell.pages.v1".to_owned(),
                tickets: "fogbell.tickets.v1".to_owned(),
            },
            create_topics: Some(CreateTopics::default()),
            properties: BTreeMap::new(),
        }
    }
}

impl Default for CreateTopics {
    fn default() -> Self {
        Self { partitions: 6, replication: 1 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 * MIB,
            work_ahead: Duration::from_millis(100),
            recall_bytes: 48 * MIB,
            services: 10_000,
            series: 200_000,
            groups_per_slo: 2000,
            tag_values_per_key: 1000,
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The promise of a target below 1; of nothing at all otherwise, which zero always is.
fn promise(numerator: u64, denominator: u64) -> Objective {
    Objective::from_target(Fraction::new(numerator, denominator)).unwrap_or_else(|| promise(0, 1))
}
