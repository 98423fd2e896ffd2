//! One HTTP/2 connection of the gRPC port, from its preface to its end.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Ping, PingPong, Reason, RecvStream};
use http::Request;
use http_body::{Body, Frame};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};

use crate::Refusal;
use crate::grpc::{Grpc, Reply, timeout_of};
use crate::meters::refused;
use crate::server::{
    FRAME_BYTES_MAX, HEADER_LIST_BYTES_MAX, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT,
    LOCAL_RESET_STREAMS_MAX, RESET_STREAMS_MAX, STREAM_WINDOW_BYTES, STREAMS_MAX,
};
use crate::window::Window;

type Http2<T> = h2::server::Connection<T, Bytes>;
/// A call as it comes, and where its reply goes.
type Call = (Request<RecvStream>, SendResponse<Bytes>);

/// Serves the calls of one connection until it ends; once `stop` resolves, only those in flight.
///
/// # Errors
/// If the connection breaks, or its peer the protocol.
pub(crate) async fn serve<T>(
    io: T,
    window: Window,
    grpc: Arc<Grpc>,
    stop: impl Future<Output = ()>,
) -> Result<(), h2::Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut window_bytes = window.bytes();
    let mut http2: Http2<T> = settings(window_bytes).handshake(io).await?;
    let mut keep_alive = http2.ping_pong().map(KeepAlive::new);
    let mut stop = pin!(stop);
    let (mut is_stopping, mut calls) = (false, Vec::new());
    poll_fn(|cx| {
        if window_bytes != window.bytes() {
            window_bytes = window.bytes();
            http2.set_target_window_size(window_bytes);
        }
        let mut has_served = false;
        loop {
            match http2.poll_accept(cx)? {
                Poll::Ready(Some(call)) => {
                    calls.push(call);
                    // What came while others were served waits for the other connections.
                    if has_served {
                        cx.waker().wake_by_ref();
                        break;
                    }
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending if calls.is_empty() => break,
                // All that have arrived are served in one go, so that one write answers them.
                Poll::Pending => {
                    calls.drain(..).for_each(|call| start(call, &grpc, cx));
                    has_served = true;
                }
            }
        }
        if !is_stopping && stop.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            http2.graceful_shutdown();
            cx.waker().wake_by_ref();
        }
        if keep_alive.as_mut().is_some_and(|keep_alive| keep_alive.poll(cx).is_ready()) {
            tracing::debug!("a gRPC peer answers no ping");
            keep_alive = None;
            http2.abrupt_shutdown(Reason::NO_ERROR);
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

fn settings(window_bytes: u32) -> h2::server::Builder {
    let mut settings = h2::server::Builder::new();
    let _ = settings
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(window_bytes)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_local_error_reset_streams(Some(LOCAL_RESET_STREAMS_MAX));
    settings
}

/// Serves a call right here if all of it has arrived, and on a task of its own if it has to wait.
fn start((request, mut respond): Call, grpc: &Arc<Grpc>, cx: &mut Context<'_>) {
    let timeout = timeout_of(request.headers());
    let grpc = Arc::clone(grpc);
    let mut serving = Box::pin(async move {
        let request = request.map(CallBody);
        grpc.serve(request).await
    });
    match serving.as_mut().poll(cx) {
        Poll::Ready(reply) => send(reply, &mut respond),
        Poll::Pending => drop(tokio::spawn(finish(serving, respond, timeout))),
    }
}

/// Serves a call to its end, unless its caller waits no longer.
async fn finish(
    mut serving: Pin<Box<impl Future<Output = Reply>>>,
    mut respond: SendResponse<Bytes>,
    timeout: Option<Duration>,
) {
    let mut deadline = pin!(async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    });
    let reply = poll_fn(|cx| {
        if let Poll::Ready(reply) = serving.as_mut().poll(cx) {
            return Poll::Ready(Some(reply));
        }
        if respond.poll_reset(cx).is_ready() {
            return Poll::Ready(None);
        }
        deadline.as_mut().poll(cx).map(|()| Some(late()))
    })
    .await;
    // What it holds is given back before the caller can see that it has ended.
    drop(serving);
    if let Some(reply) = reply {
        send(reply, &mut respond);
    }
}

fn late() -> Reply {
    let refusal = Refusal::BrokenOff("the time that the caller gave the call is over");
    refused(&refusal);
    Reply::refused(&refusal)
}

fn send(reply: Reply, respond: &mut SendResponse<Bytes>) {
    if let Err(error) = reply.send(respond) {
        tracing::debug!(%error, "a gRPC caller is gone");
    }
}

/// The body of a call: each piece makes room for the next as it is taken.
struct CallBody(RecvStream);

impl Body for CallBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Some(data) = ready!(self.0.poll_data(cx)?) else { return Poll::Ready(None) };
        self.0.flow_control().release_capacity(data.len())?;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

/// Finds out whether the peer is still there, however silent both are.
struct KeepAlive {
    pings: PingPong,
    /// When the next ping is due; or, of the one on its way, the answer.
    due: Pin<Box<Sleep>>,
    is_pinging: bool,
}

impl KeepAlive {
    fn new(pings: PingPong) -> Self {
        let due = Box::pin(tokio::time::sleep(KEEPALIVE_INTERVAL));
        Self { pings, due, is_pinging: false }
    }

    /// Ready once the peer is gone.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.is_pinging {
                match self.pings.poll_pong(cx) {
                    Poll::Ready(Ok(_)) => self.wait(KEEPALIVE_INTERVAL, false),
                    // The connection is over, and says so itself.
                    Poll::Ready(Err(_)) => return Poll::Pending,
                    Poll::Pending => return self.due.as_mut().poll(cx),
                }
            }
            ready!(self.due.as_mut().poll(cx));
            let is_sent = self.pings.send_ping(Ping::opaque()).is_ok();
            self.wait(KEEPALIVE_TIMEOUT, is_sent);
        }
    }

    fn wait(&mut self, duration: Duration, is_pinging: bool) {
        self.due.as_mut().reset(Instant::now() + duration);
        self.is_pinging = is_pinging;
    }
}
