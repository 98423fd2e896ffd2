//! The data plane: OTLP visitor and compiled SLI plan to pane deltas; edges, tags, recall.
