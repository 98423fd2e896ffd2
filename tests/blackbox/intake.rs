//! Input that is broken, hostile or simply too much, over real sockets.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message as _;
use serde_json::{Value, json};
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic::transport::Endpoint;

use crate::harness::fogbell::Fogbell;
use crate::harness::http;
use crate::harness::otlp::{Exporter, Outcome, Shop, now_ns, resource_spans, slo_labels};
use crate::harness::wait::{self, RUNTIME};

const LIMIT: Duration = Duration::from_secs(10);
/// The default of `limits.memory_bytes`.
const MEMORY_BYTES: u64 = 512 << 20;
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");
/// As many as an unoptimised daemon takes in some ten seconds; far beyond `limits.services`.
const SERVICES: usize = 200_000;

fn small() -> Fogbell {
    Fogbell::start(&json!({
        "receive": { "request_bytes_max": "1MiB" },
    }))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A counter by its name and some of its labels, over all others.
pub(crate) fn counted(fogbell: &Fogbell, name: &str, labels: &[&str]) -> f64 {
    let metrics = fogbell.metrics();
    let lines = metrics.lines().filter(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    });
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

/// That nothing broke: the log is free of panics, and health is served.
fn check_alive(fogbell: &Fogbell) {
    assert_eq!(http::get(&fogbell.api_url("/readyz"), &[]).unwrap().status, 200);
    assert!(!fogbell.log().contains("panicked"), "{}", fogbell.log());
    let peak = fogbell.resident_bytes_peak();
    eprintln!("at most {} MiB were resident", peak >> 20);
    assert!(peak <= MEMORY_BYTES, "{peak} bytes were resident");
    // Whoever behaves gets through, at once or when told to come again.
    let exporter = Exporter::to(&fogbell.grpc_url());
    wait::until("an export is taken", LIMIT, || {
        match exporter.try_send(Shop::new().requests(1, Outcome::Fine)) {
            Ok(()) => Some(()),
            Err(refused) => {
                assert_eq!(refused.code(), Code::Unavailable, "{refused}");
                std::thread::sleep(Duration::from_secs(1));
                None
            }
        }
    });
}

/// What, signal, headers, body; status and reason.
type Case<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>, &'a [u8], u16, &'a str);

#[test]
fn every_bad_http_request_gets_its_status_and_its_counter() {
    let fogbell = small();
    let good = Shop::new().requests(10, Outcome::Fine).encode_to_vec();
    let truncated = &good[..good.len() - 3];
    let oversized = vec![0x0a; 2 << 20];
    let bomb = gzip(&vec![0; 200 << 20]);
    let zstd_bomb = zstd::encode_all(&vec![0; 200 << 20][..], 3).unwrap();
    let half = gzip(&good);
    let half = &half[..half.len() / 2];
    let encoding = |name| ("content-encoding", name);
    let cases: [Case<'_>; 11] = [
        ("truncated", "traces", vec![PROTOBUF], truncated, 400, "malformed"),
        ("noise", "metrics", vec![PROTOBUF], &[0xff; 100], 400, "malformed"),
        ("oversized", "traces", vec![PROTOBUF], &oversized, 413, "too_large"),
        ("gzip bomb", "logs", vec![PROTOBUF, encoding("gzip")], &bomb, 413, "too_large"),
        ("zstd bomb", "traces", vec![PROTOBUF, encoding("zstd")], &zstd_bomb, 413, "too_large"),
        ("half a gzip", "traces", vec![PROTOBUF, encoding("gzip")], half, 400, "malformed"),
        (
            "unknown compression",
            "traces",
            vec![PROTOBUF, encoding("br")],
            &good,
            415,
            "compression",
        ),
        ("wrong type", "traces", vec![("content-type", "text/plain")], &good, 415, "content_type"),
        ("no type", "traces", vec![], &good, 415, "content_type"),
        ("bad JSON", "traces", vec![JSON], b"{\"resourceSpans\": [", 400, "malformed"),
        ("JSON of another shape", "logs", vec![JSON], b"{\"resourceLogs\": 7}", 400, "malformed"),
    ];
    for (what, signal, headers, body, status, reason) in cases {
        let label = format!("reason=\"{reason}\"");
        let code = format!("code=\"{status}\"");
        let counters = || {
            [
                counted(&fogbell, "fogbell_requests_refused_total", &[&label]),
                counted(&fogbell, "fogbell_requests_total", &[&code, "transport=\"http\""]),
            ]
        };
        let before = counters();
        let answer = http::post(&format!("{}/v1/{signal}", fogbell.http_url()), &headers, body);
        let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        let json = answer.header("content-type") == Some("application/json");
        if headers.contains(&JSON) || headers.contains(&PROTOBUF) {
            assert_eq!(json, headers.contains(&JSON), "{what} is answered as it was asked");
        }
        assert!(answer.header("retry-after").is_none(), "{what} must not be sent again");
        if json {
            let body: Value = serde_json::from_slice(&answer.body).expect("google.rpc.Status");
            assert!(body["message"].as_str().is_some_and(|m| !m.is_empty()), "{what}: {body}");
        } else {
            assert!(!answer.body.is_empty(), "{what}: a google.rpc.Status says why");
        }
        let after = counters();
        assert!(
            after.iter().zip(before).all(|(a, b)| *a >= b + 1.0),
            "{what}: {before:?} {after:?}"
        );
    }
    let get = http::get(&format!("{}/v1/traces", fogbell.http_url()), &[]).unwrap();
    assert_eq!(get.status, 405);
    let elsewhere = http::post(&format!("{}/v1/profiles", fogbell.http_url()), &[PROTOBUF], b"");
    assert_eq!(elsewhere.unwrap().status, 404);
    check_alive(&fogbell);
}

#[test]
fn bad_grpc_requests_are_told_apart() {
    let fogbell = small();
    let channel = {
        let _guard = RUNTIME.enter();
        Endpoint::from_shared(fogbell.grpc_url()).unwrap().connect_lazy()
    };
    let export = |request: ExportTraceServiceRequest, gzip: bool| {
        let mut client = TraceServiceClient::new(channel.clone());
        if gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        RUNTIME.block_on(client.export(request))
    };
    // Ten thousand traces are some megabytes, and half a megabyte when compressed.
    let large = Shop::new().requests(10_000, Outcome::Fine);
    for gzip in [false, true] {
        let refused = export(large.clone(), gzip).unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        assert!(refused.details().is_empty(), "no RetryInfo: it must not be sent again");
    }
    // Ids that are none are left out, and what is well stays.
    let mut mixed = Shop::new().requests(10, Outcome::Fine);
    mixed.resource_spans[1].scope_spans[0].spans[0].trace_id = vec![0; 16];
    mixed.resource_spans[1].scope_spans[0].spans[1].span_id = vec![1, 2, 3];
    let partial = export(mixed, false).unwrap().into_inner().partial_success.expect("partial");
    assert_eq!(partial.rejected_spans, 2, "{}", partial.error_message);
    assert!(partial.error_message.contains("trace id"), "{}", partial.error_message);
    let rejected = || counted(&fogbell, "fogbell_items_rejected_total", &["signal=\"traces\""]);
    wait::until("the rejections are counted", LIMIT, || (rejected() >= 2.0).then_some(()));
    check_alive(&fogbell);
}

#[test]
fn spans_of_the_future_and_of_last_year_are_dropped_and_counted() {
    let fogbell = small();
    let exporter = Exporter::to(&fogbell.grpc_url());
    let shop = Shop::new();
    let (hour, year) = (3_600_000_000_000, 365 * 86_400_000_000_000);
    exporter.send(shop.requests_at(10, Outcome::Broken, now_ns() + hour));
    exporter.send(shop.requests_at(10, Outcome::Broken, now_ns() - year));
    exporter.send(shop.requests(10, Outcome::Fine));
    let future = || counted(&fogbell, "slo_future_events_total", &[]);
    let late = || counted(&fogbell, "slo_late_events_total", &[]);
    wait::until("they are counted", LIMIT, || (future() > 0.0 && late() > 0.0).then_some(()));
    let labels = slo_labels("storefront", "availability");
    let bad = format!("slo_events_total{{{labels},result=\"bad\"}}");
    wait::until("the SLO", LIMIT, || fogbell.metric(&bad));
    assert_eq!(fogbell.metric(&bad), Some(0.0), "no window may hold them");
    let source = "service_name=\"storefront\",service_namespace=\"shop\",\
                  deployment_environment_name=\"production\",signal=\"traces\"";
    let ahead = fogbell.metric(&format!("slo_source_clock_ahead_seconds{{{source}}}"));
    assert!(ahead.is_some_and(|seconds| seconds > 3500.0), "{ahead:?}");
    let live = fogbell.metric(&format!("slo_source_state{{{source},state=\"live\"}}"));
    assert_eq!(live, Some(1.0), "a few odd spans are no wrong clock");
    check_alive(&fogbell);
}

#[test]
fn connections_that_break_off_or_speak_nonsense_do_no_harm() {
    let fogbell = small();
    let ports = [fogbell.http_url(), fogbell.grpc_url()];
    let addresses = ports.map(|url| url.trim_start_matches("http://").to_owned());
    for address in &addresses {
        for bytes in [
            &b"GET / HTTP/1.1\r\nhost: x\r\n"[..],
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nabc",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(bytes).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            // Whatever the answer is: the next connection must find a server.
            let _ = stream.read(&mut [0; 100]);
        }
    }
    check_alive(&fogbell);
}

#[test]
fn countless_services_fold_into_one_and_memory_stays_bounded() {
    let fogbell = small();
    // Several connections, so that several workers get their share of it.
    let exporters = [(); 16].map(|()| Exporter::to(&fogbell.grpc_url()));
    let begun = Instant::now();
    for batch in 0..SERVICES / 1000 {
        let server = Shop::new().requests(1, Outcome::Fine).resource_spans.remove(0);
        let span = server.scope_spans[0].spans[0].clone();
        let spans = (0..1000).map(|index| {
            let mut span = span.clone();
            span.span_id = crate::harness::otlp::span_id();
            resource_spans(&format!("service-{batch}-{index}"), vec![span])
        });
        let exporter = &exporters[batch % exporters.len()];
        exporter.send(ExportTraceServiceRequest { resource_spans: spans.collect() });
    }
    eprintln!("{SERVICES} services took {:.1?}", begun.elapsed());
    let known = wait::until("the services are known", LIMIT, || {
        let known = counted(&fogbell, "fogbell_services", &["tenant=\"default\""]);
        (known >= 10_000.0).then_some(known)
    });
    // Each of two or more workers may add an entry for what is beyond.
    assert!(known <= 10_002.0, "{known}");
    let labels = "slo=\"__overflow__:availability\",service=\"__overflow__\"";
    wait::until("what is beyond is judged together", LIMIT, || {
        let good = format!("slo_events_total{{{labels},result=\"good\"}}");
        fogbell.metric(&good).filter(|good| *good >= (SERVICES - 10_100) as f64)
    });
    check_alive(&fogbell);
}
