//! Places in an encoded request whose bytes change from copy to copy. What is written there has a
//! fixed length, so nothing moves.

use crate::wire::{Read, Reader, Unreadable};

/// Does nothing where the request is shorter than the one in which the place was found.
#[inline(always)]
pub(super) fn put<const N: usize>(request: &mut [u8], at: u32, value: &[u8; N]) {
    if let Some(place) = request.get_mut(at as usize..).and_then(|rest| rest.first_chunk_mut()) {
        *place = *value;
    }
}

/// Calls `visit` with each submessage under `wanted` and where it begins.
pub(super) fn each(
    message: &[u8],
    begins: usize,
    wanted: u64,
    visit: &mut dyn FnMut(&[u8], usize) -> Read<()>,
) -> Read<()> {
    let mut reader = Reader::new(message);
    while !reader.is_empty() {
        let key = reader.varint()?;
        if key == wanted {
            let inner = reader.message()?;
            visit(inner, begins + reader.at() - inner.len())?;
        } else {
            reader.skip(key)?;
        }
    }
    Ok(())
}

/// Calls `visit` with each item (span, metric, log record) of an export request: those of all three
/// signals stand at the same depth, under the same numbers.
pub(super) fn each_item(
    request: &[u8],
    visit: &mut dyn FnMut(&[u8], usize) -> Read<()>,
) -> Read<()> {
    each(request, 0, 0x0a, &mut |resource, at| {
        each(resource, at, 0x12, &mut |scope, at| each(scope, at, 0x12, visit))
    })
}

/// Where the last `bytes` of the field begin for each of the wanted keys, in their order; `None`
/// for a field that is not there. A field that is shorter is an error.
pub(super) fn fields<const N: usize>(
    message: &[u8],
    begins: usize,
    wanted: [(u64, usize); N],
) -> Read<[Option<u32>; N]> {
    let mut found = [None; N];
    let mut reader = Reader::new(message);
    while !reader.is_empty() {
        let key = reader.varint()?;
        let value_at = reader.at();
        reader.skip(key)?;
        for (place, (wanted, bytes)) in found.iter_mut().zip(wanted) {
            if wanted == key {
                let at = reader.at().checked_sub(bytes).filter(|at| *at >= value_at);
                *place = Some(place_at(begins + at.ok_or(Unreadable)?)?);
            }
        }
    }
    Ok(found)
}

pub(super) fn place_at(at: usize) -> Read<u32> {
    u32::try_from(at).map_err(|_| Unreadable)
}
