use std::time::Duration;

use model::{Count, EventTimes, LatencyBucket, PeerKind, SpanKind, Telemetry};
use proptest::prelude::*;

use super::otel::*;
use super::*;

const SHOP: &str = "service.name=shop";

fn seen(resource: &str, spans: Vec<opentelemetry_proto::tonic::trace::v1::Span>) -> PaneDelta {
    let mut observer = observer();
    let summary = observer.traces(&traces(resource, spans), NOW).unwrap();
    assert_eq!(summary.rejected.total(), 0);
    observer.flush()
}

#[test]
fn a_service_is_its_name_namespace_and_environment() {
    for (resource, expected) in [
        ("service.name=a", ("a", "", "")),
        ("service.name=a,service.namespace=n,deployment.environment.name=prod", ("a", "n", "prod")),
        ("service.name=a,deployment.environment=old", ("a", "", "old")),
        (
            "deployment.environment=old,deployment.environment.name=new,service.name=a",
            ("a", "", "new"),
        ),
        ("k8s.pod.name=x", ("unknown_service", "", "")),
    ] {
        let delta = seen(resource, vec![span(SERVER, "x", "")]);
        let service = &only_service(&delta).service;
        let parts = (&*service.name, &*service.namespace, &*service.environment);
        assert_eq!(parts, expected, "{resource}");
    }
}

#[test]
fn operations_are_named_by_convention() {
    for (kind, name, with, expected) in [
        (SERVER, "GET", "http.request.method=GET,http.route=/a/{id}", "GET /a/{id}"),
        (SERVER, "HTTP GET", "http.method=GET,http.route=/old", "GET /old"),
        (SERVER, "GET /x", "http.request.method=GET", "GET /x"),
        (SERVER, "grpc", "rpc.system=grpc,rpc.service=shop.Cart,rpc.method=Add", "shop.Cart/Add"),
        (SERVER, "grpc", "rpc.system.name=grpc,rpc.method=shop.Cart/Add", "shop.Cart/Add"),
        (
            CLIENT,
            "q",
            "db.system.name=mysql,db.operation.name=SELECT,db.collection.name=t",
            "SELECT t",
        ),
        (CLIENT, "q", "db.system=mysql,db.operation=SELECT,db.sql.table=t", "SELECT t"),
        (CLIENT, "q", "db.system.name=mysql,db.query.summary=SELECT a JOIN b", "SELECT a JOIN b"),
        (
            PRODUCER,
            "s",
            "messaging.system=kafka,messaging.operation.name=send,messaging.destination.name=o",
            "send o",
        ),
        (
            CONSUMER,
            "s",
            "messaging.system=kafka,messaging.operation=process,messaging.destination.name=o",
            "process o",
        ),
        (CLIENT, "GET", "http.request.method=GET,url.template=/u/{id}", "GET /u/{id}"),
        (INTERNAL, "render", "", "render"),
    ] {
        let delta = seen(SHOP, vec![span(kind, name, with)]);
        assert_eq!(operations(&delta), [expected], "{with}");
        assert_eq!(only_operation(&delta).kind, SpanKind::from_otlp(kind));
    }
}

#[test]
fn spans_that_serve_feed_the_automatic_slis_and_others_do_not() {
    let slow = ended(CONSUMER, "slow", "", NOW, 501 * MS);
    let delta = seen(
        SHOP,
        vec![
            span(SERVER, "good", "http.response.status_code=404"),
            span(SERVER, "bad", "http.response.status_code=500"),
            ended(SERVER, "just fast enough", "", NOW, 500 * MS),
            slow,
            failed(span(INTERNAL, "inner", ""), "oops"),
            failed(span(CLIENT, "out", ""), "oops"),
        ],
    );
    assert_eq!(availability(&delta), Some(Count::observed(3, 1)));
    assert_eq!(latency(&delta), Some(Count::observed(3, 1)));
    let panes: Vec<_> = delta.series.iter().flat_map(|s| &s.panes).map(|p| p.pane).collect();
    assert_eq!(panes, [pane_of(NOW); 2]);
    assert_eq!(only_service(&delta).spans, 6);
    assert_eq!(only_service(&delta).times_of(Telemetry::Traces).newest, NOW);
    assert_eq!(delta.worker, 3);
}

#[test]
fn without_automatic_slis_none_are_counted() {
    let mut observer = Observer::new(&ObserverOptions { automatic: None, ..options() });
    observer.traces(&traces(SHOP, vec![failed(span(SERVER, "a", ""), "x")]), NOW).unwrap();
    let delta = observer.flush();
    assert_eq!(delta.series, []);
    assert_eq!(only_operation(&delta).errors, 1);
}

#[test]
fn a_span_weighs_what_its_sampling_threshold_says() {
    let sampled = |state: &str, code: u16| {
        let span = span(SERVER, "a", &format!("http.response.status_code={code}"));
        opentelemetry_proto::tonic::trace::v1::Span { trace_state: state.to_owned(), ..span }
    };
    let delta =
        seen(SHOP, vec![sampled("ot=th:c", 200), sampled("ot=th:8", 500), sampled("", 500)]);
    let expected = Count { total: 7, bad_signed: 3, bad_observed: 2, uncertain: 0 };
    assert_eq!(availability(&delta), Some(expected));
    assert_eq!(only_operation(&delta).total, 3);
}

#[test]
fn events_are_counted_in_the_pane_in_which_they_ended() {
    let at =
        |seconds_ago: u64| ended(SERVER, "a", "", NOW.before(Duration::from_secs(seconds_ago)), MS);
    let delta = seen(SHOP, vec![at(0), at(12), at(3600), at(1)]);
    let panes = &delta.series[0].panes;
    let expected = [(3600, 1), (12, 1), (0, 2)]
        .map(|(ago, total)| (NOW.before(Duration::from_secs(ago)).pane(), total));
    assert_eq!(panes.iter().map(|p| (p.pane, p.count.total)).collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_too_old_or_too_far_ahead_is_counted_as_dropped() {
    let age = crate::EVENT_AGE_MAX;
    let skew = crate::FUTURE_SKEW_MAX;
    let ms = Duration::from_millis(1);
    let delta = seen(
        SHOP,
        vec![
            ended(SERVER, "a", "", NOW.before(age), MS),
            ended(SERVER, "a", "", NOW.before(age).before(ms), MS),
            ended(SERVER, "a", "", NOW.after(skew), MS),
            ended(SERVER, "a", "", NOW.after(skew).after(ms), MS),
            ended(SERVER, "a", "", NOW.after(skew).after(ms), MS),
        ],
    );
    assert_eq!((delta.late_dropped, delta.future_dropped), (1, 2));
    assert_eq!(only_operation(&delta).total, 2);
    let (oldest, newest) = (NOW.before(age), NOW.after(skew));
    let times = EventTimes { oldest, newest, future: newest.after(ms) };
    assert_eq!(only_service(&delta).times_of(Telemetry::Traces), times);
}

#[test]
fn entry_traffic_is_what_serves_without_a_parent() {
    let child =
        |span| opentelemetry_proto::tonic::trace::v1::Span { parent_span_id: vec![9; 8], ..span };
    let delta = seen(
        SHOP,
        vec![
            span(SERVER, "a", ""),
            failed(span(SERVER, "a", ""), ""),
            ended(SERVER, "a", "", NOW, 800 * MS),
            child(failed(span(SERVER, "a", ""), "")),
        ],
    );
    let operation = only_operation(&delta);
    assert_eq!((operation.total, operation.errors, operation.slow), (4, 2, 1));
    assert_eq!((operation.entry_total, operation.entry_bad), (3, 2));
    let expected = [(LatencyBucket::of(10 * MS), 3), (LatencyBucket::of(800 * MS), 1)];
    assert_eq!(operation.latency, expected);
    let client = seen(SHOP, vec![span(CLIENT, "a", "")]);
    assert_eq!(only_operation(&client).entry_total, 0);
}

#[test]
fn edges_are_known_by_what_the_caller_says_of_its_peer() {
    use PeerKind::{Database, Http, Messaging, Other, Rpc};
    for (with, kind, address, system) in [
        ("peer.service=cart,server.address=x,http.method=GET", Http, "cart", ""),
        (
            "http.request.method=GET,server.address=cart.svc,server.port=8080",
            Http,
            "cart.svc:8080",
            "",
        ),
        ("net.peer.name=cart,net.peer.port=80,rpc.system=grpc", Rpc, "cart:80", "grpc"),
        ("network.peer.address=10.0.0.1", Other, "10.0.0.1", ""),
        ("db.system.name=postgresql,db.namespace=orders", Database, "orders", "postgresql"),
        ("db.system=redis", Database, "", "redis"),
        ("messaging.system=kafka,messaging.destination.name=orders", Messaging, "orders", "kafka"),
    ] {
        let delta = seen(SHOP, vec![span(CLIENT, "call", with)]);
        let edge = only_edge(&delta);
        let peer = (edge.peer.kind, &*edge.peer.address, &*edge.peer.system);
        assert_eq!(peer, (kind, address, system), "{with}");
        assert_eq!((edge.calls, edge.errors), (1, 0));
        assert_eq!(edge.latency, [(LatencyBucket::of(10 * MS), 1)]);
    }
    assert_eq!(seen(SHOP, vec![span(CLIENT, "call", "")]).edges, []);
    assert_eq!(seen(SHOP, vec![span(SERVER, "serve", "server.address=me")]).edges, []);
}

#[test]
fn peers_of_one_request_are_kept_apart() {
    let calls =
        ["server.port=1,db.system=a", "server.port=2,db.system=a", "server.port=2,db.system=b"];
    let call = |with: &&str| span(CLIENT, "call", &format!("server.address=x,{with}"));
    let delta = seen(SHOP, calls.iter().chain(&calls).map(call).collect());
    let peers: Vec<_> =
        delta.edges.iter().map(|e| (&*e.peer.address, &*e.peer.system, e.calls)).collect();
    assert_eq!(peers, [("x:1", "a", 2), ("x:2", "a", 2), ("x:2", "b", 2)]);
}

#[test]
fn an_edge_tells_errors_throttling_and_silence_apart() {
    let call = |with: &str| span(CLIENT, "call", &format!("peer.service=cart,{with}"));
    let delta = seen(
        SHOP,
        vec![
            call("http.response.status_code=200"),
            call("http.response.status_code=404"),
            call("http.response.status_code=429"),
            call("http.response.status_code=500"),
            failed(call("http.request.method=GET,error.type=timeout"), ""),
        ],
    );
    let edge = only_edge(&delta);
    assert_eq!((edge.calls, edge.errors, edge.throttled, edge.unanswered), (5, 3, 1, 1));
}

#[test]
fn tags_are_counted_among_all_and_among_bad_spans_that_serve() {
    let resource =
        "service.name=shop,service.version=2.4.0,k8s.pod.name=shop-1,cloud.region=eu,process.pid=7";
    let with = "http.request.method=GET,http.route=/a,http.response.status_code=";
    let delta = seen(
        resource,
        vec![
            span(
                SERVER,
                "x",
                &format!("{with}200,feature_flag.key=dark,feature_flag.result.variant=on"),
            ),
            span(SERVER, "x", &format!("{with}500,error.type=Boom,tenant.id=t1")),
            ended(SERVER, "x", &format!("{with}200"), NOW, 900 * MS),
            span(CLIENT, "y", "error.type=Other,peer.service=z"),
        ],
    );
    let expected = [
        ("cloud.region", "eu", (3, 1, 1)),
        ("error.type", "Boom", (1, 1, 0)),
        ("feature_flag.dark", "on", (1, 0, 0)),
        ("http.response.status_code", "200", (2, 0, 1)),
        ("http.response.status_code", "500", (1, 1, 0)),
        ("http.route", "/a", (3, 1, 1)),
        ("k8s.pod.name", "shop-1", (3, 1, 1)),
        ("service.version", "2.4.0", (3, 1, 1)),
        ("tenant.id", "t1", (1, 1, 0)),
    ];
    for (key, value, counts) in expected {
        let tag = tag(&delta, key, value).unwrap_or_else(|| panic!("{key}={value}"));
        assert_eq!((tag.total, tag.errors, tag.slow), counts, "{key}={value}");
    }
    assert_eq!(delta.tags.len(), expected.len());
}

#[test]
fn subjects_of_bad_entry_events_are_told_apart_without_their_names() {
    let request = |user: &str, code: u16| {
        span(SERVER, "a", &format!("user.id={user},http.response.status_code={code}"))
    };
    let spans =
        vec![request("u1", 500), request("u1", 500), request("u2", 500), request("u3", 200)];
    let delta = seen(SHOP, spans.clone());
    assert_eq!(only_service(&delta).subjects.len(), 2);
    // The same user has the same hash in another worker with another seed.
    let mut other = Observer::new(&ObserverOptions { seed: 8, ..options() });
    other.traces(&traces(SHOP, spans), NOW).unwrap();
    assert_eq!(only_service(&other.flush()).subjects, only_service(&delta).subjects);
}

#[test]
fn bad_events_come_with_their_traces_and_reasons() {
    let delta = seen(
        SHOP,
        vec![
            span(SERVER, "good", ""),
            span(SERVER, "a", "http.response.status_code=503"),
            failed(span(SERVER, "b", "error.type=Boom"), "it went boom"),
            failed(span(SERVER, "c", ""), "no luck"),
            ended(SERVER, "d", "", NOW, 700 * MS),
        ],
    );
    let reasons = |sli: AutomaticSli| -> Vec<(String, String)> {
        let of_sli = delta.series.iter().filter(|series| {
            matches!(&*series.key, SeriesKey::Automatic { sli: known, .. } if *known == sli)
        });
        let events = of_sli.flat_map(|series| &series.exemplars);
        events.map(|event| (event.operation.to_string(), event.reason.to_string())).collect()
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let expected = [pair("a", "503"), pair("b", "Boom"), pair("c", "no luck")];
    assert_eq!(reasons(AutomaticSli::Availability), expected);
    assert_eq!(reasons(AutomaticSli::Latency), [pair("d", "slow")]);
}

#[test]
fn secrets_leave_in_no_field() {
    let secret = "jane.doe@example.com";
    let mut observer = observer();
    let spans = vec![
        failed(span(SERVER, &format!("GET /{secret}"), &format!("error.type={secret}")), secret),
        failed(
            span(CLIENT, "call", &format!("peer.service={secret},db.query.text={secret}")),
            secret,
        ),
    ];
    let resource = format!("service.name=shop,k8s.pod.name={secret},customer={secret}");
    observer.traces(&traces(&resource, spans), NOW).unwrap();
    let recalled = observer.recall(&[model::TraceId([1; 16])]);
    assert_eq!(recalled.len(), 2);
    let delta = observer.flush();
    let all = format!("{delta:?}{recalled:?}");
    assert!(!all.contains("jane") && !all.contains("customer"), "{all}");
    assert!(all.contains("redacted"));
}

#[test]
fn a_request_that_cannot_be_read_counts_nothing() {
    let mut observer = observer();
    let request = traces(SHOP, vec![span(SERVER, "a", "")]);
    assert!(observer.traces(&request[..request.len() - 3], NOW).is_err());
    assert!(observer.flush().is_empty());
}

#[test]
fn what_was_handed_over_is_not_handed_over_again() {
    let mut observer = observer();
    let request = traces(SHOP, vec![failed(span(SERVER, "a", "error.type=x,user.id=7"), "b")]);
    observer.traces(&request, NOW).unwrap();
    let first = observer.flush();
    assert!(observer.flush().is_empty());
    observer.traces(&request, NOW).unwrap();
    let second = observer.flush();
    assert_eq!(first, second);
}

fn any_span() -> impl Strategy<Value = (usize, opentelemetry_proto::tonic::trace::v1::Span)> {
    let kinds = prop::sample::select(vec![SERVER, CLIENT, CONSUMER, INTERNAL]);
    let codes = prop::sample::select(vec![200, 404, 429, 500, 503]);
    (0..3usize, kinds, codes, 0..4u8, 0..9000u64, 1..900u64).prop_map(
        |(service, kind, code, route, ago_ms, took_ms)| {
            let with = format!(
                "http.request.method=GET,http.route=/r{route},http.response.status_code={code},server.address=s{route}"
            );
            let end = NOW.before(Duration::from_millis(ago_ms));
            (service, ended(kind, "x", &with, end, took_ms * MS))
        },
    )
}

proptest! {
    /// However requests are cut, ordered and given to workers, the sums are the same.
    #[test]
    fn deltas_add_up_however_requests_are_cut(
        spans in prop::collection::vec(any_span(), 1..40),
        cuts in prop::collection::vec((any::<bool>(), any::<bool>()), 40),
    ) {
        let resource = |service: usize| format!("service.name=s{service},service.version=v{service}");
        let mut whole = observer();
        for service in 0..3 {
            let of_service = spans.iter().filter(|(s, _)| *s == service);
            let request = traces(&resource(service), of_service.map(|(_, span)| span.clone()).collect());
            whole.traces(&request, NOW).unwrap();
        }
        let expected = sums(&[whole.flush()]);
        let mut workers = [observer(), limited(Limits { recall_bytes: 0, ..Limits::default() })];
        let mut deltas = Vec::new();
        for ((service, span), (second, flush)) in spans.iter().rev().zip(cuts) {
            let worker = &mut workers[usize::from(second)];
            worker.traces(&traces(&resource(*service), vec![span.clone()]), NOW).unwrap();
            if flush {
                deltas.push(worker.flush());
            }
        }
        deltas.extend(workers.iter_mut().map(Observer::flush));
        let mut parts = sums(&deltas);
        // A service without spans is heard in neither.
        parts.retain(|_, counts| counts.iter().any(|&count| count != 0));
        let mut expected = expected;
        expected.retain(|_, counts| counts.iter().any(|&count| count != 0));
        prop_assert_eq!(parts, expected);
    }
}
