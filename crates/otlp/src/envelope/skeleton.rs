//! Goes through the frames of a request down to its items, and enters none of them.

use super::Items;
use crate::outcome::{Malformed, Spot};
use crate::wire::{Fault, Reader};

/// What going through the frames finds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Skeleton {
    pub(super) items: u64,
    /// Every resource and scope is in one piece and before what it governs.
    pub(super) in_order: bool,
}

impl Skeleton {
    const NOTHING: Self = Self { items: 0, in_order: true };
}

/// How many items the request holds.
pub(crate) fn count<'a, I: Items<'a>>(request: &'a [u8]) -> Result<u64, Malformed> {
    of::<I>(request).map(|skeleton| skeleton.items).map_err(|spot| spot.within(request))
}

pub(super) fn of<'a, 'r, I: Items<'a>>(request: &'r [u8]) -> Result<Skeleton, Spot<'r>> {
    let mut found = Skeleton::NOTHING;
    let mut reader = Reader::new(request);
    while let Some(key) = field(&mut reader, Reader::key)? {
        if key == 0x0a {
            resource_skeleton::<I>(field(&mut reader, Reader::bytes)?, &mut found)?;
        } else {
            field(&mut reader, |reader| reader.skip_unknown(key, 1..=1))?;
        }
    }
    Ok(found)
}

/// How many items are under a resource; those before the fault, if it cannot be read.
pub(super) fn items_of_resource<'a, I: Items<'a>>(bytes: &[u8]) -> u64 {
    let mut found = Skeleton::NOTHING;
    let _ = resource_skeleton::<I>(bytes, &mut found);
    found.items
}

/// How many items are under a scope; those before the fault, if it cannot be read.
pub(super) fn items_of_scope<'a, I: Items<'a>>(bytes: &[u8]) -> u64 {
    let mut found = Skeleton::NOTHING;
    let _ = scope_skeleton::<I>(bytes, &mut found);
    found.items
}

fn resource_skeleton<'a, 'r, I: Items<'a>>(
    bytes: &'r [u8],
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
                scope_skeleton::<I>(field(&mut reader, Reader::bytes)?, found)?;
                seen = true;
            }
            0x1a => drop(field(&mut reader, Reader::bytes)?),
            _ => field(&mut reader, |reader| reader.skip_unknown(key, 1..=3))?,
        }
    }
    Ok(())
}

fn scope_skeleton<'a, 'r, I: Items<'a>>(
    bytes: &'r [u8],
    found: &mut Skeleton,
) -> Result<(), Spot<'r>> {
    let mut seen = false;
    let mut reader = Reader::new(bytes);
    while let Some(key) = field(&mut reader, Reader::key)? {
        match key {
            0x12 => {
                found.items += I::count(field(&mut reader, Reader::bytes)?);
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
