//! What the three signals share: request, resources, scopes, items.
//!
//! ```text
//! request { 1: resource_x* { 1: resource, 2: scope_x* { 1: scope, 2: item* } } }
//! ```
//!
//! Two passes. The first reads keys and lengths down to the items, enters none of them, counts
//! them and notes whether every resource and scope came in one piece and before what it governs,
//! as all known senders but one write it. The second visits; if the order was the usual one it
//! goes straight through, else it gathers each resource and scope first.

use crate::outcome::{Malformed, Reason, Reject, Spot, Summary, offset};
use crate::scratch::{Joiner, Scratch};
use crate::value::{Attributes, check_key_value};
use crate::wire::{Fault, Frames, Reader};

/// The entity that sent the items. Its attributes were found readable before it is shown.
#[derive(Debug, Clone, Copy)]
pub struct Resource<'a> {
    bytes: &'a [u8],
}

impl<'a> Resource<'a> {
    /// The resource's message as on the wire: a key for caches, since a sender repeats it.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes in wire order. Keys may repeat; the UTF-8 of keys is not checked.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, 1)
    }

    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                0x0a => check_key_value(reader.bytes()?)?,
                0x10 | 0x1a => reader.skip(key)?,
                _ => reader.skip_unknown(key, 1..=3)?,
            }
        }
        Ok(Self { bytes })
    }
}

/// The instrumentation scope that made the items. Its attributes were found readable before it
/// is shown.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    bytes: &'a [u8],
    name: &'a [u8],
    version: &'a [u8],
}

impl<'a> Scope<'a> {
    /// The scope's message as on the wire.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The name; empty if unknown. The UTF-8 is not checked.
    #[must_use]
    pub const fn name(&self) -> &'a [u8] {
        self.name
    }

    /// The version; empty if unknown. The UTF-8 is not checked.
    #[must_use]
    pub const fn version(&self) -> &'a [u8] {
        self.version
    }

    /// The attributes in wire order.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, 3)
    }

    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut scope = Self { bytes, name: &[], version: &[] };
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                0x0a => scope.name = reader.bytes()?,
                0x12 => scope.version = reader.bytes()?,
                0x1a => check_key_value(reader.bytes()?)?,
                0x20 => reader.skip(key)?,
                _ => reader.skip_unknown(key, 1..=4)?,
            }
        }
        Ok(scope)
    }
}

/// One signal's part of the walk.
pub(crate) trait Items<'a> {
    /// How many items the request counts for the bytes of one item field.
    fn count(item: &[u8]) -> u64;
    fn resource(&mut self, resource: Resource<'a>);
    fn scope(&mut self, scope: Scope<'a>);
    fn item(&mut self, item: &'a [u8], tally: &mut Tally<'a>);
}

/// Counts what becomes of the items.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    request: &'a [u8],
    summary: Summary,
}

impl Tally<'_> {
    #[inline(always)]
    pub(crate) fn accept(&mut self, items: u64) {
        self.summary.items += items;
    }

    /// `bytes` is where the fault lies in the request.
    #[cold]
    pub(crate) fn reject(&mut self, items: u64, reject: Reject, bytes: &[u8]) {
        self.summary.rejected.add(items, reject, offset(self.request, bytes));
    }
}

/// What the first pass finds.
#[derive(Debug, Clone, Copy)]
struct Skeleton {
    items: u64,
    /// Every resource and scope is in one piece and before what it governs.
    in_order: bool,
}

/// How many items the request holds.
pub(crate) fn count<'a, I: Items<'a>>(request: &'a [u8]) -> Result<u64, Malformed> {
    skeleton::<I>(request).map(|skeleton| skeleton.items).map_err(|spot| spot.within(request))
}

fn skeleton<'a, 'r, I: Items<'a>>(request: &'r [u8]) -> Result<Skeleton, Spot<'r>> {
    let mut found = Skeleton { items: 0, in_order: true };
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

/// Both passes.
pub(crate) fn walk<'a, I: Items<'a>>(
    request: &'a [u8],
    scratch: &'a Scratch,
    items: &mut I,
) -> Result<Summary, Malformed> {
    let skeleton = skeleton::<I>(request).map_err(|spot| spot.within(request))?;
    let mut walk = Walk {
        items,
        in_order: skeleton.in_order,
        joiner: Joiner::new(scratch),
        tally: Tally { request, summary: Summary::default() },
    };
    for resource_items in Frames::new(request, 1) {
        walk.resource_items(resource_items);
    }
    Ok(walk.tally.summary)
}

struct Walk<'w, 'a, I> {
    items: &'w mut I,
    in_order: bool,
    joiner: Joiner<'a>,
    tally: Tally<'a>,
}

impl<'a, I: Items<'a>> Walk<'_, 'a, I> {
    fn resource_items(&mut self, bytes: &'a [u8]) {
        match Resource::read(self.head(bytes)) {
            Ok(resource) => self.items.resource(resource),
            Err(fault) => {
                let mut within = Skeleton { items: 0, in_order: true };
                // The first pass has read the same bytes, so this cannot fail.
                let _ = resource_skeleton::<I>(bytes, &mut within);
                self.reject(within.items, Reason::ResourceMalformed, fault, bytes);
                return;
            }
        }
        for scope_items in Frames::new(bytes, 2) {
            self.scope_items(scope_items);
        }
    }

    fn scope_items(&mut self, bytes: &'a [u8]) {
        match Scope::read(self.head(bytes)) {
            Ok(scope) => self.items.scope(scope),
            Err(fault) => {
                let mut within = Skeleton { items: 0, in_order: true };
                let _ = scope_skeleton::<I>(bytes, &mut within);
                self.reject(within.items, Reason::ScopeMalformed, fault, bytes);
                return;
            }
        }
        for item in Frames::new(bytes, 2) {
            self.items.item(item, &mut self.tally);
        }
    }

    /// Field 1 of a message, wherever and in however many pieces it is.
    fn head(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut pieces = Frames::new(bytes, 1);
        if !self.in_order {
            return self.joiner.join(pieces);
        }
        // In order means that it comes before what it governs, which is field 2. Looking further
        // would touch every item once more.
        pieces.next_before(2).unwrap_or_default()
    }

    fn reject(&mut self, items: u64, reason: Reason, fault: Fault, bytes: &[u8]) {
        self.tally.reject(items, Reject { reason, fault: Some(fault) }, bytes);
    }
}
