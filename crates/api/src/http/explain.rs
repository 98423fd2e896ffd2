//! What changed in a stretch of time.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use contract::{timestamp, timestamp_of_rfc3339, v1};
use http::{StatusCode, Uri};

use super::{json, query_of, reader};
use crate::fault::Fault;
use crate::shared::Shared;

pub(super) async fn get(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let answer = async {
        let caller = reader(&shared, &parts)?;
        shared.explain(&caller.tenant, &question(&parts.uri)?).await
    };
    match answer.await {
        Ok(answer) => json(StatusCode::OK, contract::json(&answer)),
        Err(fault) => fault.into_response(),
    }
}

/// The query as the request that gRPC takes.
fn question(uri: &Uri) -> Result<v1::ExplainRequest, Fault> {
    let mut request = v1::ExplainRequest::default();
    for (name, value) in query_of(uri)? {
        let moment = || {
            let at = timestamp_of_rfc3339(&value);
            at.ok_or_else(|| Fault::invalid(&name, "is no time as in RFC 3339"))
        };
        match name.as_str() {
            "since" => request.since = timestamp(moment()?),
            "until" => request.until = timestamp(moment()?),
            "service" => request.service = value,
            other => return Err(Fault::invalid(other, "is no parameter of an explanation")),
        }
    }
    Ok(request)
}
