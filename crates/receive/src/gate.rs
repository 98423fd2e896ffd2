use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use auth::{Credentials, Denied, Permission, Tenant};
use bytes::Bytes;
use http::HeaderMap;

use crate::admission::Permit;
use crate::inflate::{Packing, inflate};
use crate::meters::Meters;
use crate::tenants::{Account, Tenants};
use crate::{Admission, Refusal};

/// HTTP/2 windows together are this part of what requests in flight may be.
const WINDOWS_PART: usize = 4;
/// When a client should come again while the daemon drains: another instance, or this one anew.
const DRAIN_RETRY_AFTER: Duration = Duration::from_secs(5);
/// When a client should come again while the process is short of memory.
const PRESSED_RETRY_AFTER: Duration = Duration::from_secs(2);

/// What all workers share at the door: who may enter, how much at once, and what was seen before.
#[derive(Debug)]
pub struct Gate {
    options: GateOptions,
    credentials: Arc<Credentials>,
    admission: Admission,
    tenants: Tenants,
    meters: Meters,
    draining: AtomicBool,
    pressed: AtomicBool,
}

/// How the door behaves.
#[derive(Clone, Copy, Debug)]
pub struct GateOptions {
    /// `receive.request_bytes_max`: before and after decompression.
    pub request_bytes_max: usize,
    /// Bytes of requests that may be in flight at once; at least twice `request_bytes_max` is used.
    pub in_flight_bytes_max: usize,
    /// `limits.work_ahead`: estimated work that a worker takes on at once.
    pub work_ahead: Duration,
    /// Whether an answer waits until its request is journalled.
    pub durable: bool,
}

/// A caller that was let in.
pub(crate) struct Visitor {
    pub(crate) tenant: Tenant,
    pub(crate) account: Arc<Account>,
}

impl Gate {
    /// A door with these rules.
    #[must_use]
    pub fn new(options: GateOptions, credentials: Arc<Credentials>) -> Arc<Self> {
        let GateOptions { request_bytes_max, in_flight_bytes_max, .. } = options;
        Arc::new(Self {
            admission: Admission::new(in_flight_bytes_max, request_bytes_max),
            tenants: Tenants::default(),
            meters: Meters::default(),
            draining: AtomicBool::new(false),
            pressed: AtomicBool::new(false),
            options,
            credentials,
        })
    }

    /// From now on everything is refused retryably.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the process is short of memory: while it is, everything is refused retryably before
    /// it is read.
    pub fn press(&self, pressed: bool) {
        self.pressed.store(pressed, Ordering::Relaxed);
    }

    /// Bytes in flight, and how many requests were turned away for it.
    #[must_use]
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// What all HTTP/2 windows together may be. Whoever sends must not wait for one to move within
    /// a round trip, and no budget counts what lies in them, so it is a part of what requests have.
    pub(crate) fn window_bytes_max(&self) -> usize {
        self.admission.bytes_max() / WINDOWS_PART
    }

    pub(crate) fn work_ahead(&self) -> Duration {
        self.options.work_ahead
    }

    pub(crate) fn request_bytes_max(&self) -> usize {
        self.options.request_bytes_max
    }

    pub(crate) fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Who calls, before anything of the body is read.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Visitor, Refusal> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(self.overloaded("draining", DRAIN_RETRY_AFTER));
        }
        if self.pressed.load(Ordering::Relaxed) {
            return Err(self.overloaded("memory", PRESSED_RETRY_AFTER));
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let caller = self
            .credentials
            .admit(text("authorization"), text("x-scope-orgid"), Permission::Send)
            .map_err(|denied| match denied {
                Denied::Unauthenticated => Refusal::Unauthenticated,
                Denied::Forbidden => Refusal::Forbidden,
            })?;
        let account = self.tenants.account(&caller.tenant, &self.admission);
        Ok(Visitor { tenant: caller.tenant, account })
    }

    /// A share of the budget, still empty.
    pub(crate) fn permit<'a>(&'a self, visitor: &'a Visitor) -> Permit<'a> {
        self.admission.permit(&visitor.account.in_flight)
    }

    /// Decompresses a request; its packed bytes are given back.
    pub(crate) fn inflate(
        &self,
        packing: Packing,
        packed: Bytes,
        permit: &mut Permit<'_>,
    ) -> Result<Bytes, Refusal> {
        let request = inflate(packing, &packed, self.request_bytes_max(), permit)?;
        permit.shrink(packed.len());
        Ok(request)
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.options.durable
    }

    /// A refusal of what can be taken later, but not before `earliest`.
    pub(crate) fn overloaded(&self, reason: &'static str, earliest: Duration) -> Refusal {
        Refusal::Overloaded { reason, retry_after: self.admission.retry_after(earliest) }
    }
}
