use std::time::Duration;

use journal::EntryHead;
use model::{IncidentId, OutgoingKind, Timestamp};
use tokio::time::Instant;

use crate::backoff::delay;
use crate::book::{Book, UNSETTLED_PER_KIND_MAX};

fn head(kind: OutgoingKind, seq: u64, number: u64) -> EntryHead {
    let incident_id = IncidentId { epoch: 7, number };
    EntryHead { kind, seq, enqueued_at: Timestamp::ZERO, incident_id }
}

fn scan(book: &mut Book, outbox: &[EntryHead], now: Instant) -> Vec<u64> {
    book.begin_scan();
    let wanted = outbox.iter().filter(|head| book.wants(head, now)).map(|head| head.seq).collect();
    book.end_scan();
    wanted
}

#[test]
fn an_entry_is_sent_once_until_its_receipt_is_committed() {
    let (mut book, now) = (Book::default(), Instant::now());
    let entry = head(OutgoingKind::Page, 1, 1);
    assert_eq!(scan(&mut book, &[entry], now), [1]);
    assert_eq!(scan(&mut book, &[entry], now), [0; 0], "it is in flight");
    book.settle(&entry);
    assert_eq!(scan(&mut book, &[entry], now), [0; 0], "its receipt is not committed");
    assert_eq!(scan(&mut book, &[], now), [0; 0]);
    assert_eq!(book.in_flight(), 0);
}

#[test]
fn the_next_revision_waits_for_the_answer_to_the_one_before() {
    let (mut book, now) = (Book::default(), Instant::now());
    let outbox = [
        head(OutgoingKind::Incident, 1, 1),
        head(OutgoingKind::Incident, 2, 1),
        head(OutgoingKind::Incident, 3, 2),
        head(OutgoingKind::Event, 4, 1),
    ];
    assert_eq!(scan(&mut book, &outbox, now), [1, 3, 4]);
    assert!(book.blocked());
    book.retry(&outbox[0], now + Duration::from_secs(1));
    assert_eq!(scan(&mut book, &outbox, now), [0; 0], "the first is to be sent again");
    assert_eq!(scan(&mut book, &outbox, now + Duration::from_secs(1)), [1]);
    assert_eq!(book.failures(&outbox[0]), 1);
    book.settle(&outbox[0]);
    assert_eq!(scan(&mut book, &outbox, now), [2]);
}

#[test]
fn what_is_gone_from_the_outbox_makes_way() {
    let (mut book, now) = (Book::default(), Instant::now());
    let (old, new) = (head(OutgoingKind::Incident, 1, 1), head(OutgoingKind::Incident, 2, 1));
    assert_eq!(scan(&mut book, &[old], now), [1]);
    book.retry(&old, now + Duration::from_secs(9));
    assert_eq!(scan(&mut book, &[new], now), [0; 0]);
    assert_eq!(book.next_due(), None, "the old one was forgotten");
    assert_eq!(scan(&mut book, &[new], now), [2]);
}

#[test]
fn one_kind_that_is_stuck_leaves_room_for_the_others() {
    let (mut book, now) = (Book::default(), Instant::now());
    let many = UNSETTLED_PER_KIND_MAX as u64 + 10;
    let mut outbox: Vec<_> = (1..=many).map(|seq| head(OutgoingKind::Incident, seq, seq)).collect();
    assert_eq!(scan(&mut book, &outbox, now).len(), UNSETTLED_PER_KIND_MAX);
    outbox.push(head(OutgoingKind::Event, many + 1, 1));
    assert_eq!(scan(&mut book, &outbox, now), [many + 1]);
}

#[test]
fn retries_wait_longer_each_time_up_to_a_bound_that_is_lower_for_pages() {
    let page = |failures| delay(OutgoingKind::Page, failures, 1.0);
    assert_eq!(page(1), Duration::from_millis(100));
    assert_eq!(page(3), Duration::from_millis(400));
    assert_eq!(page(u32::MAX), Duration::from_secs(5));
    assert_eq!(delay(OutgoingKind::Ticket, u32::MAX, 1.0), Duration::from_secs(30));
    assert_eq!(delay(OutgoingKind::Page, 1, 0.0), Duration::from_millis(50));
}
