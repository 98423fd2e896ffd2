//! The outbox and the dead letters within one write transaction.

use model::{IncidentId, Outgoing, OutgoingKind, Timestamp};
use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use crate::bounds::{DEAD_LETTERS_MAX, SNAPSHOT_COALESCE_AFTER, waiting_max};
use crate::codec::{decode_head, decode_outgoing, encode, encode_entry, kind_code, kind_from};
use crate::tables::{
    DEAD_LETTERS, EntryKey, META, META_DEAD_LETTERS_DROPPED, OUTBOX, SNAPSHOTS, SnapshotKey,
    TALLIES, Tally, next_seq, number,
};
use crate::{DeadLetter, JournalError, Receipt, SinkSpec};

const NO_LONGER_CONFIGURED: &str = "the sink is no longer configured to take it";

/// The tables that an entry touches. They agree: an entry, its index and its tally change in one.
pub(crate) struct Outbox<'txn> {
    meta: Table<'txn, &'static str, u64>,
    entries: Table<'txn, EntryKey, &'static [u8]>,
    snapshots: Table<'txn, SnapshotKey, u64>,
    tallies: Table<'txn, (&'static str, u8), Tally>,
    dead: Table<'txn, u64, &'static [u8]>,
}

impl<'txn> Outbox<'txn> {
    pub(crate) fn open(txn: &'txn WriteTransaction) -> Result<Self, JournalError> {
        Ok(Self {
            meta: txn.open_table(META)?,
            entries: txn.open_table(OUTBOX)?,
            snapshots: txn.open_table(SNAPSHOTS)?,
            tallies: txn.open_table(TALLIES)?,
            dead: txn.open_table(DEAD_LETTERS)?,
        })
    }

    /// Enqueues for each sink that takes it.
    pub(crate) fn enqueue(
        &mut self,
        sinks: &[SinkSpec],
        at: Timestamp,
        outgoing: &Outgoing,
    ) -> Result<(), JournalError> {
        let kind = outgoing.kind();
        if !sinks.iter().any(|sink| sink.kinds.contains(&kind)) {
            return Ok(());
        }
        let value = encode_entry(at, outgoing)?;
        for sink in sinks.iter().filter(|sink| sink.kinds.contains(&kind)) {
            let name = sink.name.as_str();
            if kind == OutgoingKind::Incident {
                self.coalesce(name, outgoing.incident_id(), at)?;
            }
            let seq = next_seq(&mut self.meta)?;
            self.entries.insert((name, kind_code(kind), seq), value.as_slice())?;
            if kind == OutgoingKind::Incident {
                let IncidentId { epoch, number } = outgoing.incident_id();
                self.snapshots.insert((name, epoch, number, seq), at.unix_ns())?;
            }
            self.tally(name, kind, |(waiting, ..)| *waiting += 1)?;
            self.drop_oldest(name, kind)?;
        }
        Ok(())
    }

    /// Takes an entry out; `None` if it is gone already.
    pub(crate) fn remove(&mut self, receipt: &Receipt) -> Result<Option<Outgoing>, JournalError> {
        let Receipt { sink, kind, seq } = receipt;
        let key = (sink.as_str(), kind_code(*kind), *seq);
        let Some(value) = self.entries.remove(key)?.map(|value| value.value().to_vec()) else {
            return Ok(None);
        };
        if *kind == OutgoingKind::Incident {
            let IncidentId { epoch, number } = decode_head(*kind, *seq, &value)?.incident_id;
            self.snapshots.remove((sink.as_str(), epoch, number, *seq))?;
        }
        self.tally(sink, *kind, |(waiting, ..)| *waiting = waiting.saturating_sub(1))?;
        decode_outgoing(&value).map(Some)
    }

    /// Moves an entry to the dead letters.
    pub(crate) fn refuse(
        &mut self,
        receipt: &Receipt,
        at: Timestamp,
        reason: &str,
    ) -> Result<(), JournalError> {
        let Some(outgoing) = self.remove(receipt)? else { return Ok(()) };
        let letter =
            DeadLetter { receipt: receipt.clone(), at, reason: reason.to_owned(), outgoing };
        let seq = next_seq(&mut self.meta)?;
        self.dead.insert(seq, encode(&letter)?.as_slice())?;
        if self.dead.len()? > DEAD_LETTERS_MAX && self.dead.pop_first()?.is_some() {
            let dropped = number(&self.meta, META_DEAD_LETTERS_DROPPED)?.unwrap_or(0);
            self.meta.insert(META_DEAD_LETTERS_DROPPED, dropped + 1)?;
        }
        Ok(())
    }

    /// Clears what waits for sinks that no longer take it: pages and tickets go to the dead
    /// letters, all else is dropped. Says how many entries that were.
    pub(crate) fn retire(
        &mut self,
        sinks: &[SinkSpec],
        at: Timestamp,
    ) -> Result<usize, JournalError> {
        let mut stale = Vec::new();
        for entry in self.entries.iter()? {
            let (key, _) = entry?;
            let (sink, code, seq) = key.value();
            let kind = kind_from(code)?;
            if !sinks.iter().any(|spec| spec.name == sink && spec.kinds.contains(&kind)) {
                stale.push(Receipt { sink: sink.to_owned(), kind, seq });
            }
        }
        for receipt in &stale {
            match receipt.kind {
                OutgoingKind::Page | OutgoingKind::Ticket => {
                    self.refuse(receipt, at, NO_LONGER_CONFIGURED)?;
                }
                OutgoingKind::Incident | OutgoingKind::Event => {
                    self.remove(receipt)?;
                    self.tally(&receipt.sink, receipt.kind, |(.., dropped)| *dropped += 1)?;
                }
            }
        }
        Ok(stale.len())
    }

    /// Removes the snapshots of an incident that have waited so long that the sink is behind.
    fn coalesce(&mut self, sink: &str, id: IncidentId, at: Timestamp) -> Result<(), JournalError> {
        let IncidentId { epoch, number } = id;
        let mut stale = Vec::new();
        for item in
            self.snapshots.range((sink, epoch, number, 0)..=(sink, epoch, number, u64::MAX))?
        {
            let (key, enqueued_ns) = item?;
            let enqueued_at = Timestamp::from_unix_ns(enqueued_ns.value());
            if at.since(enqueued_at) >= SNAPSHOT_COALESCE_AFTER {
                stale.push(key.value().3);
            }
        }
        for seq in stale {
            let receipt = Receipt { sink: sink.to_owned(), kind: OutgoingKind::Incident, seq };
            self.remove(&receipt)?;
            self.tally(sink, OutgoingKind::Incident, |(_, coalesced, _)| *coalesced += 1)?;
        }
        Ok(())
    }

    fn drop_oldest(&mut self, sink: &str, kind: OutgoingKind) -> Result<(), JournalError> {
        let code = kind_code(kind);
        let waiting = self.tallies.get((sink, code))?.map_or(0, |tally| tally.value().0);
        if waiting_max(kind).is_none_or(|max| waiting <= max) {
            return Ok(());
        }
        let oldest = self
            .entries
            .range((sink, code, 0)..=(sink, code, u64::MAX))?
            .next()
            .transpose()?
            .map(|(key, _)| key.value().2);
        if let Some(seq) = oldest {
            self.remove(&Receipt { sink: sink.to_owned(), kind, seq })?;
            self.tally(sink, kind, |(.., dropped)| *dropped += 1)?;
        }
        Ok(())
    }

    fn tally(
        &mut self,
        sink: &str,
        kind: OutgoingKind,
        change: impl FnOnce(&mut Tally),
    ) -> Result<(), JournalError> {
        let key = (sink, kind_code(kind));
        let mut tally = self.tallies.get(key)?.map(|tally| tally.value()).unwrap_or_default();
        change(&mut tally);
        self.tallies.insert(key, tally)?;
        Ok(())
    }
}
