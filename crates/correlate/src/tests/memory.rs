//! How much room evidence takes, and that it stays within it.

use crate::memory::OPERATION_BYTES_MAX;

use super::world::{Work, World, call, work};

/// One of forty operations of the entry; each calls a service with an operation of its own.
fn request(n: u64) -> Work {
    const OPERATIONS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    const SERVICES: [&str; 5] = ["cart", "stock", "price", "mail", "tax"];
    let operation = OPERATIONS[(n % 8) as usize];
    let service = SERVICES[(n / 8 % 5) as usize];
    let store = work("store", 3 + n % 7, vec![]).named(operation);
    let below = work(service, 4 + n % 11, vec![call(store)]).named(operation);
    let below = below.tagged("k8s.pod.name", format!("{service}-{}", n % 3));
    let below = below.logging("handling <*>", 9).logging("done with <*>", 9);
    work("web", 5 + n % 13, vec![call(below)]).named(operation).logging("GET <*>", 9)
}

#[test]
fn evidence_takes_no_more_for_an_operation_than_is_said_and_stays_flat() {
    let mut world = World::new();
    world.run(1_210, request);
    let (bytes, operations) = (world.correlator.evidence_bytes(), world.correlator.operations());
    // Entry, store, and five services with eight operations each, and what they call.
    assert!(operations >= 56, "{operations}");
    let each = bytes / operations;
    assert!(each <= OPERATION_BYTES_MAX, "{each} bytes an operation");
    assert!(each * 2 > OPERATION_BYTES_MAX, "only {each} bytes an operation: say so");
    world.run(290, request);
    let grown = world.correlator.evidence_bytes() as f64 / bytes as f64;
    assert!(grown < 1.05, "grown to {grown} after the rings were full");
}
