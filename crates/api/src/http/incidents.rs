use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use contract::v1;
use engine::Verb;
use http::{StatusCode, Uri};
use serde::de::DeserializeOwned;
use tonic::Code;

use super::{body_of, commander, json, query_of, reader};
use crate::command;
use crate::fault::Fault;
use crate::listing::Listing;
use crate::shared::Shared;

pub(super) async fn list(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let page = || {
        let caller = reader(&shared, &parts)?;
        let listing = Listing::new(&list_request(&parts.uri)?)?;
        Ok::<_, Fault>(listing.page(shared.feed.incidents(&caller.tenant)))
    };
    answer(page().map(|page| contract::json(&page)))
}

pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let incident = async {
        let caller = reader(&shared, &parts)?;
        let revision = revision(&parts.uri)?;
        shared.incident(&caller.tenant, &v1::GetRequest { id, revision }).await
    };
    answer(incident.await.map(|incident| contract::json(&incident)))
}

pub(super) async fn command(
    State(shared): State<Arc<Shared>>,
    Path((id, verb)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let incident = async {
        let caller = commander(&shared, &parts)?;
        let (request, verb) = read(&verb, &body_of(body).await?)?;
        let mut request = request.unwrap_or_default();
        if request.id.is_empty() {
            request.id = id;
        } else if request.id != id {
            return Err(Fault::invalid("id", "the body names another incident than the path"));
        }
        let command = command::command(&caller, Some(&request), verb)?;
        let incident = shared.carry_out(&caller, command).await?;
        Ok(v1::Incident::from(&*incident))
    };
    answer(incident.await.map(|incident| contract::json(&incident)))
}

fn answer(outcome: Result<String, Fault>) -> Response {
    match outcome {
        Ok(body) => json(StatusCode::OK, body),
        Err(fault) => fault.into_response(),
    }
}

/// What the body of a verb says: the request message of `fogbell.v1` as JSON, or nothing.
fn read(verb: &str, body: &[u8]) -> Result<(Option<v1::CommandRequest>, Verb), Fault> {
    let plain = match verb {
        "acknowledge" => Verb::Acknowledge,
        "resolve" => Verb::Resolve,
        "reopen" => Verb::Reopen,
        "close" => Verb::Close,
        "snooze" => {
            let request: v1::SnoozeRequest = message(body)?;
            let verb = command::snooze(&request)?;
            return Ok((request.command, verb));
        }
        "annotate" => {
            let request: v1::AnnotateRequest = message(body)?;
            let verb = command::annotate(&request)?;
            return Ok((request.command, verb));
        }
        other => {
            let what =
                format!("{other} is none of acknowledge, resolve, reopen, close, snooze, annotate");
            return Err(Fault::new(Code::NotFound, what));
        }
    };
    Ok((Some(message(body)?), plain))
}

fn message<M: DeserializeOwned + Default>(body: &[u8]) -> Result<M, Fault> {
    if body.trim_ascii().is_empty() {
        return Ok(M::default());
    }
    serde_json::from_slice(body).map_err(|error| Fault::invalid("body", error))
}

/// The query as the request that gRPC takes. Lists come as repeated names or with commas.
fn list_request(uri: &Uri) -> Result<v1::ListRequest, Fault> {
    let mut request = v1::ListRequest::default();
    let mut filter = v1::Filter::default();
    for (name, value) in query_of(uri)? {
        match name.as_str() {
            "status" => {
                let status = |word: &str| v1::Status::from_str_name(word).map(i32::from);
                filter.statuses.extend(words("status", &value, status)?);
            }
            "urgency" => {
                let urgency = |word: &str| v1::Urgency::from_str_name(word).map(i32::from);
                filter.urgencies.extend(words("urgency", &value, urgency)?);
            }
            "service" => filter.services.extend(value.split(',').map(str::to_owned)),
            "since" => request.since = since(&value)?.since,
            "page_size" => request.page_size = number("page_size", &value)?,
            "page_token" => request.page_token = value,
            other => return Err(Fault::invalid(other, "is no parameter of this list")),
        }
    }
    request.filter = Some(filter);
    Ok(request)
}

fn words(field: &str, value: &str, known: impl Fn(&str) -> Option<i32>) -> Result<Vec<i32>, Fault> {
    let word = |word: &str| {
        let unknown = || Fault::invalid(field, format_args!("{word:?} is not known"));
        known(&word.to_ascii_uppercase()).ok_or_else(unknown)
    };
    value.split(',').map(word).collect()
}

/// A request with this time alone, which is read as in any other message: RFC 3339.
fn since(value: &str) -> Result<v1::ListRequest, Fault> {
    let request = serde_json::json!({ "since": value });
    serde_json::from_value(request).map_err(|error| Fault::invalid("since", error))
}

fn revision(uri: &Uri) -> Result<u64, Fault> {
    let mut revision = 0;
    for (name, value) in query_of(uri)? {
        match name.as_str() {
            "revision" => revision = number("revision", &value)?,
            other => return Err(Fault::invalid(other, "is no parameter of an incident")),
        }
    }
    Ok(revision)
}

fn number<N: std::str::FromStr>(field: &str, value: &str) -> Result<N, Fault> {
    value.parse().map_err(|_| Fault::invalid(field, "must be a whole number"))
}
