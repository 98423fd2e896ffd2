//! For requests that can be read but do not come in the usual order: gathers each resource and
//! scope, wherever and in however many pieces it is, before it shows what it governs.

use super::{Items, Resource, Scope, Tally, reject_resource, reject_scope};
use crate::outcome::Summary;
use crate::scratch::{Joiner, Scratch};
use crate::wire::Frames;

/// Shows a request whose frames were found readable, and settles it.
pub(super) fn walk<'a, I: Items<'a>>(
    request: &'a [u8],
    scratch: &'a Scratch,
    items: &mut I,
) -> Summary {
    let mut tally = Tally::new(request);
    let mut joiner = Joiner::new(scratch);
    for bytes in Frames::new(request, 1) {
        let resource = joiner.join(Frames::new(bytes, 1));
        match Resource::read(resource) {
            Ok(resource) => items.resource(resource),
            Err(fault) => {
                reject_resource::<I>(fault, bytes, &mut tally);
                continue;
            }
        }
        for bytes in Frames::new(bytes, 2) {
            let scope = joiner.join(Frames::new(bytes, 1));
            match Scope::read(scope) {
                Ok(scope) => items.scope(scope),
                Err(fault) => {
                    reject_scope::<I>(fault, bytes, &mut tally);
                    continue;
                }
            }
            for item in Frames::new(bytes, 2) {
                items.item(item, &mut tally);
                if items.is_full() {
                    items.settle();
                }
            }
        }
    }
    items.settle();
    tally.summary
}
