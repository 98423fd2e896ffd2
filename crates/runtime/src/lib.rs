//! Workers, engine loop, real clock, supervision, reload and drain.
//!
//! Three kinds of thread: workers, each with a runtime, its own sockets and its own data plane; the
//! hub, which holds the engines and turns pane deltas into effects; and the journal, which commits
//! them and only then lets them leave. Everything between them goes through bounded channels.

mod clock;
mod commit;
mod control;
mod daemon;
mod hub;
mod memory;
mod options;
mod tick;
mod worker;

pub use clock::{now, random_seed};
pub use daemon::{Daemon, DaemonError, Endpoints};
pub use options::{
    DaemonOptions, Definitions, OptionsError, WorkersOptions, emit_config, engine_options, redactor,
};
