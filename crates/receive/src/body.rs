//! Reads request bodies into one piece, within the budget, and not for ever.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;

use crate::Refusal;
use crate::admission::Permit;
use crate::buffer::Buffer;

/// How long a body may take from its first byte to its last.
pub(crate) const BODY_READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Room that is made for an announced body at once; the rest follows as its bytes arrive.
pub(crate) const READ_AHEAD_BYTES: usize = 1 << 20;

pub(crate) const BROKEN: Refusal = Refusal::BrokenOff("the request broke off before it was whole");
pub(crate) const SLOW: Refusal = Refusal::BrokenOff("the request did not become whole in time");

/// How a body tells its length before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    /// In `content-length`, if at all.
    Header,
    /// In the five bytes before a gRPC message, which come on top of the limit.
    Frame,
}

/// A gRPC message's flag and length.
pub(crate) const FRAME_HEADER_BYTES: usize = 5;

impl Announced {
    fn overhead(self) -> usize {
        match self {
            Self::Header => 0,
            Self::Frame => FRAME_HEADER_BYTES,
        }
    }

    /// How long the body will be, as far as is known when it begins with `head`.
    fn length<B: Body>(self, body: &B, head: &[u8]) -> Option<usize> {
        let length = match self {
            Self::Header => body.size_hint().exact().map(usize::try_from)?.unwrap_or(usize::MAX),
            Self::Frame => {
                let (_, length) = head.split_first()?;
                let length = u32::from_be_bytes(*length.first_chunk()?);
                usize::try_from(length).unwrap_or(usize::MAX).saturating_add(FRAME_HEADER_BYTES)
            }
        };
        Some(length)
    }
}

/// Reads a whole body of at most `bytes_max` bytes. Each is taken from `permit`.
pub(crate) async fn read<B>(
    body: B,
    announced: Announced,
    bytes_max: usize,
    permit: &mut Permit<'_>,
) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: fmt::Display,
{
    let reading = read_on(body, announced, bytes_max, permit);
    at_once_or_within(BODY_READ_TIMEOUT, reading).await.unwrap_or(Err(SLOW))
}

/// What `future` comes to, unless it takes longer than `limit`. What is ready at once needs no timer.
pub(crate) async fn at_once_or_within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let at_once = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
    match at_once {
        Poll::Ready(output) => Some(output),
        Poll::Pending => tokio::time::timeout(limit, future).await.ok(),
    }
}

async fn read_on<B>(
    mut body: B,
    announced: Announced,
    bytes_max: usize,
    permit: &mut Permit<'_>,
) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: fmt::Display,
{
    let too_large = Refusal::TooLarge { bytes_max };
    let bytes_max = bytes_max.saturating_add(announced.overhead());
    let mut length = None;
    if announced == Announced::Header {
        length = announced.length(&body, &[]);
        if length.is_some_and(|length| length > bytes_max) {
            return Err(too_large);
        }
        permit.expect(length.unwrap_or_default())?;
    }
    let mut whole = Whole::default();
    while let Some(frame) = next_data(&mut body).await? {
        if whole.len().saturating_add(frame.len()) > bytes_max {
            return Err(too_large);
        }
        permit.grow(frame.len())?;
        whole.push(frame, length);
        if announced == Announced::Frame && length.is_none() {
            length = announced.length(&body, whole.as_slice());
            if length.is_some_and(|length| length > bytes_max) {
                return Err(too_large);
            }
            permit.expect(length.unwrap_or_default().saturating_sub(whole.len()))?;
        }
    }
    Ok(whole.into_bytes())
}

async fn next_data<B>(body: &mut B) -> Result<Option<Bytes>, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: fmt::Display,
{
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            tracing::debug!(%error, "a request broke off");
            BROKEN
        })?;
        // Trailers say nothing that is wanted here.
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// What has arrived. One piece stays what it is; several are joined as they come, so that small
/// ones do not pin the buffers that they were read into.
#[derive(Default)]
enum Whole {
    #[default]
    Nothing,
    One(Bytes),
    Joined(Buffer),
}

impl Whole {
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Nothing => &[],
            Self::One(bytes) => bytes,
            Self::Joined(bytes) => bytes.as_ref(),
        }
    }

    fn push(&mut self, data: Bytes, length: Option<usize>) {
        match self {
            Self::Nothing => *self = Self::One(data),
            Self::One(first) => {
                let both = first.len() + data.len();
                let room = length.unwrap_or_default().min(READ_AHEAD_BYTES).max(both);
                let mut joined = Buffer::empty(room);
                joined.push(first);
                joined.push(&data);
                *self = Self::Joined(joined);
            }
            Self::Joined(joined) => joined.push(&data),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Joined(joined) => joined.into_bytes(),
        }
    }
}
