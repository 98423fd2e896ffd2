//! Revisions of incidents, kept for those who ask for one by its number.

use model::{Incident, IncidentId};
use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};

use crate::JournalError;
use crate::bounds::{REVISIONS_MAX, REVISIONS_PER_INCIDENT_MAX};
use crate::codec::{decode, encode};
use crate::tables::{REVISIONS, RevisionKey};

/// Keeps revisions and lets the oldest go.
pub(crate) fn record<'a>(
    txn: &WriteTransaction,
    incidents: impl Iterator<Item = &'a Incident>,
) -> Result<(), JournalError> {
    let mut table = txn.open_table(REVISIONS)?;
    for incident in incidents {
        let Incident { id: IncidentId { epoch, number }, revision, .. } = *incident;
        if table.get((epoch, number, revision))?.is_some() {
            continue;
        }
        table.insert((epoch, number, revision), encode(incident)?.as_slice())?;
        if let Some(last) = revision.checked_sub(REVISIONS_PER_INCIDENT_MAX) {
            table.retain_in((epoch, number, 0)..=(epoch, number, last), |_, _| false)?;
        }
        while table.len()? > REVISIONS_MAX {
            table.pop_first()?;
        }
    }
    Ok(())
}

/// One revision, the newest if `revision` is 0.
pub(crate) fn read(
    table: &impl ReadableTable<RevisionKey, &'static [u8]>,
    id: IncidentId,
    revision: u64,
) -> Result<Option<Incident>, JournalError> {
    let IncidentId { epoch, number } = id;
    if revision != 0 {
        let value = table.get((epoch, number, revision))?;
        return value.map(|value| decode(value.value())).transpose();
    }
    let newest = table.range((epoch, number, 0)..=(epoch, number, u64::MAX))?.next_back();
    newest.transpose()?.map(|(_, value)| decode(value.value())).transpose()
}
