use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use auth::Tenant;
use engine::{Command, Diagnosis, Question, Refusal, Reply, SloAccount, View};
use model::{Change, Incident, IncidentId, Maintenance, RaisedAlert};

/// What the API asks of the daemon that it stands in front of.
pub trait Control: Send + Sync + 'static {
    /// Carries out a command; resolves once what it changed is journalled.
    fn command(
        &self,
        tenant: &Tenant,
        command: Command,
    ) -> Pin<Box<dyn Future<Output = Reply> + Send>>;

    /// Takes alerts from outside; `false` if they cannot be taken now.
    fn raise(&self, tenant: &Tenant, alerts: Vec<RaisedAlert>) -> bool;

    /// Takes what people and pipelines say that they changed; `false` if it cannot be taken now.
    fn change(&self, tenant: &Tenant, changes: Vec<Change>) -> bool;

    /// Takes maintenance of a name, or takes it back; `false` if it cannot be taken now.
    fn maintain(&self, tenant: &Tenant, name: String, maintenance: Option<Maintenance>) -> bool;

    /// Ranks what changed in a stretch of time.
    fn explain(
        &self,
        tenant: &Tenant,
        question: Question,
    ) -> Pin<Box<dyn Future<Output = Result<Diagnosis, Refusal>> + Send>>;

    /// How the numbers of an SLO came to be, of each of its groups; empty if there is none of the
    /// name.
    fn account(
        &self,
        tenant: &Tenant,
        slo: String,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<SloAccount>, Refusal>> + Send>>;

    /// The newest look at each tenant's SLOs.
    fn views(&self) -> Arc<BTreeMap<Tenant, Arc<View>>>;

    /// An incident as it was at a revision, if the journal still has it.
    fn revision(&self, tenant: &Tenant, id: IncidentId, revision: u64) -> Option<Incident>;

    /// fogbell's own metrics, in the text format 0.0.4.
    fn own_metrics(&self) -> String;

    /// Whether the daemon does its work.
    fn health(&self) -> Health;
}

/// Whether the daemon does its work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether it takes telemetry and judges it.
    pub ready: bool,
    /// What is wrong, a sentence each; sinks that cannot be reached are told here, too.
    pub problems: Vec<String>,
}
