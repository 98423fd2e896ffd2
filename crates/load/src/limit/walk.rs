//! The bare walks: what reading the needed fields of each item costs when nothing is done with
//! them. They expect known senders' messages: fields in one piece, no groups.

mod points;
mod records;
mod spans;

pub use points::{PointTotals, walk_points};
pub use records::{RecordTotals, walk_records};
pub use spans::{Totals, walk};

use crate::wire::{Read, Reader};

/// Calls `visit` with each item (span, metric, log record) of an export request and the name of
/// its service: those of all three signals stand at the same depth, under the same numbers.
#[inline(always)]
fn each_item<'a>(
    request: &'a [u8],
    mut visit: impl FnMut(&'a [u8], &'a [u8]) -> Read<()>,
) -> Read<()> {
    let mut reader = Reader::new(request);
    while !reader.is_empty() {
        match reader.varint()? {
            0x0a => each_item_of_resource(reader.message()?, &mut visit)?,
            key => reader.skip(key)?,
        }
    }
    Ok(())
}

/// Two passes, since the resource may come after its items.
#[inline(never)]
fn each_item_of_resource<'a>(
    bytes: &'a [u8],
    visit: &mut impl FnMut(&'a [u8], &'a [u8]) -> Read<()>,
) -> Read<()> {
    let service = service_name(bytes)?;
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let key = reader.varint()?;
        if key != 0x12 {
            reader.skip(key)?;
            continue;
        }
        let mut scope = Reader::new(reader.message()?);
        while !scope.is_empty() {
            let key = scope.varint()?;
            if key == 0x12 {
                visit(scope.message()?, service)?;
            } else {
                scope.skip(key)?;
            }
        }
    }
    Ok(())
}

fn service_name(resource_items: &[u8]) -> Read<&[u8]> {
    let mut service = &b""[..];
    let mut reader = Reader::new(resource_items);
    while !reader.is_empty() {
        let key = reader.varint()?;
        if key != 0x0a {
            reader.skip(key)?;
            continue;
        }
        let mut resource = Reader::new(reader.message()?);
        while !resource.is_empty() {
            let key = resource.varint()?;
            if key != 0x0a {
                resource.skip(key)?;
                continue;
            }
            let (key, value) = key_value(resource.message()?)?;
            if key == b"service.name" {
                service = string(value)?;
            }
        }
    }
    Ok(service)
}

#[inline(always)]
fn key_value(bytes: &[u8]) -> Read<(&[u8], &[u8])> {
    let (mut reader, mut key, mut value) = (Reader::new(bytes), &b""[..], &b""[..]);
    while !reader.is_empty() {
        match reader.varint()? {
            0x0a => key = reader.message()?,
            0x12 => value = reader.message()?,
            other => reader.skip(other)?,
        }
    }
    Ok((key, value))
}

/// The string of an `AnyValue`, empty if it holds another type.
#[inline(always)]
fn string(value: &[u8]) -> Read<&[u8]> {
    match value {
        [0x0a, rest @ ..] => Reader::new(rest).message(),
        _ => Ok(b""),
    }
}

/// The integer of an `AnyValue`, 0 if it holds another type.
#[inline(always)]
fn integer(value: &[u8]) -> Read<u64> {
    match value {
        [0x18, rest @ ..] => Reader::new(rest).varint(),
        _ => Ok(0),
    }
}
