//! The journal's thread: nothing leaves before its commit.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use api::Feed;
use journal::{Commit, Journal, Receipt};
use telemetry::{Counter, Histogram};
use tokio::sync::watch;

use crate::clock::now;
use crate::tick::Batch;

/// Receipts wait this long for company: leaving the outbox is in no hurry.
const RECEIPTS_WAIT: Duration = Duration::from_millis(50);
/// How long a failed commit waits before it is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// To the journal's thread.
pub(crate) enum ToJournal {
    /// Effects of one turn of the hub.
    Batch(Box<Batch>),
    /// A delivery was confirmed.
    Confirmed(Receipt),
    /// A delivery was refused for good.
    Refused(Receipt, String),
    /// Commit what there is, then end.
    Stop,
}

/// What the journal's thread works with.
pub(crate) struct Committer {
    pub(crate) journal: Journal,
    pub(crate) feed: Arc<Feed>,
    /// Moves on with each commit that put something into the outbox.
    pub(crate) outbox_grew: watch::Sender<u64>,
    /// What is wrong with the journal, if anything.
    pub(crate) trouble: watch::Sender<Option<String>>,
}

impl Committer {
    /// Commits until told to stop. What cannot be committed is tried again, and nothing leaves
    /// meanwhile.
    pub(crate) fn run(self, from: &Receiver<ToJournal>) {
        loop {
            let Some(mut work) = gather(from) else { return };
            let stop = work.stop;
            while let Err(error) = self.commit(&mut work) {
                Counter::CommitErrors.add(1, &[]);
                tracing::error!(%error, "the journal cannot commit; trying again");
                let _ = self.trouble.send(Some(format!("the journal cannot commit: {error}")));
                for waiter in work.batch.waiters.drain(..) {
                    let _ = waiter.send(false);
                }
                std::thread::sleep(RETRY_AFTER);
            }
            if self.trouble.borrow().is_some() {
                let _ = self.trouble.send(None);
            }
            if stop {
                return;
            }
        }
    }

    fn commit(&self, work: &mut Work) -> Result<(), journal::JournalError> {
        let begun = Instant::now();
        let commit = Commit {
            at: now(),
            rows: work.batch.rows.clone(),
            outgoing: work.batch.outgoing.clone(),
            confirmed: work.confirmed.clone(),
            refused: work.refused.clone(),
        };
        self.journal.commit(commit)?;
        Histogram::Commit.record(begun.elapsed().as_secs_f64(), &[]);
        Counter::Commits.add(1, &[]);
        self.release(std::mem::take(&mut work.batch));
        Ok(())
    }

    /// What waited for the commit leaves.
    fn release(&self, batch: Batch) {
        if !batch.outgoing.is_empty() {
            self.outbox_grew.send_modify(|count| *count += 1);
        }
        for revision in batch.revisions {
            Counter::Revisions.add(1, &[("type", revision.event.kind.as_str().to_owned())]);
            self.feed.publish(revision, &batch.outgoing);
        }
        for (to, reply) in batch.replies {
            // A caller that has gone away needs no answer.
            let _ = to.send(reply);
        }
        for waiter in batch.waiters {
            let _ = waiter.send(true);
        }
    }
}

#[derive(Default)]
struct Work {
    batch: Batch,
    confirmed: Vec<Receipt>,
    refused: Vec<(Receipt, String)>,
    stop: bool,
}

impl Work {
    fn add(&mut self, message: ToJournal) {
        match message {
            ToJournal::Batch(batch) => self.batch.absorb(*batch),
            ToJournal::Confirmed(receipt) => self.confirmed.push(receipt),
            ToJournal::Refused(receipt, why) => self.refused.push((receipt, why)),
            ToJournal::Stop => self.stop = true,
        }
    }
}

/// Everything that waits, so that one commit serves it all; `None` once nobody can send any more.
fn gather(from: &Receiver<ToJournal>) -> Option<Work> {
    let mut work = Work::default();
    work.add(from.recv().ok()?);
    let deadline = Instant::now() + RECEIPTS_WAIT;
    loop {
        let urgent = work.stop || !work.batch.is_empty();
        let wait = if urgent { Duration::ZERO } else { deadline - Instant::now().min(deadline) };
        match from.recv_timeout(wait) {
            Ok(message) => work.add(message),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Some(work),
        }
    }
}
