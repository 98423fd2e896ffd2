use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use tonic::Code;

use super::reader;
use crate::exposition::{Format, takes_gzip};
use crate::fault::Fault;
use crate::shared::Shared;

/// The exposition of the tenants that the caller may see: its own; all of them where nobody needs
/// a credential and none is named.
pub(super) async fn scrape(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let caller = match reader(&shared, &parts) {
        Ok(caller) => caller,
        Err(fault) => return fault.into_response(),
    };
    let all = !caller.authenticated && !parts.headers.contains_key("x-scope-orgid");
    let only = (!all).then_some(caller.tenant);
    let format = Format::negotiate(&parts.headers);
    let gzip = takes_gzip(&parts.headers);
    let rendered = tokio::task::spawn_blocking(move || {
        let (views, own) = (shared.control.views(), shared.control.own_metrics());
        shared.exposition.body(&views, &own, only.as_ref(), format, gzip)
    });
    let body = match rendered.await {
        Ok(body) => body,
        Err(error) => return Fault::new(Code::Internal, error.to_string()).into_response(),
    };
    let parts = body.parts.into_iter().map(Ok::<_, Infallible>);
    let mut response = Body::from_stream(futures_util::stream::iter(parts)).into_response();
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(format.content_type());
    let _ = headers.insert(header::CONTENT_TYPE, content_type);
    let _ = headers.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    if body.gzip {
        let _ = headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
