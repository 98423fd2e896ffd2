//! The OpenTelemetry Collector as a peer: what it is told to do.

use std::net::SocketAddr;

/// Receives OTLP over gRPC, makes request, error and duration series of every span and edges of
/// every pair, and drops what comes out: the part of a daemon's work that it can do.
pub(crate) fn config(grpc: SocketAddr) -> String {
    format!(
        "receivers:
  otlp:
    protocols:
      grpc: {{ endpoint: \"{grpc}\", max_recv_msg_size_mib: 64 }}
connectors:
  spanmetrics:
    metrics_flush_interval: 15s
  servicegraph:
    store: {{ ttl: 2s, max_items: 100000 }}
    metrics_flush_interval: 15s
exporters:
  nop:
service:
  telemetry:
    metrics: {{ level: none }}
    logs: {{ level: error }}
  pipelines:
    traces: {{ receivers: [otlp], exporters: [spanmetrics, servicegraph] }}
    metrics: {{ receivers: [spanmetrics, servicegraph], exporters: [nop] }}
"
    )
}
