use model::Telemetry;

use super::otel::*;
use super::*;

const SHOP: &str = "service.name=shop";

#[test]
fn records_are_heard_and_errors_among_them_counted() {
    let mut observer = observer();
    let records =
        vec![log(9, "fine", ""), log(13, "hm", ""), log(17, "bad", ""), log(21, "worse", "")];
    observer.logs(&logs(SHOP, records), NOW).unwrap();
    let delta = observer.flush();
    let service = only_service(&delta);
    assert_eq!(
        (service.logs, service.error_logs, service.times_of(Telemetry::Logs).newest),
        (4, 2, NOW)
    );
    assert_eq!(observer.stats().logs, 4);
}

#[test]
fn warnings_and_worse_are_counted_by_template() {
    let mut observer = observer();
    let records = vec![
        log(9, "started 12 workers", ""),
        log(13, "order 17 failed", ""),
        log(17, "order 4711 failed", ""),
        log(17, "mail to jane@example.com bounced, token=hunter2secret", ""),
    ];
    observer.logs(&logs(SHOP, records), NOW).unwrap();
    let delta = observer.flush();
    let templates: Vec<_> =
        delta.logs.iter().map(|log| (&*log.template, log.count, log.severity)).collect();
    assert_eq!(templates[0], ("order <*> failed", 2, 17));
    assert_eq!(templates.len(), 2);
    assert!(
        !templates[1].0.contains("jane") && !templates[1].0.contains("hunter2"),
        "{templates:?}"
    );
}

#[test]
fn templates_beyond_the_cap_of_a_service_share_one() {
    let mut observer = limited(Limits { templates_per_service: 2, ..Limits::default() });
    for word in ["a", "b", "c", "d"] {
        observer.logs(&logs(SHOP, vec![log(17, word, "")]), NOW).unwrap();
    }
    let delta = observer.flush();
    let templates: Vec<_> = delta.logs.iter().map(|log| (&*log.template, log.count)).collect();
    assert_eq!(templates, [("a", 1), ("b", 1), ("__overflow__", 2)]);
}

#[test]
fn a_record_without_time_was_observed_or_happens_now() {
    let mut observer = observer();
    let mut observed = log(9, "x", "");
    observed.time_unix_nano = 0;
    observed.observed_time_unix_nano = NOW.unix_ns() - MS;
    let mut unknown = log(9, "x", "");
    unknown.time_unix_nano = 0;
    observer.logs(&logs(SHOP, vec![observed]), NOW).unwrap();
    assert_eq!(
        only_service(&observer.flush()).times_of(Telemetry::Logs).newest.unix_ns(),
        NOW.unix_ns() - MS
    );
    observer.logs(&logs(SHOP, vec![unknown]), NOW).unwrap();
    assert_eq!(only_service(&observer.flush()).times_of(Telemetry::Logs).newest, NOW);
}
