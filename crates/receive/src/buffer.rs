//! Room for decompressed requests, used again from request to request.

use std::cell::RefCell;

use bytes::Bytes;

/// Idle buffers that a thread keeps; those given back beyond that are freed.
const IDLE_MAX: usize = 2;
/// A larger buffer is not kept.
const KEPT_BYTES_MAX: usize = 4 << 20;
/// Kept buffers are made at least this large, and their size a power of two, so that one serves
/// requests of about its size.
const KEPT_BYTES_MIN: usize = 64 << 10;

thread_local! {
    static IDLE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes to be written over: whatever they hold at first is of no meaning. Given back to the thread
/// that drops it, since fresh memory costs more than what is decompressed into it: it is cleared by
/// the kernel, page by page.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    length: usize,
}

impl Buffer {
    /// Room for `length` bytes.
    pub(crate) fn new(length: usize) -> Self {
        if length > KEPT_BYTES_MAX {
            return Self { bytes: vec![0; length].into(), length };
        }
        let idle = IDLE.with_borrow_mut(|idle| {
            let fitting = idle.iter().position(|bytes| bytes.len() >= length);
            fitting.map(|index| idle.swap_remove(index))
        });
        let bytes = idle.unwrap_or_else(|| {
            vec![0; length.next_power_of_two().max(KEPT_BYTES_MIN)].into_boxed_slice()
        });
        Self { bytes, length }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }

    /// The first `length` bytes, which were written.
    pub(crate) fn into_bytes(mut self, length: usize) -> Bytes {
        self.length = length.min(self.length);
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if !(KEPT_BYTES_MIN..=KEPT_BYTES_MAX).contains(&bytes.len()) {
            return;
        }
        // A thread that ends keeps nothing.
        let _ = IDLE.try_with(|idle| {
            let mut idle = idle.borrow_mut();
            if idle.len() < IDLE_MAX {
                idle.push(bytes);
                return;
            }
            // The largest ones serve the most requests.
            if let Some(smallest) = idle.iter_mut().min_by_key(|bytes| bytes.len())
                && smallest.len() < bytes.len()
            {
                *smallest = bytes;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle() -> Vec<usize> {
        let mut sizes: Vec<_> = IDLE.with_borrow(|idle| idle.iter().map(|b| b.len()).collect());
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn a_buffer_is_used_again_and_shows_only_what_was_written() {
        let mut first = Buffer::new(100_000);
        first.as_mut_slice().fill(7);
        let bytes = first.into_bytes(99_999);
        assert_eq!((bytes.len(), bytes[99_998]), (99_999, 7));
        assert!(idle().is_empty());
        drop(bytes);
        assert_eq!(idle(), [128 << 10]);
        let mut second = Buffer::new(3);
        assert!(idle().is_empty());
        second.as_mut_slice().copy_from_slice(b"abc");
        assert_eq!(second.into_bytes(3), &b"abc"[..]);
    }

    #[test]
    fn few_are_kept_the_largest_and_none_that_is_huge() {
        let sizes = [1, 100_000, 300_000, KEPT_BYTES_MAX, KEPT_BYTES_MAX + 1];
        let all: Vec<_> = sizes.map(Buffer::new).into();
        assert_eq!(all.iter().map(|buffer| buffer.as_ref().len()).collect::<Vec<_>>(), sizes);
        drop(all);
        assert_eq!(idle(), [512 << 10, KEPT_BYTES_MAX]);
        assert_eq!(Buffer::new(0).into_bytes(0), Bytes::new());
    }
}
