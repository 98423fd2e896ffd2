use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use auth::{Credentials, Denied, Permission, Tenant};
use bytes::Bytes;
use http::HeaderMap;
use otlp::{Signal, Summary};

use crate::admission::Permit;
use crate::inflate::{Packing, inflate};
use crate::meters::{Meters, Transport};
use crate::repeats::{Claim, Seen};
use crate::tenants::{Account, Tenants};
use crate::{Admission, Answer, Intake, Refusal, Unobserved};

/// When a client should come again while the daemon drains: another instance, or this one anew.
const DRAIN_RETRY_AFTER: Duration = Duration::from_secs(5);
/// When a client should come again while the process is short of memory.
const PRESSED_RETRY_AFTER: Duration = Duration::from_secs(2);
/// When a client should come again if its tenant has no place: that lasts, here.
const TENANTS_RETRY_AFTER: Duration = Duration::from_secs(30);
/// When a client should come again if the journal cannot take its request.
const JOURNAL_RETRY_AFTER: Duration = Duration::from_secs(2);

/// What all workers share at the door: who may enter, how much at once, and what was seen before.
#[derive(Debug)]
pub struct Gate {
    options: GateOptions,
    credentials: Arc<Credentials>,
    admission: Admission,
    tenants: Tenants,
    meters: Meters,
    draining: AtomicBool,
    pressed: AtomicBool,
}

/// How the door behaves.
#[derive(Clone, Copy, Debug)]
pub struct GateOptions {
    /// `receive.request_bytes_max`: before and after decompression.
    pub request_bytes_max: usize,
    /// Bytes of requests that may be in flight at once; at least twice `request_bytes_max` is used.
    pub in_flight_bytes_max: usize,
    /// Whether an answer waits until its request is journalled.
    pub durable: bool,
}

/// A caller that was let in.
pub(crate) struct Visitor {
    tenant: Tenant,
    account: Arc<Account>,
}

/// A whole request of OTLP protobuf, and its share of the budget.
pub(crate) struct Held<'a> {
    pub(crate) request: Bytes,
    pub(crate) permit: Permit<'a>,
}

impl Gate {
    /// A door with these rules.
    #[must_use]
    pub fn new(options: GateOptions, credentials: Arc<Credentials>) -> Arc<Self> {
        let GateOptions { request_bytes_max, in_flight_bytes_max, .. } = options;
        Arc::new(Self {
            admission: Admission::new(in_flight_bytes_max, request_bytes_max),
            tenants: Tenants::default(),
            meters: Meters::default(),
            draining: AtomicBool::new(false),
            pressed: AtomicBool::new(false),
            options,
            credentials,
        })
    }

    /// From now on everything is refused retryably.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the process is short of memory: while it is, everything is refused retryably before
    /// it is read.
    pub fn press(&self, pressed: bool) {
        self.pressed.store(pressed, Ordering::Relaxed);
    }

    /// Bytes in flight, and how many requests were turned away for it.
    #[must_use]
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    pub(crate) fn request_bytes_max(&self) -> usize {
        self.options.request_bytes_max
    }

    pub(crate) fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Who calls, before anything of the body is read.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Visitor, Refusal> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(self.overloaded("draining", DRAIN_RETRY_AFTER));
        }
        if self.pressed.load(Ordering::Relaxed) {
            return Err(self.overloaded("memory", PRESSED_RETRY_AFTER));
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let caller = self
            .credentials
            .admit(text("authorization"), text("x-scope-orgid"), Permission::Send)
            .map_err(|denied| match denied {
                Denied::Unauthenticated => Refusal::Unauthenticated,
                Denied::Forbidden => Refusal::Forbidden,
            })?;
        let account = self.tenants.account(&caller.tenant, &self.admission);
        Ok(Visitor { tenant: caller.tenant, account })
    }

    /// A share of the budget, still empty.
    pub(crate) fn permit<'a>(&'a self, visitor: &'a Visitor) -> Permit<'a> {
        self.admission.permit(&visitor.account.in_flight)
    }

    /// Decompresses a request; its packed bytes are given back.
    pub(crate) fn inflate(
        &self,
        packing: Packing,
        packed: Bytes,
        permit: &mut Permit<'_>,
    ) -> Result<Bytes, Refusal> {
        let request = inflate(packing, &packed, self.request_bytes_max(), permit)?;
        permit.shrink(packed.len());
        Ok(request)
    }

    /// Takes a whole request.
    pub(crate) async fn take(
        &self,
        intake: &dyn Intake,
        visitor: &Visitor,
        (transport, signal): (Transport, Signal),
        held: Held<'_>,
    ) -> Answer {
        let start = Instant::now();
        self.meters.read(signal, held.request.len());
        let answer = self.take_timed(intake, visitor, signal, held, start).await;
        self.meters.took(transport, start.elapsed());
        answer
    }

    async fn take_timed(
        &self,
        intake: &dyn Intake,
        visitor: &Visitor,
        signal: Signal,
        held: Held<'_>,
        start: Instant,
    ) -> Answer {
        if held.request.is_empty() {
            return Answer::Accepted;
        }
        let mut now = start;
        let mut claim = loop {
            match visitor.account.repeats.look_up(&visitor.tenant, signal, &held.request, now) {
                Seen::Mine(claim) => break claim,
                Seen::Before { rejected } => {
                    self.meters.repeat();
                    return answer_to_repeat(rejected);
                }
                Seen::InFlight(mut outcome) => {
                    // It ends with its sender, whatever the outcome.
                    let _ = outcome.changed().await;
                    now = Instant::now();
                }
            }
        };
        if claim.observed().is_none() {
            match intake.observe(&visitor.tenant, signal, &held.request) {
                Ok(summary) => claim.observe(summary),
                Err(unobserved) => return Answer::Refused(self.refusal(unobserved)),
            }
        }
        // Its memory is free from here on, however long the journal takes.
        let Held { request, permit } = held;
        drop(request);
        drop(permit);
        self.settle(intake, visitor, signal, claim).await
    }

    async fn settle(
        &self,
        intake: &dyn Intake,
        visitor: &Visitor,
        signal: Signal,
        claim: Claim<'_>,
    ) -> Answer {
        let Some(summary) = claim.observed() else { return Answer::Accepted };
        let received = visitor.account.traffic(signal).receive(summary);
        if self.options.durable && !intake.journalled(&visitor.tenant).await {
            return Answer::Refused(self.overloaded("journal", JOURNAL_RETRY_AFTER));
        }
        received.settle(summary);
        let answer = answer(summary);
        claim.accept();
        answer
    }

    fn refusal(&self, unobserved: Unobserved) -> Refusal {
        match unobserved {
            Unobserved::Malformed(malformed) => Refusal::Malformed(malformed.to_string()),
            Unobserved::TooManyTenants => self.overloaded("tenants", TENANTS_RETRY_AFTER),
        }
    }

    fn overloaded(&self, reason: &'static str, earliest: Duration) -> Refusal {
        Refusal::Overloaded { reason, retry_after: self.admission.retry_after(earliest) }
    }
}

fn answer(summary: &Summary) -> Answer {
    match summary.rejected.total() {
        0 => Answer::Accepted,
        rejected => Answer::Partial { rejected, message: summary.rejected.as_message() },
    }
}

fn answer_to_repeat(rejected: u64) -> Answer {
    match rejected {
        0 => Answer::Accepted,
        rejected => {
            let message = "a repeat of a request of which these were rejected".to_owned();
            Answer::Partial { rejected, message }
        }
    }
}
