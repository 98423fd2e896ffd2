//! What the three signals share: request, resources, scopes, items.
//!
//! ```text
//! request { 1: resource_x* { 1: resource, 2: scope_x* { 1: scope, 2: item* } } }
//! ```
//!
//! All known senders but one write every resource and scope in one piece and before what it
//! governs; then the walk goes straight through ([`straight`]). What does not come so is gathered
//! first ([`gathered`]).
//!
//! A request that cannot be read down to its items is refused as a whole. Who can take back what
//! it was shown is shown the request at once, in one pass; for all others the frames are gone
//! through first ([`skeleton`]), which costs a cache miss an item.

mod gathered;
mod skeleton;
mod straight;

use crate::outcome::{Malformed, Reason, Reject, Summary, offset};
use crate::scratch::Scratch;
use crate::value::{Attributes, check_key_value};
use crate::wire::{Fault, Reader};

pub(crate) use skeleton::count;

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
    /// Whether what is shown can be taken back: then it is shown before the request is known to
    /// be whole, and counts once it is settled.
    const REVOCABLE: bool = false;

    /// How many items the request counts for the bytes of one item field.
    fn count(item: &[u8]) -> u64;
    fn resource(&mut self, resource: Resource<'a>);
    fn scope(&mut self, scope: Scope<'a>);
    fn item(&mut self, item: &'a [u8], tally: &mut Tally<'a>);

    /// Whether no more can be shown before it is settled; asked after each item.
    fn is_full(&self) -> bool {
        false
    }

    /// What was shown since the last time counts.
    fn settle(&mut self) {}

    /// What was shown since it was last settled never was.
    fn forget(&mut self) {}
}

/// Counts what becomes of the items.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    request: &'a [u8],
    summary: Summary,
}

impl<'a> Tally<'a> {
    fn new(request: &'a [u8]) -> Self {
        Self { request, summary: Summary::default() }
    }

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

/// Leaves out all items under a resource that cannot be read.
fn reject_resource<'a, I: Items<'a>>(fault: Fault, bytes: &[u8], tally: &mut Tally<'_>) {
    let reject = Reject { reason: Reason::ResourceMalformed, fault: Some(fault) };
    tally.reject(skeleton::items_of_resource::<I>(bytes), reject, bytes);
}

/// Leaves out all items under a scope that cannot be read.
fn reject_scope<'a, I: Items<'a>>(fault: Fault, bytes: &[u8], tally: &mut Tally<'_>) {
    let reject = Reject { reason: Reason::ScopeMalformed, fault: Some(fault) };
    tally.reject(skeleton::items_of_scope::<I>(bytes), reject, bytes);
}

/// Visits a request in as few passes as it allows.
pub(crate) fn walk<'a, I: Items<'a>>(
    request: &'a [u8],
    scratch: &'a Scratch,
    items: &mut I,
) -> Result<Summary, Malformed> {
    if I::REVOCABLE {
        match straight::walk(request, items, false) {
            Ok(summary) => return Ok(summary),
            Err(straight::Detour) => items.forget(),
        }
    }
    let in_order = skeleton::is_in_order(request).map_err(|spot| spot.within(request))?;
    if in_order && let Ok(summary) = straight::walk(request, items, true) {
        return Ok(summary);
    }
    Ok(gathered::walk(request, scratch, items))
}
