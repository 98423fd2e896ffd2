use std::time::Duration;

use contract::v1::incident_service_server::SERVICE_NAME;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::fixture::{Port, STUCK};
use crate::Health;

#[tokio::test]
async fn readiness_tells_what_is_wrong_and_liveness_stays() {
    let port = Port::open().await;
    let ready = port.get("/readyz").await;
    assert_eq!((ready.status.as_u16(), ready.json()["ready"].as_bool()), (200, Some(true)));
    let problems = vec!["the journal cannot be written".to_owned()];
    *port.daemon.health.lock() = Health { ready: false, problems };
    let unready = port.get("/readyz").await;
    assert_eq!(unready.status.as_u16(), 503);
    assert_eq!(unready.json()["problems"][0], "the journal cannot be written");
    let alive = port.get("/healthz").await;
    assert_eq!((alive.status.as_u16(), alive.text()), (200, "ok\n"));
}

#[tokio::test]
async fn grpc_health_follows_readiness() {
    let port = Port::open().await;
    let mut client = HealthClient::new(port.channel().await);
    let request = HealthCheckRequest { service: SERVICE_NAME.to_owned() };
    let mut watch = client.watch(request).await.expect("known").into_inner();
    assert_eq!(watch.next().await.expect("told").expect("ok").status(), ServingStatus::Serving);
    port.daemon.health.lock().ready = false;
    assert_eq!(watch.next().await.expect("told").expect("ok").status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn reflection_names_the_services() {
    let port = Port::open().await;
    let mut client = ServerReflectionClient::new(port.channel().await);
    let list = MessageRequest::ListServices(String::new());
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let requests = futures_util::stream::iter([request]);
    let mut answers = client.server_reflection_info(requests).await.expect("served").into_inner();
    let answer = answers.next().await.expect("told").expect("ok").message_response;
    let Some(MessageResponse::ListServicesResponse(services)) = answer else {
        panic!("a list was asked for: {answer:?}");
    };
    let names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
    assert!(names.iter().any(|name| name == SERVICE_NAME), "{names:?}");
}

#[tokio::test]
async fn what_is_not_served_is_refused_in_the_callers_own_way() {
    let port = Port::open().await;
    let mut grpc = tonic::client::Grpc::new(port.channel().await);
    grpc.ready().await.expect("connected");
    let path = http::uri::PathAndQuery::from_static("/fogbell.v1.Nothing/Do");
    let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckRequest>::default();
    let request = tonic::Request::new(HealthCheckRequest::default());
    let status = grpc.unary(request, path, codec).await.expect_err("nothing there");
    assert_eq!(status.code(), tonic::Code::Unimplemented);
}

#[tokio::test]
async fn a_stop_lets_no_idle_connection_hold_it_up() {
    let port = Port::open().await;
    let idle = tokio::net::TcpStream::connect(port.address).await.expect("accepted");
    let _ = port.get("/healthz").await;
    port.stop.send(true).expect("heard");
    port.served.await.expect("no panic").expect("drained");
    drop(idle);
    assert!(tokio::net::TcpStream::connect(port.address).await.is_err());
}

fn stuck() -> String {
    format!("/api/v1/incidents/{STUCK}/acknowledge")
}

#[tokio::test(start_paused = true)]
async fn a_stop_cuts_what_does_not_end_within_five_seconds() {
    let Port { daemon, address, stop, served } = Port::open().await;
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("accepted");
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\r\n",
        stuck()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    while daemon.commands.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    stop.send(true).expect("heard");
    served.await.expect("no panic").expect("drained");
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_author_of_a_command_that_takes_too_long_is_told_that_nobody_knows() {
    let port = Port::open().await;
    let (status, code, message) = port.post(&stuck(), "").await.refusal();
    assert_eq!((status, code), (504, 4));
    assert!(message.contains("request_id"), "{message}");
}
