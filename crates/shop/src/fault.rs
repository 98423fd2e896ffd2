//! The faults that can be injected, and what is truly broken under each of them.

use std::fmt;
use std::str::FromStr;

/// Stands in [`Truth::service`] where the fault spans services and naming any of them is right.
pub const ANY_SERVICE: &str = "*";

/// Version that the bad rollout brings.
pub(crate) const BAD_VERSION: &str = "2.4.0";
/// Region that the region loss hits.
pub(crate) const LOST_REGION: &str = "eu-west-1";

/// A fault of the shop, sized so that the entry traffic's SLO burns at page speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// `payment` rolls to a version that fails.
    BadRollout,
    /// The database of `catalog` gets slow.
    SlowDependency,
    /// All pods of `cart` crash and restart.
    CrashLoop,
    /// The acquirer answers 429 to `payment`.
    Partner429,
    /// `recommendation` is scaled out with pods that stay cold.
    ColdStart,
    /// A schema migration locks a table of `inventory`.
    Migration,
    /// The pods of one region cannot reach each other or be reached.
    RegionLoss,
}

/// What was really broken, for scoring the first cause of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// `service.name` of the broken service, or of the one that sees the broken peer;
    /// [`ANY_SERVICE`] where the fault is not of one service.
    pub service: &'static str,
    /// `server.address` of the broken peer, where it is a peer without telemetry.
    pub peer: Option<&'static str>,
    /// Attribute key and value that tell the bad events from the good ones, where there is one.
    pub tag: Option<(&'static str, String)>,
    /// One of `deploy`, `dependency`, `crash`, `quota`, `cold-start`, `migration`, `region`.
    pub kind: &'static str,
    /// One sentence for a person.
    pub summary: &'static str,
}

/// The text names no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown fault {0:?}; one of {list}", list = names())]
pub struct UnknownFault(pub String);

impl Fault {
    /// Every fault, the default of the demo first.
    pub const ALL: [Self; 7] = [
        Self::BadRollout,
        Self::SlowDependency,
        Self::CrashLoop,
        Self::Partner429,
        Self::ColdStart,
        Self::Migration,
        Self::RegionLoss,
    ];

    /// Name in kebab case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadRollout => "bad-rollout",
            Self::SlowDependency => "slow-dependency",
            Self::CrashLoop => "crash-loop",
            Self::Partner429 => "partner-429",
            Self::ColdStart => "cold-start",
            Self::Migration => "migration",
            Self::RegionLoss => "region-loss",
        }
    }

    /// What happens, in one line.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::BadRollout => "payment rolls pod by pod to version 2.4.0, which fails charges",
            Self::SlowDependency => "the catalog's PostgreSQL answers in 1 to 3 seconds",
            Self::CrashLoop => "all cart pods crash and restart, over and over",
            Self::Partner429 => "the card acquirer throttles payment with 429 Too Many Requests",
            Self::ColdStart => "recommendation is scaled out with pods that take seconds to answer",
            Self::Migration => "a schema migration locks the stock_levels table of inventory",
            Self::RegionLoss => "region eu-west-1 loses its network",
        }
    }

    /// What is truly broken while the fault lasts.
    pub fn expected(self) -> Truth {
        let (service, peer, kind) = match self {
            Self::BadRollout => ("payment", None, "deploy"),
            Self::SlowDependency => ("catalog", Some("catalog-db.shop.svc"), "dependency"),
            Self::CrashLoop => ("cart", None, "crash"),
            Self::Partner429 => ("payment", Some("api.acquirer.example"), "quota"),
            Self::ColdStart => ("recommendation", None, "cold-start"),
            Self::Migration => ("inventory", Some("inventory-db.shop.svc"), "migration"),
            Self::RegionLoss => (ANY_SERVICE, None, "region"),
        };
        let tag = match self {
            Self::BadRollout => Some(("service.version", BAD_VERSION)),
            Self::ColdStart => Some(("faas.coldstart", "true")),
            Self::RegionLoss => Some(("cloud.region", LOST_REGION)),
            Self::SlowDependency | Self::CrashLoop | Self::Partner429 | Self::Migration => None,
        };
        let tag = tag.map(|(key, value)| (key, value.to_owned()));
        Truth { service, peer, tag, kind, summary: self.describe() }
    }
}

impl Truth {
    /// Whether a cause that names this service names a broken one.
    pub fn is_service(&self, service: &str) -> bool {
        self.service == ANY_SERVICE || self.service == service
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|fault| fault.name() == text);
        named.ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

fn names() -> String {
    Fault::ALL.map(Fault::name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Fault, UnknownFault};

    #[test]
    fn names_round_trip_and_an_unknown_one_lists_them_all() {
        for fault in Fault::ALL {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        let error: UnknownFault = "fire".parse::<Fault>().expect_err("no such fault");
        for fault in Fault::ALL {
            assert!(error.to_string().contains(fault.name()));
        }
    }

    #[test]
    fn region_loss_accepts_any_service_and_the_others_only_their_own() {
        assert!(Fault::RegionLoss.expected().is_service("cart"));
        assert!(Fault::CrashLoop.expected().is_service("cart"));
        assert!(!Fault::CrashLoop.expected().is_service("checkout"));
    }
}
