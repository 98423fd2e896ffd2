//! `fogbell.v1.IncidentService` as a user's program calls it, and an `IncidentSink` of the user's.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contract::v1;
use contract::v1::deliver_response::result::Outcome;
use contract::v1::incident_service_client::IncidentServiceClient;
use contract::v1::incident_sink_server::{IncidentSink, IncidentSinkServer};
use contract::v1::subscribe_response::{self, Change, Kind};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use super::wait::RUNTIME;

/// A client of the incident service.
#[derive(Debug, Clone)]
pub(crate) struct Incidents {
    client: IncidentServiceClient<Channel>,
    token: Option<String>,
}

/// What a subscriber got, and when.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub token: String,
    pub kind: Kind,
    pub at: Instant,
}

/// An open subscription; what comes is kept until it is read.
pub(crate) struct Subscriber {
    received: Receiver<Result<Received, Status>>,
    task: tokio::task::JoinHandle<()>,
}

impl Incidents {
    /// Connects to `url` when it calls first.
    pub(crate) fn at(url: &str) -> Self {
        let _guard = RUNTIME.enter();
        let channel = Endpoint::from_shared(url.to_owned()).unwrap().connect_lazy();
        Self { client: IncidentServiceClient::new(channel), token: None }
    }

    /// The same with a bearer token on each call.
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    /// Subscribes; an error where the call itself is refused.
    pub(crate) fn subscribe(&self, request: v1::SubscribeRequest) -> Result<Subscriber, Status> {
        let mut client = self.client.clone();
        let request = self.request(request);
        let mut stream = RUNTIME.block_on(client.subscribe(request))?.into_inner();
        let (sender, received): (Sender<_>, _) = channel();
        let task = RUNTIME.spawn(async move {
            loop {
                let item = match stream.message().await {
                    Ok(Some(v1::SubscribeResponse { token, kind })) => {
                        let kind = kind.expect("a response is of some kind");
                        Ok(Received { token, kind, at: Instant::now() })
                    }
                    Ok(None) => return,
                    Err(status) => Err(status),
                };
                let is_end = item.is_err();
                if sender.send(item).is_err() || is_end {
                    return;
                }
            }
        });
        Ok(Subscriber { received, task })
    }

    /// Subscribes from now on.
    #[track_caller]
    pub(crate) fn follow(&self) -> Subscriber {
        let subscriber = self.subscribe(v1::SubscribeRequest::default()).expect("subscribes");
        // The first heartbeat says that the subscription stands.
        let first = subscriber.next(Duration::from_secs(5)).expect("a heartbeat").expect("goes on");
        assert_eq!(first.kind, Kind::Heartbeat(subscribe_response::Heartbeat {}));
        subscriber
    }

    pub(crate) fn get(&self, id: &str) -> Result<v1::Incident, Status> {
        let request = self.request(v1::GetRequest { id: id.to_owned(), revision: 0 });
        RUNTIME.block_on(self.client.clone().get(request)).map(Response::into_inner)
    }

    pub(crate) fn list(&self) -> Result<Vec<v1::Incident>, Status> {
        let request = self.request(v1::ListRequest::default());
        let list = RUNTIME.block_on(self.client.clone().list(request))?;
        Ok(list.into_inner().incidents)
    }

    pub(crate) fn acknowledge(&self, command: v1::CommandRequest) -> Result<v1::Incident, Status> {
        let request = self.request(command);
        RUNTIME.block_on(self.client.clone().acknowledge(request)).map(Response::into_inner)
    }

    pub(crate) fn resolve(&self, command: v1::CommandRequest) -> Result<v1::Incident, Status> {
        let request = self.request(command);
        RUNTIME.block_on(self.client.clone().resolve(request)).map(Response::into_inner)
    }
}

/// A command of a person on an incident at a revision; 0 = whatever it is.
pub(crate) fn command(id: &str, expected_revision: u64, request_id: &str) -> v1::CommandRequest {
    v1::CommandRequest {
        id: id.to_owned(),
        expected_revision,
        request_id: request_id.to_owned(),
        reason: "looking at it".to_owned(),
        actor: Some(v1::Actor { kind: v1::actor::Kind::Person.into(), name: "ada".to_owned() }),
    }
}

impl Subscriber {
    /// What comes next, if it comes within `limit`; the end of the stream is an error.
    pub(crate) fn next(&self, limit: Duration) -> Option<Result<Received, Status>> {
        self.received.recv_timeout(limit).ok()
    }

    /// The next change; nothing within `limit` fails the test.
    #[track_caller]
    pub(crate) fn change(&self, what: &str, limit: Duration) -> (Change, Received) {
        self.change_where(what, limit, |_| true)
    }

    /// The next change for which `wanted` holds; others are passed over.
    #[track_caller]
    pub(crate) fn change_where(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Change) -> bool,
    ) -> (Change, Received) {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let received =
                self.next(left).unwrap_or_else(|| panic!("{what}: not within {limit:?}"));
            let received = received.unwrap_or_else(|end| panic!("{what}: the stream ended: {end}"));
            if let Kind::Change(change) = &received.kind
                && wanted(change)
            {
                return (change.clone(), received);
            }
        }
    }

    /// The next page that asks to wake someone, with what else came with it.
    #[track_caller]
    pub(crate) fn page(&self, limit: Duration) -> (v1::Delivery, Received) {
        let (change, received) = self.change_where("a page over gRPC", limit, |change| {
            change.delivery.as_ref().is_some_and(is_page)
        });
        (change.delivery.expect("just looked at"), received)
    }

    /// All that has come, until nothing comes for `quiet`.
    pub(crate) fn rest(&self, quiet: Duration) -> Vec<Received> {
        std::iter::from_fn(|| self.next(quiet)).filter_map(Result::ok).collect()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether a delivery wakes someone.
pub(crate) fn is_page(delivery: &v1::Delivery) -> bool {
    delivery.urgency() == v1::Urgency::Page && delivery.action() == v1::delivery::Action::Trigger
}

/// The changes with a page among what a subscriber received.
pub(crate) fn pages(received: &[Received]) -> BTreeSet<String> {
    let deliveries = received.iter().filter_map(|received| match &received.kind {
        Kind::Change(change) => change.delivery.as_ref(),
        Kind::Heartbeat(_) | Kind::SnapshotEnd(_) => None,
    });
    deliveries.filter(|delivery| is_page(delivery)).map(|delivery| delivery.id.clone()).collect()
}

/// A server of the user's that takes every delivery; it lives as long as the process.
#[derive(Clone)]
pub(crate) struct Sink {
    taken: Arc<Mutex<Vec<(v1::Delivery, Instant)>>>,
    address: SocketAddr,
}

impl Sink {
    /// Starts on a free port.
    pub(crate) fn start() -> Self {
        let bind = TcpListener::bind("127.0.0.1:0");
        let listener = RUNTIME.block_on(bind).expect("binds a free port");
        let sink = Self { taken: Arc::default(), address: listener.local_addr().unwrap() };
        let server = tonic::transport::Server::builder()
            .add_service(IncidentSinkServer::new(sink.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        RUNTIME.spawn(server);
        sink
    }

    /// Where deliveries go.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All deliveries so far, with the time of their arrival.
    pub(crate) fn taken(&self) -> Vec<(v1::Delivery, Instant)> {
        self.taken.lock().unwrap().clone()
    }
}

#[tonic::async_trait]
impl IncidentSink for Sink {
    async fn deliver(
        &self,
        request: Request<v1::DeliverRequest>,
    ) -> Result<Response<v1::DeliverResponse>, Status> {
        let at = Instant::now();
        let deliveries = request.into_inner().deliveries;
        let result = |delivery: &v1::Delivery| v1::deliver_response::Result {
            delivery_id: delivery.id.clone(),
            outcome: Outcome::Accepted.into(),
            message: String::new(),
        };
        let results = deliveries.iter().map(result).collect();
        self.taken.lock().unwrap().extend(deliveries.into_iter().map(|delivery| (delivery, at)));
        Ok(Response::new(v1::DeliverResponse { results }))
    }
}
