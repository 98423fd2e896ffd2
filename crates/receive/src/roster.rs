//! Which worker serves a connection: the one that has the fewest.

use std::net::TcpStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::connection::Connection;
use crate::meters::{Transport, connections};
use crate::window::Window;

/// Connections that one worker holds open, of both transports; once all workers hold so many, the
/// newest is closed at once.
const CONNECTIONS_MAX: usize = 8192;
/// Connections that wait until the worker that they were handed to turns to them; beyond that
/// whoever accepted one keeps it.
const HANDED_MAX: usize = 256;

/// How many connections each worker has.
///
/// The kernel hashes connections over the sockets of the workers, so that of a few, several end at
/// the same one. Whoever accepts a connection gives it to the worker with the fewest: while none is
/// closed, two workers differ by at most one.
#[derive(Debug)]
pub struct Roster {
    entries: Box<[Entry]>,
}

#[derive(Debug)]
struct Entry {
    /// Connections that the worker has or that are on their way to it.
    open: AtomicUsize,
    inbox: mpsc::Sender<Handed>,
}

/// A worker's place in the [`Roster`], where connections that others accepted arrive.
#[derive(Debug)]
pub struct Desk {
    roster: Arc<Roster>,
    number: usize,
    inbox: mpsc::Receiver<Handed>,
    gauges: [metrics::Gauge; 2],
}

/// A connection between two workers: it belongs to the runtime of neither.
#[derive(Debug)]
struct Handed {
    stream: StdStream,
    transport: Transport,
    seat: Seat,
}

/// That a connection is one of its worker's; gives itself back.
#[derive(Debug)]
pub(crate) struct Seat {
    roster: Arc<Roster>,
    number: usize,
}

impl Roster {
    /// A roster of so many workers, at least one, and a desk for each.
    #[must_use]
    pub fn new(workers: usize) -> (Arc<Self>, Vec<Desk>) {
        Self::with_inboxes(workers, HANDED_MAX)
    }

    fn with_inboxes(workers: usize, handed_max: usize) -> (Arc<Self>, Vec<Desk>) {
        let (entries, inboxes): (Vec<_>, Vec<_>) = (0..workers.max(1))
            .map(|_| {
                let (sender, receiver) = mpsc::channel(handed_max);
                (Entry { open: AtomicUsize::new(0), inbox: sender }, receiver)
            })
            .unzip();
        let roster = Arc::new(Self { entries: entries.into() });
        let desk = |(number, inbox)| {
            let gauges = [Transport::Grpc, Transport::Http].map(connections);
            Desk { roster: Arc::clone(&roster), number, inbox, gauges }
        };
        let desks = inboxes.into_iter().enumerate().map(desk).collect();
        (roster, desks)
    }

    /// Open connections of each worker.
    #[must_use]
    pub fn open(&self) -> Vec<usize> {
        self.entries.iter().map(|entry| entry.open.load(Ordering::Relaxed)).collect()
    }

    /// How many connections there are, as a worker can tell from its own: workers differ little.
    pub(crate) fn connections(&self, worker: usize) -> usize {
        let own = self.entries.get(worker).map(|entry| entry.open.load(Ordering::Relaxed));
        own.unwrap_or_default().saturating_mul(self.entries.len())
    }

    /// A seat at the worker with the fewest connections, `own` if it is one of them; none if all
    /// have as many as they may.
    fn seat(self: &Arc<Self>, own: usize) -> Option<Seat> {
        loop {
            let (open, _, number, entry) = self
                .entries
                .iter()
                .enumerate()
                // A worker that has ended takes none.
                .filter(|(number, entry)| *number == own || !entry.inbox.is_closed())
                .map(|(number, entry)| {
                    (entry.open.load(Ordering::Relaxed), number != own, number, entry)
                })
                .min_by_key(|(open, is_other, number, _)| (*open, *is_other, *number))?;
            if open >= CONNECTIONS_MAX {
                return None;
            }
            // Somebody else may have given it one meanwhile: then another has the fewest.
            let taken =
                entry.open.compare_exchange(open, open + 1, Ordering::Relaxed, Ordering::Relaxed);
            if taken.is_ok() {
                return Some(Seat { roster: Arc::clone(self), number });
            }
        }
    }
}

impl Seat {
    /// The HTTP/2 window of the connection, where all of them together may have `bytes_max`.
    pub(crate) fn window(&self, bytes_max: usize) -> Window {
        Window::new(Arc::clone(&self.roster), self.number, bytes_max)
    }

    /// Moves to another worker, however many connections that has.
    fn move_to(&mut self, number: usize) {
        let Some(entry) = self.roster.entries.get(number) else { return };
        let _ = entry.open.fetch_add(1, Ordering::Relaxed);
        self.give_back();
        self.number = number;
    }

    fn give_back(&self) {
        if let Some(entry) = self.roster.entries.get(self.number) {
            let _ = entry.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Desk {
    /// Gives a connection that was accepted here to whoever is to serve it; back comes one that is
    /// to be served here.
    pub(crate) fn assign(&self, stream: TcpStream, transport: Transport) -> Option<Connection> {
        let Some(seat) = self.roster.seat(self.number) else {
            tracing::warn!(CONNECTIONS_MAX, "too many connections: one was closed");
            return None;
        };
        if seat.number == self.number {
            return Some(Connection::new(stream, transport, seat, self.gauge(transport)));
        }
        let handed = match stream.into_std() {
            Ok(stream) => Handed { stream, transport, seat },
            Err(error) => {
                tracing::warn!(%error, "a connection was lost on its way to another worker");
                return None;
            }
        };
        let entry = self.roster.entries.get(handed.seat.number)?;
        let mut kept = entry.inbox.try_send(handed).err()?.into_inner();
        kept.seat.move_to(self.number);
        self.receive(kept)
    }

    /// The next connection that somebody else accepted. It may be dropped at any time without
    /// losing one.
    pub(crate) async fn handed(&mut self) -> Option<Connection> {
        let handed = self.inbox.recv().await?;
        self.receive(handed)
    }

    /// Takes no further connection from others, and gives out those on their way.
    pub(crate) fn close(&mut self) -> Vec<Connection> {
        self.inbox.close();
        let mut rest = Vec::new();
        while let Ok(handed) = self.inbox.try_recv() {
            rest.extend(self.receive(handed));
        }
        rest
    }

    fn receive(&self, handed: Handed) -> Option<Connection> {
        let Handed { stream, transport, seat } = handed;
        match TcpStream::from_std(stream) {
            Ok(stream) => Some(Connection::new(stream, transport, seat, self.gauge(transport))),
            Err(error) => {
                tracing::warn!(%error, "a connection was lost on its way from another worker");
                None
            }
        }
    }

    fn gauge(&self, transport: Transport) -> metrics::Gauge {
        let [grpc, http] = &self.gauges;
        match transport {
            Transport::Grpc => grpc.clone(),
            Transport::Http => http.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
