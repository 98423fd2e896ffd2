use super::{each_item, key_value};
use crate::wire::{Read, Reader, word};

/// What the walk of log records adds up, so that nothing of it can be optimised away.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct RecordTotals {
    /// Log records.
    pub records: u64,
    /// Length of `service.name`, once a record.
    pub service_bytes: u64,
    /// Sum of the times, in nanoseconds, wrapping.
    pub times_ns: u64,
    /// Sum of the severity numbers.
    pub severities: u64,
    /// Length of the encoded bodies.
    pub body_bytes: u64,
    /// Length of the attributes: of the keys and of the encoded values.
    pub attribute_bytes: u64,
    /// Exclusive or of the first words of trace and span ids.
    pub ids: u64,
}

/// Reads of each record in an `ExportLogsServiceRequest` the service, time, severity, body,
/// attributes, trace and span id. `None` if the bytes are no such request; what was read until then
/// is dropped.
#[must_use]
pub fn walk_records(request: &[u8]) -> Option<RecordTotals> {
    let mut totals = RecordTotals::default();
    each_item(request, |record, service| {
        totals.service_bytes += service.len() as u64;
        walk_record(record, &mut totals)
    })
    .ok()?;
    Some(totals)
}

#[inline(always)]
fn walk_record(bytes: &[u8], totals: &mut RecordTotals) -> Read<()> {
    totals.records += 1;
    let mut record = Reader::new(bytes);
    while !record.is_empty() {
        match record.varint()? {
            0x09 => totals.times_ns = totals.times_ns.wrapping_add(record.fixed64()?),
            0x10 => totals.severities = totals.severities.wrapping_add(record.varint()?),
            0x2a => totals.body_bytes += record.message()?.len() as u64,
            0x32 => {
                let (key, value) = key_value(record.message()?)?;
                totals.attribute_bytes += (key.len() + value.len()) as u64;
            }
            0x4a | 0x52 => totals.ids ^= word(record.message()?).unwrap_or_default(),
            key => record.skip(key)?,
        }
    }
    Ok(())
}
