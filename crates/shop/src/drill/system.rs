use std::fmt;
use std::str::FromStr;

use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::attribute::text;
use crate::random::Random;

/// The most services of a drill.
pub const DRILL_SERVICES_MAX: usize = 200;
const SERVICES_MIN: usize = 4;
/// Deepest chain of calls.
const CHAIN_LENGTH: usize = 8;
/// Where a chain goes on through a queue.
const QUEUE_AT: usize = 4;
/// How many services one request of a fan asks.
const FAN_WIDTH: usize = 6;
/// Layers, and the share of the services in each.
const LAYERS: [f64; 4] = [0.1, 0.25, 0.3, 0.35];
const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];
/// One service in so many has a database, and one a partner outside.
const DATABASE_EACH: u64 = 2;
const PARTNER_EACH: u64 = 5;
/// One call in so many can be done without.
const OPTIONAL_EACH: u64 = 6;

/// How the services of a drill call each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// Layers, each of which calls the next one: entries, two layers of logic, stores.
    Layered,
    /// Long chains, each with a queue on its way.
    Chain,
    /// One entry that asks many.
    Fan,
}

/// A name that is no topology.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no topology: layered, chain, fan")]
pub struct UnknownTopology(pub String);

/// Services, entries first.
#[derive(Debug)]
pub(super) struct System {
    pub(super) services: Vec<Service>,
    /// How many of them users reach.
    pub(super) entries: usize,
}

#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) pods: Vec<Pod>,
    pub(super) operations: Vec<Operation>,
    pub(super) has_database: bool,
    /// Address of a partner outside.
    pub(super) partner: Option<String>,
}

#[derive(Debug)]
pub(super) struct Pod {
    pub(super) name: String,
    node: String,
    pub(super) zone: &'static str,
}

#[derive(Debug)]
pub(super) struct Operation {
    pub(super) route: String,
    pub(super) own_ms: f64,
    pub(super) calls: Vec<Edge>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) to: usize,
    pub(super) operation: usize,
    /// Its failure is not its caller's.
    pub(super) optional: bool,
    /// Through a queue: the caller does not wait.
    pub(super) queued: bool,
}

impl FromStr for Topology {
    type Err = UnknownTopology;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "layered" => Ok(Self::Layered),
            "chain" => Ok(Self::Chain),
            "fan" => Ok(Self::Fan),
            other => Err(UnknownTopology(other.to_owned())),
        }
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layered => "layered",
            Self::Chain => "chain",
            Self::Fan => "fan",
        })
    }
}

impl System {
    pub(super) fn generate(topology: Topology, services: usize, random: &mut Random) -> Self {
        let count = services.clamp(SERVICES_MIN, DRILL_SERVICES_MAX);
        let mut system = Self {
            services: (0..count).map(|at| Service::generate(at, random)).collect(),
            entries: 1,
        };
        system.entries = match topology {
            Topology::Layered => ((LAYERS[0] * count as f64).round() as usize).max(1),
            Topology::Chain => count.div_ceil(CHAIN_LENGTH),
            Topology::Fan => 1,
        };
        system.open(topology, random);
        match topology {
            Topology::Layered => system.layer(random),
            Topology::Chain => system.chain(random),
            Topology::Fan => system.fan(random),
        }
        system
    }

    /// Whether a service is called by one that waits for its answer.
    pub(super) fn is_called(&self, at: usize) -> bool {
        let operations = self.services.iter().flat_map(|service| &service.operations);
        operations.flat_map(|operation| &operation.calls).any(|edge| edge.to == at && !edge.queued)
    }

    /// What users ask of entries.
    fn open(&mut self, topology: Topology, random: &mut Random) {
        let routes = match topology {
            Topology::Layered => 3,
            Topology::Chain => 1,
            Topology::Fan => (self.services.len() - 1).div_ceil(FAN_WIDTH),
        };
        for at in 0..self.entries {
            let routes = (0..routes).map(|route| Operation::generate(at, route, random));
            self.services[at].operations = routes.collect();
        }
    }

    /// Every service is called by one of the layer before, and by others as it happens.
    fn layer(&mut self, random: &mut Random) {
        let count = self.services.len();
        let mut bounds = vec![0];
        let mut filled = 0.0;
        for share in LAYERS {
            filled += share;
            let end = (filled * count as f64).round() as usize;
            bounds.push(end.clamp(bounds.len(), count));
        }
        for layer in 1..LAYERS.len() {
            let (callers, callees) =
                (bounds[layer - 1]..bounds[layer], bounds[layer]..bounds[layer + 1]);
            if callees.is_empty() {
                break;
            }
            let width = callers.len() as u64;
            for (number, to) in callees.clone().enumerate() {
                let from = callers.start + number % callers.len();
                self.connect(from, to, false, random);
            }
            for _ in 0..width {
                let from = callers.start + random.below(width) as usize;
                let to = callees.start + random.below(callees.len() as u64) as usize;
                self.connect(from, to, false, random);
            }
        }
    }

    fn chain(&mut self, random: &mut Random) {
        let chains = self.services.len().div_ceil(CHAIN_LENGTH);
        // Link n of every chain, and then the next one, so that entries come first.
        for to in chains..self.services.len() {
            self.connect(to - chains, to, to / chains == QUEUE_AT, random);
        }
    }

    fn fan(&mut self, random: &mut Random) {
        let leaves: Vec<usize> = (1..self.services.len()).collect();
        for (route, group) in leaves.chunks(FAN_WIDTH).enumerate() {
            for to in group {
                let edge = self.edge(*to, false, random);
                self.services[0].operations[route].calls.push(edge);
            }
        }
    }

    fn connect(&mut self, from: usize, to: usize, queued: bool, random: &mut Random) {
        let edge = self.edge(to, queued, random);
        let operations = &mut self.services[from].operations;
        let at = random.below(operations.len() as u64) as usize;
        // A route without any call would tell nothing of what lies below.
        let at = operations.iter().position(|of| of.calls.is_empty()).unwrap_or(at);
        operations[at].calls.push(edge);
    }

    /// A call of an operation that is there for it, so that none is left that nobody calls.
    fn edge(&mut self, to: usize, queued: bool, random: &mut Random) -> Edge {
        let operations = &mut self.services[to].operations;
        let operation = operations.len();
        operations.push(Operation::generate(to, operation, random));
        Edge { to, operation, optional: random.below(OPTIONAL_EACH) == 0, queued }
    }
}

impl Service {
    fn generate(at: usize, random: &mut Random) -> Self {
        const NOUNS: [&str; 12] = [
            "order", "stock", "price", "mail", "search", "cart", "user", "route", "media", "audit",
            "tax", "ledger",
        ];
        let name = format!("{}-{at:03}", NOUNS[at % NOUNS.len()]);
        let pods = 1 + random.below(3);
        let pod = |number: u64| {
            let node = random.below(12);
            let id = random.below(0x10_0000);
            Pod {
                name: format!("{name}-5d9c7b6f4-{id:05x}{number}"),
                node: format!("node-{node:02}"),
                zone: ZONES[(node % 3) as usize],
            }
        };
        let pods = (0..pods).map(pod).collect();
        Self {
            pods,
            operations: Vec::new(),
            has_database: random.below(DATABASE_EACH) == 0,
            partner: (random.below(PARTNER_EACH) == 0).then(|| format!("api.{name}.example")),
            name,
        }
    }

    pub(super) fn resource(&self, pod: usize, version: &str) -> Resource {
        let mut attributes = vec![
            text("service.name", self.name.as_str()),
            text("service.namespace", "drill"),
            text("service.version", version),
        ];
        if let Some(pod) = self.pods.get(pod) {
            attributes.push(text("k8s.pod.name", pod.name.as_str()));
            attributes.push(text("k8s.node.name", pod.node.as_str()));
            attributes.push(text("cloud.availability_zone", pod.zone));
        }
        Resource { attributes, ..Resource::default() }
    }

    /// Zones with several of its pods, but not all.
    pub(super) fn partial_zones(&self) -> Vec<&'static str> {
        let pods = |zone: &str| self.pods.iter().filter(|pod| pod.zone == zone).count();
        ZONES.into_iter().filter(|zone| (2..self.pods.len()).contains(&pods(zone))).collect()
    }

    pub(super) fn address(&self) -> String {
        format!("{}.drill.svc", self.name)
    }

    pub(super) fn database(&self) -> String {
        format!("{}-db.drill.svc", self.name)
    }
}

impl Operation {
    fn generate(service: usize, route: usize, random: &mut Random) -> Self {
        Self {
            route: format!("/s{service:03}/r{route}"),
            own_ms: random.log_normal(5.0, 0.6),
            calls: Vec::new(),
        }
    }
}
