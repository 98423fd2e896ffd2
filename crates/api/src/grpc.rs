//! `fogbell.v1.IncidentService`.

mod health;
mod subscription;

use std::pin::Pin;
use std::sync::Arc;

use auth::{Caller, Permission};
use axum::extract::Request as HttpRequest;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response as HttpResponse};
use contract::v1;
use contract::v1::incident_service_server::{IncidentService, IncidentServiceServer};
use engine::Verb;
use futures_util::Stream;
use http::Version;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::fault::Fault;
use crate::http::REQUEST_BYTES_MAX;
use crate::listing::Listing;
use crate::selection::Selection;
use crate::shared::Shared;
use crate::{Resume, command, origin};

pub(crate) use health::watch;

/// The service, on what every call works with.
struct Incidents(Arc<Shared>);

/// The gRPC services as routes: incidents, health and reflection.
pub(crate) fn routes(
    shared: &Arc<Shared>,
    reporter: &tonic_health::server::HealthReporter,
) -> Result<axum::Router, tonic_reflection::server::Error> {
    let incidents = IncidentServiceServer::new(Incidents(Arc::clone(shared)))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(contract::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let routes =
        Routes::new(incidents).add_service(reflection).add_service(health::service(reporter));
    Ok(routes.into_axum_router().layer(from_fn(guard)))
}

/// What is not to be reached by a web page: no browser speaks HTTP/2 without TLS, and what a page
/// sends across origins carries its origin.
async fn guard(request: HttpRequest, next: Next) -> HttpResponse {
    if request.version() != Version::HTTP_2 {
        let what = "gRPC is spoken over HTTP/2\n";
        return (http::StatusCode::HTTP_VERSION_NOT_SUPPORTED, what).into_response();
    }
    match origin::check_origin(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(fault) => Status::from(fault).into_http::<tonic::body::Body>().into_response(),
    }
}

impl Incidents {
    fn admit<T>(&self, request: &Request<T>, permission: Permission) -> Result<Caller, Status> {
        Ok(self.0.admit(request.metadata().as_ref(), permission)?)
    }

    /// Carries out a command whose request says no more than which incident.
    async fn plain(
        &self,
        request: Request<v1::CommandRequest>,
        verb: Verb,
    ) -> Result<Response<v1::Incident>, Status> {
        let caller = self.admit(&request, Permission::Command)?;
        self.carry_out(&caller, Some(request.get_ref()), Ok(verb)).await
    }

    async fn carry_out(
        &self,
        caller: &Caller,
        request: Option<&v1::CommandRequest>,
        verb: Result<Verb, Fault>,
    ) -> Result<Response<v1::Incident>, Status> {
        let command = command::command(caller, request, verb?)?;
        let incident = self.0.carry_out(caller, command).await?;
        Ok(Response::new((&*incident).into()))
    }
}

#[tonic::async_trait]
impl IncidentService for Incidents {
    type SubscribeStream =
        Pin<Box<dyn Stream<Item = Result<v1::SubscribeResponse, Status>> + Send>>;

    async fn subscribe(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let caller = self.admit(&request, Permission::Read)?;
        let request = request.into_inner();
        let selection = Selection::new(request.filter.as_ref())?;
        let seat = self.0.subscribers.seat(&caller.tenant)?;
        let resume = match request.resume_token.as_str() {
            "" => Ok(None),
            token => token.parse::<Resume>().map(Some),
        };
        let subscription =
            resume.and_then(|resume| Ok((resume, self.0.feed.subscribe(&caller.tenant, resume)?)));
        let Ok((resume, subscription)) = subscription else {
            let what = "the token is too old, or of another run: subscribe with include_snapshot";
            return Err(Status::out_of_range(what));
        };
        let stream = subscription::Stream {
            tenant: caller.tenant,
            selection,
            resume,
            snapshot: request.include_snapshot,
            stop: self.0.stop.clone(),
            seat,
        };
        Ok(Response::new(Box::pin(stream.run(subscription))))
    }

    async fn get(
        &self,
        request: Request<v1::GetRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        let caller = self.admit(&request, Permission::Read)?;
        Ok(Response::new(self.0.incident(&caller.tenant, request.get_ref()).await?))
    }

    async fn list(
        &self,
        request: Request<v1::ListRequest>,
    ) -> Result<Response<v1::ListResponse>, Status> {
        let caller = self.admit(&request, Permission::Read)?;
        let listing = Listing::new(request.get_ref())?;
        Ok(Response::new(listing.page(self.0.feed.incidents(&caller.tenant))))
    }

    async fn acknowledge(
        &self,
        request: Request<v1::CommandRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        self.plain(request, Verb::Acknowledge).await
    }

    async fn resolve(
        &self,
        request: Request<v1::CommandRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        self.plain(request, Verb::Resolve).await
    }

    async fn reopen(
        &self,
        request: Request<v1::CommandRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        self.plain(request, Verb::Reopen).await
    }

    async fn close(
        &self,
        request: Request<v1::CommandRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        self.plain(request, Verb::Close).await
    }

    async fn snooze(
        &self,
        request: Request<v1::SnoozeRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        let caller = self.admit(&request, Permission::Command)?;
        let request = request.get_ref();
        self.carry_out(&caller, request.command.as_ref(), command::snooze(request)).await
    }

    async fn merge(
        &self,
        request: Request<v1::MergeRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        let caller = self.admit(&request, Permission::Command)?;
        let request = request.get_ref();
        self.carry_out(&caller, request.command.as_ref(), command::merge(request)).await
    }

    async fn split(
        &self,
        request: Request<v1::SplitRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        let caller = self.admit(&request, Permission::Command)?;
        let request = request.get_ref();
        self.carry_out(&caller, request.command.as_ref(), command::split(request)).await
    }

    async fn annotate(
        &self,
        request: Request<v1::AnnotateRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        let caller = self.admit(&request, Permission::Command)?;
        let request = request.get_ref();
        self.carry_out(&caller, request.command.as_ref(), command::annotate(request)).await
    }

    async fn report(
        &self,
        request: Request<v1::ReportRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        let caller = self.admit(&request, Permission::Command)?;
        let request = request.get_ref();
        self.carry_out(&caller, request.command.as_ref(), command::report(request)).await
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        let caller = self.admit(&request, Permission::Read)?;
        Ok(Response::new(self.0.explain(&caller.tenant, request.get_ref()).await?))
    }
}
