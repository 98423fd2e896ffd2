use std::sync::Arc;
use std::time::Duration;

use journal::{Commit, Journal};
use model::{
    Action, Actor, Cause, Delivery, EventType, ExemplarTrace, Incident, IncidentEvent, IncidentId,
    Outgoing, OutgoingKind, Severity, SpanId, SpanKind, Timestamp, TraceId, TraceSpan, Urgency,
};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::{EmitConfig, Emitter, Jitter, ReceiptMessage};

/// A guard against hanging, far beyond what any test needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A journal, an emitter, and a runtime that commits receipts.
pub(super) struct Harness {
    pub(super) journal: Journal,
    pub(super) emitter: Emitter,
    wake: watch::Sender<u64>,
    committed: mpsc::UnboundedReceiver<ReceiptMessage>,
    _dir: TempDir,
}

impl Harness {
    pub(super) fn start(config: EmitConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::from_unix_s(1_000_000);
        let (journal, _) = journal::open(dir.path(), 7, now, config.sinks()).unwrap();
        let (wake, woken) = watch::channel(0);
        let (receipts, taken) = mpsc::channel(16);
        let emitter = Emitter::start(config, journal.clone(), receipts, woken, jitter()).unwrap();
        let committed = commit_receipts(journal.clone(), taken);
        Self { journal, emitter, wake, committed, _dir: dir }
    }

    pub(super) fn enqueue(&self, outgoing: Vec<Outgoing>) {
        let at = Timestamp::from_unix_s(1_000_001);
        self.journal.commit(Commit { at, outgoing, ..Commit::default() }).unwrap();
        self.wake.send_modify(|commits| *commits += 1);
    }

    /// The next answer that was committed.
    pub(super) async fn receipt(&mut self) -> ReceiptMessage {
        within(self.committed.recv()).await.unwrap()
    }

    /// Waits for answers and asserts that all were yes.
    pub(super) async fn confirmed(&mut self, count: usize) {
        for _ in 0..count {
            let receipt = self.receipt().await;
            assert!(matches!(receipt, ReceiptMessage::Confirmed(_)), "{receipt:?}");
        }
    }

    /// Whether nothing waits for any sink.
    pub(super) fn drained(&self) -> bool {
        self.journal.backlog().unwrap().iter().all(|backlog| backlog.waiting == 0)
    }
}

/// Folds receipts into commits and passes them on, as the runtime does.
pub(super) fn commit_receipts(
    journal: Journal,
    mut taken: mpsc::Receiver<ReceiptMessage>,
) -> mpsc::UnboundedReceiver<ReceiptMessage> {
    let (seen, committed) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(receipt) = taken.recv().await {
            let mut commit = Commit { at: Timestamp::from_unix_s(1_000_002), ..Commit::default() };
            match receipt.clone() {
                ReceiptMessage::Confirmed(receipt) => commit.confirmed.push(receipt),
                ReceiptMessage::Refused(receipt, why) => commit.refused.push((receipt, why)),
            }
            journal.commit(commit).unwrap();
            let _ = seen.send(receipt);
        }
    });
    committed
}

pub(super) fn jitter() -> Jitter {
    Arc::new(|| 0.5)
}

pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap()
}

pub(super) fn incident(number: u64, revision: u64) -> Arc<Incident> {
    let span = TraceSpan {
        span_id: SpanId([0xab; 8]),
        parent_span_id: SpanId::NONE,
        service: "payment".to_owned(),
        operation: "POST /charge".to_owned(),
        kind: SpanKind::Server,
        start: Timestamp::from_unix_s(1_000_000),
        duration_ns: 1,
        exclusive_ns: 1,
        error: true,
        message: String::new(),
    };
    Arc::new(Incident {
        id: IncidentId { epoch: 7, number },
        revision,
        tenant: "shop".into(),
        severity: Severity::Critical,
        urgency: Urgency::Page,
        updated_at: Timestamp::from_unix_ms(1_795_403_045_678),
        causes: vec![Cause { service: "payment".to_owned(), ..Cause::default() }],
        traces: vec![ExemplarTrace {
            trace_id: TraceId([0x0f; 16]),
            url: String::new(),
            reason: String::new(),
            duration_ns: 1,
            path: vec![span],
            complete: true,
        }],
        ..Incident::default()
    })
}

pub(super) fn delivery(urgency: Urgency, number: u64, revision: u64) -> Delivery {
    Delivery {
        route: "default".to_owned(),
        step: 0,
        urgency,
        action: Action::Trigger,
        incident: incident(number, revision),
        test: false,
    }
}

pub(super) fn page(number: u64, revision: u64) -> Outgoing {
    Outgoing::Delivery(delivery(Urgency::Page, number, revision))
}

pub(super) fn ticket(number: u64, revision: u64) -> Outgoing {
    Outgoing::Delivery(delivery(Urgency::Ticket, number, revision))
}

pub(super) fn snapshot(number: u64, revision: u64) -> Outgoing {
    Outgoing::Snapshot(incident(number, revision))
}

pub(super) fn event(number: u64, revision: u64) -> Outgoing {
    let incident = incident(number, revision);
    let event = IncidentEvent {
        incident_id: incident.id,
        revision,
        tenant: incident.tenant.clone(),
        kind: EventType::Opened,
        at: Timestamp::from_unix_s(1_000_000),
        actor: Actor::engine(),
        reason: String::new(),
        changed: Vec::new(),
    };
    Outgoing::Event(event, incident)
}

pub(super) fn kind_of(receipt: &ReceiptMessage) -> OutgoingKind {
    match receipt {
        ReceiptMessage::Confirmed(receipt) | ReceiptMessage::Refused(receipt, _) => receipt.kind,
    }
}
