use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// How logs are written, to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Sets logging up. `level` is one of `error`, `warn`, `info`, `debug`, `trace`, or a filter as
/// `tracing_subscriber::EnvFilter` reads it. A second call changes nothing.
pub fn init_logs(level: &str, format: LogFormat) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    let terminal = std::io::stderr().is_terminal();
    let json = format == LogFormat::Json || format == LogFormat::Auto && !terminal;
    let done = if json {
        builder.json().flatten_event(true).finish().try_init()
    } else {
        builder.with_ansi(terminal).finish().try_init()
    };
    if done.is_err() {
        tracing::debug!("logging was set up before");
    }
}
