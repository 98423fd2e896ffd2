//! The alert state machine: inactive, pending, firing, resolved; fingerprints and flapping.
