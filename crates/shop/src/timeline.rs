//! When the fault is active, and what it does to a call at that moment.
//!
//! Everything here is a function of time and chance, so that a request which starts before the
//! fault and ends within it meets both states.

use crate::failure::Failure;
use crate::fault::{BAD_VERSION, Fault, LOST_REGION};
use crate::pod::Pod;
use crate::random::Random;
use crate::topology::{Partner, Statement};

pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// Chance that a healthy operation, statement or partner call fails all the same.
const BASELINE_FAILURE: f64 = 1e-5;
const BAD_ROLLOUT_SHARE: f64 = 0.95;
const SLOW_DATABASE_SHARE: f64 = 0.85;
const THROTTLED_SHARE: f64 = 0.85;
const COLD_SHARE: f64 = 0.97;
const LOCK_TIMEOUT_SHARE: f64 = 0.6;
/// Share of calls that find no way between two pods of the lost region.
const LOST_LOCAL_SHARE: f64 = 0.4;
/// The same for a call into the lost region from outside.
const LOST_FOREIGN_SHARE: f64 = 0.95;
/// Share of operations in the lost region that fail by themselves.
const LOST_OPERATION_SHARE: f64 = 0.3;

/// When which fault is active: from `from_ns` until before `until_ns`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeline {
    pub(crate) fault: Option<Fault>,
    pub(crate) from_ns: u64,
    pub(crate) until_ns: u64,
}

/// What is done to one call.
#[derive(Debug, Default)]
pub(crate) struct Effect {
    /// Added to its usual time.
    pub(crate) extra_ms: f64,
    pub(crate) failure: Option<Failure>,
}

impl Timeline {
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub(crate) fn active(&self, fault: Fault, now_ns: u64) -> bool {
        self.has(fault) && (self.from_ns..self.until_ns).contains(&now_ns)
    }

    /// Whether the pod is one of the scale-out that have not warmed up.
    pub(crate) fn is_cold(&self, pod: &Pod, now_ns: u64) -> bool {
        pod.cold && self.active(Fault::ColdStart, now_ns)
    }

    /// What befalls an operation in the pod itself.
    pub(crate) fn on_operation(&self, pod: &Pod, now_ns: u64, random: &mut Random) -> Effect {
        if pod.version == BAD_VERSION && self.has(Fault::BadRollout) {
            let failed = random.chance(BAD_ROLLOUT_SHARE).then(|| {
                let message = "Cannot read properties of undefined (reading 'minorUnits')";
                Failure::internal("TypeError", message)
            });
            return Effect { extra_ms: 0.0, failure: failed };
        }
        if self.is_cold(pod, now_ns) && random.chance(COLD_SHARE) {
            return Effect { extra_ms: random.between(900.0, 3_200.0), failure: None };
        }
        if self.in_lost_region(pod, now_ns) && random.chance(LOST_OPERATION_SHARE) {
            let failure = Failure::unavailable("no healthy instance in the zone");
            return Effect { extra_ms: random.between(20.0, 120.0), failure: Some(failure) };
        }
        baseline(random, || Failure::internal("RuntimeError", "unexpected end of stream"))
    }

    /// What befalls a statement.
    pub(crate) fn on_statement(
        &self,
        pod: &Pod,
        statement: &Statement,
        now_ns: u64,
        random: &mut Random,
    ) -> Effect {
        let address = statement.database.address;
        if self.active(Fault::SlowDependency, now_ns)
            && address == "catalog-db.shop.svc"
            && random.chance(SLOW_DATABASE_SHARE)
        {
            return Effect { extra_ms: random.between(1_000.0, 3_000.0), failure: None };
        }
        if self.active(Fault::Migration, now_ns) && statement.collection == Some("stock_levels") {
            if random.chance(LOCK_TIMEOUT_SHARE) {
                let failure = Failure::lock_timeout("stock_levels");
                return Effect { extra_ms: 2_000.0, failure: Some(failure) };
            }
            return Effect { extra_ms: random.between(600.0, 1_900.0), failure: None };
        }
        if let Some(effect) = self.lost_way(pod, address, now_ns, random) {
            return effect;
        }
        baseline(random, Failure::query_canceled)
    }

    /// What befalls a call of a partner outside.
    pub(crate) fn on_partner(
        &self,
        pod: &Pod,
        partner: &Partner,
        now_ns: u64,
        random: &mut Random,
    ) -> Effect {
        if self.active(Fault::Partner429, now_ns)
            && partner.address == "api.acquirer.example"
            && random.chance(THROTTLED_SHARE)
        {
            return Effect { extra_ms: 0.0, failure: Some(Failure::throttled()) };
        }
        if let Some(effect) = self.lost_way(pod, partner.address, now_ns, random) {
            return effect;
        }
        baseline(random, || Failure::timeout(partner.address))
    }

    /// What keeps a call, or a message to a broker, from its way to `address`; the callee's pod
    /// is not given where it is a peer without pods.
    pub(crate) fn on_way(
        &self,
        caller: &Pod,
        callee: Option<&Pod>,
        address: &str,
        now_ns: u64,
        random: &mut Random,
    ) -> Option<Effect> {
        if let Some(effect) = self.lost_way(caller, address, now_ns, random) {
            return Some(effect);
        }
        let callee = callee?;
        let foreign = self.in_lost_region(callee, now_ns) && caller.region != LOST_REGION;
        (foreign && random.chance(LOST_FOREIGN_SHARE)).then(|| timed_out(address, random))
    }

    fn lost_way(
        &self,
        caller: &Pod,
        address: &str,
        now_ns: u64,
        random: &mut Random,
    ) -> Option<Effect> {
        let lost = self.in_lost_region(caller, now_ns) && random.chance(LOST_LOCAL_SHARE);
        lost.then(|| timed_out(address, random))
    }

    fn in_lost_region(&self, pod: &Pod, now_ns: u64) -> bool {
        pod.region == LOST_REGION && self.active(Fault::RegionLoss, now_ns)
    }
}

fn timed_out(address: &str, random: &mut Random) -> Effect {
    let extra_ms = random.between(150.0, 400.0);
    Effect { extra_ms, failure: Some(Failure::timeout(address)) }
}

fn baseline(random: &mut Random, failure: impl FnOnce() -> Failure) -> Effect {
    let failure = random.chance(BASELINE_FAILURE).then(failure);
    Effect { extra_ms: 0.0, failure }
}
