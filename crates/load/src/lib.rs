//! The load generator: OTLP requests encoded ahead, driven over gRPC.
