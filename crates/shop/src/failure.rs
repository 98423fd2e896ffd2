//! How a call can fail, and how its failure looks to whoever called.

/// gRPC status codes that the shop uses.
pub(crate) mod grpc {
    pub(crate) const OK: u8 = 0;
    pub(crate) const DEADLINE_EXCEEDED: u8 = 4;
    pub(crate) const INTERNAL: u8 = 13;
    pub(crate) const UNAVAILABLE: u8 = 14;

    pub(crate) const fn name(code: u8) -> &'static str {
        match code {
            OK => "OK",
            DEADLINE_EXCEEDED => "DEADLINE_EXCEEDED",
            INTERNAL => "INTERNAL",
            _ => "UNAVAILABLE",
        }
    }
}

/// Whether the callee answered at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It answered with an error.
    Error,
    /// It answered with that HTTP status, or database status code.
    Status(&'static str),
    /// Nothing listens there, or the connection broke: the name is the `error.type`.
    Nothing(&'static str),
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) answer: Answer,
    /// Status that a gRPC caller sees.
    pub(crate) grpc: u8,
    /// Status that an HTTP caller sees, where there was an answer.
    pub(crate) http: u16,
    pub(crate) exception: &'static str,
    pub(crate) message: String,
}

impl Failure {
    fn new(answer: Answer, grpc: u8, http: u16, exception: &'static str, message: &str) -> Self {
        Self { answer, grpc, http, exception, message: message.to_owned() }
    }

    pub(crate) fn internal(exception: &'static str, message: &str) -> Self {
        Self::new(Answer::Error, grpc::INTERNAL, 500, exception, message)
    }

    pub(crate) fn unavailable(message: &str) -> Self {
        Self::new(Answer::Error, grpc::UNAVAILABLE, 503, "ServiceUnavailable", message)
    }

    pub(crate) fn refused(address: &str, port: u16) -> Self {
        let message = format!("connect {address}:{port}: connection refused");
        let answer = Answer::Nothing("connection_refused");
        Self::new(answer, grpc::UNAVAILABLE, 503, "ConnectionRefused", &message)
    }

    pub(crate) fn reset() -> Self {
        let answer = Answer::Nothing("connection_reset");
        Self::new(answer, grpc::UNAVAILABLE, 503, "ConnectionReset", "connection reset by peer")
    }

    pub(crate) fn timeout(address: &str) -> Self {
        let message = format!("connect {address}: timed out, no route");
        let answer = Answer::Nothing("timeout");
        Self::new(answer, grpc::UNAVAILABLE, 503, "ConnectTimeout", &message)
    }

    pub(crate) fn throttled() -> Self {
        let message = "429 Too Many Requests: quota of merchant exceeded, retry later";
        Self::new(Answer::Status("429"), grpc::UNAVAILABLE, 503, "AcquirerThrottled", message)
    }

    /// PostgreSQL's `lock_not_available`.
    pub(crate) fn lock_timeout(collection: &str) -> Self {
        let message = format!("canceling statement due to lock timeout on {collection}");
        Self::new(Answer::Status("55P03"), grpc::INTERNAL, 500, "LockNotAvailable", &message)
    }

    /// PostgreSQL's `query_canceled`, the rare failure of a healthy database.
    pub(crate) fn query_canceled() -> Self {
        let message = "canceling statement due to statement timeout";
        Self::new(Answer::Status("57014"), grpc::INTERNAL, 500, "QueryCanceled", message)
    }

    /// What the caller of a service sees when that service fails because of this failure.
    pub(crate) fn passed_on(&self, callee: &str) -> Self {
        let message = format!("{callee}: {}", self.message);
        let exception = if self.grpc == grpc::INTERNAL { "UpstreamError" } else { "Unavailable" };
        Self::new(Answer::Error, self.grpc, self.http, exception, &message)
    }
}

/// What came back from a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Good,
    /// The thing asked for does not exist: a client error, and no failure of the server.
    NotFound,
    Failed(Failure),
}
