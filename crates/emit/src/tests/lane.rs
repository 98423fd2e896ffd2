use std::sync::Arc;
use std::time::Duration;

use journal::{Commit, Journal, SinkSpec};
use model::{Outgoing, OutgoingKind, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::harness::{commit_receipts, jitter, page, ticket, within};
use crate::ReceiptMessage;
use crate::health::LaneStats;
use crate::lane::Lane;
use crate::sink::{Answer, Attempt, Flight, Sink};

/// A sink that answers when and what the test says.
struct Scripted {
    asked: mpsc::UnboundedSender<(String, oneshot::Sender<Answer>)>,
}

impl Sink for Scripted {
    fn send(&self, attempts: Vec<Attempt>) -> Vec<Flight> {
        let fly = |attempt: Attempt| {
            let (answer, answered) = oneshot::channel();
            self.asked.send((attempt.entry.outgoing.id(), answer)).unwrap();
            let head = attempt.entry.head;
            Box::pin(async move {
                let lost = Answer::Retry("lost".to_owned());
                vec![(head, answered.await.unwrap_or(lost))]
            }) as Flight
        };
        attempts.into_iter().map(fly).collect()
    }

    fn flush(&self, _deadline: Duration) {}
}

struct Running {
    journal: Journal,
    asked: mpsc::UnboundedReceiver<(String, oneshot::Sender<Answer>)>,
    wake: watch::Sender<u64>,
    stop: watch::Sender<Option<Instant>>,
    task: tokio::task::JoinHandle<usize>,
}

fn store() -> (tempfile::TempDir, Journal) {
    let dir = tempfile::tempdir().unwrap();
    let kinds = vec![OutgoingKind::Page, OutgoingKind::Ticket];
    let sinks = vec![SinkSpec { name: "scripted".to_owned(), kinds }];
    let (journal, _) = journal::open(dir.path(), 7, Timestamp::ZERO, sinks).unwrap();
    (dir, journal)
}

fn start(journal: &Journal) -> (Running, mpsc::Receiver<ReceiptMessage>) {
    start_lane(journal, OutgoingKind::Page, &watch::channel(None).0)
}

fn start_lane(
    journal: &Journal,
    kind: OutgoingKind,
    pages_wait: &watch::Sender<Option<Instant>>,
) -> (Running, mpsc::Receiver<ReceiptMessage>) {
    let (asked_tx, asked) = mpsc::unbounded_channel();
    let (wake, woken) = watch::channel(0);
    let (stop, stopped) = watch::channel(None);
    let (receipts, taken) = mpsc::channel(1);
    let lane = Lane {
        name: "scripted".to_owned(),
        kinds: vec![kind],
        sink: Arc::new(Scripted { asked: asked_tx }),
        journal: journal.clone(),
        receipts,
        wake: woken,
        stop: stopped,
        jitter: jitter(),
        stats: Arc::new(LaneStats::default()),
        pages_wait: pages_wait.clone(),
    };
    let task = tokio::spawn(lane.run());
    (Running { journal: journal.clone(), asked, wake, stop, task }, taken)
}

impl Running {
    fn enqueue(&self, outgoing: Vec<Outgoing>) {
        let at = Timestamp::from_unix_s(1);
        self.journal.commit(Commit { at, outgoing, ..Commit::default() }).unwrap();
        self.wake.send_modify(|commits| *commits += 1);
    }

    async fn next(&mut self) -> (String, oneshot::Sender<Answer>) {
        within(self.asked.recv()).await.unwrap()
    }

    fn waiting(&self) -> usize {
        self.journal.pending("scripted", &[OutgoingKind::Page], 0, 99).unwrap().len()
    }
}

#[tokio::test]
async fn revisions_of_an_incident_go_one_after_the_other_and_other_incidents_do_not_wait() {
    let (_dir, journal) = store();
    let (mut lane, taken) = start(&journal);
    let mut committed = commit_receipts(journal, taken);
    lane.enqueue(vec![page(1, 1), page(1, 2), page(2, 1)]);
    let (first, answer_first) = lane.next().await;
    let (other, answer_other) = lane.next().await;
    assert_eq!([first, other], [page(1, 1).id(), page(2, 1).id()]);
    answer_other.send(Answer::Accepted).unwrap();
    within(committed.recv()).await.unwrap();
    assert!(lane.asked.try_recv().is_err(), "the second revision was sent too early");
    answer_first.send(Answer::Retry("away".to_owned())).unwrap();
    let (again, answer_again) = lane.next().await;
    assert_eq!(again, page(1, 1).id(), "the first comes again before the second");
    answer_again.send(Answer::Accepted).unwrap();
    let (second, answer_second) = lane.next().await;
    assert_eq!(second, page(1, 2).id());
    answer_second.send(Answer::Accepted).unwrap();
    within(committed.recv()).await.unwrap();
    within(committed.recv()).await.unwrap();
    assert_eq!(lane.waiting(), 0);
}

#[tokio::test]
async fn an_entry_stays_in_the_outbox_until_the_sink_has_answered() {
    let (_dir, journal) = store();
    let (mut lane, taken) = start(&journal);
    let mut committed = commit_receipts(journal, taken);
    lane.enqueue(vec![page(1, 1)]);
    let (_, answer) = lane.next().await;
    assert_eq!(lane.waiting(), 1);
    answer.send(Answer::Accepted).unwrap();
    within(committed.recv()).await.unwrap();
    assert_eq!(lane.waiting(), 0);
}

#[tokio::test]
async fn a_shutdown_waits_for_answers_and_says_what_has_none() {
    let (_dir, journal) = store();
    let (mut lane, taken) = start(&journal);
    let mut committed = commit_receipts(journal, taken);
    lane.enqueue(vec![page(1, 1), page(2, 1)]);
    let (_, answer) = lane.next().await;
    let (_, _never) = lane.next().await;
    lane.stop.send_replace(Some(Instant::now() + Duration::from_secs(1)));
    answer.send(Answer::Accepted).unwrap();
    within(committed.recv()).await.unwrap();
    assert_eq!(within(&mut lane.task).await.unwrap(), 1);
    assert_eq!(lane.waiting(), 1, "what has no answer is sent after the next start");
}

#[tokio::test]
async fn what_was_not_confirmed_is_sent_again_after_a_restart_with_the_same_id() {
    let (_dir, journal) = store();
    let (mut killed, _taken) = start(&journal);
    killed.enqueue(vec![page(1, 1), page(2, 1)]);
    let (first, answer) = killed.next().await;
    let (second, _never) = killed.next().await;
    answer.send(Answer::Accepted).unwrap();
    killed.task.abort();
    let (mut lane, _taken) = start(&journal);
    assert_eq!([lane.next().await.0, lane.next().await.0], [first, second]);
}

#[tokio::test]
async fn receipts_that_the_runtime_does_not_take_yet_hold_up_no_page() {
    let (_dir, journal) = store();
    let (mut lane, mut taken) = start(&journal);
    let mut sent = Vec::new();
    for number in 1..=5 {
        lane.enqueue(vec![page(number, 1)]);
        let (id, answer) = lane.next().await;
        answer.send(Answer::Accepted).unwrap();
        sent.push(id);
    }
    for _ in 1..=5 {
        within(taken.recv()).await.unwrap();
    }
    let expected: Vec<_> = (1..=5).map(|number| page(number, 1).id()).collect();
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn while_a_page_waits_for_its_answer_nothing_else_is_sent() {
    let (_dir, journal) = store();
    let pages_wait = watch::channel(None).0;
    let (mut pages, taken) = start_lane(&journal, OutgoingKind::Page, &pages_wait);
    let (mut rest, _taken) = start_lane(&journal, OutgoingKind::Ticket, &pages_wait);
    let mut committed = commit_receipts(journal, taken);
    pages.enqueue(vec![page(1, 1)]);
    let (_, answer) = pages.next().await;
    within(pages_wait.subscribe().wait_for(Option::is_some)).await.unwrap();
    rest.enqueue(vec![ticket(2, 1)]);
    answer.send(Answer::Retry("away".to_owned())).unwrap();
    let (_, answer) = pages.next().await;
    assert!(rest.asked.try_recv().is_err(), "the ticket went before the page");
    answer.send(Answer::Accepted).unwrap();
    within(committed.recv()).await.unwrap();
    assert_eq!(rest.next().await.0, ticket(2, 1).id());
}
