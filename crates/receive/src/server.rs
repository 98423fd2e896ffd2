use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::calls;
use crate::clerk::Clerk;
use crate::connection::{Connection, Incoming};
use crate::grpc::Grpc;
use crate::http::Http;
use crate::meters::Transport;
use crate::{Desk, Gate, Intake};

/// Requests in flight on one connection.
pub(crate) const STREAMS_MAX: u32 = 128;
/// The window of a stream: a large batch arrives without waiting for it to move.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 8 << 20;
/// Large frames save a copy and a wake-up each.
pub(crate) const FRAME_BYTES_MAX: u32 = 1 << 20;
pub(crate) const HEADER_LIST_BYTES_MAX: u32 = 16 << 10;
/// Streams that a peer may open and reset before the connection is closed (CVE-2023-44487).
pub(crate) const RESET_STREAMS_MAX: usize = 20;
pub(crate) const LOCAL_RESET_STREAMS_MAX: usize = 1024;
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// The most that is read of an HTTP/1 connection at once: a body that has arrived in one piece stays
/// one. Also as long as its headers may be.
const READ_BYTES_MAX: usize = 512 << 10;
/// How long the headers of an HTTP/1 request may take, the idle time before them included: beyond
/// it the connection is closed.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(30);
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

/// Serves one worker's sockets, and the connections that other workers hand to it, until `stop`
/// turns true; then lets requests in flight finish.
pub async fn serve(
    listeners: Listeners,
    mut desk: Desk,
    gate: Arc<Gate>,
    intake: Arc<dyn Intake>,
    stop: watch::Receiver<bool>,
) {
    let clerk = Arc::new(Clerk::new(gate, intake));
    let service = Service {
        grpc: Arc::new(Grpc { clerk: Arc::clone(&clerk) }),
        http: Http { clerk: Arc::clone(&clerk) },
        stop: stop.clone(),
    };
    let mut connections = JoinSet::new();
    // Not one of the connections: it ends with this, and not before.
    let mut rounds = JoinSet::new();
    let _ = rounds.spawn(async move { clerk.keep_rounds().await });
    let mut grpc_incoming = listeners.grpc.map(Incoming::new);
    let mut http_incoming = listeners.http.map(Incoming::new);
    let mut stopping = pin!(stopped(stop));
    loop {
        let connection = tokio::select! {
            stream = accept(&mut grpc_incoming) => desk.assign(stream, Transport::Grpc),
            stream = accept(&mut http_incoming) => desk.assign(stream, Transport::Http),
            handed = desk.handed() => handed,
            Some(_) = connections.join_next() => None,
            () = &mut stopping => break,
        };
        if let Some(connection) = connection {
            let _ = connections.spawn(service.clone().serve(connection));
        }
    }
    drop((grpc_incoming, http_incoming));
    for connection in desk.close() {
        let _ = connections.spawn(service.clone().serve(connection));
    }
    // Idle keep-alive connections must not hold the drain up.
    let finished = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN_DEADLINE, finished).await;
}

/// What a connection is served with.
#[derive(Clone)]
struct Service {
    grpc: Arc<Grpc>,
    http: Http,
    stop: watch::Receiver<bool>,
}

impl Service {
    async fn serve(self, connection: Connection) {
        match connection.transport() {
            Transport::Grpc => serve_grpc(connection, self.grpc, self.stop).await,
            Transport::Http => serve_http(connection, self.http, self.stop).await,
        }
    }
}

async fn accept(incoming: &mut Option<Incoming>) -> TcpStream {
    match incoming {
        Some(incoming) => incoming.accept().await,
        None => std::future::pending().await,
    }
}

async fn serve_grpc(stream: Connection, grpc: Arc<Grpc>, stop: watch::Receiver<bool>) {
    let window = stream.window(grpc.clerk.gate.window_bytes_max());
    if let Err(error) = calls::serve(stream, window, grpc, stopped(stop)).await {
        tracing::debug!(%error, "a gRPC connection ended badly");
    }
}

async fn serve_http(stream: Connection, http: Http, stop: watch::Receiver<bool>) {
    let window = stream.window(http.clerk.gate.window_bytes_max());
    let service = service_fn(move |request| http.clone().serve(request));
    let builder = http_settings(window.bytes());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopped(stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended badly");
    }
}

fn http_settings(window_bytes: u32) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let _ = builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(READ_BYTES_MAX);
    let _ = builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(window_bytes)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_local_error_reset_streams(LOCAL_RESET_STREAMS_MAX)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    builder
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone means stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}
