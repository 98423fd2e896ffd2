use std::collections::BTreeMap;
use std::sync::Arc;

use auth::Tenant;
use parking_lot::Mutex;
use telemetry::Gauge;
use tonic::Code;

use crate::fault::Fault;

/// Subscribers at one time.
pub(crate) const SUBSCRIBERS_MAX: usize = 1024;
/// Subscribers of one tenant at one time, so that no tenant takes all.
pub(crate) const TENANT_SUBSCRIBERS_MAX: usize = 256;

/// Who listens, by tenant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscribers {
    open: Arc<Mutex<BTreeMap<Tenant, usize>>>,
}

/// A subscriber's place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    subscribers: Subscribers,
    tenant: Tenant,
}

impl Subscribers {
    /// A place for one more, if there is one.
    pub(crate) fn seat(&self, tenant: &Tenant) -> Result<Seat, Fault> {
        let mut open = self.open.lock();
        let of_tenant = open.get(tenant).copied().unwrap_or(0);
        let all: usize = open.values().sum();
        if of_tenant >= TENANT_SUBSCRIBERS_MAX || all >= SUBSCRIBERS_MAX {
            let what = "too many subscribers: come again when one has left";
            return Err(Fault::new(Code::Unavailable, what));
        }
        let _ = open.insert(Arc::clone(tenant), of_tenant + 1);
        Gauge::Subscribers.set((all + 1) as f64, &[]);
        Ok(Seat { subscribers: self.clone(), tenant: Arc::clone(tenant) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.subscribers.open.lock();
        if let Some(count) = open.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                let _ = open.remove(&self.tenant);
            }
        }
        Gauge::Subscribers.set(open.values().sum::<usize>() as f64, &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_cannot_take_all_places_and_a_place_is_given_back() {
        let subscribers = Subscribers::default();
        let (shop, bank): (Tenant, Tenant) = ("shop".into(), "bank".into());
        let mut seats: Vec<_> = (0..TENANT_SUBSCRIBERS_MAX)
            .map(|_| subscribers.seat(&shop).expect("a place"))
            .collect();
        assert_eq!(subscribers.seat(&shop).expect_err("full").code, Code::Unavailable);
        let _other = subscribers.seat(&bank).expect("another tenant's place");
        drop(seats.pop());
        let _again = subscribers.seat(&shop).expect("free again");
    }
}
