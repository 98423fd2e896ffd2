use std::io;
use std::sync::Arc;
use std::time::Duration;

use auth::Credentials;
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tonic_health::server::HealthReporter;

use crate::exposition::Exposition;
use crate::shared::{Shared, stopped};
use crate::subscribers::{SUBSCRIBERS_MAX, Subscribers};
use crate::{Control, Feed, grpc, http};

/// Connections at one time: one for each subscriber, and as many for all else. Beyond that the
/// newest is closed at once.
const CONNECTIONS_MAX: usize = 2 * SUBSCRIBERS_MAX;
/// Calls in flight on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
const HEADER_LIST_BYTES_MAX: u32 = 16 << 10;
/// Buffer of an HTTP/1 connection: its request line and headers must fit.
const HEAD_BYTES_MAX: usize = 32 << 10;
const HEADERS_MAX: usize = 100;
/// Streams that a peer may open and reset before the connection is closed (CVE-2023-44487).
const RESET_STREAMS_MAX: usize = 20;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// How long calls in flight may take once the daemon drains.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// What the API port serves.
pub struct ApiState {
    /// Committed incidents and their changes.
    pub feed: Arc<Feed>,
    /// The daemon behind it.
    pub control: Arc<dyn Control>,
    /// Who may do what.
    pub credentials: Arc<Credentials>,
    /// Names, without port, under which callers without a credential may reach this port, beside
    /// its addresses and `localhost`.
    pub hosts: Vec<String>,
}

/// Serves the API port, gRPC and HTTP, HTTP/1 and HTTP/2 on one socket, until `stop` turns true (or
/// its sender is gone): subscriptions then end with UNAVAILABLE, calls in flight may finish within
/// 5 s, and what is left is cut.
///
/// # Errors
/// If the listener has no address, or the descriptors of the services cannot be read.
pub async fn serve(
    listener: TcpListener,
    api: ApiState,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let loopback = listener.local_addr()?.ip().to_canonical().is_loopback();
    let shared = Arc::new(Shared {
        feed: api.feed,
        control: api.control,
        credentials: api.credentials,
        hosts: api.hosts,
        loopback,
        exposition: Exposition::default(),
        subscribers: Subscribers::default(),
        stop: stop.clone(),
    });
    let reporter = HealthReporter::new();
    let router = grpc::routes(&shared, &reporter)
        .map_err(io::Error::other)?
        .merge(http::routes(Arc::clone(&shared)))
        .fallback(http::not_found);
    let ((), ()) = tokio::join!(accept(listener, router, stop), grpc::watch(shared, reporter));
    Ok(())
}

async fn accept(listener: TcpListener, router: Router, stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut stopping = std::pin::pin!(stopped(stop));
    loop {
        let stream = tokio::select! {
            () = &mut stopping => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: it passes, and must not spin.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(CONNECTIONS_MAX, "too many connections: one was closed");
            continue;
        };
        let connection = graceful.watch(connection(stream, router.clone()));
        let _ = connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended badly");
            }
            drop(place);
        });
    }
    drop(listener);
    // Connections that outlive the deadline are cut with the set that holds them.
    let _ = tokio::time::timeout(DRAIN_DEADLINE, graceful.shutdown()).await;
}

fn connection(
    stream: TcpStream,
    router: Router,
) -> impl hyper_util::server::graceful::GracefulConnection<
    Error = Box<dyn std::error::Error + Send + Sync>,
> + Send {
    // Small answers must not wait for acknowledgements; where it fails they merely come later.
    let _ = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let _ = builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let _ = builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).into_owned()
}
