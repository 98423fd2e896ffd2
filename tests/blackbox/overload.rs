//! More telemetry than the daemon has the time for, over real sockets.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use serde_json::json;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::harness::fogbell::Fogbell;
use crate::harness::otlp::{Outcome, Shop, slo_labels};
use crate::harness::wait::{self, RUNTIME};
use crate::intake::counted;

const LIMIT: Duration = Duration::from_secs(10);
const CONNECTIONS: usize = 8;
const REQUESTS: usize = 512;
/// Each of three spans.
const TRACES: usize = 20;

/// Sends all of these at once; back come those that were refused retryably.
fn flood(
    channels: &[Channel],
    requests: Vec<ExportTraceServiceRequest>,
) -> Vec<ExportTraceServiceRequest> {
    let calls: Vec<_> = requests
        .into_iter()
        .enumerate()
        .map(|(number, request)| {
            let mut client = TraceServiceClient::new(channels[number % channels.len()].clone());
            RUNTIME.spawn(async move { (client.export(request.clone()).await, request) })
        })
        .collect();
    let mut refused = Vec::new();
    for call in calls {
        let (answer, request) = RUNTIME.block_on(call).unwrap();
        match answer {
            Ok(answer) => assert_eq!(answer.into_inner().partial_success, None),
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status}");
                assert!(status.message().contains("work"), "{status}");
                let details = String::from_utf8_lossy(status.details());
                assert!(details.contains("google.rpc.RetryInfo"), "{status}");
                refused.push(request);
            }
        }
    }
    refused
}

#[test]
fn what_there_is_no_time_for_is_refused_retryably_and_every_span_counts_once() {
    let fogbell = Fogbell::start(&json!({ "limits": { "work_ahead": "1ms" } }));
    let channels = [(); CONNECTIONS].map(|()| {
        let _guard = RUNTIME.enter();
        Endpoint::from_shared(fogbell.grpc_url()).unwrap().connect_lazy()
    });
    let shop = Shop::new();
    let mut waiting: Vec<_> = (0..REQUESTS).map(|_| shop.requests(TRACES, Outcome::Fine)).collect();
    let mut refusals = 0;
    while !waiting.is_empty() {
        let sent = waiting.len();
        waiting = flood(&channels, waiting);
        assert!(waiting.len() < sent, "some are taken each time");
        refusals += waiting.len();
    }
    assert!(refusals > 0, "half a second's work, and a millisecond of time for it");

    let spans = (REQUESTS * TRACES * 3) as f64;
    let count = |name: &str| counted(&fogbell, name, &[]);
    assert_eq!(count("fogbell_items_received_total"), spans);
    assert_eq!(count("fogbell_items_accepted_total"), spans);
    assert_eq!(
        [count("fogbell_items_rejected_total"), count("fogbell_items_shed_total")],
        [0.0; 2]
    );
    let shed = counted(&fogbell, "fogbell_requests_shed_total", &["reason=\"work\""]);
    assert_eq!(shed, refusals as f64);
    for service in ["storefront", "payments"] {
        let good =
            format!("slo_events_total{{{},result=\"good\"}}", slo_labels(service, "availability"));
        let expected = (REQUESTS * TRACES) as f64;
        wait::until("what was accepted is judged", LIMIT, || {
            fogbell.metric(&good).filter(|good| *good >= expected)
        });
        assert_eq!(fogbell.metric(&good), Some(expected), "{service}: to the unit");
    }
}
