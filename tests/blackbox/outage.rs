//! The broker goes away and comes back.

use std::time::{Duration, Instant};

use contract::v1;
use serde_json::{Value, json};

use crate::harness::consumer::{Consumer, Record};
use crate::harness::fogbell::Fogbell;
use crate::harness::incidents::Incidents;
use crate::harness::kafka::{Kafka, Topics};
use crate::harness::otlp::{Exporter, Outcome, Shop};
use crate::harness::{http, wait};

const LIMIT: Duration = Duration::from_secs(40);
/// A ticket waits for half a minute before it opens, in case it grows into a page.
const BEFORE_THE_TICKET: Duration = Duration::from_secs(24);
/// After which `/readyz` names a sink that confirms nothing, and a little more.
const SILENT_AFTER: Duration = Duration::from_secs(40);

fn problems(fogbell: &Fogbell) -> String {
    let answer = http::get(&fogbell.api_url("/readyz"), &[]).expect("the API answers");
    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    // A sink that is away is no reason to send telemetry elsewhere.
    assert_eq!((answer.status, &body["ready"]), (200, &Value::Bool(true)), "{body}");
    body["problems"].to_string()
}

#[test]
fn a_broker_that_was_away_gets_everything_and_pages_first() {
    let (mut kafka, topics) = (Kafka::start(), Topics::new());
    topics.all().iter().for_each(|topic| kafka.create_stamped_topic(topic));
    let fogbell = Fogbell::start(&json!({ "emit": { "kafka": topics.config(&kafka) } }));
    let names = topics.all();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let consumer = Consumer::subscribe(&kafka.bootstrap(), &names).wait_assigned(LIMIT);
    let subscriber = Incidents::at(&fogbell.api_url("")).follow();
    let (exporter, shop) = (Exporter::to(&fogbell.grpc_url()), Shop::new());
    let inside = Shop::called("portal", "search");
    exporter.be_healthy(&[&shop, &inside]);
    assert_eq!(problems(&fogbell), "[]");

    // First a ticket, then a page, both while the broker is away.
    exporter.send(inside.requests(60, Outcome::Hidden));
    std::thread::sleep(BEFORE_THE_TICKET);
    kafka.stop();
    let away = Instant::now();
    let (ticket, _) = subscriber.change_where("a ticket", LIMIT, |c| c.delivery.is_some());
    let ticket = ticket.delivery.unwrap();
    assert_eq!(ticket.urgency(), v1::Urgency::Ticket);
    exporter.send(shop.requests(60, Outcome::Broken));
    let (page, _) = subscriber.page(LIMIT);
    wait::until("/readyz names the sink", SILENT_AFTER, || {
        let problems = problems(&fogbell);
        (problems.contains("kafka") && problems.contains("page")).then_some(())
    });
    eprintln!("the broker was away for {:.0?}", away.elapsed());
    kafka.start_again();

    let find = |records: &[Record], id: &str| {
        records.iter().find(|record| record.header("ce_id") == id).map(|r| r.timestamp_ms)
    };
    let snapshot_of = |delivery: &v1::Delivery| {
        let incident = delivery.incident.as_ref().unwrap();
        (incident.id.clone(), format!("{}:{}:event", incident.id, incident.revision))
    };
    let mut records = consumer.read_until("page and ticket", LIMIT, |records| {
        let events = [&page, &ticket].map(|delivery| snapshot_of(delivery).1);
        [&page.id, &ticket.id, &events[0], &events[1]].iter().all(|id| find(records, id).is_some())
    });
    records.extend(consumer.read_until_quiet(Duration::from_secs(4)));
    for id in [&page.id, &ticket.id] {
        let times = records.iter().filter(|record| record.header("ce_id") == id).count();
        assert_eq!(times, 1, "{id}");
    }
    let (paged, ticketed) =
        (find(&records, &page.id).unwrap(), find(&records, &ticket.id).unwrap());
    eprintln!("the ticket came {} ms after the page", ticketed - paged);
    assert!(paged <= ticketed, "the ticket came {} ms before the page", paged - ticketed);
    // Snapshots may coalesce, but each incident's newest one is there.
    for delivery in [&page, &ticket] {
        let (incident, _) = snapshot_of(delivery);
        let newest = Incidents::at(&fogbell.api_url("")).get(&incident).unwrap().revision;
        let wanted = format!("{incident}:{newest}:incident");
        assert!(find(&records, &wanted).is_some(), "no {wanted}");
    }
    wait::until("/readyz is content", LIMIT, || (problems(&fogbell) == "[]").then_some(()));
}
