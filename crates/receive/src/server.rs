use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::grpc::Grpc;
use crate::http::Http;
use crate::{Gate, Intake};

/// Connections that one worker holds open per transport; beyond that the newest is closed at once.
const CONNECTIONS_MAX: usize = 4096;
/// Requests in flight on one connection.
const STREAMS_MAX: u32 = 128;
/// Windows for telemetry: large batches arrive without waiting for the window to move.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 24 << 20;
/// Large frames save a copy and a wake-up each.
const FRAME_BYTES_MAX: u32 = 1 << 20;
const HEADER_LIST_BYTES_MAX: u32 = 16 << 10;
/// Streams that a peer may open and reset before the connection is closed (CVE-2023-44487).
const RESET_STREAMS_MAX: usize = 20;
const LOCAL_RESET_STREAMS_MAX: usize = 1024;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
const BACKLOG: i32 = 1024;
/// How long connections may finish their requests once the daemon drains.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// The sockets of one worker.
#[derive(Debug)]
pub struct Listeners {
    /// OTLP over gRPC.
    pub grpc: Option<TcpListener>,
    /// OTLP over HTTP.
    pub http: Option<TcpListener>,
}

/// A connection that counts itself.
struct Counted {
    stream: TcpStream,
    open: Arc<AtomicUsize>,
}

/// Accepted connections, up to the cap.
struct Incoming {
    listener: TcpListener,
    open: Arc<AtomicUsize>,
    retry: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// Binds a socket that several workers share: the kernel spreads connections over them. Must be
/// called on the runtime of the worker.
///
/// # Errors
/// If the address cannot be bound.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Serves one worker's sockets until `stop` turns true, then lets requests in flight finish.
///
/// # Errors
/// If a server cannot go on.
pub async fn serve(
    listeners: Listeners,
    gate: Arc<Gate>,
    intake: Arc<dyn Intake>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let grpc = async {
        match listeners.grpc {
            Some(listener) => serve_grpc(listener, &gate, &intake, stop.clone()).await,
            None => Ok(()),
        }
    };
    let http = async {
        if let Some(listener) = listeners.http {
            serve_http(listener, &gate, &intake, stop.clone()).await;
        }
    };
    let (grpc, ()) = tokio::join!(grpc, http);
    grpc
}

async fn serve_grpc(
    listener: TcpListener,
    gate: &Arc<Gate>,
    intake: &Arc<dyn Intake>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let service = Grpc { gate: Arc::clone(gate), intake: Arc::clone(intake) };
    let incoming = Incoming { listener, open: Arc::default(), retry: None };
    let serving = tonic::transport::Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .http2_max_header_list_size(HEADER_LIST_BYTES_MAX)
        .http2_max_pending_accept_reset_streams(Some(RESET_STREAMS_MAX))
        .http2_max_local_error_reset_streams(Some(LOCAL_RESET_STREAMS_MAX))
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .serve_with_incoming_shutdown(service, incoming, stopped(stop.clone()));
    // Idle keep-alive connections must not hold the drain up.
    tokio::select! {
        done = serving => done.map_err(io::Error::other),
        () = deadline(stop) => Ok(()),
    }
}

async fn serve_http(
    listener: TcpListener,
    gate: &Arc<Gate>,
    intake: &Arc<dyn Intake>,
    stop: watch::Receiver<bool>,
) {
    let http = Http { gate: Arc::clone(gate), intake: Arc::clone(intake) };
    let graceful = GracefulShutdown::new();
    let mut incoming = Incoming { listener, open: Arc::default(), retry: None };
    let mut stopping = std::pin::pin!(stopped(stop.clone()));
    loop {
        let stream = tokio::select! {
            stream = std::future::poll_fn(|cx| incoming.poll_accept(cx)) => stream,
            () = &mut stopping => break,
        };
        let http = http.clone();
        let service = service_fn(move |request| http.clone().serve(request));
        let mut builder = auto::Builder::new(TokioExecutor::new());
        let _ = builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_READ_TIMEOUT);
        let _ = builder
            .http2()
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEADER_LIST_BYTES_MAX)
            .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
            .keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        let _ = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP connection ended badly");
            }
        });
    }
    let _ = tokio::time::timeout(DRAIN_DEADLINE, graceful.shutdown()).await;
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone means stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn deadline(stop: watch::Receiver<bool>) {
    stopped(stop).await;
    tokio::time::sleep(DRAIN_DEADLINE).await;
}

impl Incoming {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Counted> {
        loop {
            if let Some(retry) = &mut self.retry {
                std::task::ready!(retry.as_mut().poll(cx));
                self.retry = None;
            }
            match std::task::ready!(self.listener.poll_accept(cx)) {
                Ok((stream, _)) if self.open.load(Ordering::Relaxed) < CONNECTIONS_MAX => {
                    let _ = stream.set_nodelay(true);
                    let _ = self.open.fetch_add(1, Ordering::Relaxed);
                    return Poll::Ready(Counted { stream, open: Arc::clone(&self.open) });
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

impl tokio_stream::Stream for Incoming {
    type Item = io::Result<Counted>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_accept(cx).map(|stream| Some(Ok(stream)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let _ = self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connected for Counted {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
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
