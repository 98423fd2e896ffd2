use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint};

use super::{Drill, DrillFault, Place, fault};
use crate::export::Export;

const CPU: &str = "k8s.pod.cpu_limit_utilization";
const MEMORY: &str = "k8s.pod.memory_limit_utilization";
const RESTARTS: &str = "k8s.container.restarts";
const WAITING: &str = "db.client.connection.pending_requests";
/// How long memory takes to fill up, and a killed pod to fill up again.
const LEAK_NS: u64 = 90_000_000_000;

impl Drill {
    /// The gauges of all pods.
    pub(super) fn measure(&mut self, now_ns: u64, out: &mut Vec<Export>) {
        for service in 0..self.system.services.len() {
            for pod in 0..self.system.services[service].pods.len() {
                let gauges = self.gauges(Place { service, pod }, now_ns);
                let version = fault::version_of(&self.planned, service, now_ns);
                let resource = self.system.services[service].resource(pod, version);
                let at_ns = self.degrader.skewed(service, now_ns);
                let metrics = gauges.into_iter().map(|(name, value)| gauge(name, value, at_ns));
                out.push(Export::of_metrics(&resource, metrics.collect()));
            }
        }
    }

    fn gauges(&mut self, place: Place, now_ns: u64) -> Vec<(&'static str, f64)> {
        let active = self.active(place, now_ns).map(|planned| (planned.fault, planned.from_ns));
        let is = |fault| active.is_some_and(|(active, _)| active == fault);
        let is_silent = is(DrillFault::Silent);
        let mut cpu = self.random.between(0.2, 0.35);
        let mut memory = self.random.between(0.45, 0.5);
        let (mut restarts, mut waiting) = (0.0, (self.random.below(2)) as f64);
        if is(DrillFault::Cpu) {
            cpu = self.random.between(0.93, 1.0);
        }
        if let Some((DrillFault::MemoryLeak, from_ns)) = active {
            let since = now_ns.saturating_sub(from_ns);
            memory += 0.5 * ((since % LEAK_NS) as f64 / LEAK_NS as f64);
            restarts = (since / LEAK_NS) as f64;
        }
        if is(DrillFault::PoolExhausted) {
            waiting = self.random.between(15.0, 40.0).round();
        }
        let mut gauges = vec![(RESTARTS, restarts)];
        if !is_silent {
            gauges.extend([(CPU, cpu), (MEMORY, memory)]);
            if self.system.services[place.service].has_database {
                gauges.push((WAITING, waiting));
            }
        }
        gauges
    }
}

fn gauge(name: &str, value: f64, at_ns: u64) -> Metric {
    let point = NumberDataPoint {
        time_unix_nano: at_ns,
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    let data = Some(Data::Gauge(Gauge { data_points: vec![point] }));
    Metric { name: name.to_owned(), unit: "1".to_owned(), data, ..Metric::default() }
}
