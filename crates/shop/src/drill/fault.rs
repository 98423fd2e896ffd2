use std::fmt;
use std::str::FromStr;

use super::system::{Service, System};
use crate::random::Random;

const VERSION: &str = "1.4.0";
const BAD_VERSION: &str = "1.5.0";
pub(super) const FLAG: &str = "new-path";
/// What the flag is told apart by.
const FLAG_TAG: &str = "feature_flag.new-path";
pub(super) const FLAG_ON: &str = "on";
pub(super) const FLAG_OFF: &str = "off";

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DrillFault {
    /// Most requests fail, and the service says so.
    ErrorReturn,
    /// An exception in most requests, which its caller gets as 500.
    Exception,
    /// It answers at once without doing its work, and calls nobody.
    EarlyReturn,
    /// Its pods are short of processor time.
    Cpu,
    /// Its memory fills up, it slows down, and it is killed now and then.
    MemoryLeak,
    /// What goes to it and comes back is late.
    NetworkDelay,
    /// Packets to it are lost, and some calls run into their deadline.
    PacketLoss,
    /// A partner outside that it asks fails.
    PartnerDown,
    /// Its database is slow.
    SlowDatabase,
    /// A new version of it fails for half of its requests.
    BadRollout,
    /// One of its pods fails.
    BadPod,
    /// It turns most callers away with 429.
    Quota,
    /// Requests wait for a connection of its pool.
    PoolExhausted,
    /// Its disk is full.
    DiskFull,
    /// It is gone: nobody answers.
    Silent,
    /// A feature flag is switched on for some of its requests, and most of those fail.
    FlagFlip,
    /// All its pods in one zone fail.
    BadZone,
}

/// A name that is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no fault: {names}", names = DrillFault::names())]
pub struct UnknownDrillFault(pub String);

/// A fault at a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) fault: DrillFault,
    pub(super) service: usize,
    /// The pod, of a fault that is one pod's.
    pub(super) pod: Option<usize>,
    /// The zone, of a fault that is all pods' there.
    pub(super) zone: Option<&'static str>,
    pub(super) from_ns: u64,
}

impl DrillFault {
    /// All kinds.
    pub const ALL: [Self; 17] = [
        Self::ErrorReturn,
        Self::Exception,
        Self::EarlyReturn,
        Self::Cpu,
        Self::MemoryLeak,
        Self::NetworkDelay,
        Self::PacketLoss,
        Self::PartnerDown,
        Self::SlowDatabase,
        Self::BadRollout,
        Self::BadPod,
        Self::Quota,
        Self::PoolExhausted,
        Self::DiskFull,
        Self::Silent,
        Self::FlagFlip,
        Self::BadZone,
    ];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ErrorReturn => "error-return",
            Self::Exception => "exception",
            Self::EarlyReturn => "early-return",
            Self::Cpu => "cpu",
            Self::MemoryLeak => "memory-leak",
            Self::NetworkDelay => "network-delay",
            Self::PacketLoss => "packet-loss",
            Self::PartnerDown => "partner-down",
            Self::SlowDatabase => "slow-database",
            Self::BadRollout => "bad-rollout",
            Self::BadPod => "bad-pod",
            Self::Quota => "quota",
            Self::PoolExhausted => "pool-exhausted",
            Self::DiskFull => "disk-full",
            Self::Silent => "silent",
            Self::FlagFlip => "flag-flip",
            Self::BadZone => "bad-zone",
        }
    }

    /// What kind of fault it is, in the words of `fogbell.v1.Cause.Kind`; `None` where those have
    /// none for it.
    #[must_use]
    pub const fn kind(self) -> Option<&'static str> {
        match self {
            Self::ErrorReturn
            | Self::Exception
            | Self::EarlyReturn
            | Self::BadRollout
            | Self::BadPod => Some("CODE"),
            Self::Cpu => Some("CPU"),
            Self::MemoryLeak => Some("MEMORY"),
            Self::DiskFull => Some("DISK"),
            Self::NetworkDelay | Self::PacketLoss => Some("NETWORK"),
            Self::PartnerDown | Self::SlowDatabase => Some("DEPENDENCY"),
            Self::Quota => Some("QUOTA"),
            Self::Silent => Some("SILENCE"),
            Self::FlagFlip => Some("CONFIG"),
            Self::BadZone => Some("INFRASTRUCTURE"),
            Self::PoolExhausted => None,
        }
    }

    /// All names, with commas.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Whether a service can have it. A fault of calls shows where callers wait for an answer.
    fn befalls(self, service: &Service, is_called: bool) -> bool {
        let calls = service.operations.iter().any(|operation| !operation.calls.is_empty());
        match self {
            Self::EarlyReturn => calls,
            Self::PartnerDown => service.partner.is_some(),
            Self::SlowDatabase | Self::PoolExhausted => service.has_database,
            Self::BadPod => service.pods.len() > 1,
            Self::BadZone => !service.partial_zones().is_empty(),
            Self::NetworkDelay | Self::PacketLoss | Self::Quota | Self::Silent => is_called,
            _ => true,
        }
    }

    /// Whether it is of the service itself, and not of what that asks.
    pub(super) const fn is_of_the_service(self) -> bool {
        !matches!(self, Self::PartnerDown | Self::SlowDatabase)
    }

    /// What its service logs each second outside of requests.
    pub(super) const fn background_error(self) -> Option<&'static str> {
        match self {
            Self::DiskFull => Some("cannot write /var/data/journal: no space left on device"),
            _ => None,
        }
    }
}

impl fmt::Display for DrillFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DrillFault {
    type Err = UnknownDrillFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|fault| fault.name() == text);
        known.ok_or_else(|| UnknownDrillFault(text.to_owned()))
    }
}

/// Each fault at a service of its own; one that no service is left for is left out.
pub(super) fn plan(
    faults: &[DrillFault],
    system: &System,
    from_ns: u64,
    random: &mut Random,
) -> Vec<Planned> {
    let mut planned: Vec<Planned> = Vec::new();
    for fault in faults {
        let services = system.services.iter().enumerate();
        let fits = |(at, service): &(usize, &Service)| {
            let is_taken = planned.iter().any(|other| other.service == *at);
            !is_taken && fault.befalls(service, system.is_called(*at))
        };
        let candidates: Vec<usize> = services.filter(fits).map(|(at, _)| at).collect();
        let Some(service) = random.pick(&candidates) else { continue };
        let pods = system.services[service].pods.len() as u64;
        let pod = (*fault == DrillFault::BadPod).then(|| random.below(pods) as usize);
        let zone = match fault {
            DrillFault::BadZone => system.services[service].partial_zones().first().copied(),
            _ => None,
        };
        planned.push(Planned { fault: *fault, service, pod, zone, from_ns });
    }
    planned
}

impl Planned {
    /// The tag that tells what is broken from what is well, where one does.
    pub(super) fn tag(&self) -> Option<(&'static str, &'static str)> {
        match self.fault {
            DrillFault::BadRollout => Some(("service.version", BAD_VERSION)),
            DrillFault::FlagFlip => Some((FLAG_TAG, FLAG_ON)),
            DrillFault::BadZone => self.zone.map(|zone| ("cloud.availability_zone", zone)),
            _ => None,
        }
    }
}

/// The version that a service has at a moment.
pub(super) fn version_of(planned: &[Planned], service: usize, at_ns: u64) -> &'static str {
    let is_bad = |planned: &Planned| {
        planned.service == service
            && planned.fault == DrillFault::BadRollout
            && planned.from_ns <= at_ns
    };
    if planned.iter().any(is_bad) { BAD_VERSION } else { VERSION }
}
