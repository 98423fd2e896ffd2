use std::collections::BTreeMap;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::client::{Connection, Outcome, Sender, Target};
use crate::error::LoadError;
use crate::feed::{Feed, now_unix_ns};
use crate::latency::Latencies;
use crate::options::{LoadOptions, Protocol};
use crate::payload::Requests;
use crate::process::Usage;
use crate::report::{LoadReport, ServerCost};
use crate::schedule::Schedule;

/// For the first look whether anybody listens.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After a fault of the transport, so that a dead server is not hammered.
const PAUSE_AFTER_FAULT: Duration = Duration::from_millis(50);

/// Drives one server as `options` say. The work is done on threads of its own, each with some of
/// the connections, whatever runtime the caller has; dropping the future ends them. A refusal is
/// counted and not tried again.
///
/// # Errors
/// If the options make no sense, nobody listens, or the server's process cannot be read.
pub async fn run(options: LoadOptions) -> Result<LoadReport, LoadError> {
    options.check()?;
    let stop = Arc::new(AtomicBool::new(false));
    let _guard = StopOnDrop(Arc::clone(&stop));
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new()
        .name("load".to_owned())
        .spawn(move || {
            // Nobody is left to hear it if the caller dropped the future.
            drop(sender.send(drive(&options, &stop)));
        })
        .map_err(LoadError::Thread)?;
    receiver.await.unwrap_or(Err(LoadError::ThreadEnded))
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What one sender saw, and then all of them together.
#[derive(Debug, Default)]
struct Tally {
    requests: u64,
    items_accepted: u64,
    items_rejected: u64,
    items_refused: BTreeMap<String, u64>,
    items_refused_for_good: u64,
    body_bytes: u64,
    latencies: Latencies,
    last_answer: Option<Instant>,
}

/// What all senders share.
#[derive(Clone)]
struct Run {
    feed: Arc<Feed>,
    schedule: Schedule,
    stop: Arc<AtomicBool>,
    /// Requests that left, those of the warm-up included.
    issued: Arc<AtomicU64>,
}

fn drive(options: &LoadOptions, stop: &Arc<AtomicBool>) -> Result<LoadReport, LoadError> {
    let target = Arc::new(Target::new(options)?);
    reach(&target, &options.endpoint)?;
    let began_unix_ns = now_unix_ns();
    let key = options.seed ^ began_unix_ns.rotate_left(17);
    let requests = Requests::new(options.content, options.shape(), key, began_unix_ns)?;

    let interval_s = options.rate.map(|rate| options.batch as f64 / rate);
    let schedule = Schedule::new(options.warm_up, options.duration, interval_s);
    let feed = Feed::start(requests, options, schedule, stop)?;
    let run = Run { feed, schedule, stop: Arc::clone(stop), issued: Arc::default() };
    let threads = start_threads(options, &target, &run)?;

    thread::sleep(schedule.counted_from.saturating_duration_since(Instant::now()));
    let before = read_usage(options)?;
    let mut tally = Tally::default();
    for thread in threads {
        tally.add(thread.join().map_err(|_| LoadError::ThreadEnded)??);
    }
    let after = read_usage(options)?;
    Ok(tally.report(&run, before, after))
}

/// So that a wrong address is an error and no million refusals.
fn reach(target: &Target, endpoint: &str) -> Result<(), LoadError> {
    let failed = |reason: String| LoadError::Connect { endpoint: endpoint.to_owned(), reason };
    let addresses =
        target.address().to_socket_addrs().map_err(|error| failed(error.to_string()))?;
    let mut reason = "the name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(_) => return Ok(()),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(failed(reason))
}

/// The server's, and this process's own.
type Usages = (Option<Usage>, Usage);

fn read_usage(options: &LoadOptions) -> Result<Usages, LoadError> {
    Ok((options.server_pid.map(Usage::of).transpose()?, Usage::of(std::process::id())?))
}

type Worker = thread::JoinHandle<Result<Tally, LoadError>>;

/// The connections dealt out to as many threads as there are cores, less one for the server.
fn start_threads(
    options: &LoadOptions,
    target: &Arc<Target>,
    run: &Run,
) -> Result<Vec<Worker>, LoadError> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let count = cores.saturating_sub(1).clamp(1, options.connections);
    let mut workers = Vec::with_capacity(count);
    for index in 0..count {
        let connections = (index..options.connections).step_by(count).count();
        let (options, target, run) = (options.clone(), Arc::clone(target), run.clone());
        let worker = thread::Builder::new()
            .name(format!("load-{index}"))
            .spawn(move || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(LoadError::Thread)?
                    .block_on(send_over(connections, &options, &target, &run))
            })
            .map_err(LoadError::Thread)?;
        workers.push(worker);
    }
    Ok(workers)
}

async fn send_over(
    connections: usize,
    options: &LoadOptions,
    target: &Arc<Target>,
    run: &Run,
) -> Result<Tally, LoadError> {
    let mut senders = JoinSet::new();
    for _ in 0..connections {
        let shared = Connection::to(Arc::clone(target));
        for _ in 0..options.in_flight {
            let sender = match options.protocol {
                Protocol::Grpc => shared.sender(),
                Protocol::Http => Connection::to(Arc::clone(target)).sender(),
            };
            senders.spawn(run.clone().send(sender));
        }
    }
    let mut tally = Tally::default();
    while let Some(sent) = senders.join_next().await {
        tally.add(sent.map_err(|_| LoadError::ThreadEnded)?);
    }
    Ok(tally)
}

impl Run {
    /// One request after the other until the schedule ends.
    async fn send(self, mut sender: Sender) -> Tally {
        let mut tally = Tally::default();
        let items = self.feed.items_per_request();
        while !self.stop.load(Ordering::Relaxed) {
            let Some((body, from)) = self.feed.next(&self.schedule).await else { break };
            self.issued.fetch_add(1, Ordering::Relaxed);
            let outcome = sender.send(body.bytes.clone()).await;
            let answered = Instant::now();
            let pause = matches!(&outcome, Outcome::Refused(no) if no.why.starts_with("transport"));
            if answered >= self.schedule.counted_from {
                tally.latencies.record(answered.saturating_duration_since(from));
                tally.last_answer = Some(answered);
                tally.body_bytes += body.bytes.len() as u64;
                tally.count(outcome, items);
            }
            self.feed.give_back(body);
            if pause {
                tokio::time::sleep(PAUSE_AFTER_FAULT).await;
            }
        }
        tally
    }
}

impl Tally {
    fn count(&mut self, outcome: Outcome, items: u64) {
        self.requests += 1;
        match outcome {
            Outcome::Accepted { items_rejected } => {
                let rejected = items_rejected.min(items);
                self.items_rejected += rejected;
                self.items_accepted += items - rejected;
            }
            Outcome::Refused(refusal) => {
                if refusal.retry_after.is_none() {
                    self.items_refused_for_good += items;
                }
                *self.items_refused.entry(refusal.why).or_default() += items;
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.items_accepted += other.items_accepted;
        self.items_rejected += other.items_rejected;
        for (why, items) in other.items_refused {
            *self.items_refused.entry(why).or_default() += items;
        }
        self.items_refused_for_good += other.items_refused_for_good;
        self.body_bytes += other.body_bytes;
        self.latencies.merge(&other.latencies);
        self.last_answer = self.last_answer.max(other.last_answer);
    }

    fn report(self, run: &Run, before: Usages, after: Usages) -> LoadReport {
        let schedule = &run.schedule;
        let end = self.last_answer.unwrap_or(schedule.until);
        let issued = run.issued.load(Ordering::Relaxed);
        let server = before.0.zip(after.0).map(|(before, after)| ServerCost {
            cpu: after.cpu.saturating_sub(before.cpu),
            rss_bytes: after.rss_bytes,
            rss_peak_bytes: after.rss_peak_bytes,
        });
        LoadReport {
            content: run.feed.content(),
            wall: end.saturating_duration_since(schedule.counted_from),
            requests: self.requests,
            items_sent: self.requests * run.feed.items_per_request(),
            items_accepted: self.items_accepted,
            items_rejected: self.items_rejected,
            items_refused: self.items_refused,
            items_refused_for_good: self.items_refused_for_good,
            requests_unsent: schedule
                .intended_requests()
                .map_or(0, |intended| intended.saturating_sub(issued)),
            body_bytes: self.body_bytes,
            latencies: self.latencies,
            server,
            loader_cpu: after.1.cpu.saturating_sub(before.1.cpu),
        }
    }
}
