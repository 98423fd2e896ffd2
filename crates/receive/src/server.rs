use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::calls;
use crate::clerk::Clerk;
use crate::connection::{Connection, Incoming};
use crate::grpc::Grpc;
use crate::http::Http;
use crate::http1::{self, Inbox};
use crate::meters::Transport;
use crate::window::Window;
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
/// What a connection of HTTP/2 begins with, as far as no request of HTTP/1 does.
const PREFACE: &[u8] = b"PRI ";
const BACKLOG: i32 = 1024;
/// How long connections may finish their requests once the daemon drains.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

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

/// Serves HTTP/2 to who begins with its preface, and HTTP/1 to all others.
async fn serve_http(mut stream: Connection, http: Http, stop: watch::Receiver<bool>) {
    let mut inbox = Inbox::default();
    while PREFACE.starts_with(inbox.bytes()) && inbox.bytes().len() < PREFACE.len() {
        if !inbox.read(&mut stream).await.is_ok_and(|bytes| bytes > 0) {
            return;
        }
    }
    let ended = if inbox.bytes().starts_with(PREFACE) {
        let window = stream.window(http.clerk.gate.window_bytes_max());
        let (read, write) = tokio::io::split(stream);
        let read = Cursor::new(inbox.into_bytes()).chain(read);
        serve_http2(tokio::io::join(read, write), &window, http, stop).await
    } else {
        http1::serve(stream, inbox, http, stop).await.map_err(Into::into)
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended badly");
    }
}

async fn serve_http2<T>(
    io: T,
    window: &Window,
    http: Http,
    stop: watch::Receiver<bool>,
) -> Result<(), BoxError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request| http.clone().serve(request));
    let settings = http2_settings(window.bytes());
    let mut connection = pin!(settings.serve_connection(TokioIo::new(io), service));
    tokio::select! {
        ended = &mut connection => Ok(ended?),
        () = stopped(stop) => {
            connection.as_mut().graceful_shutdown();
            Ok(connection.await?)
        }
    }
}

fn http2_settings(window_bytes: u32) -> http2::Builder<TokioExecutor> {
    let mut settings = http2::Builder::new(TokioExecutor::new());
    let _ = settings
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
    settings
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone means stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}
