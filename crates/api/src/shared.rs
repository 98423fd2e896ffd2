use std::sync::Arc;
use std::time::Duration;

use auth::{Caller, Credentials, Permission, Tenant};
use contract::{timestamp_from, v1};
use engine::{Command, Question, Verb};
use http::HeaderMap;
use model::Incident;
use tokio::sync::watch;
use tonic::Code;

use crate::exposition::Exposition;
use crate::fault::Fault;
use crate::subscribers::Subscribers;
use crate::{Control, Feed, command};

/// How long a command may wait for its commit before its author is told that nobody knows.
const COMMAND_DEADLINE: Duration = Duration::from_secs(30);

/// What every call works with.
pub(crate) struct Shared {
    pub(crate) feed: Arc<Feed>,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) hosts: Vec<String>,
    /// Whether the port is bound to loopback, so that only this machine's programs reach it.
    pub(crate) loopback: bool,
    pub(crate) exposition: Exposition,
    pub(crate) subscribers: Subscribers,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Shared {
    /// Who calls, and whether they may.
    pub(crate) fn admit(
        &self,
        headers: &HeaderMap,
        permission: Permission,
    ) -> Result<Caller, Fault> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let caller =
            self.credentials.admit(text("authorization"), text("x-scope-orgid"), permission)?;
        Ok(caller)
    }

    /// The incident at a revision; 0 = the newest.
    pub(crate) async fn incident(
        &self,
        tenant: &Tenant,
        request: &v1::GetRequest,
    ) -> Result<v1::Incident, Fault> {
        let id = command::incident_id("id", &request.id)?;
        let newest = self.feed.get(tenant, id).ok_or_else(Fault::no_incident)?;
        let revision = request.revision;
        if revision == 0 || revision == newest.revision {
            return Ok((&*newest).into());
        }
        let (control, tenant) = (Arc::clone(&self.control), Arc::clone(tenant));
        // The journal is on disk.
        let read = tokio::task::spawn_blocking(move || control.revision(&tenant, id, revision));
        match read.await {
            Ok(Some(incident)) => Ok((&incident).into()),
            Ok(None) => {
                let what = format!("{id} has no revision {revision}, or no longer");
                Err(Fault::new(Code::NotFound, what))
            }
            Err(error) => Err(Fault::new(Code::Internal, error.to_string())),
        }
    }

    /// Ranks what changed in a stretch of time.
    pub(crate) async fn explain(
        &self,
        tenant: &Tenant,
        request: &v1::ExplainRequest,
    ) -> Result<v1::ExplainResponse, Fault> {
        let since = timestamp_from(request.since.as_ref());
        if !since.is_set() {
            return Err(Fault::invalid("since", "a moment is needed"));
        }
        let until = timestamp_from(request.until.as_ref());
        let question = Question { since, until, service: request.service.clone() };
        let answer = self.control.explain(tenant, question);
        match tokio::time::timeout(COMMAND_DEADLINE, answer).await {
            Ok(diagnosis) => {
                let diagnosis = diagnosis?;
                let causes = diagnosis.causes.iter().map(v1::Cause::from).collect();
                Ok(v1::ExplainResponse { causes, summary: diagnosis.title })
            }
            Err(_) => Err(Fault::new(Code::DeadlineExceeded, "the daemon is busy; ask again")),
        }
    }

    /// Carries a command out; answers once what it changed is journalled.
    pub(crate) async fn carry_out(
        &self,
        caller: &Caller,
        command: Command,
    ) -> Result<Arc<Incident>, Fault> {
        let (id, actor) = (command.id, command.actor.clone());
        let verb = verb(&command.verb);
        let reply = self.control.command(&caller.tenant, command);
        let outcome = match tokio::time::timeout(COMMAND_DEADLINE, reply).await {
            Ok(reply) => reply.map_err(Fault::from),
            Err(_) => {
                let what = "nobody knows whether it was done: ask again with the same request_id";
                Err(Fault::new(Code::DeadlineExceeded, what))
            }
        };
        let code = outcome.as_ref().map_or_else(|fault| fault.code, |_| Code::Ok);
        let tenant = &caller.tenant;
        tracing::info!(%tenant, %id, ?actor, verb, ?code, "command");
        outcome
    }
}

/// The word for the log; what the author wrote stays out of it.
const fn verb(verb: &Verb) -> &'static str {
    match verb {
        Verb::Acknowledge => "acknowledge",
        Verb::Resolve => "resolve",
        Verb::Reopen => "reopen",
        Verb::Close => "close",
        Verb::Snooze { .. } => "snooze",
        Verb::Merge { .. } => "merge",
        Verb::Split { .. } => "split",
        Verb::Annotate { .. } => "annotate",
        Verb::Report { .. } => "report",
    }
}

/// Ends when the daemon is to stop; a sender that is gone means that, too.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
