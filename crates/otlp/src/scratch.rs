//! Room for the rare submessage that has to be put together from several pieces.

use std::cell::OnceCell;

type Link = OnceCell<Box<Joined>>;

#[derive(Debug)]
struct Joined {
    bytes: Vec<u8>,
    next: Link,
}

/// Owns the bytes of resources and scopes that came in several pieces, for as long as views
/// borrow from them. Making one is free; it allocates only when such a request comes, and never
/// more than the request's own size.
#[derive(Debug, Default)]
pub struct Scratch {
    first: Link,
}

impl Scratch {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: OnceCell::new() }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // One link after the other: the derived recursion would overflow the stack on a long list.
        let mut next = self.first.take();
        while let Some(mut joined) = next {
            next = joined.next.take();
        }
    }
}

/// Appends to a [`Scratch`] in constant time.
#[derive(Debug)]
pub(crate) struct Joiner<'a> {
    tail: &'a Link,
}

impl<'a> Joiner<'a> {
    pub(crate) fn new(scratch: &'a Scratch) -> Self {
        let mut tail = &scratch.first;
        while let Some(joined) = tail.get() {
            tail = &joined.next;
        }
        Self { tail }
    }

    /// The pieces in one: protobuf defines merging two occurrences of a submessage as reading the
    /// concatenation of their bytes.
    pub(crate) fn join(&mut self, pieces: impl Iterator<Item = &'a [u8]> + Clone) -> &'a [u8] {
        let mut probe = pieces.clone();
        let (first, second) = (probe.next(), probe.next());
        if second.is_none() {
            return first.unwrap_or_default();
        }
        let bytes = pieces.fold(Vec::new(), |mut bytes, piece| {
            bytes.extend_from_slice(piece);
            bytes
        });
        let joined = self.tail.get_or_init(|| Box::new(Joined { bytes, next: Link::new() }));
        self.tail = &joined.next;
        &joined.bytes
    }
}
