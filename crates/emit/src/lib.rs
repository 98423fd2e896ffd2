//! Senders that drain the outbox: Kafka and gRPC.
