//! From the requests of `fogbell.v1` to the engine's commands; every field is checked here.

use auth::{Caller, Role};
use contract::{timestamp_from, v1};
use engine::{Command, Verb};
use model::{Actor, Fingerprint, IncidentId};

use crate::fault::Fault;

/// The longest reason, text, name, title or id that a command may carry.
const TEXT_BYTES_MAX: usize = 4096;
const URL_BYTES_MAX: usize = 2048;
const REQUEST_ID_BYTES_MAX: usize = 128;
/// Links, references and incidents that one command may name.
const LISTED_MAX: usize = 100;
/// Members that one command may let go.
const FINGERPRINTS_MAX: usize = 1000;
const FINGERPRINT_DIGITS: usize = 16;

/// The command that `request` asks for, on behalf of `caller`. Whoever carries it out names the
/// reply.
pub(crate) fn command(
    caller: &Caller,
    request: Option<&v1::CommandRequest>,
    verb: Verb,
) -> Result<Command, Fault> {
    let request = request.ok_or_else(|| Fault::invalid("command", "is missing"))?;
    let id = incident_id("id", &request.id)?;
    bounded("request_id", &request.request_id, REQUEST_ID_BYTES_MAX)?;
    bounded("reason", &request.reason, TEXT_BYTES_MAX)?;
    Ok(Command {
        reply_to: 0,
        id,
        expected_revision: request.expected_revision,
        request_id: request.request_id.clone(),
        reason: request.reason.clone(),
        actor: actor(caller, request.actor.as_ref())?,
        verb,
    })
}

/// Who acts: as the request says, but under the name of the credential where there is one.
pub(crate) fn actor(caller: &Caller, claimed: Option<&v1::Actor>) -> Result<Actor, Fault> {
    let mut actor = Actor::from(claimed.unwrap_or(&v1::Actor::default()));
    bounded("actor.name", &actor.name, TEXT_BYTES_MAX)?;
    if caller.authenticated {
        actor.name = format!("{}/{}", caller.tenant, role(caller.role));
    }
    Ok(actor)
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Ingest => "ingest",
        Role::Viewer => "viewer",
        Role::Responder => "responder",
        Role::Admin => "admin",
    }
}

pub(crate) fn incident_id(field: &str, text: &str) -> Result<IncidentId, Fault> {
    text.parse().map_err(|error| Fault::invalid(field, error))
}

pub(crate) fn snooze(request: &v1::SnoozeRequest) -> Result<Verb, Fault> {
    let until = timestamp_from(request.until.as_ref());
    if until.is_set() {
        Ok(Verb::Snooze { until })
    } else {
        Err(Fault::invalid("until", "a moment is needed"))
    }
}

pub(crate) fn merge(request: &v1::MergeRequest) -> Result<Verb, Fault> {
    listed("losers", &request.losers, LISTED_MAX)?;
    needed("losers", &request.losers)?;
    let losers = request.losers.iter().map(|id| incident_id("losers", id));
    Ok(Verb::Merge { losers: losers.collect::<Result<_, _>>()? })
}

pub(crate) fn split(request: &v1::SplitRequest) -> Result<Verb, Fault> {
    listed("fingerprints", &request.fingerprints, FINGERPRINTS_MAX)?;
    needed("fingerprints", &request.fingerprints)?;
    let fingerprints = request.fingerprints.iter().map(|text| fingerprint(text));
    Ok(Verb::Split { fingerprints: fingerprints.collect::<Result<_, _>>()? })
}

pub(crate) fn annotate(request: &v1::AnnotateRequest) -> Result<Verb, Fault> {
    bounded("text", &request.text, TEXT_BYTES_MAX)?;
    listed("links", &request.links, LISTED_MAX)?;
    if request.text.is_empty() && request.links.is_empty() {
        return Err(Fault::invalid("text", "a text or a link is needed"));
    }
    for link in &request.links {
        bounded("links.kind", &link.kind, TEXT_BYTES_MAX)?;
        bounded("links.title", &link.title, TEXT_BYTES_MAX)?;
        url("links.url", &link.url)?;
    }
    let links = request.links.iter().map(Into::into).collect();
    Ok(Verb::Annotate { text: request.text.clone(), links })
}

pub(crate) fn report(request: &v1::ReportRequest) -> Result<Verb, Fault> {
    if !request.outcomes.is_empty() {
        let what = "outcomes cannot be reported yet: send refs alone";
        return Err(Fault::new(tonic::Code::Unimplemented, what));
    }
    listed("refs", &request.refs, LISTED_MAX)?;
    needed("refs", &request.refs)?;
    for reference in &request.refs {
        if reference.system.is_empty() || reference.id.is_empty() {
            return Err(Fault::invalid("refs", "each needs a system and an id"));
        }
        bounded("refs.system", &reference.system, TEXT_BYTES_MAX)?;
        bounded("refs.id", &reference.id, TEXT_BYTES_MAX)?;
        bounded("refs.state", &reference.state, TEXT_BYTES_MAX)?;
        if !reference.url.is_empty() {
            url("refs.url", &reference.url)?;
        }
    }
    Ok(Verb::Report { refs: request.refs.iter().map(Into::into).collect() })
}

fn fingerprint(text: &str) -> Result<Fingerprint, Fault> {
    let plain = text.len() == FINGERPRINT_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit());
    let number = if plain { u64::from_str_radix(text, 16).ok() } else { None };
    let what = "a fingerprint has 16 hex digits";
    number.map(Fingerprint).ok_or_else(|| Fault::invalid("fingerprints", what))
}

/// Links end up in pages that people click on: no scheme but these leads anywhere but to a site.
fn url(field: &str, url: &str) -> Result<(), Fault> {
    bounded(field, url, URL_BYTES_MAX)?;
    let site = url.starts_with("https://") || url.starts_with("http://");
    if site { Ok(()) } else { Err(Fault::invalid(field, "must begin with https:// or http://")) }
}

fn bounded(field: &str, text: &str, bytes_max: usize) -> Result<(), Fault> {
    if text.len() <= bytes_max {
        Ok(())
    } else {
        Err(Fault::invalid(field, format_args!("at most {bytes_max} bytes")))
    }
}

fn listed<T>(field: &str, list: &[T], max: usize) -> Result<(), Fault> {
    if list.len() <= max {
        Ok(())
    } else {
        Err(Fault::invalid(field, format_args!("at most {max}")))
    }
}

fn needed<T>(field: &str, list: &[T]) -> Result<(), Fault> {
    if list.is_empty() { Err(Fault::invalid(field, "at least one is needed")) } else { Ok(()) }
}
