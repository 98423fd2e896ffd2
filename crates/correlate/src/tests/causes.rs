use model::{CauseKind, PeerKind, Service, Signal};

use super::world::{Call, SLOW, Work, World, ask, call, work};
use crate::Correlator;

/// The fault of a case: what each request looks like while it lasts.
type Fault = fn(u64) -> Work;

struct Expected {
    kind: CauseKind,
    service: &'static str,
    tag: (&'static str, &'static str),
    signal: Signal,
    title: &'static str,
}

fn database(ms: u64) -> Call {
    ask("stock-db:5432", PeerKind::Database, "SELECT stock", ms)
}

fn partner() -> Call {
    ask("api.bank.example:443", PeerKind::Http, "POST", 20)
}

fn payment(n: u64) -> Work {
    let version = if n.is_multiple_of(2) { "2.3.0" } else { "2.3.1" };
    work("payment", 5, vec![partner()])
        .named("Charge")
        .tagged("service.version", version)
        .tagged("k8s.pod.name", format!("payment-{}", n % 4))
}

fn stock(n: u64, database_ms: u64) -> Work {
    work("stock", 3, vec![database(database_ms)])
        .named("Reserve")
        .tagged("k8s.pod.name", format!("stock-{}", n % 3))
}

/// frontend -> checkout -> {payment -> bank, stock -> database}, with parts to put in.
fn shop(n: u64, payment: Call, stock: Call) -> Work {
    let checkout = work("checkout", 4, vec![stock, payment])
        .named("PlaceOrder")
        .tagged("service.version", "3.2.0")
        .tagged("k8s.pod.name", format!("checkout-{}", n % 2));
    work("frontend", 6, vec![call(checkout)])
        .named("POST /checkout")
        .tagged("k8s.pod.name", format!("frontend-{}", n % 3))
}

fn healthy(n: u64) -> Work {
    shop(n, call(payment(n)), call(stock(n, 3 + n % 3)))
}

const CASES: &[(&str, Fault, Expected)] = &[
    (
        "a bad version",
        |n| {
            let mut bad = payment(n);
            if n % 4 < 2 {
                bad.tags[0].1 = "2.4.0".to_owned();
                bad = bad.failing("TypeError");
                bad.calls.clear();
            }
            shop(n, call(bad), call(stock(n, 4)))
        },
        Expected {
            kind: CauseKind::Code,
            service: "payment",
            tag: ("service.version", "2.4.0"),
            signal: Signal::DeepestError,
            title: "frontend POST /checkout fails for 50 % of requests: payment 2.4.0 returns errors",
        },
    ),
    (
        "one bad pod",
        |n| {
            let bad = if n % 4 == 1 { payment(n).failing("OSError") } else { payment(n) };
            shop(n, call(bad), call(stock(n, 4)))
        },
        Expected {
            kind: CauseKind::Code,
            service: "payment",
            tag: ("k8s.pod.name", "payment-1"),
            signal: Signal::DeepestError,
            title: "frontend POST /checkout fails for 25 % of requests: payment (payment-1) returns errors",
        },
    ),
    (
        "a throttling partner",
        |n| {
            let mut payment = payment(n);
            if n % 5 != 0 {
                payment.calls = vec![partner().failing("429")];
            }
            shop(n, call(payment), call(stock(n, 4)))
        },
        Expected {
            kind: CauseKind::Quota,
            service: "payment",
            tag: ("server.address", "api.bank.example:443"),
            signal: Signal::DeepestError,
            title: "frontend POST /checkout fails for 80 % of requests: api.bank.example:443 throttles payment",
        },
    ),
    (
        "a slow database",
        |n| shop(n, call(payment(n)), call(stock(n, 900 + n % 100))),
        Expected {
            kind: CauseKind::Dependency,
            service: "stock",
            tag: ("server.address", "stock-db:5432"),
            signal: Signal::ExclusiveTime,
            title: "frontend POST /checkout is slow for 100 % of requests: stock-db:5432 is slow for stock",
        },
    ),
    (
        "a database that fails",
        |n| {
            let mut bad = stock(n, 4);
            bad.calls = vec![database(50).failing("55P03")];
            let bad = if n % 3 == 0 { stock(n, 4) } else { bad };
            shop(n, call(payment(n)), call(bad))
        },
        Expected {
            kind: CauseKind::Dependency,
            service: "stock",
            tag: ("server.address", "stock-db:5432"),
            signal: Signal::DeepestError,
            title: "frontend POST /checkout fails for 66 % of requests: stock-db:5432 fails for stock",
        },
    ),
    (
        "a service that crashed",
        |n| shop(n, call(payment(n)).unanswered(), call(stock(n, 4))),
        Expected {
            kind: CauseKind::Silence,
            service: "payment",
            tag: ("", ""),
            signal: Signal::DeepestError,
            title: "frontend POST /checkout fails for 100 % of requests: payment does not answer",
        },
    ),
    (
        "cold instances",
        |n| {
            let mut slow = stock(n, 4).tagged("faas.coldstart", "false");
            if n % 2 == 0 {
                slow.own_ms = 1_500;
                slow.tags.pop();
                slow = slow.tagged("faas.coldstart", "true");
            }
            shop(n, call(payment(n)), call(slow))
        },
        Expected {
            kind: CauseKind::Code,
            service: "stock",
            tag: ("faas.coldstart", "true"),
            signal: Signal::ExclusiveTime,
            title: "frontend POST /checkout is slow for 50 % of requests: a cold instance of stock is slow by itself",
        },
    ),
    (
        "a slow network before one callee",
        |n| {
            let slow = Call { gap_ms: 700, ..call(payment(n)) };
            shop(n, slow, call(stock(n, 4)))
        },
        Expected {
            kind: CauseKind::Network,
            service: "payment",
            tag: ("", ""),
            signal: Signal::CalleeGap,
            title: "frontend POST /checkout is slow for 100 % of requests: calls of payment are late or lost on their way",
        },
    ),
];

fn check(name: &str, world: &World, expected: &Expected, members: &[&str]) {
    let diagnosis = world.diagnose(members);
    let first = diagnosis.causes.first().unwrap_or_else(|| panic!("{name}: no cause"));
    assert_eq!(
        (first.kind, first.service.as_str()),
        (expected.kind, expected.service),
        "{name}: {diagnosis:#?}"
    );
    assert_eq!(
        (first.tag_key.as_str(), first.tag_value.as_str()),
        expected.tag,
        "{name}: {first:#?}"
    );
    assert_eq!(first.evidence.first().map(|e| e.signal), Some(expected.signal), "{name}");
    assert!(first.score > 0.5 && first.score <= 1.0, "{name}: {}", first.score);
    let weights: f64 = first.evidence.iter().map(|evidence| evidence.weight).sum();
    assert!((weights - 1.0).abs() < 1e-9, "{name}: {weights}");
    if let Some(second) = diagnosis.causes.get(1) {
        assert!(second.score < first.score * 0.7, "{name}: {second:#?}");
    }
}

#[test]
fn each_kind_of_fault_is_named_from_the_alert_of_the_frontend_alone() {
    for (name, fault, expected) in CASES {
        let mut world = World::new();
        world.run(180, healthy);
        world.run(40, fault);
        check(name, &world, expected, &["frontend"]);
        check(name, &world, expected, &["frontend", "checkout", expected.service]);
        let title = world.diagnose(&["frontend"]).title;
        assert_eq!(title, expected.title, "{name}");
    }
}

#[test]
fn half_a_minute_of_health_is_enough() {
    for (name, fault, expected) in CASES {
        let mut world = World::new();
        world.run(30, healthy);
        world.run(20, fault);
        check(name, &world, expected, &["frontend", "checkout"]);
    }
}

#[test]
fn recalled_traces_alone_are_enough() {
    for (name, fault, expected) in CASES {
        let mut world = World::new();
        world.run(60, healthy);
        let mut informed = world.correlator.clone();
        world.run(15, fault);
        informed.advance(world.now);
        world.correlator = informed;
        let diagnosis = world.diagnose(&["frontend"]);
        let first = diagnosis.causes.first().map(|cause| cause.service.as_str());
        assert_eq!(first, Some(expected.service), "{name}: {diagnosis:#?}");
    }
}

#[test]
fn counters_alone_name_the_service() {
    for (name, fault, expected) in CASES {
        let mut world = World::new();
        // Who stands behind an address is learnt from traces; after that they may be missing.
        world.run(30, healthy);
        world.with_traces = false;
        world.run(60, healthy);
        world.run(40, fault);
        if expected.kind == CauseKind::Network {
            continue;
        }
        let diagnosis = world.diagnose(&["frontend", "checkout"]);
        let first = diagnosis.causes.first().map(|cause| cause.service.as_str());
        assert_eq!(first, Some(expected.service), "{name}: {diagnosis:#?}");
    }
}

#[test]
fn slow_parts_are_found_where_no_span_has_a_status() {
    for (name, fault, expected) in CASES {
        if !matches!(expected.signal, Signal::ExclusiveTime | Signal::CalleeGap) {
            continue;
        }
        let mut world = World::new();
        world.with_status = false;
        world.run(120, healthy);
        world.run(30, fault);
        check(name, &world, expected, &["frontend"]);
    }
}

#[test]
fn a_caller_whose_calls_are_all_late_is_blamed_itself() {
    let with = |n: u64, gap_ms: u64| {
        let catalog = Call { gap_ms, ..call(work("catalog", 3, vec![])) };
        let payment = Call { gap_ms, ..call(payment(n)) };
        let stock = Call { gap_ms, ..call(stock(n, 4)) };
        let checkout = work("checkout", 4, vec![stock, payment, catalog]);
        work("frontend", 6, vec![call(checkout)])
    };
    let mut world = World::new();
    world.run(120, |n| with(n, 2));
    world.run(30, |n| with(n, 400));
    let diagnosis = world.diagnose(&["frontend"]);
    let first = &diagnosis.causes[0];
    assert_eq!((first.service.as_str(), first.kind), ("checkout", CauseKind::Network));
}

#[test]
fn a_handled_failure_does_not_take_the_blame() {
    let with = |n: u64, failing: bool| {
        let ads =
            if failing { work("ads", 2, vec![]).failing("Boom") } else { work("ads", 2, vec![]) };
        let mut request = if failing && n.is_multiple_of(2) {
            shop(n, call(payment(n).failing("TypeError")), call(stock(n, 4)))
        } else {
            healthy(n)
        };
        request.calls.push(call(ads).or_without());
        request
    };
    let mut world = World::new();
    world.run(60, |n| with(n, false));
    world.run(30, |n| with(n, true));
    let diagnosis = world.diagnose(&["frontend", "checkout", "payment"]);
    assert_eq!(diagnosis.causes[0].service, "payment", "{diagnosis:#?}");
    assert_eq!(world.diagnose(&["ads"]).causes[0].service, "ads");
}

#[test]
fn who_is_hurt_since_when_and_by_which_way() {
    let (_, fault, _) = &CASES[0];
    let mut world = World::new();
    world.run(180, healthy);
    let began = world.now;
    world.run(40, fault);
    let diagnosis = world.diagnose(&["frontend"]);
    assert_eq!(diagnosis.entry_operations, ["frontend POST /checkout"]);
    assert!((diagnosis.bad_ratio - 0.5).abs() < 1e-9, "{}", diagnosis.bad_ratio);
    assert_eq!(diagnosis.bad_events, 200);
    assert_eq!(diagnosis.users, 2);
    assert!(diagnosis.started_at.since(began).as_secs() <= 10);
    assert!(began.since(diagnosis.started_at).as_secs() <= 10);
    let path: Vec<(&str, &str)> = diagnosis
        .path
        .iter()
        .map(|hop| (hop.from_service.as_str(), hop.to_service.as_str()))
        .collect();
    assert_eq!(path, [("frontend", "checkout"), ("checkout", "payment")]);
    let hops: Vec<(&str, u32)> =
        diagnosis.services.iter().map(|hop| (hop.service.as_str(), hop.hops)).collect();
    assert_eq!(hops, [("payment", 0), ("checkout", 1), ("frontend", 2)]);
    assert_eq!(diagnosis.changes.len(), 1);
    assert_eq!(
        (diagnosis.changes[0].kind.as_str(), diagnosis.changes[0].service.as_str()),
        ("deploy", "payment")
    );
    assert_eq!(diagnosis.cause_service.map(|s| s.name.clone()).as_deref(), Some("payment"));
    assert!(world.correlator.is_entry(&Service::named("frontend")));
    assert!(!world.correlator.is_entry(&Service::named("payment")));
}

#[test]
fn health_has_no_convincing_cause() {
    let mut world = World::new();
    world.run(120, healthy);
    let diagnosis = world.diagnose(&["frontend"]);
    assert!(diagnosis.causes.iter().all(|cause| cause.score < 0.2), "{diagnosis:#?}");
    assert!(diagnosis.entry_operations.is_empty());
    let nothing = Correlator::new(1, SLOW).diagnose(&[], &[], world.now, world.now);
    assert!(nothing.causes.is_empty());
}

#[test]
fn a_long_fault_is_compared_with_what_was_before_it() {
    let (_, fault, expected) = &CASES[3];
    let mut world = World::new();
    world.run(120, healthy);
    world.run(20, fault);
    world.correlator.freeze(true);
    world.run(1_500, fault);
    world.bad.clear();
    let diagnosis = world.diagnose(&["frontend"]);
    let first = &diagnosis.causes[0];
    assert_eq!(first.service, expected.service, "{diagnosis:#?}");
    assert!(first.evidence[0].baseline < 10.0 && first.evidence[0].observed > 800.0, "{first:#?}");
}

#[test]
fn a_snapshot_keeps_what_is_normal_and_equal_inputs_give_equal_bytes() {
    let learn = || {
        let mut world = World::new();
        world.run(120, healthy);
        world
    };
    let (mut world, other) = (learn(), learn());
    let bytes = world.correlator.snapshot();
    assert_eq!(bytes, other.correlator.snapshot());
    world.correlator = Correlator::restore(99, SLOW, &bytes).expect("its own snapshot");
    assert_eq!(world.correlator.snapshot().len(), bytes.len());
    let (_, fault, expected) = &CASES[3];
    world.run(20, fault);
    assert_eq!(world.diagnose(&["frontend"]).causes[0].service, expected.service);
    assert!(Correlator::restore(1, SLOW, &bytes[..bytes.len() / 2]).is_err());
    assert!(Correlator::restore(1, SLOW, &[9, 9]).is_err());
}

#[test]
fn what_always_fails_is_no_news() {
    let with = |n: u64, stock_fails: bool| {
        let ads = if n.is_multiple_of(20) {
            work("ads", 2, vec![]).failing("Flaky")
        } else {
            work("ads", 2, vec![])
        };
        let stock =
            if stock_fails && n % 5 == 1 { stock(n, 4).failing("Boom") } else { stock(n, 4) };
        let mut request = shop(n, call(payment(n)), call(stock));
        request.calls.push(call(ads));
        request
    };
    let mut world = World::new();
    world.run(180, |n| with(n, false));
    world.bad.clear();
    world.run(60, |n| with(n, true));
    world.bad.clear();
    let diagnosis = world.diagnose(&["frontend"]);
    assert_eq!(diagnosis.causes[0].service, "stock", "{diagnosis:#?}");
}
