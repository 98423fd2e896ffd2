//! Durable engine state and outbox in redb: one atomic commit; the only crate that touches disk.
