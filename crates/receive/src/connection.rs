use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;

use crate::meters::Transport;
use crate::roster::Seat;
use crate::window::Window;

/// How long a peer that has connected may take for its first words.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
/// How many bytes they are: an HTTP/2 preface. No HTTP/1 request of OTLP is shorter.
const GREETING_BYTES: usize = 24;
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// A connection that counts itself and does not wait for ever for a peer that says nothing.
pub(crate) struct Connection {
    stream: TcpStream,
    transport: Transport,
    greeting: Option<Greeting>,
    gauge: metrics::Gauge,
    seat: Seat,
}

struct Greeting {
    bytes_missing: usize,
    deadline: Pin<Box<Sleep>>,
}

/// Accepts connections.
pub(crate) struct Incoming {
    listener: TcpListener,
    retry: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self { listener, retry: None }
    }

    pub(crate) async fn accept(&mut self) -> TcpStream {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<TcpStream> {
        loop {
            if let Some(retry) = &mut self.retry {
                ready!(retry.as_mut().poll(cx));
                self.retry = None;
            }
            match ready!(self.listener.poll_accept(cx)) {
                Ok((stream, _)) => return Poll::Ready(stream),
                Err(error) => {
                    // Out of file descriptors, most likely: it passes, and must not spin.
                    tracing::warn!(%error, "cannot accept a connection");
                    self.retry = Some(Box::pin(tokio::time::sleep(ACCEPT_RETRY)));
                }
            }
        }
    }
}

impl Connection {
    /// A connection that is served on the runtime where this is called.
    pub(crate) fn new(
        stream: TcpStream,
        transport: Transport,
        seat: Seat,
        gauge: metrics::Gauge,
    ) -> Self {
        let _ = stream.set_nodelay(true);
        gauge.increment(1.0);
        let deadline = Box::pin(tokio::time::sleep(GREETING_TIMEOUT));
        let greeting = Some(Greeting { bytes_missing: GREETING_BYTES, deadline });
        Self { stream, transport, greeting, gauge, seat }
    }

    /// Its HTTP/2 window, where all connections together may have `bytes_max`.
    pub(crate) fn window(&self, bytes_max: usize) -> Window {
        self.seat.window(bytes_max)
    }

    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let Some(greeting) = &mut self.greeting else { return read };
        if read.is_pending() {
            ready!(greeting.deadline.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let bytes = buf.filled().len() - before;
        greeting.bytes_missing = greeting.bytes_missing.saturating_sub(bytes);
        if greeting.bytes_missing == 0 {
            self.greeting = None;
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
