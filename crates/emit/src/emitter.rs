use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use journal::{Journal, JournalError, SinkSpec};
use model::OutgoingKind;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::grpc::GrpcSink;
use crate::health::LaneStats;
use crate::kafka::KafkaSink;
use crate::lane::Lane;
use crate::sink::Sink;
use crate::topics::Topics;
use crate::{EmitConfig, EmitError, Jitter, KAFKA_SINK, ReceiptMessage, SinkHealth};

/// What is left to a lane after the deadline of a shutdown to notice it.
const STOP_GRACE: Duration = Duration::from_millis(200);

/// Runs two lanes for each sink: pages, and the rest.
#[derive(Debug)]
pub struct Emitter {
    lanes: Vec<RunningLane>,
    journal: Journal,
    stop: watch::Sender<Option<Instant>>,
}

#[derive(Debug)]
struct RunningLane {
    sink: String,
    kinds: Vec<OutgoingKind>,
    stats: Arc<LaneStats>,
    task: JoinHandle<usize>,
}

impl Emitter {
    /// Starts sending. The journal must have been opened with [`EmitConfig::sinks`]. `wake`
    /// changes after each commit that put something into the outbox. `receipts` must be taken
    /// until [`Self::shutdown`] has returned. `jitter` yields numbers in 0..1.
    ///
    /// # Errors
    /// [`EmitError`] if the configuration cannot work; that a sink is away is no error.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(
        config: EmitConfig,
        journal: Journal,
        receipts: mpsc::Sender<ReceiptMessage>,
        wake: watch::Receiver<u64>,
        jitter: Jitter,
    ) -> Result<Self, EmitError> {
        config.check_names()?;
        let (stop, stopped) = watch::channel(None);
        let mut lanes = Vec::new();
        let mut pages_wait = BTreeMap::new();
        for (spec, kinds, sink) in connect(&config, &jitter)? {
            // Until its lane has looked, there may be pages.
            let since = spec.kinds.contains(&OutgoingKind::Page).then(Instant::now);
            let pages_wait =
                pages_wait.entry(spec.name.clone()).or_insert_with(|| watch::channel(since).0);
            let stats = Arc::new(LaneStats::default());
            let lane = Lane {
                name: spec.name.clone(),
                kinds: kinds.clone(),
                sink,
                journal: journal.clone(),
                receipts: receipts.clone(),
                wake: wake.clone(),
                stop: stopped.clone(),
                jitter: Arc::clone(&jitter),
                stats: Arc::clone(&stats),
                pages_wait: pages_wait.clone(),
            };
            let task = tokio::spawn(lane.run());
            lanes.push(RunningLane { sink: spec.name, kinds, stats, task });
        }
        Ok(Self { lanes, journal, stop })
    }

    /// How each sink fares. Reads the journal.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn health(&self) -> Result<Vec<SinkHealth>, JournalError> {
        let backlog = self.journal.backlog()?;
        let mut sinks: BTreeMap<&str, SinkHealth> = BTreeMap::new();
        for lane in &self.lanes {
            let health = sinks.entry(&lane.sink).or_insert_with(|| SinkHealth {
                sink: lane.sink.clone(),
                sent: BTreeMap::new(),
                retried: 0,
                refused: 0,
                in_flight: 0,
                last_success: None,
                last_error: None,
                backlog: backlog.iter().filter(|one| one.sink == lane.sink).cloned().collect(),
            });
            let stats = &lane.stats;
            health.sent.extend(lane.kinds.iter().map(|kind| (*kind, stats.sent(*kind))));
            health.retried += stats.retried.load(Ordering::Relaxed);
            health.refused += stats.refused.load(Ordering::Relaxed);
            health.in_flight += stats.in_flight.load(Ordering::Relaxed);
            health.last_success = health.last_success.max(stats.last_success());
            let errors = health.last_error.take().into_iter().chain(stats.last_error());
            health.last_error = errors.max_by_key(|error| error.at);
        }
        Ok(sinks.into_values().collect())
    }

    /// Sends nothing new, waits up to `deadline` for answers to what is on its way, and returns
    /// how many entries have none. They stay in the outbox and are sent, with the same ids, after
    /// the next start.
    pub async fn shutdown(self, deadline: Duration) -> usize {
        let deadline = Instant::now() + deadline;
        self.stop.send_replace(Some(deadline));
        let mut unanswered = 0;
        for lane in self.lanes {
            match timeout_at(deadline + STOP_GRACE, lane.task).await {
                Ok(Ok(left)) => unanswered += left,
                Ok(Err(error)) => tracing::error!(sink = lane.sink, %error, "a lane failed"),
                Err(_) => {
                    let left = lane.stats.in_flight.load(Ordering::Relaxed);
                    unanswered += usize::try_from(left).unwrap_or(usize::MAX);
                }
            }
        }
        unanswered
    }
}

/// A connection for each lane of each sink.
pub(crate) type Connected = (SinkSpec, Vec<OutgoingKind>, Arc<dyn Sink>);

pub(crate) fn connect(config: &EmitConfig, jitter: &Jitter) -> Result<Vec<Connected>, EmitError> {
    let topics = config.kafka().map(|kafka| Topics::new(kafka, jitter)).transpose()?;
    let mut connected: Vec<Connected> = Vec::new();
    for spec in config.sinks() {
        let (pages, rest): (Vec<_>, Vec<_>) =
            spec.kinds.iter().partition(|kind| **kind == OutgoingKind::Page);
        for kinds in [pages, rest].into_iter().filter(|kinds| !kinds.is_empty()) {
            let sink: Arc<dyn Sink> = match (config.kafka(), &topics) {
                (Some(kafka), Some(topics)) if spec.name == KAFKA_SINK => {
                    let topics = Arc::clone(topics);
                    Arc::new(KafkaSink::connect(kafka, &config.source, topics)?)
                }
                _ => match config.emit.grpc.iter().find(|grpc| grpc.name == spec.name) {
                    Some(grpc) => Arc::new(GrpcSink::connect(grpc)?),
                    None => continue,
                },
            };
            connected.push((spec.clone(), kinds, sink));
        }
    }
    Ok(connected)
}
