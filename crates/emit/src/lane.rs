use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use journal::{EntryHead, Journal, JournalError, Receipt};
use model::OutgoingKind;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::Jitter;
use crate::backoff::delay;
use crate::book::Book;
use crate::health::LaneStats;
use crate::sink::{Answer, Attempt, Flight, Sink};

/// A lane looks into the outbox at least this often, also when nobody wakes it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long pages that a sink does not take hold back everything else for it. A sink that was away
/// gets its pages first; one that never takes them gets the rest all the same.
const PAGES_FIRST_MAX: Duration = Duration::from_secs(600);

/// What a sink has answered, for the runtime to fold into its next commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptMessage {
    /// For [`journal::Commit::confirmed`].
    Confirmed(Receipt),
    /// For [`journal::Commit::refused`], with the reason.
    Refused(Receipt, String),
}

/// Drains one sink's entries of some kinds.
pub(crate) struct Lane {
    pub(crate) name: String,
    pub(crate) kinds: Vec<OutgoingKind>,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) journal: Journal,
    pub(crate) receipts: mpsc::Sender<ReceiptMessage>,
    /// Changes after each commit.
    pub(crate) wake: watch::Receiver<u64>,
    /// Holds the deadline once the lane is to stop.
    pub(crate) stop: watch::Receiver<Option<Instant>>,
    pub(crate) jitter: Jitter,
    pub(crate) stats: Arc<LaneStats>,
    /// Since when pages wait for an answer of the sink; told by the lane of its pages, and heeded
    /// by the other one.
    pub(crate) pages_wait: watch::Sender<Option<Instant>>,
}

/// What changes while a lane runs.
#[derive(Default)]
struct Running {
    book: Book,
    flights: FuturesUnordered<Flight>,
    /// Answers that the runtime has not taken yet. Bounded by the outbox.
    unsent: VecDeque<ReceiptMessage>,
}

impl Lane {
    /// Runs until it is told to stop or nobody takes receipts. Returns how many entries were on
    /// their way without an answer; they are in the outbox still.
    pub(crate) async fn run(mut self) -> usize {
        let mut running = Running::default();
        let mut look = true;
        let mut wakeable = true;
        let mut pages = self.pages_wait.subscribe();
        while self.stop.borrow().is_none() {
            let held_back = self.is_held_back();
            if mem::take(&mut look) && !held_back {
                self.look(&mut running).await;
            }
            self.tell_of_pages(&running.book);
            let due = running.book.next_due().filter(|_| !held_back);
            let next_look = Instant::now() + LOOK_EVERY;
            tokio::select! {
                biased;
                stopped = self.stop.changed() => if stopped.is_err() { break },
                Some(answers) = running.flights.next() => {
                    self.settle_ready(&mut running, answers);
                    look = running.book.blocked();
                }
                permit = self.receipts.reserve(), if !running.unsent.is_empty() => {
                    let Ok(permit) = permit else { break };
                    if let Some(receipt) = running.unsent.pop_front() {
                        permit.send(receipt);
                    }
                }
                _ = pages.changed(), if !self.carries_pages() => look = true,
                woken = self.wake.changed(), if wakeable => {
                    wakeable = woken.is_ok();
                    look = true;
                }
                () = sleep_until(due.map_or(next_look, |due| due.min(next_look))) => look = true,
            }
        }
        self.drain(running).await
    }

    fn carries_pages(&self) -> bool {
        self.kinds.contains(&OutgoingKind::Page)
    }

    /// Whether pages go first: they are not to wait behind what would reach the sink before them.
    fn is_held_back(&self) -> bool {
        let since = *self.pages_wait.borrow();
        !self.carries_pages() && since.is_some_and(|since| since.elapsed() < PAGES_FIRST_MAX)
    }

    fn tell_of_pages(&self, book: &Book) {
        if !self.carries_pages() {
            return;
        }
        self.pages_wait.send_if_modified(|since| {
            let changes = since.is_some() != book.is_unsettled();
            if changes {
                *since = book.is_unsettled().then(Instant::now);
            }
            changes
        });
    }

    /// Sends what waits in the outbox and may go.
    async fn look(&self, running: &mut Running) {
        let mut book = mem::take(&mut running.book);
        let (journal, sink, kinds) = (self.journal.clone(), self.name.clone(), self.kinds.clone());
        let now = Instant::now();
        let scan = move || {
            book.begin_scan();
            let found =
                journal.pending_where(&sink, &kinds, usize::MAX, |head| book.wants(head, now));
            if found.is_ok() {
                book.end_scan();
            }
            (book, found)
        };
        let found = match tokio::task::spawn_blocking(scan).await {
            Ok((book, found)) => {
                running.book = book;
                found
            }
            Err(error) => Err(JournalError::Corrupt(error.to_string())),
        };
        match found {
            Ok(entries) => {
                let attempts = entries
                    .into_iter()
                    .map(|entry| Attempt { failures: running.book.failures(&entry.head), entry })
                    .collect();
                running.flights.extend(self.sink.send(attempts));
            }
            Err(error) => {
                tracing::error!(sink = self.name, %error, "the outbox cannot be read");
                self.stats.failed(&error.to_string());
            }
        }
        self.stats.in_flight.store(running.book.in_flight() as u64, Ordering::Relaxed);
    }

    /// Takes in all answers that have come.
    fn settle_ready(&self, running: &mut Running, first: Vec<(EntryHead, Answer)>) {
        let mut answers = Some(first);
        while let Some(batch) = answers {
            for (head, answer) in batch {
                self.settle(running, &head, answer);
            }
            answers = running.flights.next().now_or_never().flatten();
        }
        self.stats.in_flight.store(running.book.in_flight() as u64, Ordering::Relaxed);
    }

    fn settle(&self, running: &mut Running, head: &EntryHead, answer: Answer) {
        let receipt = head.receipt(&self.name);
        match answer {
            Answer::Accepted => {
                self.stats.accepted(head.kind);
                running.book.settle(head);
                running.unsent.push_back(ReceiptMessage::Confirmed(receipt));
            }
            Answer::Refused(reason) => {
                tracing::error!(sink = self.name, kind = %head.kind, incident = %head.incident_id,
                    reason, "the sink refused an entry for good");
                self.stats.refused.fetch_add(1, Ordering::Relaxed);
                self.stats.failed(&reason);
                running.book.settle(head);
                running.unsent.push_back(ReceiptMessage::Refused(receipt, reason));
            }
            Answer::Retry(reason) => {
                let failures = running.book.failures(head) + 1;
                if failures == 1 {
                    tracing::warn!(sink = self.name, kind = %head.kind,
                        incident = %head.incident_id, reason, "sending failed and is tried again");
                }
                self.stats.retried.fetch_add(1, Ordering::Relaxed);
                self.stats.failed(&reason);
                let wait = delay(head.kind, failures, (self.jitter)());
                running.book.retry(head, Instant::now() + wait);
            }
        }
    }

    /// Waits for the answers to what is on its way, and for the runtime to take them.
    async fn drain(self, mut running: Running) -> usize {
        let deadline = self.stop.borrow().unwrap_or_else(Instant::now);
        let left = deadline.saturating_duration_since(Instant::now());
        let sink = Arc::clone(&self.sink);
        let flush = tokio::task::spawn_blocking(move || sink.flush(left));
        while !running.flights.is_empty() {
            match timeout_at(deadline, running.flights.next()).await {
                Ok(Some(answers)) => self.settle_ready(&mut running, answers),
                Ok(None) | Err(_) => break,
            }
        }
        for receipt in mem::take(&mut running.unsent) {
            if !matches!(timeout_at(deadline, self.receipts.send(receipt)).await, Ok(Ok(()))) {
                break;
            }
        }
        let unanswered = running.book.in_flight();
        if timeout_at(deadline, flush).await.is_err() {
            tracing::warn!(sink = self.name, "the sink did not flush in time");
        }
        // Dropping a Kafka producer waits for its threads.
        drop(tokio::task::spawn_blocking(move || drop((running, self))));
        unanswered
    }
}
