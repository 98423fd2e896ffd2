//! A real Apache Kafka broker in KRaft mode, from the artifacts that `kafka/pom.xml` names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Server;
use super::wait::RUNTIME;
use super::{ports, prepare};

const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const CALL_LIMIT: Duration = Duration::from_secs(10);

static SHARED: Mutex<Weak<Kafka>> = Mutex::new(Weak::new());
static PREFIXES: AtomicU32 = AtomicU32::new(1);

/// A broker with its data in a temporary folder.
pub(crate) struct Kafka {
    // Before the folder, so that the broker is gone when its folder goes.
    server: Option<Server>,
    folder: TempDir,
    port: u16,
}

impl Kafka {
    /// Formats a new log and starts a broker; returns when it answers.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = ports::free();
        let properties = fs::read_to_string(prepare::fixture("kafka/server.properties"))
            .unwrap()
            .replace("${broker_port}", &port.to_string())
            .replace("${controller_port}", &ports::free().to_string())
            .replace("${data}", &folder.path().join("data").display().to_string());
        fs::write(folder.path().join("server.properties"), properties).unwrap();
        let mut kafka = Self { server: None, folder, port };
        prepare::output(
            java().arg("kafka.tools.StorageTool").args(["format", "--standalone", "-t"]).args([
                // A cluster id of 22 characters; each broker is a cluster of its own.
                "AAAAAAAAAAAAAAAAAAAAAQ",
                "-c",
                kafka.properties().to_str().unwrap(),
            ]),
        );
        kafka.start_again();
        kafka
    }

    /// The broker that tests share which neither stop it nor share topics. It lives as long as one
    /// of them holds it.
    pub(crate) fn shared() -> Arc<Self> {
        // A test that failed while it started the broker leaves nothing half-done behind.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let kafka = Arc::new(Self::start());
            *shared = Arc::downgrade(&kafka);
            kafka
        })
    }

    /// Its address as clients want it.
    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Lets the broker shut down in order.
    pub(crate) fn stop(&mut self) {
        let mut server = self.server.take().expect("the broker runs");
        server.terminate(STOP_LIMIT);
    }

    /// Kills the broker without warning.
    pub(crate) fn kill(&mut self) {
        self.server.take().expect("the broker runs").kill();
    }

    /// Starts the broker on the same data and port as before; returns when it answers.
    pub(crate) fn start_again(&mut self) {
        assert!(self.server.is_none(), "the broker already runs");
        let log = self.folder.path().join("kafka.log");
        let mut command = java();
        command.arg("kafka.Kafka").arg(self.properties());
        let mut server = Server::start("kafka", &mut command, &log);
        let client: BaseConsumer = self.client_config().create().unwrap();
        server.wait_ready(START_LIMIT, || {
            client
                .fetch_metadata(None, Duration::from_millis(500))
                .is_ok_and(|metadata| !metadata.brokers().is_empty())
        });
        self.server = Some(server);
    }

    /// Creates a topic.
    pub(crate) fn create_topic(&self, name: &str, partitions: i32) {
        self.create(NewTopic::new(name, partitions, TopicReplication::Fixed(1)));
    }

    /// Creates a topic whose records are stamped by the broker, as it takes them.
    pub(crate) fn create_stamped_topic(&self, name: &str) {
        let topic = NewTopic::new(name, 1, TopicReplication::Fixed(1));
        self.create(topic.set("message.timestamp.type", "LogAppendTime"));
    }

    fn create(&self, topic: NewTopic<'_>) {
        let name = topic.name;
        let results = RUNTIME
            .block_on(self.admin().create_topics([&topic], &admin_options()))
            .expect("the broker answers");
        match &results[..] {
            [Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))] => {}
            other => panic!("cannot create the topic {name}: {other:?}"),
        }
    }

    /// The topics that exist, with their numbers of partitions; internal ones are left out.
    pub(crate) fn topics(&self) -> BTreeMap<String, usize> {
        let client: BaseConsumer = self.client_config().create().unwrap();
        let metadata = client.fetch_metadata(None, CALL_LIMIT).expect("the broker answers");
        metadata
            .topics()
            .iter()
            .filter(|topic| !topic.name().starts_with("__"))
            .map(|topic| (topic.name().to_owned(), topic.partitions().len()))
            .collect()
    }

    /// A topic's setting, such as `cleanup.policy`.
    pub(crate) fn topic_setting(&self, topic: &str, key: &str) -> Option<String> {
        let resource = rdkafka::admin::ResourceSpecifier::Topic(topic);
        let results = RUNTIME
            .block_on(self.admin().describe_configs([&resource], &admin_options()))
            .expect("the broker answers");
        let resource = results.into_iter().next()?.expect("the topic exists");
        resource.get(key)?.value.clone()
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client_config().create().unwrap()
    }

    fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap());
        // Quiet while the broker is away: the tests say what they expect themselves.
        config.set("log_level", "0");
        config.set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "200");
        config
    }

    fn properties(&self) -> PathBuf {
        self.folder.path().join("server.properties")
    }
}

/// Topics of one test.
pub(crate) struct Topics {
    prefix: String,
}

impl Topics {
    /// Names that no other test has.
    pub(crate) fn new() -> Self {
        let number = PREFIXES.fetch_add(1, Ordering::Relaxed);
        Self { prefix: format!("test{number}") }
    }

    pub(crate) fn pages(&self) -> String {
        format!("{}.pages", self.prefix)
    }

    pub(crate) fn tickets(&self) -> String {
        format!("{}.tickets", self.prefix)
    }

    pub(crate) fn incidents(&self) -> String {
        format!("{}.incidents", self.prefix)
    }

    pub(crate) fn events(&self) -> String {
        format!("{}.events", self.prefix)
    }

    /// All four.
    pub(crate) fn all(&self) -> [String; 4] {
        [self.pages(), self.tickets(), self.incidents(), self.events()]
    }

    /// `emit.kafka` for these topics on `kafka`.
    pub(crate) fn config(&self, kafka: &Kafka) -> Value {
        json!({
            "brokers": [kafka.bootstrap()],
            "topics": {
                "pages": self.pages(),
                "tickets": self.tickets(),
                "incidents": self.incidents(),
                "events": self.events(),
            },
        })
    }
}

fn admin_options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(CALL_LIMIT)).operation_timeout(Some(CALL_LIMIT))
}

/// A small, quickly started virtual machine with Kafka on its class path.
fn java() -> Command {
    let libraries = libraries();
    let mut command = prepare::program("java", "default-jre-headless");
    command
        .args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .arg(format!(
            "-Dlog4j2.configurationFile={}",
            prepare::fixture("kafka/log4j2.xml").display()
        ))
        .arg("-cp")
        .arg(libraries.join("*"));
    command
}

/// Kafka's jars, fetched once.
fn libraries() -> PathBuf {
    let pom = prepare::fixture("kafka/pom.xml");
    let folder = prepare::root().join(".cache/kafka-libs");
    prepare::once(&folder, &fs::read_to_string(&pom).unwrap(), || fetch(&pom, &folder));
    folder
}

fn fetch(pom: &Path, folder: &Path) {
    prepare::output(
        prepare::program("mvn", "maven")
            .args(["-q", "-B", "-f"])
            .arg(pom)
            .arg("dependency:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", folder.display())),
    );
}
