//! Values as they lie in the file: a version byte and borsh. They carry no checksum of their own:
//! redb keeps a 128-bit XXH3 of every page, and the file is checked against them when it is
//! opened.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use model::{IncidentId, Outgoing, OutgoingKind, Timestamp};

use crate::{EntryHead, JournalError};

const VERSION: u8 = 1;

pub(crate) fn encode(value: &impl BorshSerialize) -> Result<Vec<u8>, JournalError> {
    let mut bytes = vec![VERSION];
    value.serialize(&mut bytes).map_err(JournalError::Encode)?;
    Ok(bytes)
}

pub(crate) fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, JournalError> {
    T::try_from_slice(body(bytes)?).map_err(corrupt)
}

/// An entry of the outbox: when it was enqueued, its incident, and what to send.
pub(crate) fn encode_entry(at: Timestamp, outgoing: &Outgoing) -> Result<Vec<u8>, JournalError> {
    encode(&(at, outgoing.incident_id(), outgoing))
}

/// The front of an entry, without the cost of what it carries.
pub(crate) fn decode_head(
    kind: OutgoingKind,
    seq: u64,
    bytes: &[u8],
) -> Result<EntryHead, JournalError> {
    let (enqueued_at, incident_id) =
        <(Timestamp, IncidentId)>::deserialize(&mut body(bytes)?).map_err(corrupt)?;
    Ok(EntryHead { kind, seq, enqueued_at, incident_id })
}

/// What an entry carries.
pub(crate) fn decode_outgoing(bytes: &[u8]) -> Result<Outgoing, JournalError> {
    let (_, _, outgoing) = decode::<(Timestamp, IncidentId, Outgoing)>(bytes)?;
    Ok(outgoing)
}

pub(crate) fn kind_code(kind: OutgoingKind) -> u8 {
    match kind {
        OutgoingKind::Page => 0,
        OutgoingKind::Ticket => 1,
        OutgoingKind::Incident => 2,
        OutgoingKind::Event => 3,
    }
}

pub(crate) fn kind_from(code: u8) -> Result<OutgoingKind, JournalError> {
    OutgoingKind::ALL
        .into_iter()
        .find(|kind| kind_code(*kind) == code)
        .ok_or_else(|| JournalError::Corrupt(format!("an outbox entry of kind {code}")))
}

fn body(bytes: &[u8]) -> Result<&[u8], JournalError> {
    match bytes.split_first() {
        Some((&VERSION, body)) => Ok(body),
        Some((version, _)) => Err(JournalError::Corrupt(format!("a value of version {version}"))),
        None => Err(JournalError::Corrupt("an empty value".to_owned())),
    }
}

fn corrupt(error: io::Error) -> JournalError {
    JournalError::Corrupt(error.to_string())
}
