use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use config::EmitFormat;
use contract::Message;
use journal::{EntryHead, OutboxEntry};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer, PurgeConfig};

use crate::EmitError;
use crate::cloudevent::headers;
use crate::settings::topic;
use crate::sink::{Answer, Attempt, Flight, Sink};
use crate::topics::Topics;

/// How long librdkafka tries on its own. Beyond it the entry goes back to the lane, which tries
/// again: the broker may have it, then it has it twice, with the same id. What librdkafka holds for
/// a broker that is away cannot be called back when a page comes, so this is short.
const TIMEOUT_MS: &str = "10000";

/// What may be set in the configuration.
const DEFAULTS: [(&str, &str); 6] = [
    ("client.id", "fogbell"),
    ("linger.ms", "5"),
    ("partitioner", "murmur2_random"),
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.keepalive.enable", "true"),
    ("topic.metadata.propagation.max.ms", "5000"),
];

/// A producer of its own, for one lane.
pub(crate) struct KafkaSink {
    shared: Arc<Shared>,
}

struct Shared {
    config: ClientConfig,
    kafka: config::KafkaSink,
    source: String,
    topics: Arc<Topics>,
    /// Replaced when librdkafka declares it dead.
    producer: RwLock<Arc<FutureProducer<Logs>>>,
}

/// librdkafka's log lines and errors.
pub(crate) struct Logs;

impl ClientContext for Logs {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(facility, "{message}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(facility, "{message}")
            }
            RDKafkaLogLevel::Debug => tracing::debug!(facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, "{reason}");
    }
}

/// What every client of the cluster shares.
pub(crate) fn client_config(kafka: &config::KafkaSink) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Warning);
    for (key, value) in DEFAULTS {
        config.set(key, value);
    }
    for (key, value) in &kafka.properties {
        config.set(key, value.expose());
    }
    config.set("bootstrap.servers", kafka.brokers.join(","));
    config
}

impl KafkaSink {
    pub(crate) fn connect(
        kafka: &config::KafkaSink,
        source: &str,
        topics: Arc<Topics>,
    ) -> Result<Self, EmitError> {
        let mut config = client_config(kafka);
        config.set("enable.idempotence", "true");
        config.set("acks", "all");
        config.set("message.timeout.ms", TIMEOUT_MS);
        let producer = RwLock::new(Arc::new(producer(&config).map_err(EmitError::Kafka)?));
        let (kafka, source) = (kafka.clone(), source.to_owned());
        Ok(Self { shared: Arc::new(Shared { config, kafka, source, topics, producer }) })
    }
}

impl Sink for KafkaSink {
    fn send(&self, attempts: Vec<Attempt>) -> Vec<Flight> {
        let fly = |Attempt { entry, .. }| {
            let shared = Arc::clone(&self.shared);
            Box::pin(async move {
                let head: EntryHead = entry.head;
                vec![(head, shared.deliver(&entry).await)]
            }) as Flight
        };
        attempts.into_iter().map(fly).collect()
    }

    fn flush(&self, deadline: Duration) {
        if let Err(error) = self.shared.current().flush(deadline) {
            tracing::warn!(%error, "the producer did not flush in time");
        }
    }
}

impl Shared {
    async fn deliver(&self, entry: &OutboxEntry) -> Answer {
        let incident = entry.outgoing.incident();
        let topic = topic(&self.kafka, entry.head.kind).replace("{tenant}", &incident.tenant);
        self.topics.ready(&topic, entry.head.kind).await;
        let message = Message::from(&entry.outgoing);
        let value = match self.kafka.format {
            EmitFormat::Protobuf => message.encode(),
            EmitFormat::Json => message.json().into_bytes(),
        };
        let attributes = headers(&self.source, self.kafka.format, &entry.outgoing);
        let headers = attributes.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        });
        let key = incident.id.to_string();
        let record = FutureRecord::to(&topic).key(&key).payload(&value).headers(headers);
        let producer = self.current();
        let sent = producer.send_result(record).map_err(|(error, _)| error);
        let error = match sent {
            Ok(report) => match report.await {
                Ok(Ok(_)) => return Answer::Accepted,
                Ok(Err((error, _))) => error,
                Err(_) => KafkaError::Canceled,
            },
            Err(error) => error,
        };
        self.replace_if_dead(&producer);
        answer(&topic, &error)
    }

    fn current(&self) -> Arc<FutureProducer<Logs>> {
        Arc::clone(&self.producer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A producer with a fatal error sends nothing any more: what it holds comes back, and a new
    /// one takes over.
    fn replace_if_dead(&self, used: &Arc<FutureProducer<Logs>>) {
        let Some((code, reason)) = used.client().fatal_error() else { return };
        let mut current = self.producer.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&current, used) {
            return;
        }
        tracing::error!(%code, reason, "the producer failed for good and is replaced");
        match producer(&self.config) {
            Ok(fresh) => {
                let dead = std::mem::replace(&mut *current, Arc::new(fresh));
                dead.purge(PurgeConfig::default().queue().inflight());
            }
            Err(error) => tracing::error!(%error, "no new producer can be made"),
        }
    }
}

fn producer(config: &ClientConfig) -> KafkaResult<FutureProducer<Logs>> {
    FutureProducer::from_config_and_context(config, Logs)
}

/// Only what is wrong with the message itself is refused: all else may be mended.
fn answer(topic: &str, error: &KafkaError) -> Answer {
    let reason = format!("topic {topic}: {error}");
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord) => {
            Answer::Refused(reason)
        }
        _ => Answer::Retry(reason),
    }
}
