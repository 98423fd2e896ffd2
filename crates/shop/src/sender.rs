//! Sends what the shop exports over OTLP/gRPC, in step with the clock.

use std::future::Future;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::export::Export;
use crate::shop::Shop;

/// How often the shop is moved on.
const TICK: Duration = Duration::from_millis(50);
/// Requests on their way at the same time; when full, the shop's time stands still, and catches up
/// afterwards.
const IN_FLIGHT_MAX: usize = 64;
/// Tries of one request, the first included; then it counts as refused.
const ATTEMPTS_MAX: u32 = 5;
/// First wait before a retry without advice of the server; it doubles each time.
const BACKOFF: Duration = Duration::from_millis(200);
/// Longest wait before a retry, also where the server advises more.
const BACKOFF_MAX: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests on their way are waited for after the stop; what is left is abandoned.
const DRAIN: Duration = Duration::from_secs(2);

/// What has been sent so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The shop's time, in nanoseconds since the Unix epoch.
    pub shop_unix_ns: u64,
    /// Requests that the endpoint took, partial successes included.
    pub requests_sent: u64,
    /// Requests given up: refused for good, or after the last retry.
    pub requests_refused: u64,
    /// Retries made.
    pub retries: u64,
    /// Spans in requests that were taken.
    pub spans: u64,
    /// Metric data points in requests that were taken.
    pub points: u64,
    /// Log records in requests that were taken.
    pub log_records: u64,
    /// Items that the endpoint rejected out of requests that it took.
    pub items_rejected: u64,
    /// What the endpoint said at its last refusal.
    pub last_refusal: Option<String>,
}

/// The sender could not start.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The endpoint is no URI such as `http://127.0.0.1:4317`.
    #[error("endpoint {endpoint:?} is not a URI such as http://127.0.0.1:4317: {source}")]
    Endpoint {
        /// As given.
        endpoint: String,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The speed is not above zero.
    #[error("speed {0} is not above zero")]
    Speed(f64),
}

struct Sent {
    export: Export,
    retries: u64,
    result: Result<u64, Status>,
}

#[derive(Clone)]
struct Clients {
    traces: TraceServiceClient<Channel>,
    metrics: MetricsServiceClient<Channel>,
    logs: LogsServiceClient<Channel>,
}

/// Runs the shop from now on, `speed` seconds of its time in a second, and sends its exports to
/// `endpoint` until `stop` is ready. `progress` is called after each tick. The connection is made
/// when first needed; a daemon that starts later is retried like a busy one.
///
/// # Errors
/// Only for a malformed endpoint or speed; refusals are counted in [`Progress`].
pub async fn run<S, P>(
    mut shop: Shop,
    endpoint: &str,
    speed: f64,
    stop: S,
    mut progress: P,
) -> Result<Progress, SendError>
where
    S: Future<Output = ()>,
    P: FnMut(&Progress),
{
    if !(speed.is_finite() && speed > 0.0) {
        return Err(SendError::Speed(speed));
    }
    let clients = Clients::to(endpoint)?;
    let mut stop = std::pin::pin!(stop);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (began, start_ns) = (Instant::now(), shop.now_unix_ns());
    let mut done = Progress::default();
    let mut flights = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = ticks.tick() => {}
        }
        let elapsed_ns = began.elapsed().as_nanos() as f64 * speed;
        let step = shop.advance(start_ns.saturating_add(elapsed_ns as u64));
        done.shop_unix_ns = shop.now_unix_ns();
        for export in step {
            if flights.len() >= IN_FLIGHT_MAX {
                tokio::select! {
                    () = &mut stop => return Ok(finish(flights, done).await),
                    landed = flights.join_next() => done.land(landed),
                }
            }
            flights.spawn(clients.clone().send(export));
        }
        while let Some(landed) = flights.try_join_next() {
            done.land(Some(landed));
        }
        progress(&done);
    }
    Ok(finish(flights, done).await)
}

/// Waits for what is on its way.
async fn finish(mut flights: JoinSet<Sent>, mut done: Progress) -> Progress {
    let deadline = Instant::now() + DRAIN;
    while let Ok(Some(landed)) = tokio::time::timeout_at(deadline, flights.join_next()).await {
        done.land(Some(landed));
    }
    done
}

impl Progress {
    fn land(&mut self, landed: Option<Result<Sent, JoinError>>) {
        if let Some(Ok(sent)) = landed {
            self.count(&sent);
        }
    }

    fn count(&mut self, sent: &Sent) {
        self.retries += sent.retries;
        match &sent.result {
            Ok(rejected) => {
                let items = sent.export.items() as u64;
                self.requests_sent += 1;
                self.items_rejected += rejected;
                match sent.export {
                    Export::Traces(_) => self.spans += items,
                    Export::Metrics(_) => self.points += items,
                    Export::Logs(_) => self.log_records += items,
                }
            }
            Err(status) => {
                self.requests_refused += 1;
                self.last_refusal = Some(format!("{:?}: {}", status.code(), status.message()));
            }
        }
    }
}

impl Clients {
    fn to(endpoint: &str) -> Result<Self, SendError> {
        let channel = Endpoint::from_shared(endpoint.to_owned())
            .map_err(|source| SendError::Endpoint { endpoint: endpoint.to_owned(), source })?
            .timeout(REQUEST_TIMEOUT)
            .tcp_nodelay(true)
            .connect_lazy();
        Ok(Self {
            traces: TraceServiceClient::new(channel.clone()),
            metrics: MetricsServiceClient::new(channel.clone()),
            logs: LogsServiceClient::new(channel),
        })
    }

    async fn send(mut self, export: Export) -> Sent {
        let mut retries = 0;
        let mut backoff = BACKOFF;
        loop {
            let result = self.attempt(&export).await;
            let wait = match &result {
                Err(status) if retries + 1 < u64::from(ATTEMPTS_MAX) => {
                    retry_after(status, backoff)
                }
                _ => None,
            };
            let Some(wait) = wait else { return Sent { export, retries, result } };
            sleep(wait.min(BACKOFF_MAX)).await;
            retries += 1;
            backoff *= 2;
        }
    }

    /// One try; returns how many items the endpoint rejected.
    async fn attempt(&mut self, export: &Export) -> Result<u64, Status> {
        let rejected = match export {
            Export::Traces(request) => {
                let response = self.traces.export(request.clone()).await?.into_inner();
                response.partial_success.map(|partial| partial.rejected_spans)
            }
            Export::Metrics(request) => {
                let response = self.metrics.export(request.clone()).await?.into_inner();
                response.partial_success.map(|partial| partial.rejected_data_points)
            }
            Export::Logs(request) => {
                let response = self.logs.export(request.clone()).await?.into_inner();
                response.partial_success.map(|partial| partial.rejected_log_records)
            }
        };
        Ok(u64::try_from(rejected.unwrap_or(0)).unwrap_or(0))
    }
}

/// How long to wait before the next try; none if the status is final. OTLP: RESOURCE_EXHAUSTED may
/// be retried only where the server says when.
fn retry_after(status: &Status, backoff: Duration) -> Option<Duration> {
    let advised = status.get_details_retry_info().and_then(|info| info.retry_delay);
    match status.code() {
        Code::Unavailable => Some(advised.unwrap_or(backoff)),
        Code::ResourceExhausted => advised,
        _ => None,
    }
}

#[cfg(test)]
mod tests;
