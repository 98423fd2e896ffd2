//! From the configuration to what each part needs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use auth::{Credential, DEFAULT_TENANT, Role};
use config::{Ack, Config, Loaded};
use emit::EmitConfig;
use engine::{AutomaticOptions, EngineOptions, RaisedOptions, SloOptions};
use enrich::{RedactError, Redactor};
use observe::{AutomaticSettings, Limits, ObserverOptions, SliPlan};
use receive::GateOptions;
use slo::openslo::SloDefinition;
use telemetry::Recorder;

/// Share of `limits.memory_bytes` that requests in flight may take.
const IN_FLIGHT_SHARE: u64 = 8;
/// What a service takes at most, in all workers and the engine together: measured with services
/// that come once each, rounded up.
const SERVICE_BYTES: u64 = 48 << 10;
/// The `source` of CloudEvents.
const SOURCE: &str = "/fogbell";

/// What a daemon is started with.
pub struct DaemonOptions {
    /// Where state lives.
    pub data_dir: PathBuf,
    /// `api.listen`.
    pub api: SocketAddr,
    /// `api.hosts`.
    pub hosts: Vec<String>,
    /// The data plane.
    pub workers: WorkersOptions,
    /// The door.
    pub gate: GateOptions,
    /// Who may enter; none = everybody.
    pub credentials: Vec<Credential>,
    /// How engines judge.
    pub engine: EngineOptions,
    /// Where pages go.
    pub emit: EmitConfig,
    /// The process's metrics.
    pub recorder: Option<Recorder>,
    /// `limits.memory_bytes`.
    pub memory_bytes: u64,
}

/// The data plane.
#[derive(Clone)]
pub struct WorkersOptions {
    /// How many threads.
    pub count: usize,
    /// `receive.otlp.grpc.listen`.
    pub grpc: SocketAddr,
    /// `receive.otlp.http.listen`.
    pub http: SocketAddr,
    /// What they observe; the budget for recall is that of all of them together.
    pub observer: ObserverOptions,
}

/// What a reload may change.
#[derive(Clone)]
pub struct Definitions {
    /// For the data plane.
    pub slis: Arc<SliPlan>,
    /// For the data plane, too.
    pub automatic: Option<AutomaticSettings>,
    /// For the engines.
    pub engine: EngineOptions,
}

/// What the configuration holds cannot be put to work.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// A pattern of `enrich.redact` is none.
    #[error("enrich.redact: {0}")]
    Redact(#[from] RedactError),
    /// The SLOs together name too many fields.
    #[error("slos.files: {0}")]
    Slos(String),
}

impl DaemonOptions {
    /// From a configuration without errors.
    ///
    /// # Errors
    /// If it cannot be put to work though it is well-formed.
    pub fn new(loaded: &Loaded, seed: u64) -> Result<Self, OptionsError> {
        let config = &loaded.config;
        let definitions = Definitions::new(loaded, seed)?;
        let observer = ObserverOptions {
            worker: 0,
            seed,
            limits: limits(config),
            automatic: definitions.automatic,
            redactor: Arc::new(redactor(config)?),
            slis: definitions.slis,
        };
        let in_flight = config.limits.memory_bytes / IN_FLIGHT_SHARE;
        Ok(Self {
            data_dir: config.data_dir.clone(),
            api: config.api.listen,
            hosts: config.api.hosts.clone(),
            workers: WorkersOptions {
                count: std::thread::available_parallelism().map_or(1, usize::from),
                grpc: config.receive.grpc_listen,
                http: config.receive.http_listen,
                observer,
            },
            gate: GateOptions {
                request_bytes_max: size(config.receive.request_bytes_max),
                in_flight_bytes_max: size(in_flight.max(2 * config.receive.request_bytes_max)),
                work_ahead: config.limits.work_ahead,
                durable: config.receive.ack == Ack::Durable,
            },
            credentials: loaded.credentials.iter().map(credential).collect(),
            engine: definitions.engine,
            emit: emit_config(config),
            recorder: None,
            memory_bytes: config.limits.memory_bytes,
        })
    }
}

impl Definitions {
    /// From a configuration without errors.
    ///
    /// # Errors
    /// If its SLOs cannot be put to work together.
    pub fn new(loaded: &Loaded, seed: u64) -> Result<Self, OptionsError> {
        let slis = SliPlan::compile(&loaded.slos);
        let slis = slis.map_err(|error| OptionsError::Slos(error.to_string()))?;
        let slos = &loaded.config.slos;
        let automatic = slos
            .automatic
            .then(|| AutomaticSettings { latency_ns: ns(slos.automatic_defaults.latency) });
        Ok(Self { slis: Arc::new(slis), automatic, engine: engine_options(loaded, seed) })
    }
}

/// How engines judge by this configuration; tenant and epoch are for the caller to fill in.
#[must_use]
pub fn engine_options(loaded: &Loaded, seed: u64) -> EngineOptions {
    let config = &loaded.config;
    let defaults = &config.slos.automatic_defaults;
    EngineOptions {
        tenant: DEFAULT_TENANT.into(),
        epoch: 0,
        seed,
        slos: loaded.slos.iter().map(|slo| slo_options(slo, config)).collect(),
        automatic: config.slos.automatic.then_some(AutomaticOptions {
            availability: defaults.availability,
            latency: defaults.latency_ratio,
            latency_threshold: defaults.latency,
            window: defaults.window,
        }),
        rules: config.alerting.rules.clone(),
        bad_events_min: config.alerting.bad_events_min,
        services_max: services(config),
        series_max: config.limits.series,
        groups_max: config.limits.groups_per_slo,
        trace_url: config.enrich.trace_url.clone(),
        raised: RaisedOptions {
            service_labels: config.alerting.service_labels.clone(),
            resolve_after: config.alerting.resolve_after,
        },
        maintenance: loaded.maintenance.clone(),
    }
}

/// Where pages go by this configuration.
#[must_use]
pub fn emit_config(config: &Config) -> EmitConfig {
    EmitConfig { source: SOURCE.to_owned(), emit: config.emit.clone() }
}

/// What texts pass before they are kept, by this configuration.
///
/// # Errors
/// If a pattern of `enrich.redact` is none.
pub fn redactor(config: &Config) -> Result<Redactor, RedactError> {
    Redactor::new(&config.enrich.attributes_keep, &config.enrich.redact)
}

fn slo_options(slo: &SloDefinition, config: &Config) -> SloOptions {
    SloOptions {
        // What is wrong with one was told when the configuration was read.
        calendar: slo.calendar.as_ref().and_then(|window| config::calendar_of(window).ok()),
        rules: Some(slo.rules_or(&config.alerting.rules)),
        ..SloOptions::from(slo)
    }
}

/// `limits.services`, or fewer where the memory does not reach for them.
fn services(config: &Config) -> usize {
    config.limits.services.min(size(config.limits.memory_bytes / SERVICE_BYTES))
}

fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        services: services(config),
        series: limits.series,
        groups_per_slo: limits.groups_per_slo,
        tag_values_per_key: limits.tag_values_per_key,
        recall_bytes: size(limits.recall_bytes),
        ..Limits::default()
    }
}

fn credential(credential: &config::Credential) -> Credential {
    let role = match credential.role {
        config::Role::Ingest => Role::Ingest,
        config::Role::Viewer => Role::Viewer,
        config::Role::Responder => Role::Responder,
        config::Role::Admin => Role::Admin,
    };
    Credential::new(credential.tenant.as_str().into(), role, credential.token.expose().to_owned())
}

fn ns(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
