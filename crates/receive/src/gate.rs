use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use auth::{Caller, Credentials, Denied, Permission, Tenant};
use http::HeaderMap;
use otlp::{Signal, Summary};
use telemetry::Counter;

use crate::repeats::{Repeats, Seen};
use crate::{Admission, Answer, Intake, Refusal};

/// When a client should come again while the daemon drains: another instance, or this one anew.
const DRAIN_RETRY_AFTER: Duration = Duration::from_secs(5);
/// When a client should come again if the journal cannot take its request.
const JOURNAL_RETRY_AFTER: Duration = Duration::from_secs(2);

/// What all workers share at the door: who may enter, how much at once, and what was seen before.
#[derive(Debug)]
pub struct Gate {
    options: GateOptions,
    credentials: Arc<Credentials>,
    admission: Arc<Admission>,
    repeats: Arc<Repeats>,
    draining: AtomicBool,
}

/// How the door behaves.
#[derive(Clone, Copy, Debug)]
pub struct GateOptions {
    /// `receive.request_bytes_max`: after decompression.
    pub request_bytes_max: usize,
    /// Bytes of requests that may be in flight at once.
    pub in_flight_bytes_max: usize,
    /// Whether an answer waits until its request is journalled.
    pub durable: bool,
}

impl Gate {
    /// A door with these rules.
    #[must_use]
    pub fn new(options: GateOptions, credentials: Arc<Credentials>) -> Arc<Self> {
        Arc::new(Self {
            admission: Admission::new(options.in_flight_bytes_max),
            repeats: Repeats::new(),
            draining: AtomicBool::new(false),
            options,
            credentials,
        })
    }

    /// From now on everything is refused retryably.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Bytes in flight, and how many requests were turned away for it.
    #[must_use]
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// `receive.request_bytes_max`.
    #[must_use]
    pub(crate) fn request_bytes_max(&self) -> usize {
        self.options.request_bytes_max
    }

    /// Who calls, before anything of the body is read.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        if self.draining.load(Ordering::Relaxed) {
            let (reason, retry_after) = ("draining", DRAIN_RETRY_AFTER);
            return Err(Refusal::Overloaded { reason, retry_after });
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        self.credentials
            .admit(text("authorization"), text("x-scope-orgid"), Permission::Send)
            .map_err(|denied| match denied {
                Denied::Unauthenticated => Refusal::Unauthenticated,
                Denied::Forbidden => Refusal::Forbidden,
            })
    }

    /// Takes a whole request of OTLP protobuf.
    pub(crate) async fn take(
        &self,
        intake: &dyn Intake,
        tenant: &Tenant,
        signal: Signal,
        request: &[u8],
    ) -> Answer {
        let claim = loop {
            match self.repeats.look_up(tenant, request) {
                Seen::New(claim) => break claim,
                Seen::Before => {
                    Counter::Repeats.add(1, &[]);
                    return Answer::Accepted;
                }
                Seen::InFlight(mut done) => {
                    // A sender that is gone has decided, too.
                    let _ = done.wait_for(|done| *done).await;
                }
            }
        };
        let summary = match intake.observe(tenant, signal, request) {
            Ok(summary) => summary,
            Err(malformed) => return Answer::Refused(Refusal::Malformed(malformed.to_string())),
        };
        if self.options.durable && !intake.journalled(tenant).await {
            let (reason, retry_after) = ("journal", JOURNAL_RETRY_AFTER);
            return Answer::Refused(Refusal::Overloaded { reason, retry_after });
        }
        claim.accept();
        answer(&summary)
    }
}

fn answer(summary: &Summary) -> Answer {
    match summary.rejected.total() {
        0 => Answer::Accepted,
        rejected => Answer::Partial { rejected, message: summary.rejected.as_message() },
    }
}
