//! Urgency, routes and deliveries with deterministic ids.
