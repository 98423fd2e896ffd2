use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use super::{Entry, SECOND_NS, START_NS, Seen, exports, options, seen, with_fault};
use crate::{Export, Fault, Shop, ShopOptions};

const FAULT_S: u64 = 30;
const FAULT_NS: u64 = START_NS + FAULT_S * SECOND_NS;

fn during(fault: Fault) -> Vec<Seen> {
    seen(&exports(&options(Some(fault)), 2 * FAULT_S))
}

fn since(spans: &[Seen]) -> impl Iterator<Item = &Seen> {
    spans.iter().filter(|seen| seen.span.start_time_unix_nano >= FAULT_NS)
}

#[test]
fn each_fault_burns_at_page_speed_within_30_s_after_30_s_of_health() {
    for fault in Fault::ALL {
        let spans = during(fault);
        let healthy = spans.iter().filter(|seen| seen.span.end_time_unix_nano < FAULT_NS);
        let before = Entry::of(healthy);
        assert!(before.availability_burn() < 14.4 && before.latency_burn() < 1.0, "{fault}");
        let whole = Entry::of(spans.iter());
        let burn = whole.availability_burn().max(whole.latency_burn());
        assert!(burn > 1.4 * 14.4, "{fault}: {whole:?} burns only {burn:.1}");
        assert!(whole.errors.max(whole.slow) >= 10);
    }
}

#[test]
fn a_fault_that_ends_leaves_health_behind() {
    for fault in Fault::ALL {
        let spans = seen(&exports(&with_fault(fault, Some(20)), 140));
        let after = START_NS + 85 * SECOND_NS;
        let healed = Entry::of(spans.iter().filter(|s| s.span.start_time_unix_nano > after));
        assert!(healed.total > 1_000);
        assert!(healed.availability_burn() < 2.0, "{fault}: {healed:?}");
        assert!(healed.latency_burn() < 1.0, "{fault}: {healed:?}");
    }
}

/// Services of error spans of which no child is in error, most frequent first.
fn deepest_errors(spans: &[Seen]) -> Vec<(String, usize)> {
    let errors: Vec<_> = since(spans).filter(|seen| seen.is_error()).collect();
    let parents: BTreeSet<_> = errors.iter().map(|s| s.span.parent_span_id.as_slice()).collect();
    let mut counts = BTreeMap::<String, usize>::new();
    for seen in errors.iter().filter(|s| !parents.contains(s.span.span_id.as_slice())) {
        *counts.entry(seen.service()).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

#[test]
fn the_bad_rollout_fails_in_the_new_version_only_while_both_run() {
    let spans = during(Fault::BadRollout);
    assert_eq!(deepest_errors(&spans)[0].0, "payment");
    let served = |version: &str| {
        let of = |s: &&Seen| {
            s.service() == "payment"
                && s.is_kind(SpanKind::Server)
                && s.resource("service.version") == version
        };
        let all: Vec<_> = since(&spans).filter(of).collect();
        (all.len(), all.iter().filter(|s| s.is_error()).count())
    };
    let (new, new_errors) = served("2.4.0");
    let (old, old_errors) = served("2.3.1");
    assert!(new > 50 && new_errors * 10 > new * 9, "{new_errors} of {new}");
    assert!(old > 50 && old_errors < 2, "{old_errors} of {old}");
    // Neither region nor node tells the bad from the good as the version does.
    let regions: BTreeSet<_> = since(&spans)
        .filter(|s| s.resource("service.version") == "2.4.0")
        .map(|s| s.resource("cloud.region"))
        .collect();
    assert_eq!(regions.len(), 2);
}

#[test]
fn the_slow_dependency_is_slow_in_client_spans_to_the_database_and_not_in_the_catalog_itself() {
    let spans = during(Fault::SlowDependency);
    let of_catalog = |s: &&Seen| s.service() == "catalog";
    let mut database = BTreeMap::<Vec<u8>, u64>::new();
    let mut slow = (0, 0);
    for seen in since(&spans).filter(of_catalog).filter(|s| s.is_kind(SpanKind::Client)) {
        assert_eq!(seen.text("server.address"), "catalog-db.shop.svc");
        slow.0 += usize::from(seen.is_slow());
        slow.1 += 1;
        let last = database.entry(seen.span.parent_span_id.clone()).or_default();
        *last = (*last).max(seen.span.end_time_unix_nano - seen.span.start_time_unix_nano);
    }
    assert!(slow.0 * 5 > slow.1 * 4, "{slow:?}");
    for seen in since(&spans).filter(of_catalog).filter(|s| s.is_kind(SpanKind::Server)) {
        let Some(waited) = database.get(&seen.span.span_id) else { continue };
        let own = seen.span.end_time_unix_nano - seen.span.start_time_unix_nano - waited;
        assert!(own < 100_000_000, "exclusive time {own} ns");
    }
}

#[test]
fn the_crash_loop_silences_the_cart_while_its_callers_are_refused() {
    let spans = during(Fault::CrashLoop);
    let quiet = FAULT_NS + 3 * SECOND_NS..FAULT_NS + 24 * SECOND_NS;
    let within = |s: &&Seen| quiet.contains(&s.span.start_time_unix_nano);
    assert_eq!(spans.iter().filter(within).filter(|s| s.service() == "cart").count(), 0);
    let refused: Vec<_> = spans
        .iter()
        .filter(within)
        .filter(|s| s.text("server.address") == "cart.shop.svc" && s.is_kind(SpanKind::Client))
        .collect();
    assert!(refused.len() > 200);
    assert!(refused.iter().all(|s| s.text("rpc.grpc.status_code") == "14"));
    // It comes back for a moment, and says so.
    let later = exports(&options(Some(Fault::CrashLoop)), 70);
    let up = FAULT_NS + 26 * SECOND_NS;
    let back = |s: &Seen| s.service() == "cart" && s.span.start_time_unix_nano > up;
    assert!(seen(&later).iter().any(back));
    let starts = later.iter().flat_map(Export::log_records);
    assert!(starts.filter(|r| r.event_name == "service.started").count() >= 3);
}

#[test]
fn the_partner_throttles_payment() {
    let spans = during(Fault::Partner429);
    assert_eq!(deepest_errors(&spans)[0].0, "payment");
    let calls: Vec<_> =
        since(&spans).filter(|s| s.text("server.address") == "api.acquirer.example").collect();
    let throttled = |s: &&&Seen| s.text("http.response.status_code") == "429" && s.is_error();
    assert!(calls.iter().filter(throttled).count() * 4 > calls.len() * 3);
}

#[test]
fn the_cold_start_is_slow_in_tagged_new_pods_and_fails_nothing() {
    let spans = during(Fault::ColdStart);
    let served = |s: &&Seen| s.service() == "recommendation" && s.is_kind(SpanKind::Server);
    let (cold, warm): (Vec<_>, Vec<_>) =
        since(&spans).filter(served).partition(|s| s.text("faas.coldstart") == "true");
    assert!(cold.iter().filter(|s| s.is_slow()).count() * 10 > cold.len() * 8);
    assert_eq!(warm.iter().filter(|s| s.is_slow()).count(), 0);
    let pods =
        |spans: &[&Seen]| spans.iter().map(|s| s.resource("k8s.pod.name")).collect::<BTreeSet<_>>();
    assert_eq!((pods(&cold).len(), pods(&warm).len()), (6, 2));
    assert!(Entry::of(since(&spans)).availability_burn() < 2.0);
}

#[test]
fn the_migration_locks_one_table_and_announces_itself() {
    let exports = exports(&options(Some(Fault::Migration)), 2 * FAULT_S);
    let spans = seen(&exports);
    assert_eq!(deepest_errors(&spans)[0].0, "inventory");
    for seen in since(&spans).filter(|s| s.text("db.namespace") == "inventory") {
        let locked = seen.text("db.collection.name") == "stock_levels";
        if seen.is_kind(SpanKind::Client) {
            assert_eq!(seen.is_slow(), locked, "{}", seen.span.name);
        }
    }
    let mut events = exports.iter().flat_map(Export::log_records).map(|r| r.event_name.as_str());
    assert!(events.any(|name| name == "db.migration.started"));
    assert!(spans.iter().any(|s| s.span.name == "schema migration start"));
}

#[test]
fn the_region_loss_fails_in_that_region_only() {
    let spans = during(Fault::RegionLoss);
    let settled = FAULT_NS + 6 * SECOND_NS;
    let entry = |region: &str| {
        let of = |s: &&Seen| {
            s.span.start_time_unix_nano > settled && s.resource("cloud.region") == region
        };
        Entry::of(spans.iter().filter(of))
    };
    let (lost, kept) = (entry("eu-west-1"), entry("eu-central-1"));
    assert!(lost.errors * 10 > lost.total * 7, "{lost:?}");
    assert!(kept.errors * 200 < kept.total, "{kept:?}");
}

#[test]
fn the_truth_and_the_window_of_the_fault_are_known() {
    let shop = Shop::new(&with_fault(Fault::Partner429, Some(20)), START_NS);
    let truth = shop.truth().expect("a fault");
    assert_eq!((truth.service, truth.peer), ("payment", Some("api.acquirer.example")));
    assert_eq!(shop.fault_window(), Some((FAULT_NS, FAULT_NS + 20 * SECOND_NS)));
    let healthy = Shop::new(&options(None), START_NS);
    assert_eq!((healthy.truth(), healthy.fault_window()), (None, None));
}

#[test]
fn what_is_exported_shows_page_speed_within_20_s_of_the_fault_whatever_the_seed() {
    for (seed, fault) in (2..).zip(Fault::ALL) {
        let mut shop = Shop::new(&ShopOptions { seed, ..options(Some(fault)) }, START_NS);
        let mut arrived = Entry::default();
        let mut reached = None;
        for second in 1..=FAULT_S + 20 {
            let entry = Entry::of(seen(&shop.advance(START_NS + second * SECOND_NS)).iter());
            arrived.total += entry.total;
            arrived.errors += entry.errors;
            arrived.slow += entry.slow;
            if arrived.availability_burn().max(arrived.latency_burn()) > 14.4 {
                reached = reached.or(Some(second));
            }
        }
        let reached = reached.unwrap_or_else(|| panic!("{fault}: {arrived:?}"));
        assert!(reached > FAULT_S, "{fault} burns before it starts");
    }
}
