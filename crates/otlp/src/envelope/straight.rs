//! One pass, for requests that come in the usual order.

use super::{Items, Resource, Scope, Tally, reject_resource, reject_scope, skeleton};
use crate::outcome::Summary;
use crate::wire::{Fault, Reader};

/// The request cannot be walked straight through: a resource or a scope is in pieces or behind
/// what it governs, or the frames cannot be read. What was shown does not count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Detour;

impl From<Fault> for Detour {
    fn from(_: Fault) -> Self {
        Self
    }
}

struct Straight<'w, 'a, I> {
    items: &'w mut I,
    tally: Tally<'a>,
    request: &'a [u8],
    /// Whether the request is known to be whole and in order: then there is no detour.
    is_proven: bool,
}

/// Shows a request and settles it.
pub(super) fn walk<'a, I: Items<'a>>(
    request: &'a [u8],
    items: &mut I,
    is_proven: bool,
) -> Result<Summary, Detour> {
    let mut walk = Straight { items, tally: Tally::new(request), request, is_proven };
    let mut reader = Reader::new(request);
    while let Some(key) = reader.key()? {
        match key {
            0x0a => walk.resource_items(reader.bytes()?)?,
            _ => reader.skip_unknown(key, 1..=1)?,
        }
    }
    walk.items.settle();
    Ok(walk.tally.summary)
}

impl<'a, I: Items<'a>> Straight<'_, 'a, I> {
    fn resource_items(&mut self, bytes: &'a [u8]) -> Result<(), Detour> {
        // Once it has come: whether it could be read, or what it governs is left out.
        let mut is_shown = None;
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                0x0a => {
                    let message = reader.bytes()?;
                    if is_shown.is_some() {
                        return Err(Detour);
                    }
                    is_shown = Some(self.resource(message, bytes)?);
                }
                0x12 => {
                    let message = reader.bytes()?;
                    let shown = match is_shown {
                        Some(shown) => shown,
                        None => self.resource(&[], bytes)?,
                    };
                    is_shown = Some(shown);
                    if shown {
                        self.scope_items(message)?;
                    }
                }
                0x1a => drop(reader.bytes()?),
                _ => reader.skip_unknown(key, 1..=3)?,
            }
        }
        if is_shown.is_none() {
            let _ = self.resource(&[], bytes)?;
        }
        Ok(())
    }

    fn resource(&mut self, message: &'a [u8], bytes: &'a [u8]) -> Result<bool, Detour> {
        match Resource::read(message) {
            Ok(resource) => self.items.resource(resource),
            Err(fault) => {
                // What is left out is not entered below: its frames have to be read for that.
                self.prove()?;
                reject_resource::<I>(fault, bytes, &mut self.tally);
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn scope_items(&mut self, bytes: &'a [u8]) -> Result<(), Detour> {
        let mut is_shown = None;
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                0x12 => {
                    let item = reader.bytes()?;
                    let shown = match is_shown {
                        Some(shown) => shown,
                        None => self.scope(&[], bytes)?,
                    };
                    is_shown = Some(shown);
                    if shown {
                        self.item(item)?;
                    }
                }
                0x0a => {
                    let message = reader.bytes()?;
                    if is_shown.is_some() {
                        return Err(Detour);
                    }
                    is_shown = Some(self.scope(message, bytes)?);
                }
                0x1a => drop(reader.bytes()?),
                _ => reader.skip_unknown(key, 1..=3)?,
            }
        }
        if is_shown.is_none() {
            let _ = self.scope(&[], bytes)?;
        }
        Ok(())
    }

    fn scope(&mut self, message: &'a [u8], bytes: &'a [u8]) -> Result<bool, Detour> {
        match Scope::read(message) {
            Ok(scope) => self.items.scope(scope),
            Err(fault) => {
                self.prove()?;
                reject_scope::<I>(fault, bytes, &mut self.tally);
                return Ok(false);
            }
        }
        Ok(true)
    }

    #[inline(always)]
    fn item(&mut self, item: &'a [u8]) -> Result<(), Detour> {
        self.items.item(item, &mut self.tally);
        if self.items.is_full() { self.make_room() } else { Ok(()) }
    }

    #[cold]
    fn make_room(&mut self) -> Result<(), Detour> {
        self.prove()?;
        self.items.settle();
        Ok(())
    }

    fn prove(&mut self) -> Result<(), Detour> {
        if !self.is_proven {
            self.is_proven = skeleton::is_in_order(self.request).map_err(|_| Detour)?;
        }
        if self.is_proven { Ok(()) } else { Err(Detour) }
    }
}
