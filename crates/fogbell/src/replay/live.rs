//! Sends a recording to a running daemon over OTLP/gRPC, as if it happened now.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use model::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use otlp::Signal;
use prost::Message;
use serde_json::json;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::recording::Record;
use super::shift::Shift;
use super::tally::Tally;
use crate::incidents::client::{CALL_TIMEOUT, Credential, explain};
use crate::report::span_text;

/// Tries of one request, the first included.
const ATTEMPTS_MAX: u32 = 6;
/// Before the first retry; it doubles each time.
const BACKOFF: Duration = Duration::from_millis(200);
/// Reasons of refusal that are told apart.
const REASONS_MAX: usize = 20;

type Service = InterceptedService<Channel, Credential>;

/// The daemon that is sent to.
pub(super) struct Target {
    traces: TraceServiceClient<Service>,
    metrics: MetricsServiceClient<Service>,
    logs: LogsServiceClient<Service>,
    speed: f64,
    begun: Option<(Instant, Shift)>,
    /// Moment of the last request, for those without one.
    last: Timestamp,
    refused: BTreeMap<String, u64>,
    behind_max: Duration,
}

impl Target {
    pub(super) fn new(channel: &Channel, credential: &Credential, speed: f64) -> Self {
        let service = || InterceptedService::new(channel.clone(), credential.clone());
        Self {
            traces: TraceServiceClient::new(service()),
            metrics: MetricsServiceClient::new(service()),
            logs: LogsServiceClient::new(service()),
            speed,
            begun: None,
            last: Timestamp::ZERO,
            refused: BTreeMap::new(),
            behind_max: Duration::ZERO,
        }
    }

    /// What follows lies at another time: it is sent without the gap.
    pub(super) fn begin_anew(&mut self) {
        self.begun = None;
    }

    /// Waits for the request's moment and sends it.
    ///
    /// # Errors
    /// If the daemon is gone, or takes nothing from this caller.
    pub(super) async fn take(&mut self, record: &Record, tally: &mut Tally) -> anyhow::Result<()> {
        let newest = record.newest.unwrap_or(self.last);
        self.last = newest;
        let speed = self.speed;
        let (started, shift) = *self.begun.get_or_insert_with(|| {
            let shift = Shift { recorded: newest, begins: runtime::now(), speed };
            (Instant::now(), shift)
        });
        let due = started + shift.moment(newest).since(shift.begins);
        self.behind_max = self.behind_max.max(Instant::now().saturating_duration_since(due));
        tokio::time::sleep_until(due.into()).await;
        let items = otlp::count(record.signal, &record.body).unwrap_or_default();
        match self.send(record, shift, newest).await? {
            Ok(rejected) => {
                tally.requests += 1;
                tally.items += items.saturating_sub(rejected.count);
                if rejected.count > 0 {
                    tally.reject(&rejected.reason, rejected.count);
                }
                tally.see(newest);
            }
            Err(status) => self.refuse(&status),
        }
        Ok(())
    }

    pub(super) fn all_taken(&self) -> bool {
        self.refused.is_empty()
    }

    pub(super) fn lines(&self, tally: &Tally, wall: Duration) -> Vec<String> {
        let mut out = tally.lines(wall);
        for (reason, count) in &self.refused {
            out.push(format!("refused    {count} requests: {reason}"));
        }
        if self.behind_max > Duration::from_secs(1) {
            let behind = span_text(self.behind_max.as_secs_f64());
            out.push(format!("behind     up to {behind}: the daemon took less than was recorded"));
        }
        out
    }

    pub(super) fn json(&self, tally: &Tally, wall: Duration) -> String {
        let mut summary = tally.json(wall);
        if let Some(fields) = summary.as_object_mut() {
            let _ = fields.insert("refused".to_owned(), json!(self.refused));
            let _ = fields.insert("behindSeconds".to_owned(), self.behind_max.as_secs_f64().into());
        }
        json!({ "summary": summary }).to_string()
    }

    async fn send(
        &mut self,
        record: &Record,
        shift: Shift,
        newest: Timestamp,
    ) -> anyhow::Result<Result<Rejected, Status>> {
        let mut wait = BACKOFF;
        let mut attempt = 1;
        loop {
            let status = match self.send_once(record, shift, newest).await? {
                Ok(rejected) => return Ok(Ok(rejected)),
                Err(status) => status,
            };
            match status.code() {
                Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => {
                    return Err(explain(&status));
                }
                Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded
                    if attempt < ATTEMPTS_MAX => {}
                Code::Unavailable => bail!(explain(&status)),
                _ => return Ok(Err(status)),
            }
            tokio::time::sleep(wait).await;
            (wait, attempt) = (wait * 2, attempt + 1);
        }
    }

    async fn send_once(
        &mut self,
        record: &Record,
        shift: Shift,
        newest: Timestamp,
    ) -> anyhow::Result<Result<Rejected, Status>> {
        let body = record.body.as_slice();
        let unreadable = || record.place.to_string();
        Ok(match record.signal {
            Signal::Traces => {
                let mut request = Message::decode(body).with_context(unreadable)?;
                shift.traces(&mut request, newest);
                let answer = self.traces.export(timed(request)).await;
                answer.map(|answer| match answer.into_inner().partial_success {
                    Some(partial) => Rejected::new(partial.rejected_spans, partial.error_message),
                    None => Rejected::default(),
                })
            }
            Signal::Metrics => {
                let mut request = Message::decode(body).with_context(unreadable)?;
                shift.metrics(&mut request);
                let answer = self.metrics.export(timed(request)).await;
                answer.map(|answer| match answer.into_inner().partial_success {
                    Some(partial) => {
                        Rejected::new(partial.rejected_data_points, partial.error_message)
                    }
                    None => Rejected::default(),
                })
            }
            Signal::Logs => {
                let mut request = Message::decode(body).with_context(unreadable)?;
                shift.logs(&mut request, newest);
                let answer = self.logs.export(timed(request)).await;
                answer.map(|answer| match answer.into_inner().partial_success {
                    Some(partial) => {
                        Rejected::new(partial.rejected_log_records, partial.error_message)
                    }
                    None => Rejected::default(),
                })
            }
        })
    }

    fn refuse(&mut self, status: &Status) {
        let mut reason = format!("{}: {}", status.code(), status.message());
        if self.refused.len() >= REASONS_MAX && !self.refused.contains_key(&reason) {
            reason = "other reasons".to_owned();
        }
        *self.refused.entry(reason).or_default() += 1;
    }
}

/// What a partial success left out.
#[derive(Debug, Default)]
struct Rejected {
    count: u64,
    reason: String,
}

impl Rejected {
    fn new(count: i64, reason: String) -> Self {
        Self { count: u64::try_from(count).unwrap_or_default(), reason }
    }
}

fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}
