use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use otlp::Signal;
use prost::Message;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;

use crate::client::{export, grpc, grpc_path, http, http_path, post};
use crate::harness::Server;
use crate::requests::{SIGNALS, json, logs, metrics, pack, protobuf, traces};

async fn channel(server: &Server) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{}", server.grpc)).expect("address");
    endpoint.connect().await.expect("connect")
}

#[tokio::test]
async fn grpc_takes_all_signals_with_each_compression() {
    let server = Server::open();
    let channel = channel(&server).await;
    for compression in [None, Some(CompressionEncoding::Gzip), Some(CompressionEncoding::Zstd)] {
        let mut spans = TraceServiceClient::new(channel.clone());
        let mut points = MetricsServiceClient::new(channel.clone());
        let mut records = LogsServiceClient::new(channel.clone());
        if let Some(compression) = compression {
            spans = spans.send_compressed(compression);
            points = points.send_compressed(compression);
            records = records.send_compressed(compression);
        }
        let sent = (traces(100, 0), metrics(100, 0), logs(100));
        let bytes = [sent.0.encode_to_vec(), sent.1.encode_to_vec(), sent.2.encode_to_vec()];
        let answer = spans.export(sent.0).await.expect("traces").into_inner();
        assert_eq!(answer.partial_success, None);
        let answer = points.export(sent.1).await.expect("metrics").into_inner();
        assert_eq!(answer.partial_success, None);
        let answer = records.export(sent.2).await.expect("logs").into_inner();
        assert_eq!(answer.partial_success, None);
        let seen = std::mem::take(&mut *server.intake.requests.lock().expect("lock"));
        assert_eq!(seen.len(), 3);
        for ((tenant, signal, seen), (expected, bytes)) in
            seen.into_iter().zip(SIGNALS.into_iter().zip(bytes))
        {
            assert_eq!((tenant.as_str(), signal), ("default", expected));
            assert!(seen == bytes, "{signal:?} {compression:?}: the bytes are what was sent");
        }
    }
    assert_eq!(server.gate.admission().in_flight(), 0);
}

#[tokio::test]
async fn http_takes_all_signals_with_each_compression_and_encoding() {
    let server = Server::open();
    for signal in SIGNALS {
        for encoding in ["identity", "gzip", "zstd", "deflate"] {
            let bytes = protobuf(signal, 100);
            let headers = [("content-encoding", encoding)];
            let answer = post(server.http, signal, &headers, pack(encoding, &bytes)).await;
            assert_eq!(answer.status, 200, "{signal:?} {encoding}");
            assert_eq!(answer.header("content-type"), Some("application/x-protobuf"));
            assert!(answer.body.is_empty());
            let seen = server.intake.requests.lock().expect("lock").pop().expect("one");
            assert!((seen.1, &seen.2) == (signal, &bytes), "{signal:?} {encoding}");

            let headers = [
                ("content-type", "application/json; charset=utf-8"),
                ("content-encoding", encoding),
            ];
            let body = pack(encoding, &json(signal));
            let answer = http(server.http, "POST", http_path(signal), &headers, body).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (200, serde_json::json!({})));
            let (_, of, seen) = server.intake.requests.lock().expect("lock").pop().expect("one");
            assert_eq!((of, otlp::count(signal, &seen)), (signal, Ok(1)));
        }
    }
    assert_eq!(server.gate.admission().in_flight(), 0);
}

#[tokio::test]
async fn large_requests_come_in_many_pieces_and_arrive_whole() {
    let server = Server::open();
    let bytes = protobuf(Signal::Traces, 15_000);
    assert!(bytes.len() > 700_000);
    assert_eq!(export(server.grpc, Signal::Traces, &bytes).await.status.code(), Code::Ok);
    let other = protobuf(Signal::Traces, 15_000);
    assert_eq!(post(server.http, Signal::Traces, &[], other.clone()).await.status, 200);
    let seen = server.intake.requests.lock().expect("lock");
    assert!(seen[0].2 == bytes && seen[1].2 == other);
}

#[tokio::test]
async fn an_empty_request_is_accepted_each_time() {
    let server = Server::open();
    for _ in 0..2 {
        for signal in SIGNALS {
            let answer = export(server.grpc, signal, b"").await;
            assert_eq!((answer.status.code(), answer.message.as_ref()), (Code::Ok, &[0; 5][..]));
            let answer = post(server.http, signal, &[], "").await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
            let headers = [("content-type", "application/json")];
            let answer = http(server.http, "POST", http_path(signal), &headers, "{}").await;
            assert_eq!((answer.status.as_u16(), answer.json()), (200, serde_json::json!({})));
        }
    }
    assert_eq!(server.count(), 0, "nothing is not worth a look");
}

#[tokio::test]
async fn rejected_items_are_told_in_the_field_of_the_signal() {
    let server = Server::open();
    let channel = channel(&server).await;
    let answer = TraceServiceClient::new(channel.clone()).export(traces(3, 2)).await.expect("ok");
    let partial = answer.into_inner().partial_success.expect("partial");
    assert_eq!(partial.rejected_spans, 2);
    assert!(partial.error_message.contains("trace id"), "{}", partial.error_message);
    let answer = MetricsServiceClient::new(channel).export(metrics(3, 2)).await.expect("ok");
    let partial = answer.into_inner().partial_success.expect("partial");
    assert_eq!(partial.rejected_data_points, 2);

    let answer = post(server.http, Signal::Traces, &[], traces(1, 4).encode_to_vec()).await;
    let body = ExportTraceServiceResponse::decode(answer.body.clone()).expect("a response");
    assert_eq!(answer.status, 200);
    assert_eq!(body.partial_success.map(|partial| partial.rejected_spans), Some(4));

    let bad_log = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"x"}]}]}]}"#;
    let rows = [
        (
            Signal::Metrics,
            serde_json::to_string(&metrics(0, 5)).expect("JSON"),
            "rejectedDataPoints",
            "5",
        ),
        (Signal::Logs, bad_log.to_owned(), "rejectedLogRecords", "1"),
    ];
    for (signal, body, field, rejected) in rows {
        let headers = [("content-type", "application/json")];
        let answer = http(server.http, "POST", http_path(signal), &headers, body).await;
        assert_eq!(answer.status, 200);
        let partial = &answer.json()["partialSuccess"];
        assert_eq!(partial[field], rejected);
        assert!(!partial["errorMessage"].as_str().unwrap_or_default().is_empty());
    }
}

#[tokio::test]
async fn the_tenant_is_that_of_the_credential_else_of_the_header() {
    let open = Server::open();
    let headers = [("x-scope-orgid", "shop")];
    let body = protobuf(Signal::Logs, 1);
    assert_eq!(post(open.http, Signal::Logs, &headers, body).await.status, 200);
    let body = crate::client::frame(0, &protobuf(Signal::Logs, 1));
    let answer = grpc(open.grpc, grpc_path(Signal::Logs), &headers, body).await;
    assert_eq!(answer.status.code(), Code::Ok);

    let guarded = Server::guarded();
    let headers = [("x-scope-orgid", "bank"), ("authorization", "Bearer sender")];
    let body = protobuf(Signal::Logs, 1);
    assert_eq!(post(guarded.http, Signal::Logs, &headers, body).await.status, 200);
    for server in [open, guarded] {
        let seen = server.intake.requests.lock().expect("lock");
        assert!(!seen.is_empty() && seen.iter().all(|(tenant, ..)| tenant == "shop"));
    }
}
