//! The control plane: one deterministic state machine from pane deltas and time to effects.
