use std::fs;

use model::{IncidentId, OutgoingKind, Row, Urgency};

use super::{EPOCH, at, delivery, incident, open, page, row, sends, sinks, snapshot, waiting};
use crate::{Commit, FILE_NAME, JournalError, Receipt};

#[test]
fn a_new_store_has_the_fresh_epoch_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (_, restored) = open(dir.path());
    assert_eq!((restored.epoch, restored.rows.len()), (EPOCH, 0));
    assert_eq!((restored.last_commit_at, restored.set_aside), (None, None));
}

#[test]
fn what_was_committed_is_there_after_reopening_and_the_epoch_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let rows = vec![row("b", "2"), row("a", "1"), row("c", "3")];
    journal
        .commit(Commit { at: at(1), rows, outgoing: vec![page(1, 1)], ..Commit::default() })
        .unwrap();
    let rows = vec![Row { key: b"c".to_vec(), value: None }, row("a", "4")];
    journal.commit(Commit { at: at(2), rows, ..Commit::default() }).unwrap();
    drop(journal);

    let (journal, restored) = crate::open(dir.path(), EPOCH + 1, at(9), sinks()).unwrap();
    assert_eq!((restored.epoch, restored.last_commit_at), (EPOCH, Some(at(2))));
    let rows = [(b"a".to_vec(), b"4".to_vec()), (b"b".to_vec(), b"2".to_vec())];
    assert_eq!(restored.rows, rows);
    assert_eq!(waiting(&journal, "kafka"), [page(1, 1).id()]);
}

#[test]
fn a_commit_that_fails_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let mut broken = (*incident(2, 1)).clone();
    broken.impact.bad_ratio = f64::NAN;
    let commit = Commit {
        at: at(1),
        rows: vec![row("a", "1")],
        outgoing: vec![page(1, 1), model::Outgoing::Snapshot(broken.into())],
        ..Commit::default()
    };
    assert!(matches!(journal.commit(commit), Err(JournalError::Encode(_))));
    assert_eq!(waiting(&journal, "kafka"), [""; 0]);
    assert_eq!(journal.last_commit_at().unwrap(), None);
    journal.commit(sends(at(2), vec![page(1, 1)])).unwrap();
    drop(journal);
    let (journal, restored) = open(dir.path());
    assert_eq!(restored.rows, []);
    assert_eq!(waiting(&journal, "kafka"), [page(1, 1).id()]);
}

#[test]
fn a_copy_taken_while_the_store_is_open_holds_every_commit() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (journal, _) = open(dir.path());
    for number in 1..=20 {
        journal.commit(sends(at(number), vec![page(number, 1)])).unwrap();
    }
    fs::copy(dir.path().join(FILE_NAME), copy.path().join(FILE_NAME)).unwrap();
    let (killed, restored) = open(copy.path());
    assert_eq!((restored.last_commit_at, restored.set_aside), (Some(at(20)), None));
    assert_eq!(waiting(&killed, "kafka"), waiting(&journal, "kafka"));
    assert_eq!(waiting(&killed, "kafka").len(), 20);
}

#[test]
fn a_store_in_use_is_refused_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let (_journal, _) = open(dir.path());
    let error = crate::open(dir.path(), EPOCH, at(1), sinks()).unwrap_err();
    assert!(matches!(&error, JournalError::Locked { path } if *path == dir.path().join(FILE_NAME)));
}

#[test]
fn what_is_no_journal_is_set_aside_and_a_new_one_begun() {
    let foreign: [&[u8]; 3] = [b"not a database", &[0; 8192], b"redb\x1A\x0A\xA9\x0D\x0A"];
    for bytes in foreign {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE_NAME), bytes).unwrap();
        let (journal, restored) = crate::open(dir.path(), 99, at(5), sinks()).unwrap();
        let aside = restored.set_aside.unwrap();
        assert_eq!(fs::read(&aside).unwrap(), bytes);
        let name = format!("{FILE_NAME}.corrupt-{}", at(5).unix_ms());
        assert_eq!(aside.file_name().unwrap(), name.as_str());
        assert_eq!(restored.epoch, 99);
        journal.commit(sends(at(6), vec![page(1, 1)])).unwrap();
    }
}

#[test]
fn a_redb_file_of_another_program_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let db = redb::Database::create(dir.path().join(FILE_NAME)).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(redb::TableDefinition::<u64, u64>::new("theirs")).unwrap();
    txn.commit().unwrap();
    drop(db);
    let (_, restored) = open(dir.path());
    assert!(restored.set_aside.is_some());
}

#[test]
fn any_damage_ends_in_the_old_state_or_in_a_new_store() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    for number in 1..=30 {
        let rows = vec![row(&format!("key {number}"), &"value ".repeat(100))];
        let outgoing = vec![page(number, 1), snapshot(number, 1)];
        journal.commit(Commit { at: at(number), rows, outgoing, ..Commit::default() }).unwrap();
    }
    let all = waiting(&journal, "kafka");
    drop(journal);
    let good = fs::read(dir.path().join(FILE_NAME)).unwrap();
    let (mut aside, mut whole) = (0, 0);
    for case in 0..40_usize {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = good.clone();
        if case % 4 == 0 {
            bytes.truncate(good.len() / 40 * case);
        } else {
            let from = case * 4096 + 64;
            bytes.iter_mut().skip(from).take(512).for_each(|byte| *byte ^= 0x5a);
        }
        fs::write(dir.path().join(FILE_NAME), &bytes).unwrap();
        let (journal, restored) = crate::open(dir.path(), 99, at(50), sinks()).unwrap();
        if restored.set_aside.is_some() {
            aside += 1;
            assert_eq!((restored.epoch, restored.rows.len()), (99, 0));
        } else if !bytes.is_empty() {
            whole += 1;
            assert_eq!((restored.epoch, restored.rows.len()), (EPOCH, 30), "case {case}");
            assert_eq!(waiting(&journal, "kafka"), all);
        }
        journal.commit(sends(at(51), vec![page(31, 1)])).unwrap();
    }
    assert!(aside > 0 && whole > 0, "{aside} set aside, {whole} whole");
}

#[test]
fn a_file_of_another_version_is_refused_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let path = dir.path().join(FILE_NAME);
    let db = redb::Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(crate::tables::META).unwrap().insert("format", 2).unwrap();
    txn.commit().unwrap();
    drop(db);
    let error = crate::open(dir.path(), EPOCH, at(1), sinks()).unwrap_err();
    assert!(matches!(error, JournalError::Format { found: 2, known: 1, .. }), "{error}");
    assert!(path.exists());
}

#[test]
fn revisions_are_read_back_by_number_and_the_newest_by_zero() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    for revision in 1..=3 {
        let outgoing = vec![snapshot(1, revision), delivery(Urgency::Page, 1, revision)];
        journal.commit(sends(at(revision), outgoing)).unwrap();
    }
    let id = IncidentId { epoch: EPOCH, number: 1 };
    assert_eq!(journal.revision(id, 2).unwrap(), Some((*incident(1, 2)).clone()));
    assert_eq!(journal.revision(id, 0).unwrap(), Some((*incident(1, 3)).clone()));
    assert_eq!(journal.revision(id, 4).unwrap(), None);
    assert_eq!(journal.revision(IncidentId { number: 2, ..id }, 0).unwrap(), None);
}

#[test]
fn the_oldest_revisions_of_a_long_incident_go_first() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let last = crate::REVISIONS_PER_INCIDENT_MAX + 3;
    let outgoing = (1..=last).map(|revision| snapshot(1, revision)).collect();
    journal.commit(sends(at(1), outgoing)).unwrap();
    let id = IncidentId { epoch: EPOCH, number: 1 };
    assert_eq!(journal.revision(id, 3).unwrap(), None);
    assert!(journal.revision(id, 4).unwrap().is_some());
    assert!(journal.revision(id, last).unwrap().is_some());
}

#[test]
fn pages_for_a_sink_that_is_gone_become_dead_letters() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.commit(sends(at(1), vec![page(1, 1), snapshot(1, 1)])).unwrap();
    drop(journal);
    let (journal, _) = crate::open(dir.path(), EPOCH, at(2), vec![]).unwrap();
    let letters = journal.dead_letters(10).unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].outgoing.clone(), letters[0].at), (page(1, 1), at(2)));
    assert_eq!(
        (letters[0].receipt.sink.as_str(), letters[0].receipt.kind),
        ("kafka", OutgoingKind::Page)
    );
    drop(journal);
    assert_eq!(waiting(&open(dir.path()).0, "kafka"), [""; 0]);
}

#[test]
fn a_receipt_for_what_is_gone_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.commit(sends(at(1), vec![page(1, 1)])).unwrap();
    let gone = Receipt { sink: "kafka".to_owned(), kind: OutgoingKind::Page, seq: 999 };
    let commit = Commit {
        at: at(2),
        confirmed: vec![gone.clone()],
        refused: vec![(gone, "no".to_owned())],
        ..Commit::default()
    };
    journal.commit(commit).unwrap();
    assert_eq!(waiting(&journal, "kafka"), [page(1, 1).id()]);
    assert_eq!(journal.dead_letter_count().unwrap(), (0, 0));
}
