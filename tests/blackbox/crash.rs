//! What `kill -9` leaves: every page, under the same id, and every number.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::v1;
use serde_json::json;

use crate::harness::consumer::Consumer;
use crate::harness::fogbell::{Fogbell, value_of};
use crate::harness::incidents::{Incidents, command};
use crate::harness::kafka::{Kafka, Topics};
use crate::harness::otlp::{Exporter, Outcome, Shop, slo_labels};
use crate::harness::wait;

const LIMIT: Duration = Duration::from_secs(40);
/// With `ack: accepted` a crash may take what came since the last journal tick of a second.
const JOURNAL_TICK: Duration = Duration::from_millis(1_500);

/// The numbers of a service that must not change when nothing happens.
fn lasting_numbers(fogbell: &Fogbell, service: &str) -> BTreeMap<String, f64> {
    let exposition = fogbell.metrics();
    let series = ["availability", "latency"].into_iter().flat_map(|slo| {
        let labels = slo_labels(service, slo);
        [
            format!("slo_error_budget_remaining_ratio{{{labels}}}"),
            format!("slo_events_total{{{labels},result=\"good\"}}"),
            format!("slo_events_total{{{labels},result=\"bad\"}}"),
            format!("slo_sli_error_ratio{{{labels},window=\"1h\"}}"),
            format!("slo_sli_error_ratio{{{labels},window=\"30d\"}}"),
        ]
    });
    series
        .map(|series| {
            let value = value_of(&exposition, &series);
            let value = value.unwrap_or_else(|| panic!("no {series} in\n{exposition}"));
            (series, value)
        })
        .collect()
}

/// Pages on the topic by id, and how often each came.
fn pages_by_id(consumer: &Consumer, quiet: Duration) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for record in consumer.read_until_quiet(quiet) {
        if record.header("ce_action") == "trigger" {
            *times.entry(record.header("ce_id").to_owned()).or_default() += 1;
        }
    }
    times
}

/// Epoch and number of an incident's id.
fn parts(id: &str) -> (&str, u64) {
    let (epoch, number) = id.split_once('-').expect("epoch-number");
    (epoch, number.parse().expect("a number"))
}

#[test]
fn a_page_survives_kill_nine_under_its_id_and_budgets_with_it() {
    let (mut kafka, topics) = (Kafka::start(), Topics::new());
    let mut fogbell = Fogbell::start(&json!({ "emit": { "kafka": topics.config(&kafka) } }));
    wait::until("the topics", LIMIT, || (kafka.topics().len() == 4).then_some(()));
    let consumer = Consumer::subscribe(&kafka.bootstrap(), &[&topics.pages()]).wait_assigned(LIMIT);
    let (shop, other) = (Shop::new(), Shop::called("portal", "search"));
    let exporter = Exporter::to(&fogbell.grpc_url());
    exporter.be_healthy(&[&shop, &other]);

    // Journalled, but nobody to take it.
    kafka.stop();
    let incidents = Incidents::at(&fogbell.api_url(""));
    let subscriber = incidents.follow();
    exporter.send(shop.requests(60, Outcome::Broken));
    let (first, _) = subscriber.page(LIMIT);
    let id = first.incident.as_ref().unwrap().id.clone();
    let taken = incidents.acknowledge(command(&id, 0, "take-it")).expect("acknowledged");
    assert_eq!(taken.status(), v1::Status::Acknowledged);
    std::thread::sleep(JOURNAL_TICK);
    let numbers = lasting_numbers(&fogbell, "storefront");
    let before = incidents.get(&id).unwrap();
    fogbell.kill();

    fogbell.start_again();
    let incidents = Incidents::at(&fogbell.api_url(""));
    let after = incidents.get(&id).expect("the incident is known");
    assert_eq!((after.status(), after.revision), (v1::Status::Acknowledged, before.revision));
    assert_eq!((after.assignee, after.acknowledged_at), (before.assignee, before.acknowledged_at));
    let waiting = "fogbell_outbox_entries{sink=\"kafka\",kind=\"page\"}";
    wait::until("the page waits", LIMIT, || fogbell.metric(waiting).filter(|n| *n >= 1.0));
    wait::until("the numbers are back", LIMIT, || {
        (fogbell.metrics().contains("slo_events_total{")).then_some(())
    });
    assert_eq!(lasting_numbers(&fogbell, "storefront"), numbers);
    kafka.start_again();
    let records = consumer.read_until("the page", LIMIT, |r| !r.is_empty());
    assert_eq!(records[0].header("ce_id"), first.id);
    assert_eq!(pages_by_id(&consumer, Duration::from_secs(8)), BTreeMap::new());

    // Killed at any moment around the delivery: once, or once more under the same id.
    let subscriber = incidents.follow();
    Exporter::to(&fogbell.grpc_url()).send(other.requests(60, Outcome::Broken));
    let (second, _) = subscriber.page(LIMIT);
    fogbell.kill();
    fogbell.start_again();
    let times = pages_by_id(&consumer, Duration::from_secs(8));
    assert_eq!(times.keys().collect::<Vec<_>>(), [&second.id]);
    assert!(times[&second.id] <= 2, "{times:?}");
    let second_id = &second.incident.as_ref().unwrap().id;
    assert_eq!(parts(second_id).0, parts(&id).0, "one store, one epoch");
    assert!(parts(second_id).1 > parts(&id).1, "{second_id} after {id}");
    assert!(!fogbell.log().contains("panicked"), "{}", fogbell.log());
}
