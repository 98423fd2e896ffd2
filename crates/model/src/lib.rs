//! The shared vocabulary: ids, time, pane deltas, alerts, incidents, deliveries.
