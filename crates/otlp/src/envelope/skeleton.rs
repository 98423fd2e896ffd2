//! Goes through the frames of a request down to its items, and enters none of them.

use super::Items;
use crate::outcome::{Malformed, Spot};
use crate::wire::{Fault, Reader};

/// What going through the frames finds.
#[derive(Debug, Clone, Copy)]
struct Skeleton {
    items: u64,
    in_order: bool,
}

impl Skeleton {
    const NOTHING: Self = Self { items: 0, in_order: true };
}

/// How many items the request holds.
pub(crate) fn count<'a, I: Items<'a>>(request: &'a [u8]) -> Result<u64, Malformed> {
    match of(request, I::count) {
        Ok(skeleton) => Ok(skeleton.items),
        Err(spot) => Err(spot.within(request)),
    }
}

/// Whether every resource and scope is in one piece and before what it governs. The items are not
/// looked at.
pub(super) fn is_in_order(request: &[u8]) -> Result<bool, Spot<'_>> {
    of(request, |_| 0).map(|skeleton| skeleton.in_order)
}

fn of<'r>(request: &'r [u8], count: impl Fn(&[u8]) -> u64 + Copy) -> Result<Skeleton, Spot<'r>> {
    let mut found = Skeleton::NOTHING;
    let mut reader = Reader::new(request);
    while let Some(key) = field(&mut reader, Reader::key)? {
        if key == 0x0a {
            resource_skeleton(field(&mut reader, Reader::bytes)?, count, &mut found)?;
        } else {
            field(&mut reader, |reader| reader.skip_unknown(key, 1..=1))?;
        }
    }
    Ok(found)
}

/// How many items are under a resource; those before the fault, if it cannot be read.
pub(super) fn items_of_resource<'a, I: Items<'a>>(bytes: &[u8]) -> u64 {
    let mut found = Skeleton::NOTHING;
    let _ = resource_skeleton(bytes, I::count, &mut found);
    found.items
}

/// How many items are under a scope; those before the fault, if it cannot be read.
pub(super) fn items_of_scope<'a, I: Items<'a>>(bytes: &[u8]) -> u64 {
    let mut found = Skeleton::NOTHING;
    let _ = scope_skeleton(bytes, I::count, &mut found);
    found.items
}

fn resource_skeleton<'r>(
    bytes: &'r [u8],
    count: impl Fn(&[u8]) -> u64 + Copy,
    found: &mut Skeleton,
) -> Result<(), Spot<'r>> {
    let mut seen = false;
    let mut reader = Reader::new(bytes);
    while let Some(key) = field(&mut reader, Reader::key)? {
        match key {
            0x0a => {
                field(&mut reader, Reader::bytes)?;
                found.in_order &= !seen;
                seen = true;
            }
            0x12 => {
                scope_skeleton(field(&mut reader, Reader::bytes)?, count, found)?;
                seen = true;
            }
            0x1a => drop(field(&mut reader, Reader::bytes)?),
            _ => field(&mut reader, |reader| reader.skip_unknown(key, 1..=3))?,
        }
    }
    Ok(())
}

fn scope_skeleton<'r>(
    bytes: &'r [u8],
    count: impl Fn(&[u8]) -> u64 + Copy,
    found: &mut Skeleton,
) -> Result<(), Spot<'r>> {
    let mut seen = false;
    let mut reader = Reader::new(bytes);
    while let Some(key) = field(&mut reader, Reader::key)? {
        match key {
            0x12 => {
                found.items += count(field(&mut reader, Reader::bytes)?);
                seen = true;
            }
            0x0a => {
                field(&mut reader, Reader::bytes)?;
                found.in_order &= !seen;
                seen = true;
            }
            0x1a => drop(field(&mut reader, Reader::bytes)?),
            _ => field(&mut reader, |reader| reader.skip_unknown(key, 1..=3))?,
        }
    }
    Ok(())
}

/// Takes one thing from the reader and, if that fails, notes where it stood.
#[inline(always)]
fn field<'r, T>(
    reader: &mut Reader<'r>,
    take: impl FnOnce(&mut Reader<'r>) -> Result<T, Fault>,
) -> Result<T, Spot<'r>> {
    let rest = reader.rest();
    take(reader).map_err(|fault| Spot { fault, rest })
}
