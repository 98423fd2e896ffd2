use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use otlp::{Signal, Summary};

use crate::admission::Permit;
use crate::gate::Visitor;
use crate::inflate::{Compression, told};
use crate::meters::Transport;
use crate::repeats::{Claim, Seen};
use crate::workload::{Kind, Work, Workload};
use crate::{Answer, Gate, Intake, Refusal, Unobserved};

/// How long what was observed may wait to be judged; beyond that nothing further is taken, so that
/// pages are not held up by more of the same.
const BACKLOG_MAX: Duration = Duration::from_secs(2);
/// When a client should come again if the worker, or whoever judges, has enough to do.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);
/// When a client should come again if its tenant has no place: that lasts, here.
const TENANTS_RETRY_AFTER: Duration = Duration::from_secs(30);
/// When a client should come again if the journal cannot take its request.
const JOURNAL_RETRY_AFTER: Duration = Duration::from_secs(2);

/// Takes requests for one worker.
pub(crate) struct Clerk {
    pub(crate) gate: Arc<Gate>,
    intake: Arc<dyn Intake>,
    workload: Workload,
}

/// A request that this worker has the time for.
pub(crate) struct Started<'a> {
    work: Work<'a>,
    at: Instant,
}

/// A whole request of OTLP protobuf, and its share of the budgets.
pub(crate) struct Held<'a> {
    pub(crate) request: Bytes,
    pub(crate) permit: Permit<'a>,
    pub(crate) started: Started<'a>,
}

impl Clerk {
    pub(crate) fn new(gate: Arc<Gate>, intake: Arc<dyn Intake>) -> Self {
        let workload = Workload::new(gate.work_ahead());
        Self { gate, intake, workload }
    }

    /// Keeps the worker's rounds; see [`Workload::rounds`].
    pub(crate) async fn keep_rounds(&self) {
        self.workload.rounds().await;
    }

    /// Who calls, before anything of the body is read; or that nothing can be taken.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Visitor, Refusal> {
        let visitor = self.gate.admit(headers)?;
        if self.workload.is_full() {
            return Err(self.gate.overloaded("work", BUSY_RETRY_AFTER));
        }
        if self.intake.backlog() > BACKLOG_MAX {
            return Err(self.gate.overloaded("behind", BUSY_RETRY_AFTER));
        }
        Ok(visitor)
    }

    /// Takes the work of a request on, before any of it is done: `body` is as it came.
    pub(crate) fn start(&self, kind: Kind, body: &[u8]) -> Result<Started<'_>, Refusal> {
        let bytes = match kind.compression {
            Compression::None => body.len(),
            Compression::Packed(packing) => told(packing, body).min(self.gate.request_bytes_max()),
        };
        match self.workload.take(kind, bytes) {
            Some(work) => Ok(Started { work, at: Instant::now() }),
            None => Err(self.gate.overloaded("work", BUSY_RETRY_AFTER)),
        }
    }

    /// Takes a whole request.
    pub(crate) async fn take(
        &self,
        visitor: &Visitor,
        (transport, signal): (Transport, Signal),
        held: Held<'_>,
    ) -> Answer {
        let start = held.started.at;
        self.gate.meters().read(signal, held.request.len());
        let answer = self.take_timed(visitor, signal, held).await;
        self.gate.meters().took(transport, start.elapsed());
        answer
    }

    async fn take_timed(&self, visitor: &Visitor, signal: Signal, held: Held<'_>) -> Answer {
        let Held { request, permit, started } = held;
        if request.is_empty() {
            return Answer::Accepted;
        }
        let mut now = started.at;
        let mut has_waited = false;
        let mut claim = loop {
            match visitor.account.repeats.look_up(&visitor.tenant, signal, &request, now) {
                Seen::Mine(claim) => break claim,
                Seen::Before { rejected } => {
                    self.gate.meters().repeat();
                    return answer_to_repeat(rejected);
                }
                Seen::InFlight(mut outcome) => {
                    // It ends with its sender, whatever the outcome.
                    let _ = outcome.changed().await;
                    now = Instant::now();
                    has_waited = true;
                }
            }
        };
        if claim.observed().is_none() {
            match self.intake.observe(&visitor.tenant, signal, &request) {
                Ok(summary) => claim.observe(summary),
                Err(unobserved) => return Answer::Refused(self.refusal(unobserved)),
            }
            if !has_waited {
                started.work.done(started.at.elapsed());
            }
        }
        // Its memory is free from here on, however long the journal takes.
        drop(request);
        drop(permit);
        self.settle(visitor, signal, claim).await
    }

    async fn settle(&self, visitor: &Visitor, signal: Signal, claim: Claim<'_>) -> Answer {
        let Some(summary) = claim.observed() else { return Answer::Accepted };
        let received = visitor.account.traffic(signal).receive(summary);
        if self.gate.is_durable() && !self.intake.journalled(&visitor.tenant).await {
            return Answer::Refused(self.gate.overloaded("journal", JOURNAL_RETRY_AFTER));
        }
        received.settle(summary);
        let answer = answer(summary);
        claim.accept();
        answer
    }

    fn refusal(&self, unobserved: Unobserved) -> Refusal {
        match unobserved {
            Unobserved::Malformed(malformed) => Refusal::Malformed(malformed.to_string()),
            Unobserved::TooManyTenants => self.gate.overloaded("tenants", TENANTS_RETRY_AFTER),
        }
    }
}

impl Started<'_> {
    /// So many bytes it is decompressed.
    pub(crate) fn inflated(&mut self, bytes: usize) {
        self.work.inflated(bytes);
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
