use std::fmt;
use std::sync::Arc;

use model::{Incident, IncidentId, OutgoingKind, Timestamp};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use crate::codec::{decode, decode_head, decode_outgoing, kind_code};
use crate::outbox::Outbox;
use crate::tables::{
    DEAD_LETTERS, META, META_DEAD_LETTERS_DROPPED, META_LAST_COMMIT_AT, OUTBOX, REVISIONS, ROWS,
    TALLIES, begin_write, number,
};
use crate::{
    Backlog, Commit, DeadLetter, EntryHead, JournalError, OutboxEntry, Receipt, SinkSpec, revisions,
};

/// The store, shared by those who commit and those who drain the outbox. All calls block; reads
/// see the last commit and wait for no writer. The file is released with the last clone.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    db: Database,
    sinks: Vec<SinkSpec>,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("sinks", &self.inner.sinks).finish_non_exhaustive()
    }
}

impl Journal {
    pub(crate) fn new(db: Database, sinks: Vec<SinkSpec>) -> Self {
        Self { inner: Arc::new(Inner { db, sinks }) }
    }

    /// The sinks that the outbox keeps entries for.
    #[must_use]
    pub fn sinks(&self) -> &[SinkSpec] {
        &self.inner.sinks
    }

    /// Makes all of it durable, or none.
    ///
    /// # Errors
    /// [`JournalError::Encode`] if a value cannot be stored (a number that is not one); nothing
    /// has changed. [`JournalError::Storage`] if the disk failed: whether the commit is durable is
    /// unknown, and later commits fail too, until the journal is opened again.
    pub fn commit(&self, commit: Commit) -> Result<(), JournalError> {
        let txn = begin_write(&self.inner.db)?;
        {
            let mut rows = txn.open_table(ROWS)?;
            for row in &commit.rows {
                match &row.value {
                    Some(value) => drop(rows.insert(row.key.as_slice(), value.as_slice())?),
                    None => drop(rows.remove(row.key.as_slice())?),
                }
            }
        }
        {
            let mut outbox = Outbox::open(&txn)?;
            for receipt in &commit.confirmed {
                outbox.remove(receipt)?;
            }
            for (receipt, reason) in &commit.refused {
                outbox.refuse(receipt, commit.at, reason)?;
            }
            for outgoing in &commit.outgoing {
                outbox.enqueue(&self.inner.sinks, commit.at, outgoing)?;
            }
        }
        revisions::record(&txn, commit.outgoing.iter().map(|outgoing| &**outgoing.incident()))?;
        txn.open_table(META)?.insert(META_LAST_COMMIT_AT, commit.at.unix_ns())?;
        txn.commit()?;
        Ok(())
    }

    /// Up to `limit` entries that wait for a sink, of the first kind by their number, then of the
    /// next; of each kind only those above `after_seq`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn pending(
        &self,
        sink: &str,
        kinds: &[OutgoingKind],
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, JournalError> {
        self.pending_where(sink, kinds, limit, |head| head.seq > after_seq)
    }

    /// Up to `limit` entries that wait for a sink and are wanted, of the first kind by their
    /// number, then of the next. What is not wanted costs no decoding. Every head up to the last
    /// entry returned, or to the end, is shown to `wanted`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn pending_where(
        &self,
        sink: &str,
        kinds: &[OutgoingKind],
        limit: usize,
        mut wanted: impl FnMut(&EntryHead) -> bool,
    ) -> Result<Vec<OutboxEntry>, JournalError> {
        let table = self.inner.db.begin_read()?.open_table(OUTBOX)?;
        let mut found = Vec::new();
        for &kind in kinds {
            let code = kind_code(kind);
            for item in table.range((sink, code, 0)..=(sink, code, u64::MAX))? {
                if found.len() >= limit {
                    return Ok(found);
                }
                let (key, value) = item?;
                let head = decode_head(kind, key.value().2, value.value())?;
                if wanted(&head) {
                    found.push(OutboxEntry { head, outgoing: decode_outgoing(value.value())? });
                }
            }
        }
        Ok(found)
    }

    /// One entry, if it still waits.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn entry(&self, receipt: &Receipt) -> Result<Option<OutboxEntry>, JournalError> {
        let Receipt { sink, kind, seq } = receipt;
        let table = self.inner.db.begin_read()?.open_table(OUTBOX)?;
        let Some(value) = table.get((sink.as_str(), kind_code(*kind), *seq))? else {
            return Ok(None);
        };
        let head = decode_head(*kind, *seq, value.value())?;
        Ok(Some(OutboxEntry { head, outgoing: decode_outgoing(value.value())? }))
    }

    /// What waits, for each sink and each kind that it takes.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn backlog(&self) -> Result<Vec<Backlog>, JournalError> {
        let txn = self.inner.db.begin_read()?;
        let (tallies, outbox) = (txn.open_table(TALLIES)?, txn.open_table(OUTBOX)?);
        let mut backlog = Vec::new();
        for SinkSpec { name, kinds } in &self.inner.sinks {
            for &kind in kinds {
                let (sink, code) = (name.as_str(), kind_code(kind));
                let (waiting, coalesced, dropped) =
                    tallies.get((sink, code))?.map(|tally| tally.value()).unwrap_or_default();
                let oldest = outbox.range((sink, code, 0)..=(sink, code, u64::MAX))?.next();
                let oldest_at = match oldest.transpose()? {
                    Some((key, value)) => {
                        Some(decode_head(kind, key.value().2, value.value())?.enqueued_at)
                    }
                    None => None,
                };
                let sink = name.clone();
                backlog.push(Backlog { sink, kind, waiting, oldest_at, coalesced, dropped });
            }
        }
        Ok(backlog)
    }

    /// The newest `limit` dead letters, newest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, JournalError> {
        let table = self.inner.db.begin_read()?.open_table(DEAD_LETTERS)?;
        table.iter()?.rev().take(limit).map(|item| decode(item?.1.value())).collect()
    }

    /// How many dead letters there are, and how many were dropped because there were too many.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn dead_letter_count(&self) -> Result<(u64, u64), JournalError> {
        let txn = self.inner.db.begin_read()?;
        let dropped = number(&txn.open_table(META)?, META_DEAD_LETTERS_DROPPED)?.unwrap_or(0);
        Ok((txn.open_table(DEAD_LETTERS)?.len()?, dropped))
    }

    /// A revision of an incident, the newest one if `revision` is 0; `None` if there is none or it
    /// is kept no longer.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn revision(
        &self,
        id: IncidentId,
        revision: u64,
    ) -> Result<Option<Incident>, JournalError> {
        let table = self.inner.db.begin_read()?.open_table(REVISIONS)?;
        revisions::read(&table, id, revision)
    }

    /// The time of the last commit.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn last_commit_at(&self) -> Result<Option<Timestamp>, JournalError> {
        let meta = self.inner.db.begin_read()?.open_table(META)?;
        Ok(number(&meta, META_LAST_COMMIT_AT)?.map(Timestamp::from_unix_ns))
    }
}
