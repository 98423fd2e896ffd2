use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use otlp::{Malformed, Signal, Summary};

use crate::Tenant;

/// Why an [`Intake`] did not observe a request; nothing of it was observed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unobserved {
    /// It cannot be read at all.
    Malformed(Malformed),
    /// No further tenant has a place here: another instance may have one, or this one anew.
    TooManyTenants,
}

/// Where whole OTLP requests go: the data plane of the worker that read them.
pub trait Intake: Send + Sync + 'static {
    /// Observes a request of OTLP protobuf on the calling thread.
    ///
    /// What was observed stays so, even if the journal cannot take it yet: a retry of the request is
    /// not given to this again, it only waits for [`Intake::journalled`] anew.
    ///
    /// # Errors
    /// If the request cannot be read at all, or its tenant has no place.
    fn observe(
        &self,
        tenant: &Tenant,
        signal: Signal,
        request: &[u8],
    ) -> Result<Summary, Unobserved>;

    /// For how long what was observed has been waiting to be judged; nothing while whoever judges
    /// keeps up.
    fn backlog(&self) -> Duration;

    /// Resolves once everything that was observed before the call is journalled; `false` if the
    /// journal cannot take it.
    fn journalled(&self, tenant: &Tenant) -> Pin<Box<dyn Future<Output = bool> + Send>>;
}

impl From<Malformed> for Unobserved {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}
