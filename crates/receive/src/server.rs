use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::connection::Incoming;
use crate::grpc::Grpc;
use crate::http::Http;
use crate::meters::Transport;
use crate::{Gate, Intake};

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
    let incoming = Incoming::new(listener, Transport::Grpc);
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
    let mut incoming = Incoming::new(listener, Transport::Http);
    let mut stopping = std::pin::pin!(stopped(stop.clone()));
    loop {
        let stream = tokio::select! {
            stream = incoming.accept() => stream,
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
            .max_frame_size(FRAME_BYTES_MAX)
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEADER_LIST_BYTES_MAX)
            .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
            .max_local_error_reset_streams(LOCAL_RESET_STREAMS_MAX)
            .keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        drop(tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP connection ended badly");
            }
        }));
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
