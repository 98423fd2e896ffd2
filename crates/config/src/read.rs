use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use document::{Fields, Node};
use model::Urgency;

use crate::settings::{
    Ack, Alerting, Auth, AutomaticDefaults, Config, CreateTopics, Emit, EmitFormat, EmitTopics,
    Enrich, GrpcSink, KafkaSink, Limits, Log, LogFormat, LogLevel, OtlpTopics, Receive,
    ReceiveKafka, Role, Slos, Tenant, Tls,
};
use crate::{Secret, maintenance, value};

/// Most entries of any list in the configuration.
pub const ENTRIES_MAX: usize = 1000;

/// What `receive.request_bytes_max` may be.
pub const REQUEST_BYTES_MAX_RANGE: RangeInclusive<u64> = (1 << 10)..=(1 << 30);

/// Properties of librdkafka that fogbell's promises rest on, or that have keys of their own.
pub const KAFKA_PROPERTIES_RESERVED: [&str; 8] = [
    "acks",
    "request.required.acks",
    "bootstrap.servers",
    "metadata.broker.list",
    "enable.idempotence",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "transactional.id",
];

const COUNT_MAX: i64 = 1_000_000_000;
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
/// Beyond it, the time in which workers hand nothing over would count as a gap.
const WORK_AHEAD_MAX: Duration = Duration::from_secs(10);

/// Everything that is right; the rest keeps its default and is reported.
pub(crate) fn config(root: &Node<'_>) -> Config {
    let mut config = Config::default();
    let Some(mut map) = root.map() else { return config };
    map.set("data_dir", &mut config.data_dir, value::path);
    within(&mut map, "receive", |map| receive(map, &mut config.receive));
    within(&mut map, "api", |map| {
        map.set("listen", &mut config.api.listen, value::address);
        map.set("hosts", &mut config.api.hosts, |node| list(node, Node::name));
    });
    within(&mut map, "auth", |map| auth(map, &mut config.auth));
    within(&mut map, "slos", |map| slos(map, &mut config.slos));
    within(&mut map, "alerting", |map| alerting(map, &mut config.alerting));
    map.set("maintenance", &mut config.maintenance, |node| list(node, maintenance::entry));
    within(&mut map, "enrich", |map| enrich(map, &mut config.enrich));
    within(&mut map, "emit", |map| emit(map, &mut config.emit));
    within(&mut map, "limits", |map| limits(map, &mut config.limits));
    within(&mut map, "log", |map| log(map, &mut config.log));
    config
}

/// Reads the keys of a map below a key, if it is there.
fn within<'a>(map: &mut Fields<'a>, key: &'static str, read: impl FnOnce(&mut Fields<'a>)) {
    if let Some(mut below) = map.get(key).and_then(|node| node.map()) {
        read(&mut below);
    }
}

/// A bounded list.
fn list<'a, T>(node: &Node<'a>, read: impl FnMut(&Node<'a>) -> Option<T>) -> Option<Vec<T>> {
    let count = node.list()?.len();
    if count > ENTRIES_MAX {
        node.error(format!("has {count} entries"), format!("keep at most {ENTRIES_MAX}"));
        return None;
    }
    value::each(node, read)
}

fn receive(map: &mut Fields<'_>, receive: &mut Receive) {
    within(map, "otlp", |map| {
        within(map, "grpc", |map| map.set("listen", &mut receive.grpc_listen, value::address));
        within(map, "http", |map| map.set("listen", &mut receive.http_listen, value::address));
    });
    map.set("request_bytes_max", &mut receive.request_bytes_max, |node| {
        let bytes = node.bytes()?;
        if !REQUEST_BYTES_MAX_RANGE.contains(&bytes) {
            node.error(format!("{bytes} bytes are out of range"), "write one from 1KiB to 1GiB");
            return None;
        }
        Some(bytes)
    });
    map.set("ack", &mut receive.ack, |node| {
        node.choice(&[("accepted", Ack::Accepted), ("durable", Ack::Durable)])
    });
    within(map, "kafka", |map| receive_kafka(map, &mut receive.kafka));
}

fn receive_kafka(map: &mut Fields<'_>, kafka: &mut ReceiveKafka) {
    map.set("brokers", &mut kafka.brokers, value::brokers);
    within(map, "topics", |map| {
        let OtlpTopics { traces, metrics, logs } = &mut kafka.topics;
        map.set("traces", traces, value::topic);
        map.set("metrics", metrics, value::topic);
        map.set("logs", logs, value::topic);
    });
    map.set("group", &mut kafka.group, Node::name);
}

fn auth(map: &mut Fields<'_>, auth: &mut Auth) {
    map.set("insecure", &mut auth.insecure, Node::bool);
    map.set("tenants", &mut auth.tenants, |node| list(node, tenant));
    within(map, "tls", |map| {
        let Tls { cert, key, client_ca } = &mut auth.tls;
        map.set("cert", cert, |node| value::path(node).map(Some));
        map.set("key", key, |node| value::path(node).map(Some));
        map.set("client_ca", client_ca, |node| value::path(node).map(Some));
    });
}

fn tenant(node: &Node<'_>) -> Option<Tenant> {
    let mut map = node.map()?;
    let name = map.required("name").and_then(|node| value::plain_name(&node));
    let token_file = map.required("token_file").and_then(|node| value::path(&node));
    let role = map.required("role").and_then(|node| {
        node.choice(&[
            ("ingest", Role::Ingest),
            ("viewer", Role::Viewer),
            ("responder", Role::Responder),
            ("admin", Role::Admin),
        ])
    });
    Some(Tenant { name: name?, token_file: token_file?, role: role? })
}

fn slos(map: &mut Fields<'_>, slos: &mut Slos) {
    map.set("files", &mut slos.files, |node| list(node, Node::name));
    map.set("automatic", &mut slos.automatic, Node::bool);
    within(map, "automatic_defaults", |map| {
        let AutomaticDefaults { availability, latency_ratio, latency, window } =
            &mut slos.automatic_defaults;
        map.set("availability", availability, value::objective);
        map.set("latency_ratio", latency_ratio, value::objective);
        map.set("latency", latency, |node| value::duration_in(node, MS..=HOUR, "1ms to 1h"));
        map.set("window", window, |node| {
            value::duration_in(node, HOUR..=HOUR * 24 * 366, "1h to 366d")
        });
    });
}

fn alerting(map: &mut Fields<'_>, alerting: &mut Alerting) {
    map.set("rules", &mut alerting.rules, |node| list(node, value::rule));
    map.set("bad_events_min", &mut alerting.bad_events_min, |node| node.int(1..=COUNT_MAX));
    map.set("service_labels", &mut alerting.service_labels, |node| list(node, Node::name));
    map.set("resolve_after", &mut alerting.resolve_after, |node| {
        value::duration_in(node, SECOND * 10..=HOUR * 24, "10s to 24h")
    });
}

fn enrich(map: &mut Fields<'_>, enrich: &mut Enrich) {
    map.set("trace_url", &mut enrich.trace_url, |node| {
        let text = node.name()?;
        if !text.contains("{trace_id}") {
            node.error("does not hold {trace_id}", "write where the trace's id belongs");
            return None;
        }
        Some(Some(text))
    });
    map.set("catalog", &mut enrich.catalog, |node| value::path(node).map(Some));
    map.set("attributes_keep", &mut enrich.attributes_keep, |node| list(node, Node::name));
    map.set("redact", &mut enrich.redact, |node| {
        list(node, |item| {
            let text = item.name()?;
            if let Err(error) = regex::Regex::new(&text) {
                let shown = error.to_string();
                let last = shown.lines().last().unwrap_or_default();
                let what = last.trim_start_matches("error: ");
                item.error(format!("the regular expression is wrong: {what}"), "");
                return None;
            }
            Some(text)
        })
    });
}

fn emit(map: &mut Fields<'_>, emit: &mut Emit) {
    within(map, "kafka", |map| emit_kafka(map, &mut emit.kafka));
    map.set("grpc", &mut emit.grpc, |node| list(node, grpc_sink));
}

fn emit_kafka(map: &mut Fields<'_>, kafka: &mut KafkaSink) {
    map.set("brokers", &mut kafka.brokers, value::brokers);
    map.set("format", &mut kafka.format, |node| {
        node.choice(&[("protobuf", EmitFormat::Protobuf), ("json", EmitFormat::Json)])
    });
    within(map, "topics", |map| {
        let EmitTopics { incidents, events, pages, tickets } = &mut kafka.topics;
        map.set("incidents", incidents, value::tenant_topic);
        map.set("events", events, value::tenant_topic);
        map.set("pages", pages, value::tenant_topic);
        map.set("tickets", tickets, value::tenant_topic);
    });
    match map.get_or_null("create_topics") {
        None => {}
        Some(node) if node.is_null() => kafka.create_topics = None,
        Some(node) => {
            if let Some(mut map) = node.map() {
                let mut create = CreateTopics::default();
                map.set("partitions", &mut create.partitions, |node| node.int(1..=10_000));
                map.set("replication", &mut create.replication, |node| node.int(1..=100));
                kafka.create_topics = Some(create);
            }
        }
    }
    map.set("properties", &mut kafka.properties, properties);
}

/// Values are never quoted in a problem: they may be passwords.
fn properties(node: &Node<'_>) -> Option<BTreeMap<String, Secret>> {
    let mut properties = BTreeMap::new();
    for (key, value) in node.map()?.entries() {
        if KAFKA_PROPERTIES_RESERVED.contains(&key) {
            let mend = "remove it; brokers have a key of their own, the rest keeps pages safe";
            value.error("is set by fogbell itself", mend);
            continue;
        }
        if let Some(text) = value.string() {
            properties.insert(key.to_owned(), Secret::new(text));
        }
    }
    Some(properties)
}

fn grpc_sink(node: &Node<'_>) -> Option<GrpcSink> {
    let mut map = node.map()?;
    let name = map.required("name").and_then(|node| value::plain_name(&node));
    let endpoint = map.required("endpoint").and_then(|node| {
        let text = node.name()?;
        let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
            let what = format!("{text:?} is no endpoint");
            node.error(what, "write http://host:port or https://host:port");
            return None;
        }
        Some(text)
    });
    let mut urgencies = vec![Urgency::Page, Urgency::Ticket];
    map.set("urgencies", &mut urgencies, |node| {
        let urgencies = value::each(node, value::urgency)?;
        if urgencies.is_empty() {
            node.error("is empty, so nothing would be sent", "write page, ticket or both");
            return None;
        }
        Some(urgencies)
    });
    Some(GrpcSink { name: name?, endpoint: endpoint?, urgencies })
}

fn limits(map: &mut Fields<'_>, limits: &mut Limits) {
    let Limits {
        memory_bytes,
        work_ahead,
        recall_bytes,
        services,
        series,
        groups_per_slo,
        tag_values_per_key,
    } = limits;
    map.set("memory_bytes", memory_bytes, Node::bytes);
    map.set("work_ahead", work_ahead, |node| {
        value::duration_in(node, MS..=WORK_AHEAD_MAX, "1ms to 10s")
    });
    map.set("recall_bytes", recall_bytes, Node::bytes);
    let count = |node: &Node<'_>| node.int(1..=COUNT_MAX);
    map.set("services", services, count);
    map.set("series", series, count);
    map.set("groups_per_slo", groups_per_slo, count);
    map.set("tag_values_per_key", tag_values_per_key, count);
}

fn log(map: &mut Fields<'_>, log: &mut Log) {
    map.set("level", &mut log.level, |node| {
        node.choice(&[
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("info", LogLevel::Info),
            ("debug", LogLevel::Debug),
            ("trace", LogLevel::Trace),
        ])
    });
    map.set("format", &mut log.format, |node| {
        node.choice(&[
            ("auto", LogFormat::Auto),
            ("human", LogFormat::Human),
            ("json", LogFormat::Json),
        ])
    });
}
