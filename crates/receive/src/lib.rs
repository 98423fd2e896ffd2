//! OTLP over gRPC and HTTP: framing, decompression, authentication, limits and refusals.
