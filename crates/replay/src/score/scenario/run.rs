use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::{EngineOptions, Input};
use model::{
    Fingerprint, Incident, Labels, PaneDelta, RaisedAlert, Service, SpanId, SpanKind, SpanRecord,
    Status, Timestamp, TraceId,
};
use observe::ObserverOptions;

use super::{Dice, Scenario, ScenarioAlert};
use crate::score::{Shown, Told, Truth};
use crate::{AFTERMATH, Replay};

/// When scenarios begin: any moment will do.
const START_S: u64 = 1_795_400_000;
/// How long traces are given to be put together.
const LEARN_FOR: Duration = Duration::from_secs(5);
/// Time between two alerts.
const BETWEEN: Duration = Duration::from_secs(1);
/// What Kubernetes would append to the name of a workload.
const POD_SUFFIX: &str = "5d8c7f9b6b-x7k2p";

/// Raises the alerts of scenarios at once, each scenario's in its order, mixed by `seed`, to an
/// engine that has learnt the calls. What each scenario showed comes beside what is true of it;
/// what was told of all of them together comes beside their number.
#[must_use]
pub fn run(
    (observer, engine): (&ObserverOptions, &EngineOptions),
    scenarios: &[&Scenario],
    calls: &[(String, String)],
    seed: u64,
) -> (Vec<(Truth, Shown)>, Told) {
    let start = Timestamp::from_unix_s(START_S);
    let mut replay = Replay::new(observer, engine.clone(), start);
    learn(&mut replay, calls);
    let began = replay.now();
    let mut of: BTreeMap<Fingerprint, usize> = BTreeMap::new();
    for (place, alert) in mixed(scenarios, seed) {
        let Some(scenario) = scenarios.get(place) else { continue };
        let raised = raised(scenario, alert);
        let _ = of.entry(Fingerprint::of(&raised.labels)).or_insert(place);
        let now = replay.now();
        replay.engine_mut().handle(Input::Raised(vec![raised]), now);
        replay.advance(now.after(BETWEEN));
    }
    replay.advance(replay.now().after(AFTERMATH));
    let live = replay.incidents().filter(|incident| incident.status != Status::Merged);
    let incidents: Vec<Arc<Incident>> = live.collect();
    let mut told = Told { opened: incidents.len() as u64, ..Told::default() };
    let mut counts: Vec<Vec<u64>> = Vec::new();
    for incident in &incidents {
        let mut count = vec![0; scenarios.len()];
        for member in &incident.members {
            let place = of.get(&member.fingerprint).copied();
            if let Some(count) = place.and_then(|place| count.get_mut(place)) {
                *count += 1;
            }
        }
        counts.push(count);
    }
    let shown = scenarios.iter().enumerate().map(|(place, scenario)| {
        let held = |count: &Vec<u64>| count.get(place).copied().unwrap_or_default();
        // Of incidents that hold as many, the first one is the one that people follow.
        let main = incidents.iter().zip(&counts).rev().max_by_key(|(_, count)| held(count));
        let main = main.filter(|(_, count)| held(count) > 0).map(|(incident, _)| incident);
        told.faults_opened += u64::from(main.is_some());
        let suspects =
            main.map_or_else(Vec::new, |incident| crate::score::suspects(&incident.causes));
        (truth(scenario, began), Shown { suspects, ..Shown::default() })
    });
    let shown: Vec<(Truth, Shown)> = shown.collect();
    told.grouped = counts;
    (shown, told)
}

fn truth(scenario: &Scenario, injected_at: Timestamp) -> Truth {
    let services = scenario.right_causes().into_iter().collect();
    Truth { services, instance: String::new(), kind: None, tag: None, injected_at }
}

/// A trace for each call, whose times say nothing.
fn learn(replay: &mut Replay, calls: &[(String, String)]) {
    let now = replay.now();
    let spans = calls.iter().zip(1_u64..).flat_map(|((caller, callee), number)| {
        let span = |service: &str, kind, own: u8, parent: SpanId| SpanRecord {
            trace_id: TraceId(u128::from(number).to_be_bytes()),
            span_id: SpanId([own; 8]),
            parent_span_id: parent,
            service: Arc::new(Service::named(service)),
            operation: "call".into(),
            kind,
            start: now,
            duration_ns: 1_000_000,
            error: false,
            message: "".into(),
            peer: None,
            tags: Arc::from([]),
        };
        let call = span(caller, SpanKind::Client, 1, SpanId::NONE);
        let served = span(callee, SpanKind::Server, 2, call.span_id);
        [call, served]
    });
    let delta = PaneDelta { spans: spans.collect(), sample_weight: 1, ..PaneDelta::default() };
    replay.engine_mut().handle(Input::Delta(Box::new(delta)), now);
    replay.advance(now.after(LEARN_FOR));
}

/// All alerts, those of one scenario in their order.
fn mixed<'a>(scenarios: &[&'a Scenario], seed: u64) -> Vec<(usize, &'a ScenarioAlert)> {
    let mut dice = Dice(seed);
    let mut queues: Vec<(usize, Vec<&ScenarioAlert>)> = Vec::new();
    for (place, scenario) in scenarios.iter().enumerate() {
        let mut alerts = scenario.in_order();
        alerts.reverse();
        queues.push((place, alerts));
    }
    let mut all = Vec::new();
    loop {
        queues.retain(|(_, queue)| !queue.is_empty());
        let next = dice.below(queues.len());
        let Some((place, queue)) = queues.get_mut(next) else { return all };
        all.extend(queue.pop().map(|alert| (*place, alert)));
    }
}

/// The alert with labels as Prometheus would have them for such an entity.
fn raised(scenario: &Scenario, alert: &ScenarioAlert) -> RaisedAlert {
    let mut labels = Labels::from([
        ("alertname".to_owned(), alert.alertname.clone()),
        ("severity".to_owned(), "critical".to_owned()),
    ]);
    if let Some(entity) = scenario.entity(&alert.entity) {
        let (label, value) = match entity.kind.as_str() {
            "Pod" => ("pod", format!("{}-{POD_SUFFIX}", entity.name)),
            "Deployment" => ("deployment", entity.name.clone()),
            "StatefulSet" => ("statefulset", entity.name.clone()),
            "DaemonSet" => ("daemonset", entity.name.clone()),
            "Namespace" => ("namespace", entity.name.clone()),
            _ => ("service", entity.name.clone()),
        };
        if !entity.namespace.is_empty() {
            let _ = labels.insert("namespace".to_owned(), entity.namespace.clone());
        }
        let _ = labels.insert(label.to_owned(), value);
    }
    let annotations = Labels::from([("description".to_owned(), alert.description.clone())]);
    RaisedAlert { labels, annotations, ..RaisedAlert::default() }
}
