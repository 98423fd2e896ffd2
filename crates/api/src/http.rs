//! The HTTP API.

mod alerts;
mod changes;
mod explain;
mod incidents;
mod maintenance;
mod metrics;
mod slos;

use std::sync::Arc;
use std::time::Duration;

use auth::{Caller, Permission};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri, header};
use tonic::Code;

use crate::fault::Fault;
use crate::origin;
use crate::shared::Shared;

/// The largest body of a request, and the largest message of a gRPC request.
pub(crate) const REQUEST_BYTES_MAX: usize = 1 << 20;
/// How long a client may take to send its body.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

const ENDPOINTS: &str = "\
fogbell

GET  /healthz                        whether the process lives
GET  /readyz                         whether it takes telemetry and judges it
GET  /metrics                        SLOs and fogbell's own metrics, for Prometheus
GET  /api/v1/explain                 what changed; ?since= &until= &service=
POST /api/v1/changes                 deploys, flags, configuration: what may be behind a fault
GET  /api/v1/maintenance             time that counts toward no budget; POST adds, DELETE /{name} takes back
POST /api/v2/alerts                  alerts of other systems, as Alertmanager takes them
GET  /api/v1/slos                    SLOs and their numbers, worst first; ?service= &limit=
GET  /api/v1/slos/{name}             how the numbers of one came to be
GET  /api/v1/incidents               ?status= &urgency= &service= &since= &page_size= &page_token=
GET  /api/v1/incidents/{id}          ?revision=
POST /api/v1/incidents/{id}/{verb}   acknowledge, resolve, reopen, close, snooze, annotate
gRPC fogbell.v1.IncidentService      with grpc.health.v1 and reflection
";

pub(crate) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(|| async { ENDPOINTS }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics::scrape))
        .route("/api/v2/alerts", post(alerts::post))
        .route("/api/v1/changes", post(changes::post))
        .route("/api/v1/maintenance", get(maintenance::list).post(maintenance::post))
        .route("/api/v1/maintenance/{name}", delete(maintenance::delete))
        .route("/api/v1/explain", get(explain::get))
        .route("/api/v1/slos", get(slos::list))
        .route("/api/v1/slos/{name}", get(slos::account))
        .route("/api/v1/incidents", get(incidents::list))
        .route("/api/v1/incidents/{id}", get(incidents::get))
        .route("/api/v1/incidents/{id}/{verb}", post(incidents::command))
        .with_state(shared)
        .method_not_allowed_fallback(wrong_method)
}

/// What no route serves: gRPC callers are told in their own way.
pub(crate) async fn not_found(uri: Uri, headers: http::HeaderMap) -> Response {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let what = format!("{} is not served here", uri.path());
    if content_type.is_some_and(|value| value.starts_with("application/grpc")) {
        return tonic::Status::unimplemented(what).into_http::<tonic::body::Body>().into_response();
    }
    Fault::new(Code::NotFound, what).into_response()
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let what = format!("{} does not take {method}", uri.path());
    let mut response = Fault::new(Code::Unimplemented, what).into_response();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let health = shared.control.health();
    let ready = health.ready && !*shared.stop.borrow();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "ready": ready, "problems": health.problems });
    json(status, body.to_string())
}

/// JSON that no browser takes for anything else, and no cache keeps.
pub(crate) fn json(status: StatusCode, body: String) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/json"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        let _ = headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Lets in whoever may look.
fn reader(shared: &Shared, parts: &Parts) -> Result<Caller, Fault> {
    let caller = shared.admit(&parts.headers, Permission::Read)?;
    if shared.loopback && !caller.authenticated {
        origin::check_host(&parts.uri, &parts.headers, &shared.hosts)?;
    }
    Ok(caller)
}

/// Lets in whoever may send, and reads the body.
async fn sent(shared: &Shared, request: Request) -> Result<(Caller, Bytes), Fault> {
    let (parts, body) = request.into_parts();
    let caller = shared.admit(&parts.headers, Permission::Send)?;
    if !caller.authenticated {
        origin::check_host(&parts.uri, &parts.headers, &shared.hosts)?;
    }
    origin::check_origin(&parts.uri, &parts.headers)?;
    origin::check_json(&parts.headers)?;
    Ok((caller, body_of(body).await?))
}

/// Lets in whoever may change an incident.
fn commander(shared: &Shared, parts: &Parts) -> Result<Caller, Fault> {
    let caller = shared.admit(&parts.headers, Permission::Command)?;
    if !caller.authenticated {
        origin::check_host(&parts.uri, &parts.headers, &shared.hosts)?;
    }
    origin::check_origin(&parts.uri, &parts.headers)?;
    origin::check_json(&parts.headers)?;
    Ok(caller)
}

/// The whole body of a command.
async fn body_of(body: Body) -> Result<Bytes, Fault> {
    match tokio::time::timeout(BODY_DEADLINE, to_bytes(body, REQUEST_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let what = format!("did not arrive whole, or is larger than {REQUEST_BYTES_MAX} bytes");
            Err(Fault::invalid("body", what))
        }
        Err(_) => Err(Fault::new(Code::DeadlineExceeded, "the body came too slowly")),
    }
}

/// Names and values of the query, decoded.
fn query_of(uri: &Uri) -> Result<Vec<(String, String)>, Fault> {
    axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map(|query| query.0)
        .map_err(|rejection| Fault::invalid("query", rejection.body_text()))
}
