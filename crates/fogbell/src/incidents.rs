//! `fogbell incidents`: list, show, take and end the incidents of a running daemon.

pub(crate) mod client;
mod watch;

use std::process::ExitCode;

use contract::v1;
use tonic::Request;

use self::client::{CALL_TIMEOUT, Incidents, connect, explain};
use crate::cli::{CommandArgs, IncidentsArgs, IncidentsVerb};
use crate::exit::{Outcome, note, say};
use crate::paint::Paint;
use crate::report;
use crate::serve::runtime;

const RUNTIME_THREADS: usize = 1;
/// Incidents asked for at a time.
const PAGE_SIZE: u32 = 500;
/// Incidents that a list shows; the newest.
const LISTED_MAX: usize = 10_000;

/// How answers are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    /// For people.
    Human(Paint),
    /// Protobuf JSON, one message a line.
    Json,
}

/// Runs the subcommand.
pub(crate) fn run(args: IncidentsArgs) -> Outcome {
    let format = if args.json { Format::Json } else { Format::Human(Paint::for_stdout()) };
    let verb = args.verb.unwrap_or(IncidentsVerb::List { live: false });
    runtime(RUNTIME_THREADS)?.block_on(async {
        if let IncidentsVerb::Watch = verb {
            return watch::run(&args.api, format).await;
        }
        let mut client = connect(&args.api).await?;
        match verb {
            IncidentsVerb::List { live } => list(&mut client, live, format).await?,
            IncidentsVerb::Show { id } => {
                let request = call(v1::GetRequest { id, revision: 0 });
                let incident = client.get(request).await.map_err(|status| explain(&status))?;
                show(incident.get_ref(), format);
            }
            IncidentsVerb::Ack(args) => {
                let answer = client.acknowledge(call(command(args))).await;
                done(answer, format)?;
            }
            IncidentsVerb::Resolve(args) => {
                done(client.resolve(call(command(args))).await, format)?
            }
            IncidentsVerb::Reopen(args) => done(client.reopen(call(command(args))).await, format)?,
            IncidentsVerb::Watch => {}
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// A request that must be answered within [`CALL_TIMEOUT`].
fn call<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

async fn list(client: &mut Incidents, live: bool, format: Format) -> anyhow::Result<()> {
    let mut request = v1::ListRequest {
        filter: Some(filter(live)),
        page_size: PAGE_SIZE,
        ..v1::ListRequest::default()
    };
    let mut listed = 0;
    loop {
        let answer = client.list(call(request.clone())).await.map_err(|status| explain(&status))?;
        let answer = answer.into_inner();
        for incident in &answer.incidents {
            say(&line(incident, format));
        }
        listed += answer.incidents.len();
        if answer.next_page_token.is_empty() {
            break;
        }
        if listed >= LISTED_MAX {
            note(&format!("{listed} are shown; older ones are left out"));
            break;
        }
        request.page_token = answer.next_page_token;
    }
    if listed == 0 && matches!(format, Format::Human(_)) {
        say(if live { "Nothing burns." } else { "No incidents." });
    }
    Ok(())
}

fn filter(live: bool) -> v1::Filter {
    let burning = [v1::Status::Open, v1::Status::Acknowledged, v1::Status::Snoozed];
    let statuses = if live { burning.map(i32::from).to_vec() } else { Vec::new() };
    v1::Filter { statuses, ..v1::Filter::default() }
}

fn line(incident: &v1::Incident, format: Format) -> String {
    match format {
        Format::Human(paint) => report::line(incident, paint),
        Format::Json => contract::json(incident),
    }
}

fn show(incident: &v1::Incident, format: Format) {
    match format {
        Format::Human(paint) => say(&report::page(incident, ::runtime::now(), paint)),
        Format::Json => say(&contract::json(incident)),
    }
}

fn done(
    answer: Result<tonic::Response<v1::Incident>, tonic::Status>,
    format: Format,
) -> anyhow::Result<()> {
    let incident = answer.map_err(|status| explain(&status))?.into_inner();
    say(&line(&incident, format));
    Ok(())
}

/// The command, under an id of its own, so that a retry on the way is not a second command.
fn command(args: CommandArgs) -> v1::CommandRequest {
    let name = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let kind = v1::actor::Kind::Person.into();
    v1::CommandRequest {
        id: args.id,
        expected_revision: args.revision,
        request_id: format!("cli-{:x}-{:x}", std::process::id(), ::runtime::random_seed()),
        reason: args.reason,
        actor: Some(v1::Actor { kind, name: name.unwrap_or_default() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_an_id_of_its_own_and_a_person_behind_it() {
        let args =
            |id: &str| CommandArgs { id: id.to_owned(), reason: "on it".to_owned(), revision: 3 };
        let (first, second) = (command(args("k3f9a2-000001")), command(args("k3f9a2-000001")));
        assert_ne!(first.request_id, second.request_id);
        assert_eq!((first.expected_revision, first.reason.as_str()), (3, "on it"));
        assert_eq!(first.actor.unwrap().kind(), v1::actor::Kind::Person);
    }

    #[test]
    fn live_leaves_out_what_has_ended() {
        assert_eq!(filter(false), v1::Filter::default());
        let statuses = filter(true).statuses;
        assert!(statuses.contains(&v1::Status::Snoozed.into()));
        assert!(!statuses.contains(&v1::Status::Resolved.into()));
    }

    #[test]
    fn a_line_is_text_or_json() {
        let incident = v1::Incident {
            id: "k3f9a2-000001".to_owned(),
            title: "frontend fails".to_owned(),
            ..v1::Incident::default()
        };
        assert!(line(&incident, Format::Human(Paint::off())).contains("frontend fails"));
        let json: serde_json::Value = serde_json::from_str(&line(&incident, Format::Json)).unwrap();
        assert_eq!(json["id"], "k3f9a2-000001");
    }
}
