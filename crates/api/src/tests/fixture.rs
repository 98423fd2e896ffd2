use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use auth::{Credential, Credentials, Role, Tenant};
use axum::body::Body;
use bytes::Bytes;
use contract::v1::incident_service_client::IncidentServiceClient;
use engine::{Command, Diagnosis, Question, Refusal, Reply, SloAccount, Verb, View};
use http::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use model::{
    Actor, Cause, Change, Delivery, EventType, Incident, IncidentEvent, IncidentId, Maintenance,
    Outgoing, RaisedAlert, Revision, Status, Timestamp, Urgency,
};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use crate::{ApiState, Control, Feed, Health, serve};

/// A daemon that keeps its incidents in memory.
pub(crate) struct Daemon {
    pub(crate) feed: Arc<Feed>,
    pub(crate) views: Mutex<Arc<BTreeMap<Tenant, Arc<View>>>>,
    pub(crate) history: Mutex<Vec<Arc<Incident>>>,
    pub(crate) health: Mutex<Health>,
    pub(crate) commands: Mutex<Vec<(Tenant, Command)>>,
    pub(crate) raised: Mutex<Vec<(Tenant, RaisedAlert)>>,
    pub(crate) changed: Mutex<Vec<(Tenant, Change)>>,
    pub(crate) maintained: Mutex<Vec<(Tenant, String, Option<Maintenance>)>>,
    pub(crate) questions: Mutex<Vec<(Tenant, Question)>>,
}

/// The API port of a daemon.
pub(crate) struct Port {
    pub(crate) daemon: Arc<Daemon>,
    pub(crate) address: SocketAddr,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) served: JoinHandle<std::io::Result<()>>,
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Commands for this incident never end.
pub(crate) const STUCK: IncidentId = id(666);

pub(crate) const fn id(number: u64) -> IncidentId {
    IncidentId { epoch: 7, number }
}

/// The first revision of an open page for `shop/checkout@prod`.
pub(crate) fn incident(tenant: &str, number: u64) -> Incident {
    let mut incident = Incident {
        id: id(number),
        revision: 1,
        tenant: tenant.into(),
        urgency: Urgency::Page,
        title: format!("incident {number}"),
        detected_at: Timestamp::from_unix_s(1_000_000 + number),
        updated_at: Timestamp::from_unix_s(1_000_000 + number),
        ..Incident::default()
    };
    let service = "shop/checkout@prod".to_owned();
    incident.impact.services.push(model::ServiceHop { service, hops: 0 });
    incident
}

pub(crate) fn revision(incident: Incident, kind: EventType, reason: &str) -> Revision {
    let event = IncidentEvent {
        incident_id: incident.id,
        revision: incident.revision,
        tenant: Arc::clone(&incident.tenant),
        kind,
        at: incident.updated_at,
        actor: Actor::engine(),
        reason: reason.to_owned(),
        changed: Vec::new(),
    };
    Revision { incident: Arc::new(incident), event }
}

/// Publishes an incident with deliveries on these routes.
pub(crate) fn publish(feed: &Feed, incident: Incident, routes: &[&str]) {
    let shared = Arc::new(incident.clone());
    let delivery = |route: &&str| {
        Outgoing::Delivery(Delivery {
            route: (*route).to_owned(),
            step: 0,
            urgency: Urgency::Page,
            action: model::Action::Trigger,
            incident: Arc::clone(&shared),
            test: false,
        })
    };
    let outgoing: Vec<_> = routes.iter().map(delivery).collect();
    feed.publish(revision(incident, EventType::Opened, ""), &outgoing);
}

impl Daemon {
    fn carry_out(&self, tenant: &Tenant, command: Command) -> Reply {
        self.commands.lock().push((Arc::clone(tenant), command.clone()));
        let newest = self.feed.get(tenant, command.id).ok_or(Refusal::NotFound)?;
        if command.expected_revision != 0 && command.expected_revision != newest.revision {
            return Err(Refusal::Stale { revision: newest.revision });
        }
        if newest.status == Status::Closed {
            return Err(Refusal::Impossible("it is closed".to_owned()));
        }
        let mut next = (*newest).clone();
        next.revision += 1;
        let kind = match command.verb {
            Verb::Acknowledge => {
                next.status = Status::Acknowledged;
                next.assignee = Some(command.actor);
                EventType::Acknowledged
            }
            Verb::Close => {
                next.status = Status::Closed;
                EventType::Closed
            }
            _ => EventType::Updated,
        };
        self.history.lock().push(newest);
        self.feed.publish(revision(next, kind, &command.reason), &[]);
        self.feed.get(tenant, command.id).ok_or(Refusal::NotFound)
    }
}

impl Control for Daemon {
    fn command(
        &self,
        tenant: &Tenant,
        command: Command,
    ) -> Pin<Box<dyn Future<Output = Reply> + Send>> {
        if command.id == STUCK {
            self.commands.lock().push((Arc::clone(tenant), command));
            return Box::pin(std::future::pending());
        }
        let reply = self.carry_out(tenant, command);
        Box::pin(async move { reply })
    }

    fn raise(&self, tenant: &Tenant, alerts: Vec<RaisedAlert>) -> bool {
        let alerts = alerts.into_iter().map(|alert| (Arc::clone(tenant), alert));
        self.raised.lock().extend(alerts);
        true
    }

    fn change(&self, tenant: &Tenant, changes: Vec<Change>) -> bool {
        let changes = changes.into_iter().map(|change| (Arc::clone(tenant), change));
        self.changed.lock().extend(changes);
        true
    }

    fn maintain(&self, tenant: &Tenant, name: String, maintenance: Option<Maintenance>) -> bool {
        self.maintained.lock().push((Arc::clone(tenant), name, maintenance));
        true
    }

    fn explain(
        &self,
        tenant: &Tenant,
        question: Question,
    ) -> Pin<Box<dyn Future<Output = Result<Diagnosis, Refusal>> + Send>> {
        let cause = Cause { service: "cart".to_owned(), score: 0.5, ..Cause::default() };
        let known = question.service != "unheard";
        self.questions.lock().push((Arc::clone(tenant), question));
        let diagnosis = Diagnosis {
            causes: vec![cause],
            title: "cart is slow by itself".to_owned(),
            ..Diagnosis::default()
        };
        let refusal = || Refusal::Impossible("service: unheard is not known".to_owned());
        Box::pin(async move { known.then_some(diagnosis).ok_or_else(refusal) })
    }

    fn account(
        &self,
        tenant: &Tenant,
        slo: String,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<SloAccount>, Refusal>> + Send>> {
        let view = self.views.lock().get(tenant).cloned().unwrap_or_default();
        let of = view.slos.iter().filter(|status| *status.name == *slo).cloned();
        let account = |status| SloAccount {
            status,
            windows: Vec::new(),
            rules: Vec::new(),
            bad_events_min: 10,
            heard_at: Timestamp::ZERO,
            arrived_until: Timestamp::ZERO,
            lateness: std::time::Duration::ZERO,
            unjudged: 0,
            bad_events: Vec::new(),
        };
        let accounts = of.map(account).collect();
        Box::pin(async move { Ok(accounts) })
    }

    fn views(&self) -> Arc<BTreeMap<Tenant, Arc<View>>> {
        Arc::clone(&self.views.lock())
    }

    fn revision(&self, tenant: &Tenant, id: IncidentId, revision: u64) -> Option<Incident> {
        let history = self.history.lock();
        let mut of = history.iter().filter(|i| i.tenant == *tenant && i.id == id);
        of.find(|i| i.revision == revision).map(|i| (**i).clone())
    }

    fn own_metrics(&self) -> String {
        let head = "# HELP fogbell_draining 1 while the daemon drains.\n";
        format!("{head}# TYPE fogbell_draining gauge\nfogbell_draining 0\n")
    }

    fn health(&self) -> Health {
        self.health.lock().clone()
    }
}

impl Port {
    /// A port on loopback that asks for no credential.
    pub(crate) async fn open() -> Self {
        Self::with(Credentials::default()).await
    }

    /// A port that knows `shop-viewer`, `shop-responder`, `shop-ingest` and `bank-admin`.
    pub(crate) async fn guarded() -> Self {
        let credential = |tenant: &str, role, token: &str| {
            Credential::new(tenant.into(), role, token.to_owned())
        };
        Self::with(Credentials::new(vec![
            credential("shop", Role::Viewer, "shop-viewer"),
            credential("shop", Role::Responder, "shop-responder"),
            credential("shop", Role::Ingest, "shop-ingest"),
            credential("bank", Role::Admin, "bank-admin"),
        ]))
        .await
    }

    async fn with(credentials: Credentials) -> Self {
        let daemon = Arc::new(Daemon {
            feed: Feed::new(42, []),
            views: Mutex::default(),
            history: Mutex::default(),
            health: Mutex::new(Health { ready: true, problems: Vec::new() }),
            commands: Mutex::default(),
            raised: Mutex::default(),
            changed: Mutex::default(),
            maintained: Mutex::default(),
            questions: Mutex::default(),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = watch::channel(false);
        let state = ApiState {
            feed: Arc::clone(&daemon.feed),
            control: Arc::clone(&daemon) as Arc<dyn Control>,
            credentials: Arc::new(credentials),
            hosts: vec!["fogbell.example".to_owned()],
        };
        let served = tokio::spawn(serve(listener, state, stopped));
        Self { daemon, address, stop, served }
    }

    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = format!("http://{}", self.address);
        Channel::from_shared(endpoint).expect("an address").connect().await.expect("served")
    }

    pub(crate) async fn grpc(&self) -> IncidentServiceClient<Channel> {
        IncidentServiceClient::new(self.channel().await)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    /// Posts a command as a program does.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], body).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request =
            Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let client: Client<HttpConnector, Body> =
            Client::builder(TokioExecutor::new()).build_http();
        let (parts, body) = client.request(request).await.expect("served").into_parts();
        let body = axum::body::to_bytes(Body::new(body), usize::MAX).await.expect("whole");
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// Status, `code` and `message` of a refusal.
    pub(crate) fn refusal(&self) -> (u16, i64, String) {
        let json = self.json();
        let message = json["message"].as_str().expect("a message").to_owned();
        (self.status.as_u16(), json["code"].as_i64().expect("a code"), message)
    }
}
