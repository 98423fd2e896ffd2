//! The tables of the file.

use redb::{Database, ReadableTable, Table, TableDefinition, TableHandle, WriteTransaction};

use crate::JournalError;

/// Raised whenever a value or a key changes its meaning.
pub(crate) const FORMAT: u64 = 1;

pub(crate) const META_FORMAT: &str = "format";
pub(crate) const META_EPOCH: &str = "epoch";
pub(crate) const META_LAST_COMMIT_AT: &str = "last_commit_at";
pub(crate) const META_NEXT_SEQ: &str = "next_seq";
pub(crate) const META_DEAD_LETTERS_DROPPED: &str = "dead_letters_dropped";

/// Sink, kind and number: pages come first, and each kind in its order.
pub(crate) type EntryKey = (&'static str, u8, u64);
/// Sink, epoch and number of the incident, number of the entry.
pub(crate) type SnapshotKey = (&'static str, u32, u64, u64);
/// Epoch and number of the incident, revision.
pub(crate) type RevisionKey = (u32, u64, u64);
/// Waiting, coalesced, dropped.
pub(crate) type Tally = (u64, u64, u64);

pub(crate) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("fogbell.meta");
pub(crate) const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("fogbell.rows");
pub(crate) const OUTBOX: TableDefinition<'_, EntryKey, &[u8]> =
    TableDefinition::new("fogbell.outbox");
/// Which snapshots of an incident wait for a sink, with the time at which they were enqueued.
pub(crate) const SNAPSHOTS: TableDefinition<'_, SnapshotKey, u64> =
    TableDefinition::new("fogbell.outbox_snapshots");
pub(crate) const TALLIES: TableDefinition<'_, (&str, u8), Tally> =
    TableDefinition::new("fogbell.outbox_tallies");
pub(crate) const DEAD_LETTERS: TableDefinition<'_, u64, &[u8]> =
    TableDefinition::new("fogbell.dead_letters");
pub(crate) const REVISIONS: TableDefinition<'_, RevisionKey, &[u8]> =
    TableDefinition::new("fogbell.revisions");

/// A write that is durable, with all that it depends on, once it is committed.
pub(crate) fn begin_write(db: &Database) -> Result<WriteTransaction, JournalError> {
    let mut txn = db.begin_write()?;
    txn.set_two_phase_commit(true);
    txn.set_quick_repair(true);
    Ok(txn)
}

/// Makes sure that all tables are there, in a file that is new or fogbell's.
pub(crate) fn create(txn: &WriteTransaction) -> Result<(), JournalError> {
    let names: Vec<String> = txn.list_tables()?.map(|table| table.name().to_owned()).collect();
    if !names.is_empty() && !names.iter().any(|name| name == META.name()) {
        return Err(JournalError::Corrupt("a redb file, but not fogbell's".to_owned()));
    }
    txn.open_table(META)?;
    txn.open_table(ROWS)?;
    txn.open_table(OUTBOX)?;
    txn.open_table(SNAPSHOTS)?;
    txn.open_table(TALLIES)?;
    txn.open_table(DEAD_LETTERS)?;
    txn.open_table(REVISIONS)?;
    Ok(())
}

pub(crate) fn number(
    table: &impl ReadableTable<&'static str, u64>,
    key: &str,
) -> Result<Option<u64>, JournalError> {
    Ok(table.get(key)?.map(|value| value.value()))
}

/// The next number of the journal's one sequence.
pub(crate) fn next_seq(meta: &mut Table<'_, &'static str, u64>) -> Result<u64, JournalError> {
    let seq = number(meta, META_NEXT_SEQ)?.unwrap_or(1);
    meta.insert(META_NEXT_SEQ, seq.saturating_add(1))?;
    Ok(seq)
}
