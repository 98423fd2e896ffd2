//! The simulated shop: services, traffic and faults that speak OTLP.
