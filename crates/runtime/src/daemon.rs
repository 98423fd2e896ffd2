//! The whole daemon: started, reloaded, drained.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use api::{ApiState, Feed};
use arc_swap::ArcSwap;
use auth::{Credentials, Tenant};
use emit::{Emitter, ReceiptMessage};
use engine::{Engine, EngineOptions, RestoreReport};
use journal::{Journal, Receipt, Restored};
use model::{Action, Outgoing, OutgoingKind};
use observe::ObserverOptions;
use receive::{Gate, Roster};
use telemetry::{Counter, Gauge, Histogram};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::clock::{now, random_seed};
use crate::commit::{Committer, ToJournal};
use crate::control::Controls;
use crate::hub::{Hub, Views, tenant_of};
use crate::memory::resident_bytes;
use crate::options::{DaemonOptions, Definitions, WorkersOptions};
use crate::tick::{HUB_QUEUE, JOURNAL_QUEUE, ToHub};
use crate::worker::{Worker, WorkerOptions};

/// How long sinks may take to confirm what is on its way, once the daemon drains.
const EMIT_DEADLINE: Duration = Duration::from_secs(5);
/// How often the daemon looks at its own memory, and after how many looks at the rest.
const MEMORY_EVERY: Duration = Duration::from_millis(250);
const ROUNDS_PER_GAUGES: u32 = 8;
/// Share of `limits.memory_bytes` from which on telemetry is refused.
const PRESSED_PERCENT: u64 = 85;
/// A sink that has answered nothing for this long, with something waiting, is told by `/readyz`.
const SINK_SILENT_AFTER: Duration = Duration::from_secs(30);
/// Receipts on their way to the journal; beyond that senders wait.
const RECEIPT_QUEUE: usize = 4096;

/// The daemon could not start.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] journal::JournalError),
    /// A sink cannot work as configured.
    #[error(transparent)]
    Emit(#[from] emit::EmitError),
    /// A socket or a thread cannot be had.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The API's address cannot be bound.
    #[error("cannot listen on {address} for the API")]
    Api {
        /// `api.listen`.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// Where the daemon listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// OTLP over gRPC.
    pub grpc: SocketAddr,
    /// OTLP over HTTP.
    pub http: SocketAddr,
    /// API, metrics, incident service.
    pub api: SocketAddr,
}

/// A running daemon.
pub struct Daemon {
    endpoints: Endpoints,
    feed: Arc<Feed>,
    gate: Arc<Gate>,
    workers: Vec<Worker>,
    to_hub: SyncSender<ToHub>,
    to_journal: SyncSender<ToJournal>,
    hub: std::thread::JoinHandle<()>,
    committer: std::thread::JoinHandle<()>,
    emitter: Arc<Emitter>,
    stop: watch::Sender<bool>,
    api: tokio::task::JoinHandle<std::io::Result<()>>,
    chores: tokio::task::JoinHandle<()>,
}

impl Daemon {
    /// Starts everything. When this returns, all sockets are bound and what the journal held is
    /// judged again. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// If a part cannot start; what had started ends.
    pub async fn start(options: DaemonOptions) -> Result<Self, DaemonError> {
        let (stop, stopped) = watch::channel(false);
        let store = Store::open(&options)?;
        let outlet = Outlet::start(&options, &store)?;
        let credentials = Arc::new(Credentials::new(options.credentials));
        let gate = Gate::new(options.gate, Arc::clone(&credentials));
        let (journal, feed) = (store.journal.clone(), Arc::clone(&store.feed));
        let inlet = Inlet::start(&options.workers, &gate, store, &outlet, &stopped)?;
        let address = options.api;
        let bind = TcpListener::bind(address).await;
        let listener = bind.map_err(|source| DaemonError::Api { address, source })?;
        let (grpc, http) = inlet.addresses;
        let endpoints = Endpoints { grpc, http, api: listener.local_addr()? };
        let (sink_trouble_sender, sink_trouble) = watch::channel(Vec::new());
        let controls = Controls {
            to_hub: inlet.to_hub.clone(),
            views: inlet.views,
            journal: journal.clone(),
            recorder: options.recorder.clone(),
            trouble: outlet.trouble,
            sink_trouble,
            stop: stopped.clone(),
        };
        let state = ApiState {
            feed: Arc::clone(&feed),
            control: Arc::new(controls),
            credentials,
            hosts: options.hosts,
        };
        let api = tokio::spawn(api::serve(listener, state, stopped));
        let chores = Chores {
            recorder: options.recorder,
            gate: Arc::clone(&gate),
            feed: Arc::clone(&feed),
            emitter: Arc::clone(&outlet.emitter),
            journal,
            memory_bytes: options.memory_bytes,
            sink_trouble: sink_trouble_sender,
        };
        Ok(Self {
            endpoints,
            feed,
            gate,
            workers: inlet.workers,
            to_hub: inlet.to_hub,
            to_journal: outlet.to_journal,
            hub: inlet.hub,
            committer: outlet.committer,
            emitter: outlet.emitter,
            stop,
            api,
            chores: tokio::spawn(chores.run()),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints {
        self.endpoints
    }

    /// All committed incidents, and their changes.
    #[must_use]
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// Takes new SLO definitions and rules; what was counted stays. Addresses, limits and sinks
    /// change with a restart only.
    pub fn redefine(&self, definitions: Definitions) {
        for worker in &self.workers {
            worker.shared.redefine(&definitions.slis, definitions.automatic);
        }
        let message = ToHub::Redefine(Box::new(definitions.engine));
        if self.to_hub.send(message).is_err() {
            tracing::error!("the hub has ended: the new definitions are lost");
        }
        Counter::Reloads.add(1, &[("outcome", "done".to_owned())]);
    }

    /// Refuses what is new, finishes what was accepted, writes it down, and ends. Deliveries that
    /// sinks have not confirmed stay in the outbox and leave, with the same ids, after the next
    /// start.
    pub async fn drain(self) {
        Gauge::Draining.set(1.0, &[]);
        self.gate.drain();
        let _ = self.stop.send(true);
        let workers = self.workers;
        let to_hub = self.to_hub;
        let hub = self.hub;
        let stopped = tokio::task::spawn_blocking(move || {
            for worker in workers {
                match worker.thread.join() {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::error!(%error, "a worker ended badly"),
                    Err(_) => tracing::error!("a worker panicked"),
                }
            }
            let _ = to_hub.send(ToHub::Drain);
            if hub.join().is_err() {
                tracing::error!("the hub panicked");
            }
        });
        let _ = stopped.await;
        self.chores.abort();
        let _ = self.chores.await;
        if let Some(emitter) = Arc::into_inner(self.emitter) {
            let unanswered = emitter.shutdown(EMIT_DEADLINE).await;
            tracing::info!(unanswered, "sinks are done");
        }
        let (to_journal, committer) = (self.to_journal, self.committer);
        let committed = tokio::task::spawn_blocking(move || {
            let _ = to_journal.send(ToJournal::Stop);
            committer.join()
        });
        if !matches!(committed.await, Ok(Ok(()))) {
            tracing::error!("the journal's thread panicked");
        }
        match self.api.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the API ended badly"),
            Err(error) => tracing::error!(%error, "the API panicked"),
        }
    }
}

/// What the journal held.
struct Store {
    journal: Journal,
    engines: BTreeMap<Tenant, Engine>,
    /// For tenants that are not known yet.
    template: EngineOptions,
    feed: Arc<Feed>,
}

impl Store {
    fn open(options: &DaemonOptions) -> Result<Self, DaemonError> {
        let sinks = options.emit.sinks();
        let (journal, restored) = journal::open(&options.data_dir, fresh_epoch(), now(), sinks)?;
        let (engines, template) = restore(&options.engine, restored);
        let incidents = engines.values().flat_map(Engine::incidents).collect::<Vec<_>>();
        let feed = Feed::new(fresh_epoch(), incidents);
        Ok(Self { journal, engines, template, feed })
    }
}

/// From the journal outwards.
struct Outlet {
    emitter: Arc<Emitter>,
    to_journal: SyncSender<ToJournal>,
    committer: std::thread::JoinHandle<()>,
    trouble: watch::Receiver<Option<String>>,
}

impl Outlet {
    fn start(options: &DaemonOptions, store: &Store) -> Result<Self, DaemonError> {
        let (to_journal, from_hub) = sync_channel(JOURNAL_QUEUE);
        let (outbox_grew, wake) = watch::channel(0);
        let (trouble_sender, trouble) = watch::channel(None);
        let (receipts, from_sinks) = mpsc::channel(RECEIPT_QUEUE);
        let (emit, journal) = (options.emit.clone(), store.journal.clone());
        let emitter = Arc::new(Emitter::start(emit, journal, receipts, wake, jitter())?);
        let committer = Committer {
            journal: store.journal.clone(),
            feed: Arc::clone(&store.feed),
            outbox_grew,
            trouble: trouble_sender,
        };
        let committer = named("journal").spawn(move || committer.run(&from_hub))?;
        drop(tokio::spawn(forward_receipts(from_sinks, to_journal.clone(), store.journal.clone())));
        Ok(Self { emitter, to_journal, committer, trouble })
    }
}

/// From the sockets to the engines.
struct Inlet {
    workers: Vec<Worker>,
    addresses: (SocketAddr, SocketAddr),
    to_hub: SyncSender<ToHub>,
    hub: std::thread::JoinHandle<()>,
    views: Arc<Views>,
}

impl Inlet {
    fn start(
        options: &WorkersOptions,
        gate: &Arc<Gate>,
        store: Store,
        outlet: &Outlet,
        stop: &watch::Receiver<bool>,
    ) -> Result<Self, DaemonError> {
        let (to_hub, from_workers) = sync_channel(HUB_QUEUE);
        let (workers, grpc, http) = start_workers(options, gate, &to_hub, stop)?;
        let views: Arc<Views> = Arc::new(ArcSwap::from_pointee(BTreeMap::new()));
        let hub = Hub {
            engines: store.engines,
            template: store.template,
            recall: workers.iter().map(|worker| worker.recall.clone()).collect(),
            behind: workers.iter().map(|worker| Arc::clone(&worker.behind)).collect(),
            to_journal: outlet.to_journal.clone(),
            views: Arc::clone(&views),
            feed: store.feed,
        };
        let hub = named("hub").spawn(move || hub.run(&from_workers))?;
        Ok(Self { workers, addresses: (grpc, http), to_hub, hub, views })
    }
}

/// What goes on beside: gauges, and the health of sinks.
struct Chores {
    recorder: Option<telemetry::Recorder>,
    gate: Arc<Gate>,
    feed: Arc<Feed>,
    emitter: Arc<Emitter>,
    journal: Journal,
    memory_bytes: u64,
    sink_trouble: watch::Sender<Vec<String>>,
}

impl Chores {
    async fn run(self) {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Gauge::BuildInfo.set(1.0, &[("version", version)]);
        Gauge::MemoryLimit.set(self.memory_bytes as f64, &[]);
        Gauge::Draining.set(0.0, &[]);
        let mut ticks = tokio::time::interval(MEMORY_EVERY);
        let mut round = 0;
        loop {
            let _ = ticks.tick().await;
            self.look_at_memory();
            round += 1;
            if round % ROUNDS_PER_GAUGES != 0 {
                continue;
            }
            if let Some(recorder) = &self.recorder {
                recorder.upkeep();
            }
            Gauge::AdmittedBytes.set(self.gate.admission().in_flight() as f64, &[]);
            Gauge::Subscribers.set(self.feed.subscribers() as f64, &[]);
            if let Err(error) = self.look_at_sinks() {
                tracing::error!(%error, "cannot read the outbox");
            }
        }
    }

    /// Refuses telemetry before the ceiling is reached: what is in flight still needs its share.
    fn look_at_memory(&self) {
        let Some(bytes) = resident_bytes() else { return };
        Gauge::ResidentMemory.set(bytes as f64, &[]);
        self.gate.press(bytes >= self.memory_bytes / 100 * PRESSED_PERCENT);
    }

    fn look_at_sinks(&self) -> Result<(), journal::JournalError> {
        let at = now();
        let mut problems = Vec::new();
        for sink in self.emitter.health()? {
            for backlog in &sink.backlog {
                let labels = [("sink", sink.sink.clone()), ("kind", backlog.kind.to_string())];
                Gauge::OutboxEntries.set(backlog.waiting as f64, &labels);
                let age = backlog.oldest_at.map_or(Duration::ZERO, |oldest| at.since(oldest));
                Gauge::OutboxOldest.set(age.as_secs_f64(), &labels);
                if age > SINK_SILENT_AFTER {
                    let why = sink.last_error.as_ref().map_or("", |error| error.message.as_str());
                    let (name, kind, waiting) = (&sink.sink, backlog.kind, backlog.waiting);
                    problems.push(format!(
                        "{name} has not confirmed {waiting} {kind} entries for {age:.0?}: {why}"
                    ));
                }
            }
        }
        let (dead, _) = self.journal.dead_letter_count()?;
        Gauge::DeadLetters.set(dead as f64, &[]);
        let _ = self.sink_trouble.send(problems);
        Ok(())
    }
}

async fn forward_receipts(
    mut from: mpsc::Receiver<ReceiptMessage>,
    to_journal: SyncSender<ToJournal>,
    journal: Journal,
) {
    while let Some(message) = from.recv().await {
        let message = match message {
            ReceiptMessage::Confirmed(receipt) => {
                count_delivery(&receipt, "confirmed");
                if receipt.kind == OutgoingKind::Page {
                    time_page(&journal, &receipt);
                }
                ToJournal::Confirmed(receipt)
            }
            ReceiptMessage::Refused(receipt, why) => {
                count_delivery(&receipt, "refused");
                ToJournal::Refused(receipt, why)
            }
        };
        let to_journal = to_journal.clone();
        // The journal may be slow, and this must not hold a thread of the runtime meanwhile.
        let sent = tokio::task::spawn_blocking(move || to_journal.send(message)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

/// From the judgement that decided to the sink's confirmation, of pages that wake someone.
fn time_page(journal: &Journal, receipt: &Receipt) {
    let Ok(Some(entry)) = journal.entry(receipt) else { return };
    let Outgoing::Delivery(delivery) = &entry.outgoing else { return };
    if delivery.action == Action::Trigger && delivery.incident.revision == 1 {
        let took = now().since(delivery.incident.detected_at).as_secs_f64();
        Histogram::PageLatency.record(took, &[("sink", receipt.sink.clone())]);
    }
}

fn count_delivery(receipt: &Receipt, outcome: &str) {
    let labels = [
        ("sink", receipt.sink.clone()),
        ("kind", receipt.kind.to_string()),
        ("outcome", outcome.to_owned()),
    ];
    Counter::Deliveries.add(1, &labels);
}

type Started = (Vec<Worker>, SocketAddr, SocketAddr);

fn start_workers(
    options: &WorkersOptions,
    gate: &Arc<Gate>,
    to_hub: &SyncSender<ToHub>,
    stop: &watch::Receiver<bool>,
) -> std::io::Result<Started> {
    let (mut grpc, mut http) = (options.grpc, options.http);
    let mut workers = Vec::new();
    let count = options.count.max(1);
    let mut observer = options.observer.clone();
    observer.limits.recall_bytes /= count;
    let (_, desks) = Roster::new(count);
    for (number, desk) in desks.into_iter().enumerate() {
        let observer = ObserverOptions { worker: number as u32, ..observer.clone() };
        let (worker, bound_grpc, bound_http) = Worker::start(WorkerOptions {
            number,
            grpc,
            http,
            observer,
            gate: Arc::clone(gate),
            desk,
            to_hub: to_hub.clone(),
            stop: stop.clone(),
        })?;
        // Port 0 is chosen once; the other workers share what the first one got.
        (grpc, http) = (bound_grpc, bound_http);
        workers.push(worker);
    }
    Ok((workers, grpc, http))
}

/// Key and value.
type StoredRow = (Vec<u8>, Vec<u8>);

/// Engines that go on from the journal, and the options of those to come.
fn restore(
    options: &EngineOptions,
    restored: Restored,
) -> (BTreeMap<Tenant, Engine>, EngineOptions) {
    let template = EngineOptions { epoch: restored.epoch, ..options.clone() };
    let at = now();
    let mut rows: BTreeMap<Tenant, Vec<StoredRow>> = BTreeMap::new();
    for (key, value) in restored.rows {
        match tenant_of(&key) {
            Some((tenant, key)) => rows.entry(tenant).or_default().push((key, value)),
            None => tracing::error!(?key, "a row of no tenant was left out"),
        }
    }
    let last = restored.last_commit_at.unwrap_or_default();
    let engines = rows.into_iter().map(|(tenant, rows)| {
        let options = EngineOptions { tenant: Arc::clone(&tenant), ..template.clone() };
        let (engine, report) = Engine::restore(options, rows, last, at);
        tell(&tenant, report);
        (tenant, engine)
    });
    (engines.collect(), template)
}

fn tell(tenant: &Tenant, report: RestoreReport) {
    let RestoreReport { rows, unreadable, series, incidents } = report;
    tracing::info!(%tenant, rows, series, incidents, "state was restored");
    if unreadable > 0 {
        tracing::error!(%tenant, unreadable, "rows could not be read and were left out");
    }
}

fn named(name: &str) -> std::thread::Builder {
    std::thread::Builder::new().name(name.to_owned())
}

/// A number that differs from store to store and from run to run.
fn fresh_epoch() -> u32 {
    (random_seed() % u64::from(model::IncidentId::EPOCHS)) as u32
}

fn jitter() -> emit::Jitter {
    // The upper 53 bits, as many as a fraction holds.
    Arc::new(|| (random_seed() >> 11) as f64 / (1u64 << 53) as f64)
}
