//! Senders that drain the outbox: Kafka and gRPC.
//!
//! Each sink has two lanes, one for pages and one for the rest, with a connection and a queue of
//! their own: a page waits for nothing but earlier pages of the same incident. A lane reads what
//! waits from the journal, sends it, and hands the sink's answer back as a [`ReceiptMessage`];
//! the entry leaves the outbox when the runtime commits it.

mod backoff;
mod book;
mod cloudevent;
mod emitter;
mod grpc;
mod health;
mod kafka;
mod lane;
mod settings;
mod sink;
mod test_page;
mod topics;

pub use backoff::Jitter;
pub use emitter::Emitter;
pub use health::{SinkError, SinkHealth};
pub use lane::ReceiptMessage;
pub use settings::{EmitConfig, EmitError, KAFKA_SINK};
pub use test_page::{SinkAnswer, TEST_PAGE_DEADLINE, test_page};
pub use topics::create_commands;

#[cfg(test)]
mod tests;
