use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use config::{CreateTopics, KafkaSink};
use model::OutgoingKind;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::RDKafkaErrorCode;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};

use crate::backoff::delay;
use crate::kafka::{Logs, client_config};
use crate::settings::topic;
use crate::{EmitError, Jitter};

/// Topics that are looked after. Those of further tenants are left to the broker.
const TOPICS_MAX: usize = 10_000;
/// How long the first message of a topic waits for the topic to be created. Then it is sent
/// whatever became of that.
const CREATE_WAIT: Duration = Duration::from_secs(3);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Creates topics that are missing, once each, before something is sent to them.
pub(crate) struct Topics {
    kafka: KafkaSink,
    jitter: Jitter,
    topics: Mutex<BTreeMap<String, Topic>>,
}

struct Topic {
    /// Whether there is nothing to wait for.
    ready: watch::Receiver<bool>,
    waited_until: Instant,
    task: AbortHandle,
}

impl Topics {
    /// Begins with the topics that need no tenant's name.
    pub(crate) fn new(kafka: &KafkaSink, jitter: &Jitter) -> Result<Arc<Self>, EmitError> {
        let topics =
            Self { kafka: kafka.clone(), jitter: Arc::clone(jitter), topics: Mutex::default() };
        for kind in OutgoingKind::ALL {
            let name = topic(kafka, kind);
            if !name.contains("{tenant}") {
                topics.watch(name, kind);
            }
        }
        Ok(Arc::new(topics))
    }

    /// Waits until the topic is there, or for as long as a message may wait for it.
    pub(crate) async fn ready(&self, name: &str, kind: OutgoingKind) {
        let Some((mut ready, until)) = self.watch(name, kind) else { return };
        // The topic counts as ready when its task has ended, whatever the outcome.
        let _ = timeout_at(until, ready.wait_for(|ready| *ready)).await;
    }

    fn watch(&self, name: &str, kind: OutgoingKind) -> Option<(watch::Receiver<bool>, Instant)> {
        let create = self.kafka.create_topics?;
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = topics.get(name) {
            return Some((topic.ready.clone(), topic.waited_until));
        }
        if topics.len() >= TOPICS_MAX {
            return None;
        }
        let (done, ready) = watch::channel(false);
        let task = tokio::spawn(ensure(
            self.kafka.clone(),
            create,
            name.to_owned(),
            kind,
            Arc::clone(&self.jitter),
            done,
        ));
        let waited_until = Instant::now() + CREATE_WAIT;
        let topic = Topic { ready: ready.clone(), waited_until, task: task.abort_handle() };
        topics.insert(name.to_owned(), topic);
        Some((ready, waited_until))
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        let topics = self.topics.get_mut().unwrap_or_else(PoisonError::into_inner);
        topics.values().for_each(|topic| topic.task.abort());
    }
}

/// Creates a topic unless it is there; tries until the broker says so.
async fn ensure(
    kafka: KafkaSink,
    create: CreateTopics,
    name: String,
    kind: OutgoingKind,
    jitter: Jitter,
    done: watch::Sender<bool>,
) {
    let admin: AdminClient<Logs> =
        match AdminClient::from_config_and_context(&client_config(&kafka), Logs) {
            Ok(admin) => admin,
            Err(error) => {
                tracing::error!(topic = name, %error, "topics cannot be created");
                return;
            }
        };
    let partitions = i32::try_from(create.partitions).unwrap_or(i32::MAX);
    let replication = TopicReplication::Fixed(i32::from(create.replication));
    let topic =
        NewTopic::new(&name, partitions, replication).set("cleanup.policy", cleanup_policy(kind));
    let mut failures = 0;
    loop {
        let options = AdminOptions::new().operation_timeout(Some(OPERATION_TIMEOUT));
        let error = match admin.create_topics([&topic], &options).await {
            Ok(results) => match results.into_iter().next() {
                None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => break,
                Some(Err((_, code))) => {
                    // The broker has spoken: waiting longer helps no message.
                    done.send_replace(true);
                    code.to_string()
                }
            },
            Err(error) => error.to_string(),
        };
        failures += 1;
        if failures == 1 {
            let command = create_command(&kafka, create, &name, kind);
            tracing::warn!(topic = name, error, command, "the topic cannot be created yet");
        }
        sleep(delay(kind, failures, jitter())).await;
    }
    done.send_replace(true);
    // Dropping the client waits for its threads.
    drop(tokio::task::spawn_blocking(move || drop(admin)));
}

const fn cleanup_policy(kind: OutgoingKind) -> &'static str {
    match kind {
        OutgoingKind::Incident => "compact",
        OutgoingKind::Page | OutgoingKind::Ticket | OutgoingKind::Event => "delete",
    }
}

/// What creates all topics with Kafka's own tool, where fogbell is to create none: with the default
/// numbers of partitions and replicas, once for each tenant that a name holds.
#[must_use]
pub fn create_commands(kafka: &KafkaSink, tenants: &[&str]) -> Vec<String> {
    use OutgoingKind::{Event, Incident, Page, Ticket};
    let mut commands = Vec::new();
    for kind in [Incident, Event, Page, Ticket] {
        let pattern = topic(kafka, kind);
        let mut names: Vec<_> =
            tenants.iter().map(|tenant| pattern.replace("{tenant}", tenant)).collect();
        names.dedup();
        let command = |name: &String| create_command(kafka, CreateTopics::default(), name, kind);
        commands.extend(names.iter().map(command));
    }
    commands
}

/// What a person with the right to do so can run instead.
fn create_command(
    kafka: &KafkaSink,
    create: CreateTopics,
    name: &str,
    kind: OutgoingKind,
) -> String {
    format!(
        "kafka-topics.sh --bootstrap-server {} --create --if-not-exists --topic {name} \
         --partitions {} --replication-factor {} --config cleanup.policy={}",
        kafka.brokers.join(","),
        create.partitions,
        create.replication,
        cleanup_policy(kind)
    )
}
