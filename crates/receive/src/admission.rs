use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tonic::Status;

use crate::Refusal;

/// When a client that was turned away for memory should come again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Bytes of request bodies that may be in flight at once, over all connections.
///
/// Taken as the bytes arrive, before anything is decompressed; given back when the request ends.
#[derive(Debug)]
pub struct Admission {
    in_flight: AtomicUsize,
    bytes_max: usize,
    refused: AtomicUsize,
}

/// A share of the [`Admission`]; gives itself back.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    bytes: usize,
}

/// A request body that takes its bytes from the [`Admission`] as they arrive.
#[derive(Debug)]
pub struct MeteredBody<B> {
    inner: B,
    permit: Permit,
    bytes_max: usize,
}

impl Admission {
    /// Lets `bytes_max` bytes in at once.
    #[must_use]
    pub fn new(bytes_max: usize) -> Arc<Self> {
        let (in_flight, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { in_flight, bytes_max, refused })
    }

    /// Bytes in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How many requests were turned away.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// A share of nothing yet.
    pub(crate) fn permit(self: &Arc<Self>) -> Permit {
        Permit { admission: Arc::clone(self), bytes: 0 }
    }

    pub(crate) fn refusal(&self) -> Refusal {
        Refusal::Overloaded { reason: "memory", retry_after: RETRY_AFTER }
    }
}

impl Permit {
    /// Takes `bytes` more.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let before = self.admission.in_flight.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before + bytes <= self.admission.bytes_max {
            return Ok(());
        }
        let _ = self.admission.refused.fetch_add(1, Ordering::Relaxed);
        Err(self.admission.refusal())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let _ = self.admission.in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl<B> MeteredBody<B> {
    /// Meters `inner`, which may bring at most `bytes_max` bytes.
    pub(crate) fn new(inner: B, admission: &Arc<Admission>, bytes_max: usize) -> Self {
        Self { inner, permit: admission.permit(), bytes_max }
    }
}

impl<B> Body for MeteredBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => {
                let what = format!("the request broke off: {error}");
                return Poll::Ready(Some(Err(Status::cancelled(what))));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        };
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        if self.permit.bytes + bytes > self.bytes_max {
            let refusal = Refusal::TooLarge { bytes_max: self.bytes_max };
            return Poll::Ready(Some(Err(refusal.status())));
        }
        match self.permit.grow(bytes) {
            Ok(()) => Poll::Ready(Some(Ok(frame))),
            Err(refusal) => Poll::Ready(Some(Err(refusal.status()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_given_back() {
        let admission = Admission::new(100);
        let mut first = admission.permit();
        assert_eq!(first.grow(60), Ok(()));
        let mut second = admission.permit();
        assert_eq!(second.grow(60), Err(admission.refusal()));
        drop(second);
        assert_eq!((admission.in_flight(), admission.refused()), (60, 1));
        drop(first);
        assert_eq!(admission.in_flight(), 0);
    }
}
