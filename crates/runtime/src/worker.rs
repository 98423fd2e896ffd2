//! One worker: its sockets, its runtime, its data plane.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use auth::Tenant;
use model::{PaneDelta, Timestamp};
use observe::{AutomaticSettings, Observer, ObserverOptions, SliPlan};
use otlp::{Signal, Summary};
use parking_lot::Mutex;
use receive::{Desk, Gate, Intake, Listeners, Unobserved};
use telemetry::{Counter, Gauge};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::clock::now;
use crate::tick::{Flushed, Recall, TICK_MS, ToHub};

/// Recalls that wait for a worker.
const RECALL_QUEUE: usize = 64;
/// Tenants that one worker serves; beyond that requests of new ones are refused retryably.
const TENANTS_MAX: usize = 100;
/// How long a durable request waits for others before its hand-over: one commit serves them all.
const GATHER: Duration = Duration::from_millis(10);

/// What a worker's tasks share. All of them run on one thread, so that the lock is never waited
/// for; it is there because servers want their handlers to be shareable.
pub(crate) struct Shared {
    number: usize,
    state: Mutex<State>,
    options: ObserverOptions,
    flush_soon: Notify,
    to_hub: SyncSender<ToHub>,
    /// Whether the hub still holds a hand-over of this worker: then it goes on counting.
    behind: Arc<AtomicBool>,
}

struct State {
    observers: BTreeMap<Tenant, Observer>,
    waiters: Vec<oneshot::Sender<bool>>,
    /// When the last hand-over was.
    handed_at: Timestamp,
    slis: Arc<SliPlan>,
    automatic: Option<AutomaticSettings>,
}

/// A worker as the rest of the daemon sees it.
pub(crate) struct Worker {
    pub(crate) recall: mpsc::Sender<Recall>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) behind: Arc<AtomicBool>,
    pub(crate) thread: std::thread::JoinHandle<io::Result<()>>,
}

/// What a worker needs to begin.
pub(crate) struct WorkerOptions {
    pub(crate) number: usize,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) observer: ObserverOptions,
    pub(crate) gate: Arc<Gate>,
    pub(crate) desk: Desk,
    pub(crate) to_hub: SyncSender<ToHub>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// Where a worker's telemetry comes in.
struct Door {
    grpc: SocketAddr,
    http: SocketAddr,
    gate: Arc<Gate>,
    desk: Desk,
    stop: watch::Receiver<bool>,
}

impl Worker {
    /// Starts a worker. Its sockets are bound when this returns, and their addresses are told.
    pub(crate) fn start(options: WorkerOptions) -> io::Result<(Self, SocketAddr, SocketAddr)> {
        let behind = Arc::new(AtomicBool::new(false));
        let slis = Arc::clone(&options.observer.slis);
        let automatic = options.observer.automatic;
        let state = State::new(slis, automatic);
        let shared = Arc::new(Shared {
            number: options.number,
            state: Mutex::new(state),
            options: options.observer,
            flush_soon: Notify::new(),
            to_hub: options.to_hub,
            behind: Arc::clone(&behind),
        });
        let (recall, recalls) = mpsc::channel(RECALL_QUEUE);
        let (bound, is_bound) = std::sync::mpsc::channel();
        let door = Door {
            grpc: options.grpc,
            http: options.http,
            gate: options.gate,
            desk: options.desk,
            stop: options.stop,
        };
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(format!("worker-{}", options.number))
            .spawn(move || run(for_thread, door, recalls, &bound))?;
        let gone = || io::Error::other("a worker ended while it started");
        let (grpc, http) = is_bound.recv().map_err(|_| gone())??;
        Ok((Self { recall, shared, behind, thread }, grpc, http))
    }
}

type Bound = std::sync::mpsc::Sender<io::Result<(SocketAddr, SocketAddr)>>;

fn run(
    shared: Arc<Shared>,
    door: Door,
    recalls: mpsc::Receiver<Recall>,
    bound: &Bound,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listeners = bind(door.grpc, door.http).and_then(|listeners| {
            let addresses = addresses(&listeners)?;
            Ok((listeners, addresses))
        });
        let (listeners, addresses) = match listeners {
            Ok(both) => both,
            Err(error) => {
                // Whoever started the worker reports it; nobody else is there to hear it.
                let _ = bound.send(Err(error));
                return Ok(());
            }
        };
        let _ = bound.send(Ok(addresses));
        let flushing = tokio::spawn(flush_for_ever(Arc::clone(&shared)));
        let recalling = tokio::spawn(recall_for_ever(Arc::clone(&shared), recalls));
        let intake: Arc<dyn Intake> = Arc::clone(&shared) as Arc<dyn Intake>;
        receive::serve(listeners, door.desk, door.gate, intake, door.stop).await;
        flushing.abort();
        recalling.abort();
        shared.flush_last();
        Ok(())
    })
}

fn bind(grpc: SocketAddr, http: SocketAddr) -> io::Result<Listeners> {
    let named = |what: &str, address: SocketAddr| {
        receive::bind(address).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {address} for {what}: {error}"))
        })
    };
    Ok(Listeners { grpc: Some(named("OTLP/gRPC", grpc)?), http: Some(named("OTLP/HTTP", http)?) })
}

fn addresses(listeners: &Listeners) -> io::Result<(SocketAddr, SocketAddr)> {
    let address = |listener: &Option<tokio::net::TcpListener>| match listener {
        Some(listener) => listener.local_addr(),
        None => Err(io::Error::other("not bound")),
    };
    Ok((address(&listeners.grpc)?, address(&listeners.http)?))
}

async fn flush_for_ever(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(TICK_MS));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shared.flush_soon.notified() => tokio::time::sleep(GATHER).await,
        }
        shared.flush();
    }
}

async fn recall_for_ever(shared: Arc<Shared>, mut recalls: mpsc::Receiver<Recall>) {
    while let Some(Recall { tenant, request, trace_ids }) = recalls.recv().await {
        let spans = shared.with_observer(&tenant, |observer| observer.recall(&trace_ids));
        let answer = ToHub::Recalled { tenant, request, spans: spans.unwrap_or_default() };
        // A full hub answers without this worker: the page does not wait for it.
        let _ = shared.to_hub.try_send(answer);
    }
}

impl State {
    fn new(slis: Arc<SliPlan>, automatic: Option<AutomaticSettings>) -> Self {
        let observers = BTreeMap::new();
        Self { observers, waiters: Vec::new(), handed_at: Timestamp::default(), slis, automatic }
    }
}

impl Shared {
    fn with_observer<T>(&self, tenant: &Tenant, f: impl FnOnce(&mut Observer) -> T) -> Option<T> {
        self.state.lock().observers.get_mut(tenant).map(f)
    }

    /// Takes new definitions; observers change over at once.
    pub(crate) fn redefine(&self, slis: &Arc<SliPlan>, automatic: Option<AutomaticSettings>) {
        let mut state = self.state.lock();
        state.slis = Arc::clone(slis);
        state.automatic = automatic;
        for observer in state.observers.values_mut() {
            observer.replace_slis(Arc::clone(slis));
            observer.replace_automatic(automatic);
        }
    }

    fn flush(&self) {
        if !self.behind.load(Ordering::Acquire) {
            self.hand_over_by(Observer::flush);
        }
    }

    /// The last hand-over: nothing that was accepted may stay behind.
    fn flush_last(&self) {
        self.hand_over_by(Observer::flush_all);
    }

    fn hand_over_by(&self, flush: fn(&mut Observer) -> PaneDelta) {
        let handed_at = now();
        let flushed = {
            let mut state = self.state.lock();
            state.handed_at = handed_at;
            let deltas = state
                .observers
                .iter_mut()
                .map(|(tenant, observer)| (Arc::clone(tenant), flush(observer)))
                .filter(|(_, delta)| !delta.is_empty())
                .collect();
            let waiters = std::mem::take(&mut state.waiters);
            self.gauge(&state, handed_at);
            Flushed { worker: self.number, deltas, waiters, handed_at }
        };
        self.behind.store(true, Ordering::Release);
        self.hand_over(flushed);
    }

    fn hand_over(&self, flushed: Flushed) {
        Counter::Deltas.add(flushed.deltas.len() as u64, &[]);
        match self.to_hub.try_send(ToHub::Flushed(flushed)) {
            Ok(()) => {}
            // The queue holds more than all workers hand over at once, so that this waits only
            // while commands crowd it.
            Err(TrySendError::Full(message)) => drop(self.to_hub.send(message)),
            Err(TrySendError::Disconnected(_)) => {
                tracing::error!("the hub has ended: a hand-over is lost");
            }
        }
    }

    fn gauge(&self, state: &State, at: Timestamp) {
        let worker = ("worker", self.number.to_string());
        for (tenant, observer) in &state.observers {
            let labels = [worker.clone(), ("tenant", tenant.to_string())];
            let stats = observer.stats();
            let recall = stats.recall;
            let oldest = if recall.oldest.is_set() { recall.oldest } else { at };
            Gauge::RecallReach.set(at.since(oldest).as_secs_f64(), &labels);
            Gauge::RecallWeight.set(recall.sample_weight as f64, &labels);
            let over = &stats.overflowed;
            for (what, total) in [
                ("services", over.services),
                ("series", over.series),
                ("operations", over.operations),
                ("edges", over.edges),
                ("tags", over.tags),
                ("templates", over.templates),
            ] {
                let labels = [labels[0].clone(), labels[1].clone(), ("what", what.to_owned())];
                Counter::Overflow.handle(&labels).absolute(total);
            }
        }
    }

    fn observer<'a>(
        &self,
        state: &'a mut State,
        tenant: &Tenant,
        at: Timestamp,
    ) -> Option<&'a mut Observer> {
        if !state.observers.contains_key(tenant) {
            if state.observers.len() >= TENANTS_MAX {
                return None;
            }
            tracing::info!(%tenant, worker = self.number, at = %at, "a tenant sends telemetry");
            let options = ObserverOptions {
                slis: Arc::clone(&state.slis),
                automatic: state.automatic,
                ..self.options.clone()
            };
            let _ = state.observers.insert(Arc::clone(tenant), Observer::new(&options));
        }
        state.observers.get_mut(tenant)
    }
}

impl Intake for Shared {
    fn observe(
        &self,
        tenant: &Tenant,
        signal: Signal,
        request: &[u8],
    ) -> Result<Summary, Unobserved> {
        let at = now();
        let mut state = self.state.lock();
        let Some(observer) = self.observer(&mut state, tenant, at) else {
            return Err(Unobserved::TooManyTenants);
        };
        Ok(match signal {
            Signal::Traces => observer.traces(request, at)?,
            Signal::Metrics => observer.metrics(request, at)?,
            Signal::Logs => observer.logs(request, at)?,
        })
    }

    fn backlog(&self) -> Duration {
        if !self.behind.load(Ordering::Acquire) {
            return Duration::ZERO;
        }
        now().since(self.state.lock().handed_at)
    }

    fn journalled(&self, _tenant: &Tenant) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        let (waiter, done) = oneshot::channel();
        self.state.lock().waiters.push(waiter);
        self.flush_soon.notify_one();
        Box::pin(async move { done.await.unwrap_or(false) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use observe::Limits;

    use super::*;

    fn shared() -> Shared {
        let options = ObserverOptions {
            worker: 0,
            seed: 1,
            limits: Limits { recall_bytes: 1 << 20, ..Limits::default() },
            automatic: None,
            redactor: Arc::new(enrich::Redactor::new(&[], &[]).expect("no patterns")),
            slis: Arc::new(SliPlan::compile(&[]).expect("no SLOs")),
        };
        let slis = Arc::clone(&options.slis);
        let state = State::new(slis, None);
        Shared {
            number: 0,
            state: Mutex::new(state),
            options,
            flush_soon: Notify::new(),
            to_hub: sync_channel(1).0,
            behind: Arc::default(),
        }
    }

    #[test]
    fn a_tenant_too_many_has_no_place_and_the_others_keep_theirs() {
        let shared = shared();
        let observe =
            |number: usize| shared.observe(&format!("tenant-{number}").into(), Signal::Traces, &[]);
        for number in 0..TENANTS_MAX {
            assert_eq!(observe(number), Ok(Summary::default()));
        }
        assert_eq!(observe(TENANTS_MAX), Err(Unobserved::TooManyTenants));
        assert_eq!(observe(0), Ok(Summary::default()));
        assert!(matches!(
            shared.observe(&"tenant-0".into(), Signal::Traces, &[0xff]),
            Err(Unobserved::Malformed(_))
        ));
    }
}
