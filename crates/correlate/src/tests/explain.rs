//! What changed, without an alert and without a bad trace.

use std::sync::Arc;
use std::time::Duration;

use model::{
    Cause, CauseKind, Change, LogTemplateDelta, PaneDelta, PeerKind, Service, ServiceDelta, Signal,
    Timestamp, UsageDelta,
};

use super::world::{Call, Work, World, ask, call, work};

/// web -> cart -> store, and web -> ads.
fn request(cart: Work, ads_ms: u64) -> Work {
    work("web", 5, vec![call(cart), call(work("ads", ads_ms, vec![]))]).named("GET /")
}

fn cart(own_ms: u64) -> Work {
    work("cart", own_ms, vec![call(work("store", 3, vec![]).named("read"))]).named("list")
}

/// Two minutes of `usual`, then one of `fault`, and when that began.
fn world(usual: impl Fn(u64) -> Work, fault: impl Fn(u64) -> Work) -> (World, Timestamp) {
    let mut world = World::new();
    world.with_status = false;
    world.run(121, usual);
    let since = world.now;
    world.run(60, fault);
    (world, since)
}

fn first(causes: &[Cause]) -> (&str, Signal) {
    let cause = causes.first().expect("a cause is named");
    (&cause.service, cause.evidence.first().expect("with evidence").signal)
}

#[test]
fn nothing_is_named_where_nothing_changed() {
    let vary = |n: u64| request(cart(4 + n % 5), 2 + n % 3);
    let (world, since) = world(vary, vary);
    assert_eq!(world.explain(since), []);
}

#[test]
fn who_spends_more_time_itself_is_named_though_no_request_is_slow() {
    let (world, since) = world(|_| request(cart(4), 2), |_| request(cart(40), 2));
    let causes = world.explain(since);
    assert_eq!(first(&causes), ("cart", Signal::ExclusiveTime));
    let evidence = &causes[0].evidence[0];
    assert!((evidence.observed, evidence.baseline) > (39.0, 3.9) && evidence.baseline < 5.0);
    assert!(!evidence.trace_ids.is_empty());
    assert_eq!(causes[0].operation, "list");
}

#[test]
fn time_lost_on_the_way_is_blamed_on_the_callee_and_on_the_caller_if_all_its_calls_are_late() {
    let late = |mut call: Call| {
        call.gap_ms = 80;
        call
    };
    let web = |one: Call, two: Call, three: Call| work("web", 5, vec![one, two, three]);
    let to = |name| call(work(name, 3, vec![]));
    let usual = |_| web(to("a"), to("b"), to("c"));
    let (one_late, since) = world(usual, |_| web(late(to("a")), to("b"), to("c")));
    let causes = one_late.explain(since);
    assert_eq!(first(&causes), ("a", Signal::CalleeGap));
    assert_eq!(causes[0].kind, CauseKind::Network);
    let (all_late, since) = world(usual, |_| web(late(to("a")), late(to("b")), late(to("c"))));
    assert_eq!(first(&all_late.explain(since)), ("web", Signal::CalleeGap));
}

#[test]
fn who_leaves_out_its_calls_is_named() {
    let silent = |n: u64| {
        request(
            if n.is_multiple_of(2) { cart(4) } else { work("cart", 4, vec![]).named("list") },
            2,
        )
    };
    let (world, since) = world(|_| request(cart(4), 2), silent);
    let causes = world.explain(since);
    assert_eq!(first(&causes), ("cart", Signal::CallPattern));
    assert_eq!(causes[0].kind, CauseKind::Code);
}

#[test]
fn what_several_callers_end_with_is_suspected_before_them() {
    let store = || call(work("store", 3, vec![]).named("read"));
    let with = |rest: &'static str| vec![store(), call(work(rest, 2, vec![]))];
    let usual = |n: u64| match n % 2 {
        0 => work("web", 5, with("ads")).named("GET /"),
        _ => work("app", 5, with("mail")).named("POST /"),
    };
    let ended = |n: u64| match n % 2 {
        0 => work("web", 5, vec![store()]).named("GET /"),
        _ => work("app", 5, vec![store()]).named("POST /"),
    };
    let (world, since) = world(usual, ended);
    assert_eq!(first(&world.explain(since)).0, "store");
}

#[test]
fn what_is_replaced_by_another_step_is_another_input_and_no_fault() {
    let to = |step: &'static str| work("web", 5, vec![call(work("cart", 3, vec![]).named(step))]);
    let (world, since) = world(|_| to("add"), |_| to("remove"));
    assert_eq!(world.explain(since), []);
}

#[test]
fn an_error_that_was_never_logged_names_who_logs_it_and_not_who_is_above() {
    let logs = |cart: Work| cart.logging("list of <*>", 9);
    let fault = |_| {
        let cart = logs(cart(4)).logging("no items for <*>", 17);
        request(cart, 2).logging("request failed", 17)
    };
    let (world, since) = world(|_| request(logs(cart(4)), 2), fault);
    let causes = world.explain(since);
    assert_eq!(first(&causes), ("cart", Signal::LogTemplate));
    assert!(causes[0].evidence[0].subject.contains("no items for <*>"), "{causes:#?}");
    let above = causes.iter().find(|cause| cause.service == "web").map_or(0.0, |c| c.score);
    assert!(above < causes[0].score / 2.0, "{above}");
}

/// What cart-1, a pod of cart, shows of a resource.
fn level(world: &mut World, metric: &str, of: f64) {
    let service = Arc::new(Service::named("cart"));
    let usage = UsageDelta {
        service: Arc::clone(&service),
        instance: "cart-1".into(),
        metric: metric.into(),
        count: 1,
        sum: of,
    };
    let heard = heard(service, 0);
    let delta = PaneDelta { services: vec![heard], usages: vec![usage], ..PaneDelta::default() };
    world.correlator.observe(&delta, world.now);
}

fn heard(service: Arc<Service>, logs: u64) -> ServiceDelta {
    ServiceDelta { service, points: 1, logs, ..ServiceDelta::default() }
}

/// The causes after a minute in which a level of cart-1 is another than in the four before.
fn causes_of_level(metric: &str, usual: f64, fault: f64) -> Vec<Cause> {
    let mut world = World::new();
    let request = |_: u64| request(cart(4), 2);
    for minute in 0..4 {
        level(&mut world, metric, usual * (1.0 + 0.01 * f64::from(minute)));
        world.run(60, request);
    }
    let since = world.now;
    world.run(30, request);
    level(&mut world, metric, fault);
    world.run(30, request);
    world.explain(since)
}

#[test]
fn a_limit_that_is_nearly_used_up_names_the_pod_and_what_is_short() {
    let causes = causes_of_level("k8s.pod.cpu_limit_utilization", 0.2, 0.95);
    assert_eq!(first(&causes), ("cart", Signal::ResourceMetric));
    assert_eq!((causes[0].kind, causes[0].instance.as_str()), (CauseKind::Cpu, "cart-1"));
}

#[test]
fn a_limit_that_was_on_its_way_before_the_moment_given_still_counts_and_for_less() {
    let score = |shortly_before: f64| {
        let mut world = World::new();
        let metric = "k8s.pod.cpu_limit_utilization";
        let request = |_: u64| request(cart(4), 2);
        for of in [0.08, 0.075, 0.08, shortly_before] {
            level(&mut world, metric, of);
            world.run(60, request);
        }
        let since = world.now;
        world.run(30, request);
        level(&mut world, metric, 0.83);
        world.run(30, request);
        let causes = world.explain(since);
        assert_eq!(first(&causes), ("cart", Signal::ResourceMetric));
        causes[0].score
    };
    let (clear, late) = (score(0.08), score(0.38));
    assert!(late > 0.15 && late < 0.6 * clear, "{late} {clear}");
}

#[test]
fn a_use_without_a_limit_a_queue_and_a_restart_are_evidence_too() {
    for (metric, usual, fault, kind) in [
        ("container.memory.usage", 2e8, 12e8, CauseKind::Memory),
        ("process.cpu.usage", 0.1, 0.8, CauseKind::Cpu),
        ("db.client.connection.pending_requests", 0.0, 20.0, CauseKind::Unknown),
        ("k8s.container.restarts", 0.0, 1.0, CauseKind::Unknown),
    ] {
        let causes = causes_of_level(metric, usual, fault);
        assert_eq!(first(&causes), ("cart", Signal::ResourceMetric), "{metric}");
        assert_eq!(causes[0].kind, kind, "{metric}");
    }
    for (metric, usual, fault) in [
        ("container.memory.usage", 2e8, 3e8),
        ("db.client.connection.pending_requests", 0.0, 1.0),
        ("k8s.node.cpu.utilization", 0.1, 1.0),
    ] {
        assert_eq!(causes_of_level(metric, usual, fault), [], "{metric}");
    }
}

/// The causes after a minute in which services log templates outside of any trace that they did not
/// log in the two before.
fn causes_of_logs(usual: &[(&str, &str, u8)], fault: &[(&str, &str, u8)]) -> Vec<Cause> {
    let mut world = World::new();
    let second = |world: &mut World, logs: &[(&str, &str, u8)]| {
        let service = |name: &str| Arc::new(Service::named(name));
        let delta = PaneDelta {
            services: ["web", "cart"].map(|name| heard(service(name), 5)).to_vec(),
            logs: logs
                .iter()
                .map(|(name, template, severity)| LogTemplateDelta {
                    service: service(name),
                    template: (*template).into(),
                    count: 1,
                    severity: *severity,
                })
                .collect(),
            ..PaneDelta::default()
        };
        world.correlator.observe(&delta, world.now);
        world.now = world.now.after(Duration::from_secs(1));
        world.correlator.advance(world.now);
    };
    (0..120).for_each(|_| second(&mut world, usual));
    let since = world.now;
    (0..60).for_each(|_| second(&mut world, fault));
    world.explain(since)
}

#[test]
fn logs_alone_name_who_logs_a_new_error() {
    let usual = [("web", "cache miss for <*>", 13)];
    let fault = [usual[0], ("cart", "disk full", 17)];
    let causes = causes_of_logs(&usual, &fault);
    assert_eq!(first(&causes), ("cart", Signal::LogTemplate));
    assert!(causes[0].evidence[0].subject.ends_with("disk full"), "{causes:#?}");
    assert_eq!(causes_of_logs(&usual, &usual), []);
    let warning = causes_of_logs(&usual, &[usual[0], ("cart", "disk nearly full", 13)]);
    assert!(warning[0].score < causes[0].score, "a warning is worth less than an error");
}

#[test]
fn what_is_logged_in_traces_whose_spans_are_missing_still_counts() {
    let mut world = World::new();
    world.with_traces = false;
    let logs = |cart: Work| cart.logging("list of <*>", 9);
    world.run(121, |_| request(logs(cart(4)), 2).logging("GET <*>", 9));
    let since = world.now;
    world.run(60, |_| request(logs(cart(4)).logging("no items", 17), 2).logging("GET <*>", 9));
    let causes = world.explain(since);
    assert_eq!(first(&causes), ("cart", Signal::LogTemplate));
    assert!(causes[0].evidence[0].subject.contains("per trace: no items"), "{causes:#?}");
}

#[test]
fn what_several_services_log_at_once_tells_of_none_of_them() {
    let score = |ads_too: bool| {
        let fault = move |_| {
            let mut web = request(cart(4).logging("no instance", 17), 2);
            let ads = work("ads", 2, vec![]);
            let ads = if ads_too { ads.logging("no instance", 17) } else { ads };
            web.calls[1] = call(ads);
            web
        };
        let (world, since) = world(|_| request(cart(4), 2), fault);
        let causes = world.explain(since);
        let of_cart = causes.iter().find(|cause| cause.service == "cart");
        of_cart.expect("it is named").score
    };
    assert!(score(true) < 0.6 * score(false), "{} {}", score(true), score(false));
}

#[test]
fn a_service_that_is_gone_is_named_though_nobody_records_a_status() {
    let gone = |_| {
        let mut web = request(cart(4), 2);
        web.calls[0].callee = None;
        web.calls[0].gap_ms = 1;
        web
    };
    let (world, since) = world(|_| request(cart(40), 2), gone);
    let causes = world.explain(since);
    assert_eq!((first(&causes), causes[0].kind), (("cart", Signal::Silence), CauseKind::Silence));
}

#[test]
fn a_change_supports_what_was_observed_and_accuses_nobody_by_itself() {
    let told = |service: &str, own_ms: u64| {
        let mut world = World::new();
        world.run(121, |_| request(cart(4), 2));
        let since = world.now;
        world.correlator.change(Change {
            id: "7".to_owned(),
            kind: "config".to_owned(),
            service: service.to_owned(),
            summary: "pool size 20 to 5".to_owned(),
            at: since,
            url: String::new(),
            source: "posted".to_owned(),
        });
        world.run(60, |_| request(cart(own_ms), 2));
        world.explain(since)
    };
    let with = told("cart", 40);
    assert_eq!((first(&with), with[0].kind), (("cart", Signal::ExclusiveTime), CauseKind::Config));
    assert!(with[0].evidence.iter().any(|evidence| evidence.signal == Signal::Change));
    let elsewhere = told("ads", 40);
    assert_eq!((first(&elsewhere).0, elsewhere.len()), ("cart", 1));
    assert!(elsewhere[0].score < with[0].score);
    assert_eq!(told("cart", 4), []);
}

#[test]
fn a_fault_that_is_older_than_the_moment_given_is_still_found() {
    let (world, began) = world(|_| request(cart(4), 2), |_| request(cart(90), 2));
    let late = began.after(Duration::from_secs(40));
    assert_eq!(first(&world.explain(late)).0, "cart");
}

#[test]
fn a_service_that_is_asked_for_hides_what_it_does_not_depend_on() {
    let (world, since) = world(|_| request(cart(4), 2), |_| request(cart(40), 60));
    let of = |name: &str| {
        let causes = world.correlator.explain(since, world.now, Some(&Service::named(name))).causes;
        causes.into_iter().map(|cause| cause.service).collect::<Vec<_>>()
    };
    assert_eq!(of("cart"), ["cart"]);
    assert_eq!(of("ads"), ["ads"]);
    assert_eq!(of("unheard"), Vec::<String>::new());
    assert_eq!(world.explain(since).len(), 2);
}

#[test]
fn a_database_that_sends_no_spans_is_named_by_its_address() {
    let to = |ms| work("cart", 4, vec![ask("db.example:5432", PeerKind::Database, "SELECT", ms)]);
    let (world, since) = world(|_| request(to(3), 2), |_| request(to(70), 2));
    let causes = world.explain(since);
    assert_eq!(causes[0].tag_value, "db.example:5432", "{causes:#?}");
    assert_eq!((causes[0].kind, &*causes[0].service), (CauseKind::Dependency, "cart"));
    assert!(causes[0].summary.starts_with("db.example:5432 is slow for cart"), "{causes:#?}");
}
