//! Room for requests, used again from request to request.

use std::cell::RefCell;
use std::io;

use bytes::{BufMut, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Idle buffers that a thread keeps; those given back beyond that are freed.
const IDLE_MAX: usize = 2;
/// A larger buffer is not kept.
const KEPT_BYTES_MAX: usize = 4 << 20;
/// Kept buffers are made at least this large, and their size a power of two, so that one serves
/// requests of about its size.
const KEPT_BYTES_MIN: usize = 64 << 10;

thread_local! {
    static IDLE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes of one request. Their memory is given back to the thread that drops it, since fresh memory
/// costs more than what is written into it: it is cleared by the kernel, page by page.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// At least `length` bytes; what comes after them is left from before.
    bytes: Vec<u8>,
    length: usize,
}

impl Buffer {
    /// `length` bytes to be written over: whatever they hold at first is of no meaning.
    pub(crate) fn filled(length: usize) -> Self {
        let mut bytes = room(length);
        if bytes.len() < length {
            bytes.resize(length, 0);
        }
        Self { bytes, length }
    }

    /// No bytes, and room for so many; more may be pushed.
    pub(crate) fn empty(room_bytes: usize) -> Self {
        let mut bytes = room(room_bytes);
        bytes.clear();
        Self { bytes, length: 0 }
    }

    /// What `write` leaves in a vector that is empty at first and has room for `room_bytes`.
    pub(crate) fn written<E>(
        room_bytes: usize,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut buffer = Self::empty(room_bytes);
        write(&mut buffer.bytes)?;
        buffer.length = buffer.bytes.len();
        Ok(buffer)
    }

    /// Appends bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.truncate(self.length);
        self.bytes.extend_from_slice(bytes);
        self.length = self.bytes.len();
    }

    /// Appends at most `bytes_max` bytes as they are read, and says how many; none if there are no
    /// more.
    pub(crate) async fn read<T>(&mut self, from: &mut T, bytes_max: usize) -> io::Result<usize>
    where
        T: AsyncRead + Unpin,
    {
        self.bytes.truncate(self.length);
        if self.bytes.len() == self.bytes.capacity() {
            self.bytes.reserve(bytes_max.min(KEPT_BYTES_MIN));
        }
        let bytes = from.read_buf(&mut (&mut self.bytes).limit(bytes_max)).await?;
        self.length = self.bytes.len();
        Ok(bytes)
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }

    /// Keeps only the first `length` bytes.
    pub(crate) fn cut(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

/// A vector with this capacity, an idle one if there is one; its bytes are of no meaning.
fn room(bytes: usize) -> Vec<u8> {
    if bytes > KEPT_BYTES_MAX {
        return Vec::with_capacity(bytes);
    }
    let idle = IDLE.with_borrow_mut(|idle| {
        let fitting = idle.iter().position(|one| one.capacity() >= bytes);
        fitting.map(|index| idle.swap_remove(index))
    });
    idle.unwrap_or_else(|| Vec::with_capacity(bytes.next_power_of_two().max(KEPT_BYTES_MIN)))
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if !(KEPT_BYTES_MIN..=KEPT_BYTES_MAX).contains(&bytes.capacity()) {
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
            if let Some(smallest) = idle.iter_mut().min_by_key(|bytes| bytes.capacity())
                && smallest.capacity() < bytes.capacity()
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
        let mut sizes: Vec<_> = IDLE.with_borrow(|idle| idle.iter().map(Vec::capacity).collect());
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn a_buffer_is_used_again_and_shows_only_what_was_written() {
        let mut first = Buffer::filled(100_000);
        first.as_mut_slice().fill(7);
        let bytes = {
            first.cut(99_999);
            first.into_bytes()
        };
        assert_eq!((bytes.len(), bytes[99_998]), (99_999, 7));
        assert!(idle().is_empty());
        drop(bytes);
        assert_eq!(idle(), [128 << 10]);
        let mut second = Buffer::filled(3);
        assert!(idle().is_empty());
        second.as_mut_slice().copy_from_slice(b"abc");
        assert_eq!(second.into_bytes(), &b"abc"[..]);
    }

    #[test]
    fn what_is_written_is_shown_and_a_failure_gives_the_room_back() {
        drop(Buffer::filled(KEPT_BYTES_MIN));
        let written = Buffer::written(10, |out| {
            assert!(out.is_empty());
            out.extend_from_slice(b"four");
            Ok::<(), ()>(())
        });
        assert_eq!(written.unwrap().into_bytes(), &b"four"[..]);
        assert!(Buffer::written(10, |_| Err("no")).is_err());
        assert_eq!(idle(), [KEPT_BYTES_MIN]);
        assert_eq!(Buffer::filled(9).as_ref().len(), 9);
    }

    #[test]
    fn few_are_kept_the_largest_and_none_that_is_huge() {
        let sizes = [1, 100_000, 300_000, KEPT_BYTES_MAX, KEPT_BYTES_MAX + 1];
        let all: Vec<_> = sizes.map(Buffer::filled).into();
        assert_eq!(all.iter().map(|buffer| buffer.as_ref().len()).collect::<Vec<_>>(), sizes);
        drop(all);
        assert_eq!(idle(), [512 << 10, KEPT_BYTES_MAX]);
        assert_eq!(Buffer::filled(0).into_bytes(), Bytes::new());
    }
}
