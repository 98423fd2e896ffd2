/// Keys of the semantic conventions that are kept beside the prefixes below, in order.
const KEYS: &[&str] = &[
    "code.function.name",
    "db.collection.name",
    "db.name",
    "db.namespace",
    "db.operation",
    "db.operation.name",
    "db.query.summary",
    "db.response.status_code",
    "db.sql.table",
    "db.system",
    "db.system.name",
    "deployment.environment",
    "error.type",
    "event.name",
    "exception.message",
    "exception.type",
    "faas.coldstart",
    "faas.name",
    "faas.trigger",
    "faas.version",
    "graphql.operation.name",
    "graphql.operation.type",
    "http.method",
    "http.request.method",
    "http.request.resend_count",
    "http.response.status_code",
    "http.route",
    "http.status_code",
    "net.peer.name",
    "net.peer.port",
    "network.protocol.name",
    "network.protocol.version",
    "network.transport",
    "otel.status_code",
    "otel.status_description",
    "peer.service",
    "process.runtime.name",
    "process.runtime.version",
    "server.address",
    "server.port",
    "url.scheme",
    "url.template",
];

/// Families of the semantic conventions of which every key is kept.
const PREFIXES: &[&str] = &[
    "aws.ecs.",
    "cloud.",
    "container.",
    "deployment.",
    "feature_flag.",
    "host.",
    "k8s.",
    "messaging.",
    "rpc.",
    "service.",
    "telemetry.",
];

/// Members of these families that carry what users send, or addresses of people and machines.
const EXCEPT: &[&str] = &[
    "container.command",
    "feature_flag.context.",
    "feature_flag.set.",
    "host.ip",
    "host.mac",
    "k8s.pod.annotation.",
    "k8s.pod.ip",
    "messaging.message.body",
    "messaging.message.conversation_id",
    "rpc.connect_rpc.request.metadata.",
    "rpc.connect_rpc.response.metadata.",
    "rpc.grpc.request.metadata.",
    "rpc.grpc.response.metadata.",
    "rpc.request.metadata.",
    "rpc.response.metadata.",
];

/// Whether the key is one of the semantic conventions that fogbell uses or shows.
pub(super) fn is_conventional(key: &str) -> bool {
    KEYS.binary_search(&key).is_ok()
        || (PREFIXES.iter().any(|prefix| key.starts_with(prefix))
            && !EXCEPT.iter().any(|except| key.starts_with(except)))
}

#[cfg(test)]
mod tests {
    use super::KEYS;

    #[test]
    fn keys_are_in_order_so_that_search_finds_each() {
        assert!(KEYS.is_sorted());
        assert!(KEYS.iter().all(|key| super::is_conventional(key)));
    }
}
