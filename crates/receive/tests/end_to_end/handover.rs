//! Several workers behind the same two ports.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use auth::Credentials;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use otlp::Signal;
use receive::{Desk, Gate, Listeners, Roster};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::client::{frame, grpc_path, http_path};
use crate::harness::{Recorded, options};
use crate::requests::protobuf;

const WORKERS: usize = 4;

/// Workers on threads of their own, as in the daemon.
struct Workers {
    grpc: SocketAddr,
    http: SocketAddr,
    roster: Arc<Roster>,
    intakes: Vec<Arc<Recorded>>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

/// A client that keeps its connection.
struct Client {
    sender: SendRequest<Full<Bytes>>,
    path: &'static str,
    content_type: &'static str,
    is_framed: bool,
}

fn bind(address: SocketAddr) -> TcpListener {
    receive::bind(address).expect("a free port")
}

impl Workers {
    fn start() -> Self {
        let (roster, desks) = Roster::new(WORKERS);
        let gate = Gate::new(options(), Arc::new(Credentials::new(Vec::new())));
        let (stop, stopped) = watch::channel(false);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (mut grpc, mut http) = (any, any);
        let (mut intakes, mut threads) = (Vec::new(), Vec::new());
        for desk in desks {
            let (told, addresses) = std::sync::mpsc::channel();
            let intake = Arc::new(Recorded::new());
            let serving = serve((grpc, http), desk, &gate, &intake, stopped.clone(), told);
            intakes.push(intake);
            threads.push(serving);
            (grpc, http) = addresses.recv().expect("bound");
        }
        Self { grpc, http, roster, intakes, stop, threads }
    }

    /// How many requests each worker took.
    fn counts(&self) -> Vec<usize> {
        self.intakes.iter().map(|intake| intake.requests.lock().expect("lock").len()).collect()
    }

    /// Waits until so many connections are open; the test's own time limit ends a vain wait.
    async fn until_open(&self, connections: usize) -> Vec<usize> {
        loop {
            let open = self.roster.open();
            if open.iter().sum::<usize>() == connections {
                return open;
            }
            tokio::task::yield_now().await;
        }
    }

    fn end(self) {
        let _ = self.stop.send(true);
        for thread in self.threads {
            thread.join().expect("no panic");
        }
        assert_eq!(self.roster.open(), [0; WORKERS]);
    }
}

fn serve(
    (grpc, http): (SocketAddr, SocketAddr),
    desk: Desk,
    gate: &Arc<Gate>,
    intake: &Arc<Recorded>,
    stop: watch::Receiver<bool>,
    told: std::sync::mpsc::Sender<(SocketAddr, SocketAddr)>,
) -> JoinHandle<()> {
    let (gate, intake) = (Arc::clone(gate), Arc::clone(intake));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let (grpc, http) = (bind(grpc), bind(http));
            let addresses = [&grpc, &http].map(|listener| listener.local_addr().expect("bound"));
            told.send(addresses.into()).expect("somebody waits");
            let listeners = Listeners { grpc: Some(grpc), http: Some(http) };
            receive::serve(listeners, desk, gate, intake, stop).await;
        });
    })
}

impl Client {
    async fn connect(workers: &Workers, is_grpc: bool) -> Self {
        let address = if is_grpc { workers.grpc } else { workers.http };
        let stream = TcpStream::connect(address).await.expect("connect");
        let (sender, connection) =
            handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("handshake");
        drop(tokio::spawn(connection));
        let (path, content_type) = if is_grpc {
            (grpc_path(Signal::Traces), "application/grpc")
        } else {
            (http_path(Signal::Traces), "application/x-protobuf")
        };
        Self { sender, path, content_type, is_framed: is_grpc }
    }

    /// Sends so many spans, and waits for the answer.
    async fn send(&mut self, spans: usize) {
        let body = protobuf(Signal::Traces, spans);
        let body = if self.is_framed { frame(0, &body) } else { body.into() };
        let request = Request::post(format!("http://door{}", self.path))
            .header("content-type", self.content_type)
            .body(Full::new(body))
            .expect("request");
        let response = self.sender.send_request(request).await.expect("a response");
        assert_eq!(response.status(), 200);
        let _ = response.into_body().collect().await.expect("a body");
    }
}

#[tokio::test]
async fn few_connections_use_all_workers_and_new_ones_fill_the_gaps() {
    let workers = Workers::start();
    let mut clients = Vec::new();
    for number in 1..=2 * WORKERS {
        clients.push(Client::connect(&workers, number % 2 == 0).await);
        let open = workers.until_open(number).await;
        let (min, max) = (open.iter().min().expect("some"), open.iter().max().expect("some"));
        assert!(max - min <= 1, "{open:?}");
    }
    assert_eq!(workers.roster.open(), [2; WORKERS]);

    // Each is served where its seat is.
    let mut served_at = Vec::new();
    for (number, client) in clients.iter_mut().enumerate() {
        let before = workers.counts();
        client.send(number + 1).await;
        let after = workers.counts();
        served_at.extend((0..WORKERS).filter(|worker| after[*worker] > before[*worker]));
    }
    assert_eq!(workers.counts(), [2; WORKERS]);

    // Both of worker 0 and one of worker 3 leave.
    let mut leaving = [2usize, 0, 0, 1];
    let mut served_at = served_at.into_iter();
    clients.retain(|_| {
        let left = &mut leaving[served_at.next().expect("served")];
        let stays = *left == 0;
        *left = left.saturating_sub(1);
        stays
    });
    assert_eq!(workers.until_open(5).await, [0, 2, 2, 1]);
    let before = workers.counts();
    for number in 1..=3 {
        let mut client = Client::connect(&workers, number % 2 == 0).await;
        let _ = workers.until_open(5 + number).await;
        client.send(100 + number).await;
        clients.push(client);
    }
    assert_eq!(workers.roster.open(), [2; WORKERS]);
    let new = workers.counts().into_iter().zip(before).map(|(after, before)| after - before);
    assert_eq!(new.collect::<Vec<_>>(), [2, 0, 0, 1]);
    drop(clients);
    let _ = workers.until_open(0).await;
    workers.end();
}

#[tokio::test]
async fn connections_that_come_all_at_once_are_spread_evenly() {
    const CONNECTIONS: usize = 16 * WORKERS;
    let workers = Workers::start();
    let mut connecting = tokio::task::JoinSet::new();
    for number in 0..CONNECTIONS {
        let address = if number % 2 == 0 { workers.grpc } else { workers.http };
        let _ = connecting.spawn(TcpStream::connect(address));
    }
    let peers = connecting.join_all().await;
    assert_eq!(workers.until_open(CONNECTIONS).await, [CONNECTIONS / WORKERS; WORKERS]);
    drop(peers);
    assert_eq!(workers.until_open(0).await, [0; WORKERS]);
    workers.end();
}
