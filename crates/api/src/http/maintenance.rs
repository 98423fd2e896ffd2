//! Maintenance: time that counts toward no budget, announced or told afterwards.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use config::{Occasion, OccasionError};
use contract::v1;
use engine::{MAINTENANCE_MAX, MaintenanceStatus, View};
use http::StatusCode;
use model::{Maintenance, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::Code;

use super::alerts::moment;
use super::{body_of, commander, json as respond, reader};
use crate::command::actor;
use crate::fault::Fault;
use crate::shared::Shared;

/// The longest text of each field.
const TEXT_BYTES_MAX: usize = 1024;
/// Services, and SLOs, of one.
const NAMES_MAX: usize = 100;

/// What is posted: once `from..until`, or by the clock on the wall.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Posted {
    name: String,
    services: Vec<String>,
    slos: Vec<String>,
    reason: String,
    author: String,
    from: Option<String>,
    until: Option<String>,
    start: String,
    duration_seconds: u64,
    time_zone: String,
    recurrence: String,
}

/// Takes one, in place of the one of its name: 202 with what it will be once it is queued.
pub(super) async fn post(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let taken = async {
        let caller = commander(&shared, &parts)?;
        let posted: Posted = serde_json::from_slice(&body_of(body).await?)
            .map_err(|error| Fault::invalid("body", error))?;
        let claimed = v1::Actor { name: posted.author.clone(), ..v1::Actor::default() };
        let author = actor(&caller, Some(&claimed))?.name;
        let maintenance = Maintenance { author, ..read(posted, now())? };
        let view = shared.control.views().get(&caller.tenant).cloned().unwrap_or_default();
        check_room(&view, &maintenance.name)?;
        let told = told(&maintenance, now());
        if shared.control.maintain(&caller.tenant, maintenance.name.clone(), Some(maintenance)) {
            return Ok(told);
        }
        Err(busy())
    };
    match taken.await {
        Ok(told) => respond(StatusCode::ACCEPTED, told.to_string()),
        Err(fault) => fault.into_response(),
    }
}

/// Takes one back: budgets are as if it had never been.
pub(super) async fn delete(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let taken = || {
        let caller = commander(&shared, &parts)?;
        let view = shared.control.views().get(&caller.tenant).cloned().unwrap_or_default();
        let known = view.maintenance.iter().find(|status| status.maintenance.name == name);
        match known {
            None => Err(Fault::new(Code::NotFound, format!("there is no maintenance {name}"))),
            Some(status) if status.declared => {
                let what = format!("{name} is declared: remove it from the configuration");
                Err(Fault::new(Code::FailedPrecondition, what))
            }
            Some(_) if shared.control.maintain(&caller.tenant, name.clone(), None) => Ok(()),
            Some(_) => Err(busy()),
        }
    };
    match taken() {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(fault) => fault.into_response(),
    }
}

/// All that is known, what lasts first, then what comes next, then what is over.
pub(super) async fn list(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match reader(&shared, &parts) {
        Ok(caller) => {
            let view = shared.control.views().get(&caller.tenant).cloned().unwrap_or_default();
            respond(StatusCode::OK, json!({ "maintenance": listing(&view) }).to_string())
        }
        Err(fault) => fault.into_response(),
    }
}

fn listing(view: &View) -> Vec<Value> {
    let mut all: Vec<&MaintenanceStatus> = view.maintenance.iter().collect();
    let next = |status: &MaintenanceStatus| status.maintenance.next(view.at);
    all.sort_by_key(|status| {
        let begins = next(status).map_or(Timestamp::MAX, |(from, _)| from);
        (!status.active, begins, status.maintenance.name.clone())
    });
    let told = |status: &&MaintenanceStatus| {
        let mut told = told(&status.maintenance, view.at);
        told["active"] = status.active.into();
        told["declared"] = status.declared.into();
        told
    };
    all.iter().map(told).collect()
}

fn told(maintenance: &Maintenance, now: Timestamp) -> Value {
    let stretch = |(from, until): (Timestamp, Timestamp)| json!({ "from": from.to_string(), "until": until.to_string() });
    json!({
        "name": maintenance.name,
        "services": maintenance.services,
        "slos": maintenance.slos,
        "reason": maintenance.reason,
        "author": maintenance.author,
        "recurrence": maintenance.recurrence,
        "stretches": maintenance.stretches.len(),
        "next": maintenance.next(now).map(stretch),
        "last": maintenance.stretches.last().copied().map(stretch),
    })
}

fn read(posted: Posted, now: Timestamp) -> Result<Maintenance, Fault> {
    let Posted { name, services, slos, reason, .. } = &posted;
    if name.is_empty() {
        return Err(Fault::invalid("name", "is needed"));
    }
    for (field, text) in [("name", name), ("reason", reason), ("recurrence", &posted.recurrence)] {
        if text.len() > TEXT_BYTES_MAX {
            let what = format!("is longer than {TEXT_BYTES_MAX} bytes");
            return Err(Fault::invalid(field, what));
        }
    }
    for (field, names) in [("services", services), ("slos", slos)] {
        if names.len() > NAMES_MAX {
            return Err(Fault::invalid(field, format_args!("are more than {NAMES_MAX}")));
        }
        if names.iter().any(|name| name.is_empty() || name.len() > TEXT_BYTES_MAX) {
            let what = format!("hold a name that is empty or longer than {TEXT_BYTES_MAX} bytes");
            return Err(Fault::invalid(field, what));
        }
    }
    let stretches = stretches(&posted, now)?;
    let Posted { name, services, slos, reason, recurrence, .. } = posted;
    Ok(Maintenance {
        name,
        services,
        slos,
        reason,
        recurrence,
        stretches,
        ..Maintenance::default()
    })
}

fn stretches(posted: &Posted, now: Timestamp) -> Result<Vec<(Timestamp, Timestamp)>, Fault> {
    if posted.from.is_none() && posted.until.is_none() {
        let occasion = Occasion {
            start: posted.start.clone(),
            time_zone: posted.time_zone.clone(),
            duration: Duration::from_secs(posted.duration_seconds),
            recurrence: posted.recurrence.clone(),
        };
        return occasion.stretches(now).map_err(|OccasionError { field, what, mend }| {
            let field = match field {
                "duration" => "durationSeconds",
                "time_zone" => "timeZone",
                other => other,
            };
            Fault::invalid(field, format_args!("{what}; {mend}"))
        });
    }
    if !posted.start.is_empty() || !posted.recurrence.is_empty() {
        let what = "goes with start and durationSeconds alone, not with recurrence";
        return Err(Fault::invalid("from", what));
    }
    let (from, until) =
        (moment("from", posted.from.clone())?, moment("until", posted.until.clone())?);
    if !from.is_set() || until <= from {
        return Err(Fault::invalid("until", "must lie after from, and both are needed"));
    }
    Ok(vec![(from, until)])
}

fn check_room(view: &View, name: &str) -> Result<(), Fault> {
    let mut told = view.maintenance.iter().filter(|status| !status.declared);
    if told.clone().count() < MAINTENANCE_MAX || told.any(|of| of.maintenance.name == name) {
        return Ok(());
    }
    let what = format!("there are {MAINTENANCE_MAX} already; remove one that is over");
    Err(Fault::new(Code::ResourceExhausted, what))
}

fn busy() -> Fault {
    Fault::new(Code::Unavailable, "the daemon is busy or drains; send it again")
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_s(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_s(1_795_766_400);

    fn posted(body: &str) -> Result<Maintenance, Fault> {
        read(serde_json::from_str(body).unwrap(), NOW)
    }

    #[test]
    fn once_or_by_the_clock_on_the_wall() {
        let once = r#"{"name": "db", "services": ["cart"], "from": "2026-11-27T08:00:00Z",
                       "until": "2026-11-27T09:00:00Z"}"#;
        let hour = Duration::from_secs(3600);
        assert_eq!(posted(once).unwrap().stretches, [(NOW, NOW.after(hour))]);
        let often = r#"{"name": "db", "start": "2026-11-27 09:00:00", "durationSeconds": 3600,
                        "timeZone": "Europe/Berlin", "recurrence": "FREQ=DAILY;COUNT=2"}"#;
        let day = Duration::from_secs(86_400);
        let expected = [(NOW, NOW.after(hour)), (NOW.after(day), NOW.after(day + hour))];
        assert_eq!(posted(often).unwrap().stretches, expected);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (body, expected) in [
            (r#"{"start": "2026-11-27 09:00:00"}"#, "name: is needed"),
            (r#"{"name": "a", "start": "noon", "durationSeconds": 60}"#, "start: \"noon\""),
            (r#"{"name": "a", "start": "2026-11-27 09:00:00"}"#, "durationSeconds: "),
            (r#"{"name": "a", "from": "2026-11-27T08:00:00Z"}"#, "until: must lie after"),
            (
                r#"{"name": "a", "from": "2026-11-27T08:00:00Z", "recurrence": "FREQ=DAILY"}"#,
                "from: goes with",
            ),
            (r#"{"name": "a", "services": [""]}"#, "services: hold a name"),
        ] {
            let fault = posted(body).expect_err(body);
            assert!(fault.message.starts_with(expected), "{}", fault.message);
        }
    }
}
