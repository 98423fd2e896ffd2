use std::time::Duration;

use super::otel::*;
use super::*;

fn serve(observer: &mut Observer, resource: &str, name: &str, with: &str) {
    let request = traces(resource, vec![span(SERVER, name, with)]);
    observer.traces(&request, NOW).unwrap();
}

#[test]
fn services_beyond_the_cap_are_judged_together() {
    let mut observer = limited(Limits { services: 3, ..Limits::default() });
    for number in 0..10 {
        let resource = format!("service.name=s{number},service.version=v1");
        serve(&mut observer, &resource, "a", "http.response.status_code=500");
    }
    let delta = observer.flush();
    let mut names: Vec<_> = delta.services.iter().map(|s| (&*s.service.name, s.spans)).collect();
    names.sort_unstable();
    assert_eq!(names, [("__overflow__", 8), ("s0", 1), ("s1", 1)]);
    let overflow = delta.series.iter().find(|series| {
        matches!(&*series.key, SeriesKey::Automatic { service, sli: AutomaticSli::Availability, .. }
            if service.name == "__overflow__")
    });
    assert_eq!(overflow.unwrap().panes[0].count, Count::observed(0, 8));
    assert_eq!(observer.stats().overflowed.services, 8);
}

#[test]
fn operations_peers_and_tag_values_beyond_their_caps_are_counted_together() {
    let limits = Limits {
        operations_per_service: 2,
        peers_per_service: 2,
        tag_values_per_key: 2,
        ..Limits::default()
    };
    let mut observer = limited(limits);
    for number in 0..5 {
        let with = format!("tenant.id=t{number},http.response.status_code=200");
        serve(&mut observer, "service.name=a", &format!("op{number}"), &with);
    }
    let delta = observer.flush();
    assert_eq!(operations(&delta), ["__overflow__", "op0", "op1"]);
    let overflow = delta.operations.iter().find(|o| &*o.operation == "__overflow__").unwrap();
    assert_eq!(overflow.total, 3);
    assert_eq!(tag(&delta, "tenant.id", "__overflow__").unwrap().total, 3);
    assert_eq!(tag(&delta, "http.response.status_code", "200").unwrap().total, 5);
    for number in 0..5 {
        let call = span(CLIENT, "op0", &format!("peer.service=p{number}"));
        observer.traces(&traces("service.name=a", vec![call]), NOW).unwrap();
    }
    let delta = observer.flush();
    let mut peers: Vec<_> = delta.edges.iter().map(|e| (&*e.peer.address, e.calls)).collect();
    peers.sort_unstable();
    assert_eq!(peers, [("__overflow__", 3), ("p0", 1), ("p1", 1)]);
}

#[test]
fn resources_beyond_the_cap_lose_their_tags_and_keep_their_service() {
    let mut observer = limited(Limits { resources: 2, ..Limits::default() });
    for number in 0..5 {
        serve(&mut observer, &format!("service.name=a,k8s.pod.name=p{number}"), "op", "");
    }
    let delta = observer.flush();
    assert_eq!(only_service(&delta).spans, 5);
    assert_eq!(delta.tags.len(), 2);
}

#[test]
fn churn_of_services_does_not_fill_up_forever() {
    let limits = Limits { services: 100, resources: 100, ..Limits::default() };
    let mut observer = limited(limits);
    let mut now = NOW;
    for number in 0..300 {
        now = now.after(Duration::from_secs(60));
        let span = ended(SERVER, &format!("op{number}"), "", now, MS);
        let resource = format!("service.name=s{number},k8s.pod.name=p{number}");
        observer.traces(&traces(&resource, vec![span]), now).unwrap();
        let delta = observer.flush();
        assert_eq!(&*only_service(&delta).service.name, &*format!("s{number}"));
        assert_eq!(delta.series.len(), 2);
    }
    let held = observer.stats().held;
    assert!(held.services <= 13 && held.operations <= 13 && held.tags <= 13, "{held:?}");
    assert!(held.series <= 26, "{held:?}");
}

#[test]
fn an_id_that_is_lent_anew_names_its_new_series() {
    let mut observer = observer();
    let mut now = NOW;
    for number in 0..40 {
        now = now.after(Duration::from_secs(300));
        let span = ended(SERVER, "op", "", now, MS);
        let resource = format!("service.name=s{}", number % 7);
        observer.traces(&traces(&resource, vec![span]), now).unwrap();
        for series in observer.flush().series {
            let SeriesKey::Automatic { service, .. } = &*series.key else { panic!() };
            assert_eq!(*service.name, format!("s{}", number % 7));
        }
    }
}

#[test]
fn a_million_services_stay_within_the_caps() {
    let limits =
        Limits { services: 500, resources: 500, recall_bytes: 1 << 20, ..Limits::default() };
    let mut observer = limited(limits);
    for number in 0..20_000 {
        let resource = format!("service.name=s{number},k8s.pod.name=p{number}");
        serve(&mut observer, &resource, &format!("op{number}"), "user.id=u");
    }
    let held = observer.stats().held;
    // The overflow entries come on top.
    assert!(held.services <= 500 && held.resources <= 502, "{held:?}");
    assert!(held.operations <= 2600 && held.tags <= 502, "{held:?}");
    assert!(observer.stats().recall.bytes <= 1 << 20);
    assert_eq!(observer.flush().services.iter().map(|s| s.spans).sum::<u64>(), 20_000);
}

#[test]
fn messages_beyond_their_cap_share_one() {
    let mut observer = limited(Limits { messages: 3, ..Limits::default() });
    for number in 0..5 {
        let span = failed(span(SERVER, "a", ""), &format!("message {number}"));
        observer.traces(&traces("service.name=a", vec![span]), NOW).unwrap();
    }
    let mut messages: Vec<_> =
        observer.flush().spans.iter().map(|span| span.message.to_string()).collect();
    messages.dedup();
    assert_eq!(messages, ["message 0", "message 1", "__overflow__"]);
}

#[test]
fn a_resource_that_sends_no_spans_for_long_keeps_its_own_tags() {
    let mut observer = observer();
    let quiet = "service.name=quiet,service.version=v1";
    observer.traces(&traces(quiet, vec![span(SERVER, "a", "")]), NOW).unwrap();
    observer.flush();
    let mut now = NOW;
    for number in 0..40 {
        now = now.after(Duration::from_secs(30));
        let record = opentelemetry_proto::tonic::logs::v1::LogRecord {
            time_unix_nano: now.unix_ns(),
            ..log(9, "still here", "")
        };
        observer.logs(&logs(quiet, vec![record]), now).unwrap();
        // New tags take over whatever was let go, all of it in the end.
        let tags = if number < 39 { "" } else { ",host.name=h,cloud.region=r,k8s.pod.name=p" };
        let other = format!("service.name=other,service.version=w{number}{tags}");
        let span = ended(SERVER, "b", "", now, MS);
        observer.traces(&traces(&other, vec![span]), now).unwrap();
        observer.flush();
    }
    let span = ended(SERVER, "a", "", now, MS);
    observer.traces(&traces(quiet, vec![span]), now).unwrap();
    let delta = observer.flush();
    let [tag] = delta.tags.as_slice() else { panic!("{delta:?}") };
    assert_eq!((&*tag.service.name, &*tag.key, &*tag.value), ("quiet", "service.version", "v1"));
}

#[test]
fn a_hand_over_is_bounded_and_begins_with_what_is_bad() {
    let per_service = 600;
    let services = crate::HANDED_OVER_MAX / per_service + 2;
    let mut observer = observer();
    for service in 0..services {
        let spans = (0..per_service).map(|number| {
            let bad = number == per_service - 1;
            span(SERVER, &format!("op-{number}"), if bad { "error.type=x" } else { "" })
        });
        let spans = spans.map(|span| match span.attributes.is_empty() {
            true => span,
            false => failed(span, "broken"),
        });
        let request = traces(&format!("service.name=s{service}"), spans.collect());
        observer.traces(&request, NOW).unwrap();
    }
    let first = observer.flush();
    assert_eq!(first.operations.len(), crate::HANDED_OVER_MAX);
    assert_eq!(first.operations.iter().filter(|o| o.errors > 0).count(), services);
    let second = observer.flush();
    let handed = first.operations.len() + second.operations.len();
    assert_eq!(handed, services * per_service);
    assert!(observer.flush_all().is_empty());
}
