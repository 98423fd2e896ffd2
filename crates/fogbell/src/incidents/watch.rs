//! `fogbell incidents watch`: the incidents as they are, then every change as it happens, across
//! restarts of the daemon.

use std::process::ExitCode;
use std::time::Duration;

use contract::v1::subscribe_response::{Change, Kind};
use contract::{timestamp_from, v1};
use tonic::{Code, Status};

use super::Format;
use super::client::{Incidents, connect, explain};
use crate::cli::ApiArgs;
use crate::exit::{Outcome, note, say};
use crate::report;

const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(15);
/// Three heartbeats: what is silent for longer is gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Where the watch stands.
struct Watch {
    format: Format,
    /// Empty until the first snapshot is whole.
    token: String,
    /// How long to wait before the next attempt.
    retry: Duration,
}

/// Follows until it is interrupted. Only the first connection must succeed.
pub(super) async fn run(api: &ApiArgs, format: Format) -> Outcome {
    let mut watch = Watch { format, token: String::new(), retry: RETRY_MIN };
    let mut client = connect(api).await?;
    let follow = async {
        loop {
            let status = match watch.follow(&mut client).await {
                Ok(()) => Status::unavailable("the daemon ended the subscription"),
                Err(status) => status,
            };
            match status.code() {
                Code::Unavailable
                | Code::ResourceExhausted
                | Code::DeadlineExceeded
                | Code::Cancelled
                | Code::Internal
                | Code::Unknown => {}
                Code::OutOfRange if !watch.token.is_empty() => {
                    note("what was missed is no longer known; the incidents as they are now:");
                    watch.token.clear();
                    continue;
                }
                _ => return explain(&status),
            }
            note(&format!("{}; again in {} s", status.message(), watch.retry.as_secs()));
            tokio::time::sleep(watch.retry).await;
            watch.retry = (watch.retry * 2).min(RETRY_MAX);
        }
    };
    tokio::select! {
        error = follow => Err(error),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

impl Watch {
    async fn follow(&mut self, client: &mut Incidents) -> Result<(), Status> {
        let request = v1::SubscribeRequest {
            filter: None,
            resume_token: self.token.clone(),
            include_snapshot: self.token.is_empty(),
        };
        let mut stream = client.subscribe(request).await?.into_inner();
        loop {
            let silent = |_| Status::unavailable("the daemon is silent");
            let next =
                tokio::time::timeout(SILENCE_MAX, stream.message()).await.map_err(silent)??;
            let Some(response) = next else { return Ok(()) };
            self.retry = RETRY_MIN;
            if let Some(line) = self.take(response) {
                say(&line);
            }
        }
    }

    /// What there is to print of a response. Responses within a snapshot have no token: half a
    /// snapshot is nothing to go on from.
    fn take(&mut self, response: v1::SubscribeResponse) -> Option<String> {
        if !response.token.is_empty() {
            self.token = response.token;
        }
        match response.kind? {
            Kind::Change(change) => line(&change, self.format),
            Kind::Heartbeat(_) | Kind::SnapshotEnd(_) => None,
        }
    }
}

fn line(change: &Change, format: Format) -> Option<String> {
    let Format::Human(paint) = format else { return Some(contract::json(change)) };
    let incident = report::line(change.incident.as_ref()?, paint);
    let Some(event) = &change.event else { return Some(incident) };
    let at = timestamp_from(event.at.as_ref());
    let what = event.r#type().as_str_name().to_lowercase();
    // An incident opens with its title as the reason.
    let reason = match event.reason.as_str() {
        reason if reason.is_empty() || change.incident.as_ref()?.title == reason => String::new(),
        reason => format!(" ({reason})"),
    };
    Some(format!("{at}  {what:<12}  {incident}{}", paint.dim(&reason)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paint::Paint;

    fn response(token: &str, kind: Kind) -> v1::SubscribeResponse {
        v1::SubscribeResponse { token: token.to_owned(), kind: Some(kind) }
    }

    #[test]
    fn the_token_moves_with_what_was_seen_and_heartbeats_are_not_printed() {
        let format = Format::Human(Paint::off());
        let mut watch = Watch { format, token: String::new(), retry: RETRY_MIN };
        let incident = v1::Incident {
            id: "k3f9a2-000001".to_owned(),
            title: "frontend fails".to_owned(),
            ..v1::Incident::default()
        };
        let event = v1::IncidentEvent {
            r#type: v1::incident_event::Type::Resolved.into(),
            reason: "fixed".to_owned(),
            ..v1::IncidentEvent::default()
        };
        let of_snapshot = Change { incident: Some(incident.clone()), ..Change::default() };
        let changed = Change { event: Some(event), ..of_snapshot.clone() };
        let heartbeat = v1::subscribe_response::Heartbeat {};
        for (response, token, printed) in [
            (response("", Kind::Change(of_snapshot)), "", Some("frontend fails")),
            (response("t1", Kind::Change(changed)), "t1", Some("resolved")),
            (response("t2", Kind::Heartbeat(heartbeat)), "t2", None),
        ] {
            let line = watch.take(response);
            assert_eq!(watch.token, token);
            assert_eq!(line.is_some(), printed.is_some(), "{line:?}");
            assert!(line.unwrap_or_default().contains(printed.unwrap_or_default()));
        }
    }
}
