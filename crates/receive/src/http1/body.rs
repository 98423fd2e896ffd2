use std::time::Duration;

use bytes::Bytes;
use httparse::Status;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::Refusal;
use crate::admission::Permit;
use crate::body::{BODY_READ_TIMEOUT, BROKEN, READ_AHEAD_BYTES, SLOW, at_once_or_within};
use crate::buffer::Buffer;
use crate::http::RequestBody;

use super::head::{Framing, HEAD_BYTES_MAX};
use super::inbox::Inbox;

/// The size of a chunk and what is said of it, in one line.
const CHUNK_LINE_BYTES_MAX: usize = 1 << 10;
/// So much of a refused body is read and thrown away, for at most so long: what the specification
/// recommends as the largest limit.
const DISCARDED_BYTES_MAX: u64 = 64 << 20;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// The body of a request, of which nothing or a part has been read.
pub(super) struct Body<'a, T> {
    io: &'a mut T,
    inbox: &'a mut Inbox,
    rest: Rest,
    owes_continue: bool,
}

/// What is to come of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// So many bytes.
    Bytes(u64),
    /// A chunk, from the line that tells its size.
    Chunk,
    /// So many bytes of a chunk, the end of its line, and further chunks.
    OfChunk(u64),
    /// Trailers, of which so many bytes have been read.
    Trailers(usize),
    Nothing,
}

impl<'a, T> Body<'a, T> {
    pub(super) fn new(
        io: &'a mut T,
        inbox: &'a mut Inbox,
        framing: Framing,
        owes_continue: bool,
    ) -> Self {
        let rest = match framing {
            Framing::Length(0) => Rest::Nothing,
            Framing::Length(bytes) => Rest::Bytes(bytes),
            Framing::Chunked => Rest::Chunk,
        };
        Self { io, inbox, rest, owes_continue }
    }

    /// Whether all of it has been read, so that what comes next is a request.
    pub(super) fn is_over(&self) -> bool {
        self.rest == Rest::Nothing
    }
}

impl<T> RequestBody for Body<'_, T>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    async fn read(&mut self, bytes_max: usize, permit: &mut Permit<'_>) -> Result<Bytes, Refusal> {
        let reading = self.read_on(bytes_max, permit);
        at_once_or_within(BODY_READ_TIMEOUT, reading).await.unwrap_or(Err(SLOW))
    }

    /// A client that does not listen while it sends would be cut off, and never hear why.
    async fn hear_out(&mut self) {
        // Who asked whether to continue has not begun.
        if self.owes_continue {
            return;
        }
        // A client that is still there after that has had its chance.
        let _ = tokio::time::timeout(DISCARD_TIMEOUT, self.discard()).await;
    }
}

impl<T> Body<'_, T>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    async fn read_on(
        &mut self,
        bytes_max: usize,
        permit: &mut Permit<'_>,
    ) -> Result<Bytes, Refusal> {
        let announced = match self.rest {
            Rest::Bytes(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            _ => 0,
        };
        if announced > bytes_max {
            return Err(Refusal::TooLarge { bytes_max });
        }
        permit.expect(announced)?;
        if std::mem::take(&mut self.owes_continue) {
            let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
            self.io.write_all(go_on).await.map_err(broken)?;
        }
        let mut whole = Buffer::empty(announced.min(READ_AHEAD_BYTES));
        while let Some(bytes) = self.piece(&mut whole).await? {
            if whole.as_ref().len() > bytes_max {
                return Err(Refusal::TooLarge { bytes_max });
            }
            permit.grow(bytes)?;
        }
        Ok(whole.into_bytes())
    }

    async fn discard(&mut self) -> Result<(), Refusal> {
        let mut scrap = Buffer::empty(0);
        let mut discarded = 0;
        while discarded < DISCARDED_BYTES_MAX
            && let Some(bytes) = self.piece(&mut scrap).await?
        {
            discarded += bytes as u64;
            scrap.cut(0);
        }
        Ok(())
    }

    /// Appends some bytes of the body to `into`, as many as one read brings, and says how many;
    /// nothing once it is over.
    async fn piece(&mut self, into: &mut Buffer) -> Result<Option<usize>, Refusal> {
        loop {
            match self.rest {
                Rest::Bytes(left) => {
                    let bytes = self.data(left, into).await?;
                    let left = left.saturating_sub(bytes as u64);
                    self.rest = if left == 0 { Rest::Nothing } else { Rest::Bytes(left) };
                    return Ok(Some(bytes));
                }
                Rest::OfChunk(0) => self.line_end().await?,
                Rest::OfChunk(left) => {
                    let bytes = self.data(left, into).await?;
                    self.rest = Rest::OfChunk(left.saturating_sub(bytes as u64));
                    return Ok(Some(bytes));
                }
                Rest::Chunk => self.chunk_line().await?,
                Rest::Trailers(bytes) => self.trailer(bytes).await?,
                Rest::Nothing => return Ok(None),
            }
        }
    }

    /// At least one and at most `left` bytes: those read ahead, else straight from the connection.
    async fn data(&mut self, left: u64, into: &mut Buffer) -> Result<usize, Refusal> {
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let here = self.inbox.bytes().len().min(left);
        if here > 0 {
            into.push(&self.inbox.bytes()[..here]);
            self.inbox.take(here);
            return Ok(here);
        }
        match into.read(self.io, left).await.map_err(broken)? {
            0 => Err(BROKEN),
            bytes => Ok(bytes),
        }
    }

    async fn chunk_line(&mut self) -> Result<(), Refusal> {
        loop {
            match httparse::parse_chunk_size(self.inbox.bytes()) {
                Ok(Status::Complete((length, size))) => {
                    self.inbox.take(length);
                    self.rest = if size == 0 { Rest::Trailers(0) } else { Rest::OfChunk(size) };
                    return Ok(());
                }
                Ok(Status::Partial) if self.inbox.bytes().len() < CHUNK_LINE_BYTES_MAX => {
                    self.more().await?;
                }
                Ok(Status::Partial) | Err(_) => return Err(malformed("the size of a chunk")),
            }
        }
    }

    async fn line_end(&mut self) -> Result<(), Refusal> {
        while self.inbox.bytes().len() < 2 {
            self.more().await?;
        }
        if !self.inbox.bytes().starts_with(b"\r\n") {
            return Err(malformed("a chunk that is longer than it says"));
        }
        self.inbox.take(2);
        self.rest = Rest::Chunk;
        Ok(())
    }

    /// Trailers say nothing that is wanted here: each line is passed over, up to an empty one.
    async fn trailer(&mut self, before: usize) -> Result<(), Refusal> {
        loop {
            let here = self.inbox.bytes();
            if let Some(end) = memchr::memchr(b'\n', here) {
                let is_empty = matches!(&here[..end], b"" | b"\r");
                self.rest = match before + end + 1 {
                    _ if is_empty => Rest::Nothing,
                    bytes if bytes > HEAD_BYTES_MAX => return Err(malformed("its trailers")),
                    bytes => Rest::Trailers(bytes),
                };
                self.inbox.take(end + 1);
                return Ok(());
            }
            if before + here.len() > HEAD_BYTES_MAX {
                return Err(malformed("its trailers"));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<(), Refusal> {
        match self.inbox.read(self.io).await.map_err(broken)? {
            0 => Err(BROKEN),
            _ => Ok(()),
        }
    }
}

fn broken(error: std::io::Error) -> Refusal {
    tracing::debug!(%error, "a request broke off");
    BROKEN
}

fn malformed(what: &str) -> Refusal {
    Refusal::Malformed(format!("the chunked body cannot be read: {what}"))
}
