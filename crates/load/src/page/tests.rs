use std::sync::atomic::{AtomicU64, Ordering};

use contract::v1::delivery::Action;
use contract::v1::incident_sink_client::IncidentSinkClient;
use contract::v1::{DeliverRequest, Delivery, Incident, Member};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic_types::{ErrorDetails, StatusExt};

use super::*;

#[tokio::test]
async fn the_sink_notes_each_delivery_with_the_services_that_it_is_about() {
    let sink = Sink::start().await.unwrap();
    let mut client =
        IncidentSinkClient::connect(format!("http://{}", sink.address())).await.unwrap();
    let member = |name: &str| Member {
        labels: [("service_name".to_owned(), name.to_owned())].into(),
        ..Member::default()
    };
    let delivery = |id: &str, action: Action| Delivery {
        id: id.to_owned(),
        action: action.into(),
        incident: Some(Incident {
            members: ["b", "a", "b"].map(member).into(),
            ..Incident::default()
        }),
        ..Delivery::default()
    };
    let deliveries = vec![delivery("1", Action::Trigger), delivery("2", Action::Resolve)];
    let before = Instant::now();
    let answer = client.deliver(DeliverRequest { deliveries }).await.unwrap().into_inner();
    let named: Vec<_> = answer.results.iter().map(|result| result.delivery_id.as_str()).collect();
    assert_eq!(named, ["1", "2"]);
    let arrivals = sink.arrivals();
    assert_eq!(arrivals.iter().map(|a| a.triggers).collect::<Vec<_>>(), [true, false]);
    assert_eq!(arrivals[0].services, ["a", "b"]);
    assert!(arrivals[0].at >= before);
}

/// Refuses every other request, and says that it may come at once.
#[derive(Default)]
struct Moody(AtomicU64);

#[tonic::async_trait]
impl TraceService for Moody {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        assert_eq!(request.into_inner().resource_spans.len(), 1);
        if self.0.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            return Ok(tonic::Response::new(ExportTraceServiceResponse::default()));
        }
        let details = ErrorDetails::with_retry_info(Some(Duration::ZERO));
        let code = tonic::Code::ResourceExhausted;
        Err(tonic::Status::with_error_details(code, "not yet", details))
    }
}

#[tokio::test]
async fn a_deciding_request_is_sent_until_it_is_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server =
        tonic::transport::Server::builder().add_service(TraceServiceServer::new(Moody::default()));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let mut trials = Trials::new(address, 1, 1).unwrap();
    trials.introduce().await.unwrap();
    let start = Instant::now();
    let tried = trials.run().await.unwrap();
    assert_eq!((tried.len(), tried[0].refusals), (1, 1));
    assert!(tried[0].decided.unwrap() > start && tried[0].answered >= tried[0].decided);
    assert_eq!(trials.spans_accepted(), 40);
}

#[tokio::test]
async fn options_without_sense_are_errors() {
    let nothing = |_: &PageRow| {};
    for bad in [
        PageOptions { trials: 0, ..PageOptions::default() },
        PageOptions { trials: TRIALS_MAX + 1, ..PageOptions::default() },
        PageOptions { shares: Vec::new(), ..PageOptions::default() },
        PageOptions { shares: vec![-1.0], ..PageOptions::default() },
        PageOptions { shares: vec![f64::NAN], ..PageOptions::default() },
    ] {
        assert!(matches!(page_latency(bad, nothing).await, Err(LoadError::Option(_))));
    }
}
