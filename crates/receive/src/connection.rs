use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;

use crate::meters::{Transport, connections};

/// Connections that one worker holds open per transport; beyond that the newest is closed at once.
const CONNECTIONS_MAX: usize = 4096;
/// How long a peer that has connected may take for its first words.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
/// How many bytes they are: an HTTP/2 preface. No HTTP/1 request of OTLP is shorter.
const GREETING_BYTES: usize = 24;
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// A connection that counts itself and does not wait for ever for a peer that says nothing.
pub(crate) struct Connection {
    stream: TcpStream,
    greeting: Option<Greeting>,
    open: Open,
}

struct Greeting {
    bytes_missing: usize,
    deadline: Pin<Box<Sleep>>,
}

/// Accepted connections, up to the cap.
pub(crate) struct Incoming {
    listener: TcpListener,
    open: Open,
    retry: Option<Pin<Box<Sleep>>>,
}

/// How many connections are open; the gauge is that of all workers.
#[derive(Clone)]
struct Open {
    count: Arc<AtomicUsize>,
    gauge: metrics::Gauge,
}

impl Incoming {
    pub(crate) fn new(listener: TcpListener, transport: Transport) -> Self {
        let open = Open { count: Arc::default(), gauge: connections(transport) };
        Self { listener, open, retry: None }
    }

    pub(crate) async fn accept(&mut self) -> Connection {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Connection> {
        loop {
            if let Some(retry) = &mut self.retry {
                ready!(retry.as_mut().poll(cx));
                self.retry = None;
            }
            match ready!(self.listener.poll_accept(cx)) {
                Ok((stream, _)) if self.open.count.load(Ordering::Relaxed) < CONNECTIONS_MAX => {
                    return Poll::Ready(Connection::new(stream, &self.open));
                }
                Ok(_) => tracing::warn!(CONNECTIONS_MAX, "too many connections: one was closed"),
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
    fn new(stream: TcpStream, open: &Open) -> Self {
        let _ = stream.set_nodelay(true);
        let _ = open.count.fetch_add(1, Ordering::Relaxed);
        open.gauge.increment(1.0);
        let deadline = Box::pin(tokio::time::sleep(GREETING_TIMEOUT));
        let greeting = Some(Greeting { bytes_missing: GREETING_BYTES, deadline });
        Self { stream, greeting, open: open.clone() }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.open.count.fetch_sub(1, Ordering::Relaxed);
        self.open.gauge.decrement(1.0);
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
