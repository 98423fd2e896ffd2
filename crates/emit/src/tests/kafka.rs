//! Against librdkafka's own mock cluster, which speaks the protocol over loopback and fails on
//! demand.

use std::collections::BTreeMap;
use std::time::Duration;

use config::{Emit, EmitFormat, Secret};
use model::{Outgoing, OutgoingKind};
use prost::Message as _;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};

use super::harness::{Harness, event, incident, kind_of, page, snapshot, ticket};
use crate::{EmitConfig, EmitError, ReceiptMessage};

type Cluster = MockCluster<'static, DefaultProducerContext>;

const TOPICS: [&str; 4] =
    ["fogbell.incidents.v1", "fogbell.incident-events.v1", "pages.shop", "fogbell.tickets.v1"];

fn cluster() -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    for topic in TOPICS {
        cluster.create_topic(topic, 1, 1).unwrap();
    }
    cluster
}

fn config(cluster: &Cluster) -> EmitConfig {
    let mut emit = Emit::default();
    emit.kafka.brokers = vec![cluster.bootstrap_servers()];
    emit.kafka.create_topics = None;
    emit.kafka.topics.pages = "pages.{tenant}".to_owned();
    EmitConfig { source: "/fogbell".to_owned(), emit }
}

struct Record {
    key: String,
    value: Vec<u8>,
    headers: BTreeMap<String, String>,
}

/// The first `count` records of a topic.
fn read(cluster: &Cluster, topic: &str, count: usize) -> Vec<Record> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "test")
        .create()
        .unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&partitions).unwrap();
    let mut records = Vec::new();
    while records.len() < count {
        let message = consumer.poll(Duration::from_secs(20)).expect("a record").unwrap();
        let headers = message.headers().unwrap().iter().map(|header| {
            let value = String::from_utf8(header.value.unwrap().to_vec()).unwrap();
            (header.key.to_owned(), value)
        });
        records.push(Record {
            key: String::from_utf8(message.key().unwrap().to_vec()).unwrap(),
            value: message.payload().unwrap().to_vec(),
            headers: headers.collect(),
        });
    }
    records
}

fn ids(cluster: &Cluster, topic: &str, count: usize) -> Vec<String> {
    let records = read(cluster, topic, count);
    records.into_iter().map(|mut record| record.headers.remove("ce_id").unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_goes_to_its_topic_with_key_and_headers() {
    let cluster = cluster();
    let mut harness = Harness::start(config(&cluster));
    let outgoing = [snapshot(1, 1), event(1, 1), page(1, 1), ticket(1, 1)];
    harness.enqueue(outgoing.to_vec());
    harness.confirmed(4).await;
    assert!(harness.drained());
    for (topic, outgoing) in TOPICS.into_iter().zip(&outgoing) {
        let record = read(&cluster, topic, 1).remove(0);
        assert_eq!(record.key, incident(1, 1).id.to_string());
        assert_eq!(record.headers["ce_id"], outgoing.id());
        assert_eq!(record.headers["content-type"], "application/protobuf");
        assert_eq!(record.value, contract::Message::from(outgoing).encode());
    }
    let page = contract::v1::Delivery::decode(&*read(&cluster, "pages.shop", 1)[0].value).unwrap();
    assert_eq!(page.id, outgoing[2].id());
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_written_where_it_is_asked_for() {
    let cluster = cluster();
    let mut config = config(&cluster);
    config.emit.kafka.format = EmitFormat::Json;
    let mut harness = Harness::start(config);
    harness.enqueue(vec![page(1, 1)]);
    harness.confirmed(1).await;
    let record = read(&cluster, "pages.shop", 1).remove(0);
    assert_eq!(record.headers["content-type"], "application/json");
    let expected = contract::Message::from(&page(1, 1)).json();
    assert_eq!(String::from_utf8(record.value).unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_broker_cause_neither_loss_nor_repeats_nor_another_order() {
    let cluster = cluster();
    let errors = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    ];
    cluster.request_errors(RDKafkaApiKey::Produce, &errors);
    let mut harness = Harness::start(config(&cluster));
    let pages: Vec<_> = (1..=5).map(|revision| page(1, revision)).collect();
    harness.enqueue(pages.clone());
    harness.confirmed(5).await;
    harness.enqueue(vec![page(1, 6)]);
    harness.confirmed(1).await;
    let expected: Vec<_> = pages.iter().map(Outgoing::id).chain([page(1, 6).id()]).collect();
    assert_eq!(ids(&cluster, "pages.shop", 6), expected);
    assert!(harness.drained());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_while_the_broker_is_away_arrives_when_it_is_back() {
    let cluster = cluster();
    let mut harness = Harness::start(config(&cluster));
    harness.enqueue(vec![page(1, 1)]);
    harness.confirmed(1).await;
    cluster.broker_down(1).unwrap();
    harness.enqueue(vec![page(1, 2), page(2, 1), snapshot(1, 2)]);
    assert!(!harness.drained());
    cluster.broker_up(1).unwrap();
    harness.confirmed(3).await;
    assert!(harness.drained());
    let mut sent = ids(&cluster, "pages.shop", 3);
    sent.sort();
    assert_eq!(sent, [page(1, 1).id(), page(1, 2).id(), page(2, 1).id()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_fails_for_good_is_replaced() {
    let cluster = cluster();
    // One for the producer of each lane, as any of them may be the first to ask.
    let denied = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED; 2];
    cluster.request_errors(RDKafkaApiKey::InitProducerId, &denied);
    let mut harness = Harness::start(config(&cluster));
    harness.enqueue(vec![page(1, 1)]);
    harness.confirmed(1).await;
    assert_eq!(ids(&cluster, "pages.shop", 1), [page(1, 1).id()]);
    let health = harness.emitter.health().unwrap();
    assert!(health[0].retried > 0, "the fatal error was never seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_is_refused_and_others_go_on() {
    let cluster = cluster();
    let mut harness = Harness::start(config(&cluster));
    let mut large = (*incident(1, 1)).clone();
    large.title = "x".repeat(2 << 20);
    harness.enqueue(vec![Outgoing::Snapshot(large.into()), snapshot(2, 1)]);
    let mut outcomes = [harness.receipt().await, harness.receipt().await];
    outcomes.sort_by_key(|receipt| matches!(receipt, ReceiptMessage::Confirmed(_)));
    assert!(matches!(&outcomes[0], ReceiptMessage::Refused(_, why) if why.contains("large")));
    assert!(matches!(&outcomes[1], ReceiptMessage::Confirmed(_)));
    assert_eq!(kind_of(&outcomes[0]), OutgoingKind::Incident);
    assert_eq!(harness.journal.dead_letter_count().unwrap(), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_cannot_be_created_hold_nothing_up_for_long() {
    let cluster = cluster();
    let mut config = config(&cluster);
    config.emit.kafka.create_topics = Emit::default().kafka.create_topics;
    let mut harness = Harness::start(config);
    harness.enqueue(vec![page(1, 1)]);
    harness.confirmed(1).await;
    assert_eq!(ids(&cluster, "pages.shop", 1), [page(1, 1).id()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_sends_what_is_on_its_way() {
    let cluster = cluster();
    let mut harness = Harness::start(config(&cluster));
    harness.enqueue((1..=20).map(|number| page(number, 1)).collect());
    harness.confirmed(1).await;
    assert_eq!(harness.emitter.shutdown(Duration::from_secs(20)).await, 0);
    assert_eq!(ids(&cluster, "pages.shop", 20).len(), 20);
}

#[tokio::test]
async fn a_property_that_librdkafka_does_not_know_is_refused() {
    let cluster = cluster();
    let mut config = config(&cluster);
    let property = ("no.such.property".to_owned(), Secret::new("1".to_owned()));
    config.emit.kafka.properties.extend([property]);
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) =
        journal::open(dir.path(), 7, model::Timestamp::ZERO, config.sinks()).unwrap();
    let (receipts, _taken) = tokio::sync::mpsc::channel(1);
    let (_wake, woken) = tokio::sync::watch::channel(0);
    let jitter = super::harness::jitter();
    let refused = crate::Emitter::start(config, journal, receipts, woken, jitter);
    assert!(matches!(refused, Err(EmitError::Kafka(_))));
}
