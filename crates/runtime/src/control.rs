use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use api::{Control, Health};
use auth::Tenant;
use engine::{Command, Diagnosis, Question, Refusal, Reply, SloAccount, View};
use journal::Journal;
use model::{Change, Incident, IncidentId, Maintenance, RaisedAlert};
use telemetry::Recorder;
use tokio::sync::{oneshot, watch};

use crate::hub::Views;
use crate::tick::ToHub;

/// The daemon as the API sees it.
pub(crate) struct Controls {
    pub(crate) to_hub: SyncSender<ToHub>,
    pub(crate) views: Arc<Views>,
    pub(crate) journal: Journal,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) trouble: watch::Receiver<Option<String>>,
    pub(crate) sink_trouble: watch::Receiver<Vec<String>>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Control for Controls {
    fn command(
        &self,
        tenant: &Tenant,
        command: Command,
    ) -> Pin<Box<dyn Future<Output = Reply> + Send>> {
        let (reply, answer) = oneshot::channel();
        let message = ToHub::Command { tenant: Arc::clone(tenant), command, reply };
        let sent = self.to_hub.try_send(message).is_ok();
        Box::pin(async move { if sent { answer.await.unwrap_or_else(|_| busy()) } else { busy() } })
    }

    fn raise(&self, tenant: &Tenant, alerts: Vec<RaisedAlert>) -> bool {
        let message = ToHub::Raised { tenant: Arc::clone(tenant), alerts };
        self.to_hub.try_send(message).is_ok()
    }

    fn change(&self, tenant: &Tenant, changes: Vec<Change>) -> bool {
        let message = ToHub::Changed { tenant: Arc::clone(tenant), changes };
        self.to_hub.try_send(message).is_ok()
    }

    fn maintain(&self, tenant: &Tenant, name: String, maintenance: Option<Maintenance>) -> bool {
        let message = ToHub::Maintained { tenant: Arc::clone(tenant), name, maintenance };
        self.to_hub.try_send(message).is_ok()
    }

    fn explain(
        &self,
        tenant: &Tenant,
        question: Question,
    ) -> Pin<Box<dyn Future<Output = Result<Diagnosis, Refusal>> + Send>> {
        let (reply, answer) = oneshot::channel();
        let message = ToHub::Question { tenant: Arc::clone(tenant), question, reply };
        let sent = self.to_hub.try_send(message).is_ok();
        Box::pin(async move { if sent { answer.await.unwrap_or_else(|_| busy()) } else { busy() } })
    }

    fn account(
        &self,
        tenant: &Tenant,
        slo: String,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<SloAccount>, Refusal>> + Send>> {
        let (reply, answer) = oneshot::channel();
        let message = ToHub::Account { tenant: Arc::clone(tenant), slo, reply };
        let sent = self.to_hub.try_send(message).is_ok();
        Box::pin(
            async move { if sent { answer.await.map_or_else(|_| busy(), Ok) } else { busy() } },
        )
    }

    fn views(&self) -> Arc<BTreeMap<Tenant, Arc<View>>> {
        self.views.load_full()
    }

    fn revision(&self, tenant: &Tenant, id: IncidentId, revision: u64) -> Option<Incident> {
        let incident = match self.journal.revision(id, revision) {
            Ok(incident) => incident?,
            Err(error) => {
                tracing::error!(%error, %id, revision, "cannot read a revision");
                return None;
            }
        };
        (incident.tenant == *tenant).then_some(incident)
    }

    fn own_metrics(&self) -> String {
        self.recorder.as_ref().map(Recorder::render).unwrap_or_default()
    }

    fn health(&self) -> Health {
        let journal = self.trouble.borrow().clone();
        let draining = self.stop.borrow().then(|| "the daemon drains".to_owned());
        let ready = journal.is_none() && draining.is_none();
        let sinks = self.sink_trouble.borrow().clone();
        Health { ready, problems: journal.into_iter().chain(draining).chain(sinks).collect() }
    }
}

fn busy<T>() -> Result<T, Refusal> {
    Err(Refusal::Impossible("the daemon is busy or drains; try again".to_owned()))
}
