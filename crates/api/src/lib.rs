//! Incident gRPC service, HTTP API and Prometheus exposition.
