//! Reads a broker's topics as a user's consumer would.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};

use super::wait;

const POLL: Duration = Duration::from_millis(50);

// A broker belongs to one process, so a number of this process tells its groups apart.
static GROUPS: AtomicU32 = AtomicU32::new(0);

/// One record of a topic.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: String,
    pub headers: BTreeMap<String, String>,
    pub payload: Vec<u8>,
    /// The record's timestamp in Unix milliseconds.
    pub timestamp_ms: i64,
    /// When this process received it.
    pub received: Instant,
}

impl Record {
    /// The value of a header; one that is missing fails the test.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name} in {self:?}"))
    }
}

/// A consumer in a group of its own that starts at the beginning of its topics. Topics may be
/// created after it, and the broker may go away and come back.
pub(crate) struct Consumer {
    inner: BaseConsumer,
    topics: usize,
}

impl Consumer {
    /// Subscribes to `topics`.
    pub(crate) fn subscribe(bootstrap: &str, topics: &[&str]) -> Self {
        let inner: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", format!("blackbox-{}", GROUPS.fetch_add(1, Ordering::Relaxed)))
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("allow.auto.create.topics", "false")
            .set("topic.metadata.refresh.interval.ms", "200")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "200")
            .set("fetch.wait.max.ms", "20")
            .set("log_level", "0")
            .create()
            .unwrap();
        inner.subscribe(topics).unwrap();
        Self { inner, topics: topics.len() }
    }

    /// Waits until partitions of every topic are assigned, so that what comes is received at once.
    #[track_caller]
    pub(crate) fn wait_assigned(self, limit: Duration) -> Self {
        wait::until("the consumer has its partitions", limit, || {
            assert!(self.next(Duration::ZERO).is_none(), "a record came before it was expected");
            let assigned = self.inner.assignment().ok()?;
            let topics: BTreeSet<_> =
                assigned.elements().iter().map(|e| e.topic().to_owned()).collect();
            (topics.len() == self.topics).then_some(())
        });
        self
    }

    /// The next record, if one comes within `limit`.
    pub(crate) fn next(&self, limit: Duration) -> Option<Record> {
        let start = Instant::now();
        loop {
            // Errors are those of topics or a broker that are not there yet; a deadline ends them.
            if let Some(Ok(message)) = self.inner.poll(POLL) {
                return Some(record(&message));
            }
            if start.elapsed() >= limit {
                return None;
            }
        }
    }

    /// Reads records until `enough` says so of all that came; too few within `limit` fail the test.
    #[track_caller]
    pub(crate) fn read_until(
        &self,
        what: &str,
        limit: Duration,
        mut enough: impl FnMut(&[Record]) -> bool,
    ) -> Vec<Record> {
        let start = Instant::now();
        let mut records = Vec::new();
        while !enough(&records) {
            let Some(record) = self.next(limit.saturating_sub(start.elapsed())) else {
                panic!(
                    "{what}: not within {limit:?}; {} records came: {records:#?}",
                    records.len()
                );
            };
            records.push(record);
        }
        records
    }

    /// Reads until no record has come for `quiet`.
    pub(crate) fn read_until_quiet(&self, quiet: Duration) -> Vec<Record> {
        std::iter::from_fn(|| self.next(quiet)).collect()
    }
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(text).unwrap_or_default(),
        headers: headers
            .map(|header| (header.key.to_owned(), header.value.map(text).unwrap_or_default()))
            .collect(),
        payload: message.payload().unwrap_or_default().to_vec(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
        received: Instant::now(),
    }
}
