use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::inflate::inflate;
use crate::{Packing, Refusal};

/// When a client that was turned away for memory should come again, at the earliest.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Over at least this long clients that were turned away together are spread.
const SPREAD_MIN: Duration = Duration::from_secs(2);
/// The golden ratio of 2^64: multiples of it are spread evenly however many there are (Weyl).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Bytes of requests that may be in memory at once, over all connections: as they came, decompressed
/// and transcoded.
///
/// They are taken before the memory is, step by step, and given back when a request has been
/// observed; so the sum never exceeds the budget, whatever requests claim or grow to. As soon as
/// several tenants send, one of them may hold three quarters of it.
#[derive(Debug)]
pub struct Admission {
    in_flight: AtomicUsize,
    bytes_max: usize,
    tenant_bytes_max: usize,
    tenants: AtomicUsize,
    refused: AtomicUsize,
    spread: AtomicU64,
}

/// A share of the [`Admission`] for one request; gives itself back.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    admission: &'a Admission,
    of_tenant: &'a AtomicUsize,
    bytes: usize,
}

impl Admission {
    /// Lets `bytes_max` bytes in at once; at least what one request of `request_bytes_max` needs.
    #[must_use]
    pub fn new(bytes_max: usize, request_bytes_max: usize) -> Self {
        // Its two largest stages are in memory together for a moment.
        let one_request = request_bytes_max.saturating_mul(2);
        let bytes_max = bytes_max.max(one_request);
        Self {
            in_flight: AtomicUsize::new(0),
            bytes_max,
            tenant_bytes_max: (bytes_max / 4 * 3).max(one_request),
            tenants: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            spread: AtomicU64::new(0),
        }
    }

    /// Bytes in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The budget.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// How many requests were turned away.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// A share of nothing yet, for a tenant that holds `of_tenant` bytes in all its requests.
    pub(crate) fn permit<'a>(&'a self, of_tenant: &'a AtomicUsize) -> Permit<'a> {
        Permit { admission: self, of_tenant, bytes: 0 }
    }

    /// Decompresses one request of nobody's into at most `bytes_max` bytes, as those of tenants
    /// are: what the benchmarks measure.
    ///
    /// # Errors
    /// If it cannot be read, or does not fit.
    pub fn inflate(
        &self,
        packing: Packing,
        packed: &[u8],
        bytes_max: usize,
    ) -> Result<Bytes, Refusal> {
        let of_tenant = AtomicUsize::new(0);
        inflate(packing, packed, bytes_max, &mut self.permit(&of_tenant))
    }

    /// One more tenant sends.
    pub(crate) fn add_tenant(&self) {
        let _ = self.tenants.fetch_add(1, Ordering::Relaxed);
    }

    /// When to come again: not before `earliest`, and not all at the same time.
    pub(crate) fn retry_after(&self, earliest: Duration) -> Duration {
        let step = self.spread.fetch_add(GOLDEN, Ordering::Relaxed);
        let fraction = (step >> 32) as f64 / f64::from(u32::MAX);
        let spread = earliest.max(SPREAD_MIN).mul_f64(fraction);
        earliest + Duration::from_millis(u64::try_from(spread.as_millis()).unwrap_or_default())
    }

    /// Whether so much may be in flight.
    fn check(&self, in_all: usize, of_tenant: usize) -> Result<(), Refusal> {
        let is_over_share =
            of_tenant > self.tenant_bytes_max && self.tenants.load(Ordering::Relaxed) > 1;
        if in_all <= self.bytes_max && !is_over_share {
            return Ok(());
        }
        let _ = self.refused.fetch_add(1, Ordering::Relaxed);
        let retry_after = self.retry_after(RETRY_AFTER);
        Err(if is_over_share {
            Refusal::OverQuota { retry_after }
        } else {
            Refusal::Overloaded { reason: "memory", retry_after }
        })
    }
}

impl Permit<'_> {
    /// Takes `bytes` more.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let of_tenant = self.of_tenant.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let in_all =
            self.admission.in_flight.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.bytes += bytes;
        let checked = self.admission.check(in_all, of_tenant);
        if checked.is_err() {
            self.shrink(bytes);
        }
        checked
    }

    /// Gives `bytes` back, of those taken.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        let _ = self.of_tenant.fetch_sub(bytes, Ordering::Relaxed);
        let _ = self.admission.in_flight.fetch_sub(bytes, Ordering::Relaxed);
        self.bytes -= bytes;
    }

    /// Refuses early what could not be taken right now, before any of it arrives. Takes nothing: an
    /// announcement alone must not crowd others out.
    pub(crate) fn expect(&self, bytes: usize) -> Result<(), Refusal> {
        let of_tenant = self.of_tenant.load(Ordering::Relaxed).saturating_add(bytes);
        let in_all = self.admission.in_flight().saturating_add(bytes);
        self.admission.check(in_all, of_tenant)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_given_back() {
        let (admission, tenant) = (Admission::new(100, 10), AtomicUsize::new(0));
        let mut first = admission.permit(&tenant);
        assert_eq!(first.grow(60), Ok(()));
        let mut second = admission.permit(&tenant);
        let refusal = second.grow(60).expect_err("over the budget");
        assert_eq!(refusal.reason(), "memory");
        assert_eq!((admission.in_flight(), admission.refused()), (60, 1));
        assert!(second.expect(41).is_err());
        assert_eq!(second.expect(40), Ok(()));
        first.shrink(20);
        assert_eq!(admission.in_flight(), 40);
        drop((first, second));
        assert_eq!((admission.in_flight(), tenant.into_inner()), (0, 0));
    }

    #[test]
    fn a_tenant_leaves_a_quarter_to_the_others_once_there_are_others() {
        let (admission, one, other) =
            (Admission::new(100, 10), AtomicUsize::new(0), AtomicUsize::new(0));
        admission.add_tenant();
        let mut alone = admission.permit(&one);
        assert_eq!(alone.grow(100), Ok(()));
        alone.shrink(30);
        admission.add_tenant();
        let refusal = alone.grow(10).expect_err("over its share");
        assert_eq!(refusal.reason(), "quota");
        assert_eq!(admission.permit(&other).grow(30), Ok(()));
    }

    #[test]
    fn one_request_of_the_largest_size_always_fits() {
        let (admission, tenant) = (Admission::new(1, 100), AtomicUsize::new(0));
        admission.add_tenant();
        admission.add_tenant();
        assert_eq!(admission.permit(&tenant).grow(200), Ok(()));
    }

    #[test]
    fn clients_that_are_turned_away_together_are_spread() {
        let admission = Admission::new(100, 10);
        let delays: std::collections::BTreeSet<_> =
            (0..100).map(|_| admission.retry_after(RETRY_AFTER)).collect();
        assert!(delays.len() > 90);
        assert!(delays.iter().all(|d| (RETRY_AFTER..=RETRY_AFTER + SPREAD_MIN).contains(d)));
        assert!(delays.last().expect("some").as_secs_f64() > 2.5);
    }
}
