use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use engine::{SloAccount, SloStatus, View, WindowStatus};
use http::{StatusCode, Uri};
use model::AlertState;
use serde_json::{Value, json};
use slo::judge::Verdict;
use slo::presence::WindowState;
use tonic::Code;

use super::{json as respond, query_of, reader};
use crate::exposition::budgeting;
use crate::fault::Fault;
use crate::selection::is_called;
use crate::shared::Shared;

/// SLOs in one answer, unless `limit` says otherwise.
const LISTED_DEFAULT: usize = 1000;
const LISTED_MAX: usize = 10_000;

/// Which SLOs are wanted.
#[derive(Debug)]
struct Wanted {
    service: Option<String>,
    limit: usize,
}

/// The tenant's SLOs, worst first. `total` says how many there are, however many are listed.
pub(super) async fn list(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let (caller, wanted) = match reader(&shared, &parts).and_then(|c| Ok((c, wanted(&parts.uri)?)))
    {
        Ok(admitted) => admitted,
        Err(fault) => return fault.into_response(),
    };
    let view = shared.control.views().get(&caller.tenant).cloned().unwrap_or_default();
    // There may be many to sort.
    match tokio::task::spawn_blocking(move || listing(&view, &wanted).to_string()).await {
        Ok(listing) => respond(StatusCode::OK, listing),
        Err(error) => Fault::new(Code::Internal, error.to_string()).into_response(),
    }
}

/// How the numbers of an SLO came to be, for each of its groups.
pub(super) async fn account(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let accounts = async {
        let caller = reader(&shared, &parts)?;
        let accounts = shared.control.account(&caller.tenant, name.clone()).await?;
        if accounts.is_empty() {
            return Err(Fault::new(Code::NotFound, format!("there is no SLO {name}")));
        }
        Ok(accounts)
    };
    match accounts.await {
        Ok(accounts) => {
            let slos: Vec<Value> = accounts.iter().map(told).collect();
            respond(StatusCode::OK, json!({ "slos": slos }).to_string())
        }
        Err(fault) => fault.into_response(),
    }
}

fn told(account: &SloAccount) -> Value {
    let mut told = status(&account.status);
    let windows = account.windows.iter().map(|window| {
        json!({
            "windowSeconds": window.window.as_secs(),
            "good": window.good,
            "bad": window.bad,
            "badObserved": window.bad_observed,
            "uncertain": window.uncertain,
            "expectedTotal": window.expected_total,
            "coveredSeconds": window.covered.as_secs_f64(),
        })
    });
    let rules = account.rules.iter().map(|rule| {
        let verdict = match rule.verdict {
            Verdict::Firing => "FIRING",
            Verdict::Waiting => "WAITING",
            Verdict::Quiet => "QUIET",
            Verdict::Frozen => "FROZEN",
        };
        json!({ "rule": rule.text, "urgency": rule.urgency.as_str(), "verdict": verdict })
    });
    let events = account.bad_events.iter().map(|event| {
        json!({
            "at": event.at.to_string(),
            "traceId": event.trace_id.to_string(),
            "operation": &*event.operation,
            "reason": &*event.reason,
            "durationSeconds": event.duration_ns as f64 / 1e9,
        })
    });
    let arrived = account.arrived_until.is_set();
    if let Some(fields) = told.as_object_mut() {
        let more = [
            ("judgedWith", windows.collect::<Vec<_>>().into()),
            ("rules", rules.collect::<Vec<_>>().into()),
            ("badEventsMin", account.bad_events_min.into()),
            ("heardAt", account.heard_at.is_set().then(|| account.heard_at.to_string()).into()),
            ("arrivedUntil", arrived.then(|| account.arrived_until.to_string()).into()),
            ("latenessSeconds", account.lateness.as_secs_f64().into()),
            ("tooLateForTheirSlice", account.unjudged.into()),
            ("badEvents", events.collect::<Vec<_>>().into()),
        ];
        fields.extend(more.map(|(name, value): (&str, Value)| (name.to_owned(), value)));
    }
    told
}

fn wanted(uri: &Uri) -> Result<Wanted, Fault> {
    let mut wanted = Wanted { service: None, limit: LISTED_DEFAULT };
    for (name, value) in query_of(uri)? {
        match name.as_str() {
            "service" => wanted.service = Some(value),
            "limit" => wanted.limit = limit(&value)?,
            other => return Err(Fault::invalid(other, "is no parameter of this list")),
        }
    }
    Ok(wanted)
}

fn limit(value: &str) -> Result<usize, Fault> {
    let limit = value.parse().ok().filter(|limit| (1..=LISTED_MAX).contains(limit));
    limit.ok_or_else(|| Fault::invalid("limit", format_args!("1 to {LISTED_MAX}")))
}

fn listing(view: &View, wanted: &Wanted) -> Value {
    let of_service = |slo: &&SloStatus| {
        wanted.service.as_deref().is_none_or(|wanted| is_called(&service_of(slo), wanted))
    };
    let mut slos: Vec<_> = view.slos.iter().filter(of_service).collect();
    slos.sort_by(|a, b| worst_first(a, b));
    let total = slos.len();
    slos.truncate(wanted.limit);
    let at = view.at.is_set().then(|| view.at.to_string());
    json!({ "at": at, "total": total, "slos": slos.iter().map(|slo| status(slo)).collect::<Vec<_>>() })
}

/// What pages, then what makes tickets, then by what is left of the budget.
fn worst_first(a: &SloStatus, b: &SloStatus) -> std::cmp::Ordering {
    let alerts = |slo: &SloStatus| Reverse((heat(slo.page), heat(slo.ticket)));
    alerts(a)
        .cmp(&alerts(b))
        .then(a.budget_remaining_ratio.total_cmp(&b.budget_remaining_ratio))
        .then_with(|| (&a.name, &a.service, &a.group).cmp(&(&b.name, &b.service, &b.group)))
}

const fn heat(state: AlertState) -> u8 {
    match state {
        AlertState::Inactive => 0,
        AlertState::Pending => 1,
        AlertState::NoData => 2,
        AlertState::Firing => 3,
    }
}

fn service_of(slo: &SloStatus) -> String {
    slo.service.as_ref().map_or_else(|| slo.service_name.to_string(), ToString::to_string)
}

fn status(slo: &SloStatus) -> Value {
    let group: serde_json::Map<String, Value> =
        slo.group.iter().map(|(key, value)| (key.to_string(), (**value).into())).collect();
    let exemplar = slo
        .exemplar
        .map(|(trace_id, at)| json!({ "traceId": trace_id.to_string(), "at": at.to_string() }));
    json!({
        "name": &*slo.name,
        "service": service_of(slo),
        "group": group,
        "automatic": slo.automatic,
        "objective": slo.objective,
        "windowSeconds": slo.window.as_secs(),
        "budgetingMethod": budgeting(slo),
        "sliceSeconds": slo.slicing.map(|slicing| slicing.length().as_secs()),
        "state": match slo.state {
            WindowState::Data => "DATA",
            WindowState::NoTraffic => "NO_TRAFFIC",
            WindowState::NoData => "NO_DATA",
        },
        "inMaintenance": slo.in_maintenance,
        "page": alert(slo.page),
        "ticket": alert(slo.ticket),
        "budgetRemainingRatio": slo.budget_remaining_ratio,
        "exhaustedAt": slo.exhausted_at.map(|at| at.to_string()),
        "goodTotal": slo.good_total,
        "badTotal": slo.bad_total,
        "exemplar": exemplar,
        "windows": slo.windows.iter().map(|of| window(slo, of)).collect::<Vec<_>>(),
    })
}

const fn alert(state: AlertState) -> &'static str {
    match state {
        AlertState::Inactive => "INACTIVE",
        AlertState::Pending => "PENDING",
        AlertState::Firing => "FIRING",
        AlertState::NoData => "NO_DATA",
    }
}

/// What maintenance leaves out of a window; null without any.
fn excluded(window: &WindowStatus) -> Value {
    if window.excluded.is_zero() && window.unsure.is_zero() {
        return Value::Null;
    }
    json!({
        "good": window.excluded.good(),
        "bad": window.excluded.bad(),
        "unsure": window.unsure.total,
    })
}

fn window(slo: &SloStatus, window: &WindowStatus) -> Value {
    json!({
        "windowSeconds": window.window.as_secs(),
        "total": window.total,
        "bad": window.bad,
        "badStandardError": (window.bad_error > 0.0).then_some(window.bad_error),
        "slices": window.slices.map(|slices| json!({ "total": slices.total, "bad": slices.bad })),
        "errorRatio": window.error_ratio,
        "burnRate": window.burn_rate,
        "burnTrendRatio": slo.burn_trend_ratio(window),
        "budgetSpentRatio": slo.budget_spent_ratio(window),
        "coverageRatio": window.coverage,
        "from": window.from.is_set().then(|| window.from.to_string()),
        "endsAt": window.ends_at.map(|end| end.to_string()),
        "passedSeconds": window.passed.as_secs_f64(),
        "excluded": excluded(window),
    })
}
