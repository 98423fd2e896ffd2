use model::OutgoingKind::{self, Event, Incident, Page, Ticket};

use super::{at, event, open, page, sends, sinks, snapshot, ticket, waiting};
use crate::{Commit, SNAPSHOT_COALESCE_AFTER, SNAPSHOTS_WAITING_MAX};

#[test]
fn pages_come_first_then_tickets_then_the_rest_each_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let outgoing = vec![event(1, 1), snapshot(1, 1), ticket(2, 1), page(1, 1)];
    journal.commit(sends(at(1), outgoing)).unwrap();
    journal.commit(sends(at(2), vec![ticket(3, 1), page(4, 1)])).unwrap();
    let order = [page(1, 1), page(4, 1), ticket(2, 1), ticket(3, 1), snapshot(1, 1), event(1, 1)];
    assert_eq!(waiting(&journal, "kafka"), order.map(|outgoing| outgoing.id()));
}

#[test]
fn a_sink_gets_the_kinds_it_takes_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.commit(sends(at(1), vec![page(1, 1), ticket(2, 1), snapshot(1, 1)])).unwrap();
    assert_eq!(waiting(&journal, "ticketing"), [ticket(2, 1).id()]);
    assert_eq!(waiting(&journal, "unknown"), [""; 0]);
}

#[test]
fn confirming_removes_the_entry_of_that_sink_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.commit(sends(at(1), vec![ticket(1, 1), ticket(2, 1)])).unwrap();
    let entries = journal.pending("kafka", &[Ticket], 0, 1).unwrap();
    let receipt = entries[0].receipt("kafka");
    assert_eq!(journal.entry(&receipt).unwrap().as_ref(), entries.first());
    let confirmed = vec![receipt.clone()];
    journal.commit(Commit { at: at(2), confirmed, ..Commit::default() }).unwrap();
    assert_eq!(journal.entry(&receipt).unwrap(), None);
    assert_eq!(waiting(&journal, "kafka"), [ticket(2, 1).id()]);
    assert_eq!(waiting(&journal, "ticketing"), [ticket(1, 1).id(), ticket(2, 1).id()]);
}

#[test]
fn what_is_refused_moves_to_the_dead_letters_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.commit(sends(at(1), vec![page(1, 1)])).unwrap();
    let receipt = journal.pending("kafka", &[Page], 0, 1).unwrap()[0].receipt("kafka");
    let refused = vec![(receipt.clone(), "too large".to_owned())];
    journal.commit(Commit { at: at(2), refused, ..Commit::default() }).unwrap();
    assert_eq!(waiting(&journal, "kafka"), [""; 0]);
    let letters = journal.dead_letters(10).unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0].receipt, letters[0].reason.as_str()), (&receipt, "too large"));
    assert_eq!((&letters[0].outgoing, letters[0].at), (&page(1, 1), at(2)));
    assert_eq!(journal.dead_letter_count().unwrap(), (1, 0));
}

#[test]
fn pending_reads_on_after_a_number_and_up_to_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.commit(sends(at(1), (1..=5).map(|number| page(number, 1)).collect())).unwrap();
    let first = journal.pending("kafka", &[Page], 0, 2).unwrap();
    let rest = journal.pending("kafka", &[Page], first[1].head.seq, 9).unwrap();
    let ids = |entries: &[crate::OutboxEntry]| -> Vec<u64> {
        entries.iter().map(|entry| entry.head.incident_id.number).collect()
    };
    assert_eq!((ids(&first), ids(&rest)), (vec![1, 2], vec![3, 4, 5]));
}

#[test]
fn snapshots_of_an_incident_coalesce_for_a_sink_that_is_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let behind = SNAPSHOT_COALESCE_AFTER.as_secs();
    journal.commit(sends(at(0), vec![snapshot(1, 1), snapshot(2, 1), event(1, 1)])).unwrap();
    journal.commit(sends(at(1), vec![snapshot(1, 2)])).unwrap();
    assert_eq!(
        waiting(&journal, "kafka"),
        [snapshot(1, 1), snapshot(2, 1), snapshot(1, 2), event(1, 1)].map(|sent| sent.id()),
        "a sink that keeps up gets every revision"
    );
    journal.commit(sends(at(behind), vec![snapshot(1, 3), event(1, 3), page(1, 3)])).unwrap();
    assert_eq!(
        waiting(&journal, "kafka"),
        [page(1, 3), snapshot(2, 1), snapshot(1, 2), snapshot(1, 3), event(1, 1), event(1, 3)]
            .map(|sent| sent.id())
    );
    journal.commit(sends(at(3 * behind), vec![snapshot(1, 4)])).unwrap();
    assert_eq!(
        waiting(&journal, "kafka"),
        [page(1, 3), snapshot(2, 1), snapshot(1, 4), event(1, 1), event(1, 3)]
            .map(|sent| sent.id())
    );
    let backlog = journal.backlog().unwrap();
    let snapshots = backlog.iter().find(|backlog| backlog.kind == Incident).unwrap();
    assert_eq!((snapshots.waiting, snapshots.coalesced, snapshots.dropped), (2, 3, 0));
}

#[test]
fn the_backlog_counts_what_waits_and_how_long() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.commit(sends(at(1), vec![page(1, 1), ticket(1, 1)])).unwrap();
    journal.commit(sends(at(2), vec![page(2, 1)])).unwrap();
    let of = |sink: &str, kind: OutgoingKind| {
        let backlog = journal.backlog().unwrap();
        let one = backlog.iter().find(|one| one.sink == sink && one.kind == kind).unwrap();
        (one.waiting, one.oldest_at)
    };
    assert_eq!(of("kafka", Page), (2, Some(at(1))));
    assert_eq!(of("kafka", Event), (0, None));
    assert_eq!(of("ticketing", Ticket), (1, Some(at(1))));
    let confirmed = vec![journal.pending("kafka", &[Page], 0, 1).unwrap()[0].receipt("kafka")];
    journal.commit(Commit { at: at(3), confirmed, ..Commit::default() }).unwrap();
    assert_eq!(of("kafka", Page), (1, Some(at(2))));
    assert_eq!(journal.backlog().unwrap().len(), sinks().iter().map(|s| s.kinds.len()).sum());
}

#[test]
fn a_full_outbox_drops_its_oldest_snapshot_visibly_and_never_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let beyond = 3;
    let count = SNAPSHOTS_WAITING_MAX + beyond;
    let outgoing = (1..=count).flat_map(|number| [snapshot(number, 1), page(number, 1)]).collect();
    journal.commit(sends(at(1), outgoing)).unwrap();
    let backlog = journal.backlog().unwrap();
    let of = |kind| backlog.iter().find(|backlog| backlog.kind == kind).unwrap();
    assert_eq!((of(Incident).waiting, of(Incident).dropped), (SNAPSHOTS_WAITING_MAX, beyond));
    assert_eq!((of(Page).waiting, of(Page).dropped), (count, 0));
    let oldest = journal.pending("kafka", &[Incident], 0, 1).unwrap();
    assert_eq!(oldest[0].head.incident_id.number, beyond + 1);
}
