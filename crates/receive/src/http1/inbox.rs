use std::io;

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What is read at once where nobody knows yet how much there is: most heads, and little of the body
/// after them, which has to be copied.
const READ_BYTES: usize = 4 << 10;

/// What has been read of a connection and belongs to no request yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: BytesMut,
}

impl Inbox {
    /// Reads some more; nothing once the peer has ended.
    pub(crate) async fn read<T>(&mut self, io: &mut T) -> io::Result<usize>
    where
        T: AsyncRead + Unpin,
    {
        self.bytes.reserve(READ_BYTES);
        io.read_buf(&mut (&mut self.bytes).limit(READ_BYTES)).await
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The first `length` bytes have found their place.
    pub(crate) fn take(&mut self, length: usize) {
        self.bytes.advance(length.min(self.bytes.len()));
    }

    pub(crate) fn into_bytes(self) -> BytesMut {
        self.bytes
    }
}
