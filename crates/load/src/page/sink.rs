//! A receiver of pages that notes when each came.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use contract::v1::deliver_response::result::Outcome;
use contract::v1::delivery::Action;
use contract::v1::incident_sink_server::{IncidentSink, IncidentSinkServer};
use contract::v1::{DeliverRequest, DeliverResponse, Delivery, Incident, deliver_response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::error::LoadError;

/// Deliveries that are remembered; a run makes a few for each page. Those beyond are refused for
/// good, so that their pages are missing in the report.
const ARRIVALS_MAX: usize = 100_000;
/// The label of an alert that names its service.
const SERVICE_LABEL: &str = "service_name";

/// A delivery that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Before anything was done with it.
    pub at: Instant,
    pub id: String,
    /// It asks somebody to act: it is no update of an earlier one.
    pub triggers: bool,
    /// That its incident is about.
    pub services: Vec<String>,
}

/// Listens on loopback until dropped; takes every delivery at once.
#[derive(Debug)]
pub(super) struct Sink {
    address: SocketAddr,
    arrivals: Arrivals,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
}

#[derive(Debug, Clone, Default)]
struct Arrivals(Arc<Mutex<Vec<Arrival>>>);

impl Sink {
    pub(super) async fn start() -> Result<Self, LoadError> {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let failed = |source| LoadError::Listen { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let arrivals = Arrivals::default();
        let server = tonic::transport::Server::builder()
            .add_service(IncidentSinkServer::new(arrivals.clone()))
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
        Ok(Self { address, arrivals, server: tokio::spawn(server) })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// All that came so far, in their order.
    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tonic::async_trait]
impl IncidentSink for Arrivals {
    async fn deliver(
        &self,
        request: Request<DeliverRequest>,
    ) -> Result<Response<DeliverResponse>, Status> {
        let at = Instant::now();
        let deliveries = request.into_inner().deliveries;
        let mut arrivals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let results = deliveries.into_iter().map(|delivery| {
            let is_full = arrivals.len() >= ARRIVALS_MAX;
            let outcome = if is_full { Outcome::Refused } else { Outcome::Accepted };
            let delivery_id = delivery.id.clone();
            if !is_full {
                arrivals.push(Arrival::new(at, delivery));
            }
            deliver_response::Result {
                delivery_id,
                outcome: outcome.into(),
                message: String::new(),
            }
        });
        let results = results.collect();
        Ok(Response::new(DeliverResponse { results }))
    }
}

impl Arrival {
    fn new(at: Instant, delivery: Delivery) -> Self {
        let triggers = delivery.action() == Action::Trigger;
        Self { at, triggers, services: services(delivery.incident), id: delivery.id }
    }
}

fn services(incident: Option<Incident>) -> Vec<String> {
    let members = incident.map(|incident| incident.members).unwrap_or_default();
    let names = members.into_iter().filter_map(|mut member| member.labels.remove(SERVICE_LABEL));
    let mut services: Vec<String> = names.collect();
    services.sort_unstable();
    services.dedup();
    services
}
