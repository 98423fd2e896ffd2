use std::net::SocketAddr;
use std::path::PathBuf;

/// Why no load could be driven, or no comparison made. What a server refuses while it runs is no
/// error but part of the report.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// An option that makes no sense; says which.
    #[error("{0}")]
    Option(String),
    /// The endpoint cannot be reached at all.
    #[error("cannot reach {endpoint}: {reason}")]
    Connect {
        /// As given.
        endpoint: String,
        /// Why.
        reason: String,
    },
    /// The server's process cannot be read.
    #[error("cannot read the cost of process {pid}: {reason}")]
    Process {
        /// As given.
        pid: u32,
        /// Why.
        reason: String,
    },
    /// A child process cannot be started.
    #[error("cannot start {}: {source}", binary.display())]
    Start {
        /// What should have started.
        binary: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A child process ended, or did not listen in time.
    #[error("{server} did not come up: {reason}")]
    NotReady {
        /// Which server.
        server: String,
        /// Why, with the last lines that it wrote.
        reason: String,
    },
    /// A server answered, but took nothing: there is no cost per item.
    #[error("{server} accepted nothing: {reason}")]
    NothingAccepted {
        /// Which server.
        server: String,
        /// What it answered.
        reason: String,
    },
    /// A limit server cannot listen.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// As given.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A limit server cannot take a connection.
    #[error("cannot accept: {0}")]
    Accept(std::io::Error),
    /// A limit server's transport failed.
    #[error("the server failed: {0}")]
    Serve(tonic::transport::Error),
    /// A thread, its runtime or a temporary folder cannot be made.
    #[error("cannot start a worker: {0}")]
    Thread(std::io::Error),
    /// A thread ended before its work did.
    #[error("a worker ended early")]
    ThreadEnded,
    /// A payload cannot be compressed.
    #[error("cannot compress: {0}")]
    Compress(std::io::Error),
    /// A daemon's own metrics cannot be read.
    #[error("cannot read the metrics of {api}: {reason}")]
    Scrape {
        /// The daemon's API.
        api: SocketAddr,
        /// Why.
        reason: String,
    },
}
