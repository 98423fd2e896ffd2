use std::collections::{BTreeMap, BTreeSet};

use super::*;

const START_NS: u64 = 1_795_400_000_000_000_000;
const CALM_S: u64 = 30;

fn options(fault: Option<DrillFault>) -> DrillOptions {
    DrillOptions {
        seed: 7,
        topology: Topology::Layered,
        services: 20,
        requests_per_s: 20.0,
        faults: fault.into_iter().collect(),
        calm: Duration::from_secs(CALM_S),
        degradation: Degradation::default(),
    }
}

fn run(options: &DrillOptions, seconds: u64) -> (Vec<DrillTruth>, Vec<Export>) {
    let mut drill = Drill::new(options, START_NS);
    let exports = (1..=seconds).flat_map(|s| drill.advance(START_NS + s * EXPORT_NS)).collect();
    (drill.truths(), exports)
}

fn service_of(export: &Export) -> String {
    let attributes = &export.resource().expect("a resource").attributes;
    let name = attributes.iter().find(|attribute| attribute.key == "service.name");
    format!("{:?}", name.expect("a name").value)
}

#[test]
fn equal_options_give_equal_bytes_and_other_seeds_do_not() {
    let bytes = |seed| {
        let options = DrillOptions { seed, ..options(Some(DrillFault::Cpu)) };
        run(&options, 5).1.iter().map(Export::encode).collect::<Vec<_>>()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn every_service_is_reached_in_every_topology() {
    for (topology, services) in
        [(Topology::Layered, 200), (Topology::Chain, 40), (Topology::Fan, 30)]
    {
        let options = DrillOptions { topology, services, requests_per_s: 60.0, ..options(None) };
        let (_, exports) = run(&options, 60);
        let spans = exports.iter().filter(|export| export.spans().next().is_some());
        let seen: BTreeSet<String> = spans.map(service_of).collect();
        assert_eq!(seen.len(), services, "{topology}");
    }
}

/// Spans that serve, of the broken service, before and in the fault: number, failed, total time.
fn served(truth: &DrillTruth, exports: &[Export]) -> [(u64, u64, f64); 2] {
    let mut sides = [(0, 0, 0.0); 2];
    for export in exports.iter().filter(|e| service_of(e).contains(&truth.service)) {
        for span in export.spans().filter(|span| span.kind == 2 || span.kind == 5) {
            let side = usize::from(span.start_time_unix_nano >= truth.from_unix_ns);
            let (number, failed, took) = &mut sides[side];
            *number += 1;
            *failed += u64::from(span.status.as_ref().is_some_and(|status| status.code == 2));
            *took += (span.end_time_unix_nano - span.start_time_unix_nano) as f64 / 1e6;
        }
    }
    sides
}

#[test]
fn every_fault_shows_at_its_service_and_nowhere_before() {
    for fault in DrillFault::ALL {
        let (truths, exports) = run(&options(Some(fault)), 2 * CALM_S);
        let [truth] = truths.as_slice() else { panic!("{fault}: {truths:?}") };
        assert_eq!(truth.fault, fault);
        let [before, after] = served(truth, &exports);
        assert_eq!(before.1, 0, "{fault} fails before its time");
        let mean = |(number, _, took): (u64, u64, f64)| took / number.max(1) as f64;
        let fails = after.1 * 4 > after.0;
        let shows = match fault {
            DrillFault::Cpu
            | DrillFault::MemoryLeak
            | DrillFault::SlowDatabase
            | DrillFault::PoolExhausted => mean(after) > 1.5 * mean(before),
            DrillFault::EarlyReturn => mean(after) < 0.8 * mean(before),
            DrillFault::Silent => after.0 == 0 && before.0 > 0,
            DrillFault::NetworkDelay | DrillFault::PacketLoss => late_calls(truth, &exports) > 0.2,
            DrillFault::Quota => turned_away(truth, &exports) > 0,
            DrillFault::BadPod => after.1 > 0 && !truth.pod.is_empty(),
            DrillFault::BadZone => after.1 * 5 > after.0 && truth.tag.is_some(),
            _ => fails,
        };
        assert!(shows, "{fault} at {}: {before:?} then {after:?}", truth.service);
    }
}

/// Share of the calls of a service in its fault that took over 100 ms.
fn late_calls(truth: &DrillTruth, exports: &[Export]) -> f64 {
    let (mut late, mut all) = (0, 0);
    for span in exports.iter().flat_map(Export::spans).filter(|span| span.kind == 3) {
        let is_to = span.attributes.iter().any(|attribute| {
            attribute.key == "server.address"
                && format!("{:?}", attribute.value).contains(&format!("{}.", truth.service))
        });
        if is_to && span.start_time_unix_nano >= truth.from_unix_ns {
            all += 1;
            late += u64::from(span.end_time_unix_nano - span.start_time_unix_nano > 100_000_000);
        }
    }
    late as f64 / f64::from(all.max(1))
}

fn turned_away(truth: &DrillTruth, exports: &[Export]) -> usize {
    let of_service = exports.iter().filter(|export| service_of(export).contains(&truth.service));
    let records = of_service.flat_map(Export::log_records);
    records.filter(|record| format!("{:?}", record.body).contains("too many requests")).count()
}

#[test]
fn telemetry_is_degraded_as_asked() {
    let with = |degradation| {
        let options = DrillOptions { degradation, ..options(Some(DrillFault::ErrorReturn)) };
        run(&options, 60).1
    };
    let whole = Degradation::default();
    let spans = |exports: &[Export]| exports.iter().flat_map(Export::spans).count() as f64;
    let all = spans(&with(whole));
    let half = spans(&with(Degradation { missing_spans: 0.5, ..whole }));
    assert!((0.4..0.6).contains(&(half / all)), "{half} of {all}");
    let bare = with(Degradation { no_status: true, ..whole });
    assert!(bare.iter().flat_map(Export::spans).all(|span| span.status.is_none()));
    let sampled = with(Degradation { sampling: 0.25, ..whole });
    let share = spans(&sampled) / all;
    assert!((0.15..0.35).contains(&share), "{share}");
    for span in sampled.iter().flat_map(Export::spans) {
        assert_eq!(span.trace_state, "ot=th:c");
        assert!(span.trace_id[9] >= 0xc0, "{:?} would not be sampled", span.trace_id);
    }
}

#[test]
fn faults_at_once_are_at_services_of_their_own() {
    let faults = vec![DrillFault::Cpu, DrillFault::Cpu, DrillFault::Quota];
    let (truths, _) = run(&DrillOptions { faults, ..options(None) }, 1);
    let by_service: BTreeMap<&str, DrillFault> =
        truths.iter().map(|truth| (truth.service.as_str(), truth.fault)).collect();
    assert_eq!(by_service.len(), 3, "{truths:?}");
}
