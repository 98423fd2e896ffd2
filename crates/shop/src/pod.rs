//! The pods of the shop: where they run, which version, and when they live.

use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::attribute::text;
use crate::fault::{BAD_VERSION, Fault, LOST_REGION};
use crate::random::Random;
use crate::timeline::{SECOND_NS, Timeline};
use crate::topology::{SERVICES, ServiceSpec};

/// Zones in the order in which pods are spread over them.
const ZONES: [(&str, &str); 4] = [
    ("eu-west-1", "eu-west-1a"),
    ("eu-central-1", "eu-central-1a"),
    ("eu-west-1", "eu-west-1b"),
    ("eu-central-1", "eu-central-1b"),
];
const NODES_PER_ZONE: u64 = 2;
/// Share of calls that stay in the caller's region, as with topology-aware routing.
const LOCAL_SHARE: f64 = 0.99;
/// When each rolled pod takes over, in seconds after the fault's start; one in each region first,
/// so that neither region explains the errors. The last pod keeps the old version.
const ROLL_AT_S: [u64; 3] = [0, 5, 40];
/// Pods that the scale-out adds: three in each region.
const COLD_PODS: usize = 6;
/// How long callers outside keep on trying a lost region before they route around it.
const EJECTION_NS: u64 = 5 * SECOND_NS;
/// One turn of a crash loop: down first (the back-off), then up until the next crash.
const CRASH_CYCLE_NS: u64 = 30 * SECOND_NS;
const CRASH_DOWN_NS: u64 = 26 * SECOND_NS;

/// One pod, for its whole life.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) spec: &'static ServiceSpec,
    pub(crate) version: &'static str,
    pub(crate) region: &'static str,
    /// Added by the scale-out, and cold while that fault lasts.
    pub(crate) cold: bool,
    pub(crate) resource: Resource,
    from_ns: u64,
    until_ns: u64,
    /// Offset of its crash loop behind the fault's start, if it takes part in one.
    crash_offset_ns: Option<u64>,
}

/// All pods that ever live in one run.
#[derive(Debug)]
pub(crate) struct Pods {
    pods: Vec<Pod>,
    /// Indices of the pods of each service, in the order of [`SERVICES`].
    by_service: Vec<Vec<usize>>,
}

struct Plan {
    version: &'static str,
    cold: bool,
    slot: usize,
    from_ns: u64,
    until_ns: u64,
}

impl Pods {
    pub(crate) fn plan(timeline: &Timeline, start_ns: u64, random: &mut Random) -> Self {
        let mut pods = Vec::new();
        let mut by_service = Vec::new();
        for spec in SERVICES {
            let first = pods.len();
            for plan in plans(spec, timeline, start_ns) {
                let ordinal = pods.len() - first;
                pods.push(Pod::start(spec, &plan, ordinal, timeline, random));
            }
            by_service.push((first..pods.len()).collect());
        }
        Self { pods, by_service }
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Pod> {
        self.pods.get(index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pod> {
        self.pods.iter()
    }

    pub(crate) fn of(&self, service: usize) -> &[usize] {
        self.by_service.get(service).map_or(&[], Vec::as_slice)
    }

    /// The pod that a call at `now_ns` from `region` reaches; none if no pod is up. The entry's
    /// load balancer and Kafka have no region and spread evenly.
    pub(crate) fn pick(
        &self,
        service: usize,
        region: Option<&str>,
        now_ns: u64,
        timeline: &Timeline,
        random: &mut Random,
    ) -> Option<usize> {
        let up = |index: &usize| {
            self.pods.get(*index).is_some_and(|pod| {
                let foreign = region.is_some_and(|region| region != pod.region);
                pod.is_up(now_ns, timeline) && !(foreign && ejected(pod, now_ns, timeline))
            })
        };
        let all: Vec<usize> = self.of(service).iter().copied().filter(up).collect();
        let is_local =
            |index: &usize| self.pods.get(*index).is_some_and(|pod| Some(pod.region) == region);
        if region.is_some() && random.chance(LOCAL_SHARE) {
            let local: Vec<usize> = all.iter().copied().filter(is_local).collect();
            if let Some(index) = random.pick(&local) {
                return Some(index);
            }
        }
        random.pick(&all)
    }
}

impl Pod {
    fn start(
        spec: &'static ServiceSpec,
        plan: &Plan,
        ordinal: usize,
        timeline: &Timeline,
        random: &mut Random,
    ) -> Self {
        let (region, zone) = ZONES.get(plan.slot % ZONES.len()).copied().unwrap_or(ZONES[0]);
        // Kubernetes hashes the pod template, so that the pods of a version share the middle part.
        let template = spec.version.len() as u64 + plan.version.bytes().map(u64::from).sum::<u64>();
        let suffix = random.next_u64() & 0xf_ffff;
        let name = format!("{}-{:07x}-{suffix:05x}", spec.name, template.wrapping_mul(0x1f_35b7));
        let node = format!("{zone}-node-{}", random.below(NODES_PER_ZONE) + 1);
        let crashes = timeline.has(Fault::CrashLoop) && spec.name == "cart";
        let resource = resource(spec, plan.version, &name, &node, (region, zone));
        Self {
            spec,
            version: plan.version,
            region,
            cold: plan.cold,
            resource,
            from_ns: plan.from_ns,
            until_ns: plan.until_ns,
            crash_offset_ns: crashes.then(|| ordinal as u64 * 700_000_000),
        }
    }

    pub(crate) fn is_up(&self, now_ns: u64, timeline: &Timeline) -> bool {
        let lives = (self.from_ns..self.until_ns).contains(&now_ns);
        lives && self.crash_phase(now_ns, timeline).is_none_or(|phase| phase >= CRASH_DOWN_NS)
    }

    /// When its latest process before `now_ns` started.
    pub(crate) fn process_start_ns(&self, now_ns: u64, timeline: &Timeline) -> u64 {
        let restart = || {
            let first = timeline.from_ns.checked_add(self.crash_offset_ns?)?;
            let crashes = timeline.until_ns.checked_sub(first)?.div_ceil(CRASH_CYCLE_NS);
            let turns = now_ns.checked_sub(first.checked_add(CRASH_DOWN_NS)?)? / CRASH_CYCLE_NS;
            let turn = turns.min(crashes.checked_sub(1)?);
            Some(first + turn * CRASH_CYCLE_NS + CRASH_DOWN_NS)
        };
        restart().unwrap_or(self.from_ns)
    }

    /// The first moment in `(after_ns, until_ns]` at which its process crashes.
    pub(crate) fn crash_within(
        &self,
        after_ns: u64,
        until_ns: u64,
        timeline: &Timeline,
    ) -> Option<u64> {
        let first = timeline.from_ns.checked_add(self.crash_offset_ns?)?;
        let turns = (after_ns + 1).saturating_sub(first).div_ceil(CRASH_CYCLE_NS);
        let crash = first.checked_add(turns.checked_mul(CRASH_CYCLE_NS)?)?;
        (crash <= until_ns && crash < timeline.until_ns).then_some(crash)
    }

    fn crash_phase(&self, now_ns: u64, timeline: &Timeline) -> Option<u64> {
        let first = timeline.from_ns.checked_add(self.crash_offset_ns?)?;
        let since = now_ns.checked_sub(first)?;
        // The last back-off that began within the fault is still waited for.
        let began = now_ns - since % CRASH_CYCLE_NS;
        (began < timeline.until_ns).then_some(since % CRASH_CYCLE_NS)
    }
}

fn ejected(pod: &Pod, now_ns: u64, timeline: &Timeline) -> bool {
    pod.region == LOST_REGION
        && timeline.active(Fault::RegionLoss, now_ns)
        && now_ns >= timeline.from_ns.saturating_add(EJECTION_NS)
}

/// Every pod that the service has in this run, those of the fault included.
fn plans(spec: &'static ServiceSpec, timeline: &Timeline, start_ns: u64) -> Vec<Plan> {
    let steady = |slot| Plan {
        version: spec.version,
        cold: false,
        slot,
        from_ns: start_ns,
        until_ns: u64::MAX,
    };
    let mut plans: Vec<Plan> = (0..spec.pods).map(steady).collect();
    if timeline.has(Fault::BadRollout) && spec.name == "payment" {
        for (slot, roll_at_s) in ROLL_AT_S.into_iter().enumerate() {
            roll(&mut plans, slot, timeline, roll_at_s);
        }
    }
    if timeline.has(Fault::ColdStart) && spec.name == "recommendation" {
        let cold = |slot| Plan { cold: true, from_ns: timeline.from_ns, ..steady(slot) };
        plans.extend((0..COLD_PODS).map(cold));
    }
    plans
}

/// Replaces the pod of one slot by one of the bad version, and that one by another of the good
/// version when the fault ends.
fn roll(plans: &mut Vec<Plan>, slot: usize, timeline: &Timeline, roll_at_s: u64) {
    let roll_at = timeline.from_ns.saturating_add(roll_at_s * SECOND_NS);
    if roll_at >= timeline.until_ns {
        return;
    }
    let Some(old) = plans.get_mut(slot) else { return };
    let (version, until_ns) = (old.version, old.until_ns);
    old.until_ns = roll_at;
    let back_at = timeline.until_ns;
    let cold = false;
    plans.push(Plan { version: BAD_VERSION, cold, slot, from_ns: roll_at, until_ns: back_at });
    plans.push(Plan { version, cold, slot, from_ns: back_at, until_ns });
}

fn resource(
    spec: &ServiceSpec,
    version: &str,
    pod: &str,
    node: &str,
    (region, zone): (&str, &str),
) -> Resource {
    let attributes = vec![
        text("service.name", spec.name),
        text("service.namespace", "shop"),
        text("service.version", version),
        text("service.instance.id", format!("shop.{pod}.{}", spec.name)),
        text("deployment.environment.name", "demo"),
        text("k8s.namespace.name", "shop"),
        text("k8s.deployment.name", spec.name),
        text("k8s.pod.name", pod),
        text("k8s.node.name", node),
        text("cloud.provider", "aws"),
        text("cloud.region", region),
        text("cloud.availability_zone", zone),
        text("telemetry.sdk.name", "opentelemetry"),
        text("telemetry.sdk.language", spec.language),
        text("telemetry.sdk.version", "1.38.0"),
    ];
    Resource { attributes, dropped_attributes_count: 0, entity_refs: Vec::new() }
}
