//! Trace assembly, exemplars and redaction.
