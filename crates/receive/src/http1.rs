//! One HTTP/1 connection of the HTTP port, from its first request to its end.
//!
//! Its bodies are read here, and not by hyper: that reads ahead into a buffer of each connection,
//! cold when the next request arrives, and joins what it has read of a body by a copy. Here a body
//! goes from the socket into the buffer that it is walked in, warm from the request before. See
//! `docs/adr/012-http-1-bodies-are-read-in-place.md`.

mod body;
mod head;
mod inbox;
mod reply;

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

use crate::Refusal;
use crate::answer::{Encoding, refusal_response};
use crate::body::at_once_or_within;
use crate::http::Http;
use crate::meters::refused;

use body::Body;
use head::{Head, Unreadable};

pub(crate) use inbox::Inbox;

/// How long the head of a request may take, the idle time before it included: beyond it the
/// connection is closed.
const HEAD_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// What came of waiting for a request.
enum Next {
    Request(Box<Head>),
    Unreadable(Unreadable),
    /// The peer has no more, or takes too long, or nothing further is to be served.
    Over,
}

/// Serves one request after the other until the connection ends; once `stop` is true, only the one
/// that has begun. What was read of the connection before is in `inbox`.
///
/// # Errors
/// If the connection breaks.
pub(crate) async fn serve<T>(
    mut io: T,
    mut inbox: Inbox,
    http: Http,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let next = next(&mut io, &mut inbox, &mut stop);
        let next = at_once_or_within(HEAD_READ_TIMEOUT, next).await.unwrap_or(Ok(Next::Over))?;
        let Head { parts, framing, expects_continue, is_last } = match next {
            Next::Request(head) => *head,
            Next::Unreadable(unreadable) => return turn_away(&mut io, unreadable).await,
            Next::Over => return io.shutdown().await,
        };
        let mut body = Body::new(&mut io, &mut inbox, framing, expects_continue);
        let response = http.answer(&parts, &mut body).await;
        let is_last = is_last || !body.is_over() || *stop.borrow();
        io.write_all(&reply::bytes(&response, &parts.method, is_last)).await?;
        if is_last {
            return io.shutdown().await;
        }
        if !inbox.is_empty() {
            // Who sends the next request before it has its answer goes before nobody.
            tokio::task::yield_now().await;
        }
    }
}

/// Reads until a head is whole.
async fn next<T>(
    io: &mut T,
    inbox: &mut Inbox,
    stop: &mut watch::Receiver<bool>,
) -> io::Result<Next>
where
    T: AsyncRead + Unpin,
{
    loop {
        match head::read(inbox.bytes()) {
            Ok(Some((head, bytes))) => {
                inbox.take(bytes);
                return Ok(Next::Request(Box::new(head)));
            }
            Ok(None) => {}
            Err(unreadable) => return Ok(Next::Unreadable(unreadable)),
        }
        // A request that has begun is served, even if it is time to stop.
        let bytes = if inbox.is_empty() {
            tokio::select! {
                biased;
                bytes = inbox.read(io) => bytes?,
                _ = stop.wait_for(|stop| *stop) => 0,
            }
        } else {
            inbox.read(io).await?
        };
        if bytes == 0 {
            return Ok(Next::Over);
        }
    }
}

/// Says what is wrong with a head, and ends the connection: where the next request begins, nobody
/// knows.
async fn turn_away<T>(io: &mut T, unreadable: Unreadable) -> io::Result<()>
where
    T: AsyncWrite + Unpin,
{
    let refusal = match unreadable {
        Unreadable::Malformed(what) => Refusal::Malformed(what),
        Unreadable::TooLong => Refusal::HeadTooLong,
    };
    refused(&refusal);
    // No exporter writes what cannot be understood; a person who does reads JSON.
    let response = refusal_response(&refusal, Encoding::Json);
    io.write_all(&reply::bytes(&response, &http::Method::POST, true)).await?;
    io.shutdown().await
}
