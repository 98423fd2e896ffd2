use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use config::{Emit, GrpcSink};
use contract::v1::deliver_response::Result as ItemResult;
use contract::v1::deliver_response::result::Outcome;
use contract::v1::incident_sink_server::{IncidentSink, IncidentSinkServer};
use contract::v1::{DeliverRequest, DeliverResponse};
use model::{OutgoingKind, Urgency};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use super::harness::{Harness, delivery, page, ticket};
use crate::{EmitConfig, EmitError, Emitter, ReceiptMessage, test_page};

/// What the server does with the next request; with no more to do it accepts.
enum Step {
    Fail(Status),
    Answer(Outcome),
    Forget,
}

#[derive(Clone, Default)]
struct Server {
    script: Arc<Mutex<VecDeque<Step>>>,
    requests: Arc<Mutex<Vec<Vec<String>>>>,
}

#[tonic::async_trait]
impl IncidentSink for Server {
    async fn deliver(
        &self,
        request: Request<DeliverRequest>,
    ) -> Result<Response<DeliverResponse>, Status> {
        let ids: Vec<_> =
            request.into_inner().deliveries.into_iter().map(|delivery| delivery.id).collect();
        self.requests.lock().unwrap().push(ids.clone());
        let outcome = match self.script.lock().unwrap().pop_front() {
            Some(Step::Fail(status)) => return Err(status),
            Some(Step::Forget) => return Ok(Response::new(DeliverResponse::default())),
            Some(Step::Answer(outcome)) => outcome,
            None => Outcome::Accepted,
        };
        let result = |id: String| ItemResult {
            delivery_id: id,
            outcome: outcome.into(),
            message: "scripted".to_owned(),
        };
        Ok(Response::new(DeliverResponse { results: ids.into_iter().map(result).collect() }))
    }
}

impl Server {
    async fn start(script: Vec<Step>) -> (Self, GrpcSink) {
        let server = Self { script: Arc::new(Mutex::new(script.into())), ..Self::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let service = IncidentSinkServer::new(server.clone());
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        let urgencies = vec![Urgency::Page, Urgency::Ticket];
        (server, GrpcSink { name: "ticketing".to_owned(), endpoint, urgencies })
    }

    fn requests(&self) -> Vec<Vec<String>> {
        self.requests.lock().unwrap().clone()
    }
}

fn config(grpc: GrpcSink) -> EmitConfig {
    let emit = Emit { grpc: vec![grpc], ..Emit::default() };
    EmitConfig { source: "/fogbell".to_owned(), emit }
}

#[tokio::test]
async fn deliveries_go_out_once_and_leave_the_outbox() {
    let (server, grpc) = Server::start(vec![]).await;
    let mut harness = Harness::start(config(grpc));
    harness.enqueue(vec![page(1, 1)]);
    harness.confirmed(1).await;
    harness.enqueue(vec![ticket(2, 1), ticket(3, 1)]);
    harness.confirmed(2).await;
    assert!(harness.drained());
    let tickets = vec![ticket(2, 1).id(), ticket(3, 1).id()];
    assert_eq!(server.requests(), [vec![page(1, 1).id()], tickets]);
    let health = harness.emitter.health().unwrap();
    assert_eq!(health[0].sent, [(OutgoingKind::Page, 1), (OutgoingKind::Ticket, 2)].into());
    assert!(health[0].last_success.is_some() && health[0].last_error.is_none());
}

#[tokio::test]
async fn what_fails_or_is_put_off_or_not_named_is_sent_again_with_the_same_id() {
    let script = vec![
        Step::Fail(Status::unavailable("restarting")),
        Step::Answer(Outcome::Retry),
        Step::Forget,
        Step::Answer(Outcome::Unspecified),
    ];
    let (server, grpc) = Server::start(script).await;
    let mut harness = Harness::start(config(grpc));
    harness.enqueue(vec![page(1, 1)]);
    harness.confirmed(1).await;
    assert_eq!(server.requests(), vec![vec![page(1, 1).id()]; 5]);
    let health = harness.emitter.health().unwrap();
    assert_eq!((health[0].retried, health[0].refused), (4, 0));
    assert_eq!(health[0].last_error.as_ref().unwrap().message, "scripted");
}

#[tokio::test]
async fn what_is_refused_goes_to_the_dead_letters_and_is_not_sent_again() {
    let (server, grpc) = Server::start(vec![Step::Answer(Outcome::Refused)]).await;
    let mut harness = Harness::start(config(grpc));
    harness.enqueue(vec![page(1, 1)]);
    let receipt = harness.receipt().await;
    assert!(matches!(receipt, ReceiptMessage::Refused(_, why) if why == "scripted"));
    harness.enqueue(vec![page(2, 1)]);
    harness.confirmed(1).await;
    assert_eq!(server.requests(), [[page(1, 1).id()], [page(2, 1).id()]]);
    assert_eq!(harness.journal.dead_letters(9).unwrap()[0].outgoing, page(1, 1));
    assert!(harness.drained());
}

#[tokio::test]
async fn a_sink_that_is_away_gets_everything_once_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let urgencies = vec![Urgency::Page];
    let endpoint = format!("http://{address}");
    let grpc = GrpcSink { name: "pager".to_owned(), endpoint, urgencies };
    let mut harness = Harness::start(config(grpc));
    harness.enqueue(vec![page(1, 1), page(2, 1)]);
    while harness.emitter.health().unwrap()[0].retried < 2 {
        tokio::task::yield_now().await;
    }
    assert!(!harness.drained());
    let server = Server::default();
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(IncidentSinkServer::new(server.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    harness.confirmed(2).await;
    assert!(harness.drained());
    assert_eq!(harness.emitter.shutdown(std::time::Duration::from_secs(5)).await, 0);
}

#[tokio::test]
async fn a_test_page_reports_what_each_sink_said() {
    let (server, good) = Server::start(vec![]).await;
    let (_refusing, mut bad) = Server::start(vec![Step::Answer(Outcome::Refused)]).await;
    bad.name = "refusing".to_owned();
    let mut tickets_only = good.clone();
    tickets_only.name = "tickets".to_owned();
    tickets_only.urgencies = vec![Urgency::Ticket];
    let mut config = config(good);
    config.emit.grpc.extend([bad, tickets_only]);
    let mut test = delivery(Urgency::Page, 1, 1);
    test.test = true;
    let answers = test_page(&config, test.clone()).await.unwrap();
    let said: Vec<_> = answers.into_iter().map(|said| (said.sink, said.answer)).collect();
    let expected =
        [("ticketing".to_owned(), Ok(())), ("refusing".to_owned(), Err("scripted".to_owned()))];
    assert_eq!(said, expected);
    assert_eq!(server.requests(), [[test.id()]]);
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let now = model::Timestamp::ZERO;
    let (journal, _) = journal::open(dir.path(), 7, now, vec![]).unwrap();
    let start = |config: EmitConfig| {
        let (receipts, _) = tokio::sync::mpsc::channel(1);
        let (_, wake) = tokio::sync::watch::channel(0);
        Emitter::start(config, journal.clone(), receipts, wake, super::harness::jitter())
    };
    for endpoint in ["https://sink:1", "sink", "http://"] {
        let urgencies = vec![Urgency::Page];
        let name = "pager".to_owned();
        let grpc = GrpcSink { name, endpoint: endpoint.to_owned(), urgencies };
        let refused = start(config(grpc));
        assert!(matches!(refused, Err(EmitError::Endpoint { .. })), "{endpoint}");
    }
    let endpoint = "http://sink:1".to_owned();
    let twice = GrpcSink { name: "a".to_owned(), endpoint, urgencies: vec![Urgency::Page] };
    let mut config = config(twice.clone());
    config.emit.grpc.push(twice);
    assert!(matches!(start(config), Err(EmitError::SameName(name)) if name == "a"));
}
