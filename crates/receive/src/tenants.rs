use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use ahash::RandomState;
use auth::Tenant;
use dashmap::DashMap;
use otlp::{Signal, Summary};
use telemetry::Counter;

use crate::Admission;
use crate::meters::signal_label;
use crate::repeats::Repeats;

/// How many tenants are told apart at the door; those beyond share one account, of this name.
const TENANTS_MAX: usize = 1000;
const OVERFLOW: &str = "__overflow__";

/// What the door keeps of each tenant.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    accounts: DashMap<Tenant, Arc<Account>, RandomState>,
    remembered: Arc<AtomicUsize>,
}

/// One tenant at the door.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) in_flight: AtomicUsize,
    pub(crate) repeats: Repeats,
    traffic: [Traffic; 3],
}

/// The items of one tenant and signal: received = accepted + rejected + shed, always.
pub(crate) struct Traffic {
    labels: [telemetry::Label; 2],
    received: metrics::Counter,
    accepted: metrics::Counter,
    shed: metrics::Counter,
}

/// Items that were received and are not yet accounted for: dropped so, they are shed.
#[must_use]
pub(crate) struct Received<'a> {
    traffic: &'a Traffic,
    items: u64,
}

impl Tenants {
    /// The account of a tenant, opened if it is new.
    pub(crate) fn account(&self, tenant: &Tenant, admission: &Admission) -> Arc<Account> {
        if let Some(account) = self.accounts.get(tenant) {
            return Arc::clone(&account);
        }
        let is_full = self.accounts.len() >= TENANTS_MAX;
        let name = if is_full { OVERFLOW.into() } else { Arc::clone(tenant) };
        let account = self.accounts.entry(Arc::clone(&name)).or_insert_with(|| {
            admission.add_tenant();
            Arc::new(Account::new(&name, Arc::clone(&self.remembered)))
        });
        Arc::clone(&account)
    }
}

impl Account {
    fn new(tenant: &str, remembered: Arc<AtomicUsize>) -> Self {
        let signals = [Signal::Traces, Signal::Metrics, Signal::Logs];
        Self {
            in_flight: AtomicUsize::new(0),
            repeats: Repeats::new(remembered),
            traffic: signals.map(|signal| Traffic::new(tenant, signal)),
        }
    }

    pub(crate) fn traffic(&self, signal: Signal) -> &Traffic {
        let [traces, metrics, logs] = &self.traffic;
        match signal {
            Signal::Traces => traces,
            Signal::Metrics => metrics,
            Signal::Logs => logs,
        }
    }
}

impl Traffic {
    fn new(tenant: &str, signal: Signal) -> Self {
        let labels = [("tenant", tenant.to_owned()), ("signal", signal_label(signal).to_owned())];
        Self {
            received: Counter::ItemsReceived.handle(&labels),
            accepted: Counter::ItemsAccepted.handle(&labels),
            shed: Counter::ItemsShed.handle(&labels),
            labels,
        }
    }

    /// Counts the items of a request that was read.
    pub(crate) fn receive(&self, summary: &Summary) -> Received<'_> {
        let items = summary.items + summary.rejected.total();
        self.received.increment(items);
        Received { traffic: self, items }
    }
}

impl Received<'_> {
    /// The items are taken, but for the rejected ones.
    pub(crate) fn settle(mut self, summary: &Summary) {
        self.items = 0;
        self.traffic.accepted.increment(summary.items);
        for (reason, items) in summary.rejected.iter() {
            let [tenant, signal] = self.traffic.labels.clone();
            Counter::ItemsRejected
                .add(items, &[tenant, signal, ("reason", reason.as_str().to_owned())]);
        }
    }
}

impl Drop for Received<'_> {
    fn drop(&mut self) {
        if self.items > 0 {
            self.traffic.shed.increment(self.items);
        }
    }
}

impl std::fmt::Debug for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Traffic").field("labels", &self.labels).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_beyond_the_cap_share_an_account() {
        let (tenants, admission) = (Tenants::default(), Admission::new(100, 10));
        let accounts: Vec<_> = (0..TENANTS_MAX + 10)
            .map(|number| tenants.account(&format!("tenant-{number}").into(), &admission))
            .collect();
        assert_eq!(tenants.accounts.len(), TENANTS_MAX + 1);
        let last = accounts.last().expect("some");
        assert!(Arc::ptr_eq(last, &accounts[TENANTS_MAX]));
        assert!(Arc::ptr_eq(&accounts[0], &tenants.account(&"tenant-0".into(), &admission)));
    }
}
