//! The engine and data plane of the daemon, on a clock that is turned.

use std::sync::Arc;
use std::time::Duration;

use document::Problems;
use engine::{Effect, Engine, EngineOptions, Input, SloOptions};
use enrich::Redactor;
use model::{Action, AlertState, Outgoing, Timestamp, Urgency};
use observe::{Observer, ObserverOptions, SliPlan};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use slo::judge::DEFAULT_RULES;
use slo::openslo::Documents;

use super::scenario::{Counters, DAY_S, EVERY_S, MONTH_S, Scenario};
use super::{Error, Outcome, Paged};

/// When the month begins: a midnight.
pub const BEGIN_S: u64 = 1_793_750_400;
/// Before this, nothing happens that anyone is to be told of: it is judged now and then.
const WATCHED_FROM_S: u64 = MONTH_S - 2 * DAY_S;

const SLO: &str = r#"
apiVersion: openslo/v1
kind: SLO
metadata: { name: requests-availability }
spec:
  service: myservice
  indicator:
    metadata: { name: requests }
    spec:
      ratioMetric:
        bad:
          metricSource:
            type: otlp
            spec: { signal: metrics, filter: '{ metric.name = "http.requests" && point.code = "500" }' }
        total:
          metricSource:
            type: otlp
            spec: { signal: metrics, filter: '{ metric.name = "http.requests" }' }
  timeWindow: [{ duration: 30d, isRolling: true }]
  budgetingMethod: Occurrences
  objectives: [{ target: 0.999 }]
"#;

/// What fogbell makes of a scenario.
///
/// # Errors
/// If the SLO above is none.
pub fn outcome(scenario: &Scenario) -> Result<Outcome, Error> {
    let (observer, options) = options()?;
    let begin = Timestamp::from_unix_s(BEGIN_S);
    let mut world = World {
        observer: Observer::new(&observer),
        engine: Engine::new(options, begin),
        pages: Vec::new(),
    };
    for counters in scenario.counters() {
        world.offer(scenario, counters);
        if counters.at_s >= WATCHED_FROM_S {
            world.watch(counters.at_s);
        }
    }
    let view = world.engine.view();
    let own = view.slos.first().and_then(|slo| slo.windows.last());
    let ratio = own.and_then(|own| own.error_ratio);
    Ok(Outcome::of(scenario, &world.pages, ratio))
}

struct World {
    observer: Observer,
    engine: Engine,
    pages: Vec<Paged>,
}

impl World {
    /// Counters arrive when they are read.
    fn offer(&mut self, scenario: &Scenario, counters: Counters) {
        let now = at(counters.at_s);
        let request = request(scenario, counters).encode_to_vec();
        let _ = self.observer.metrics(&request, now);
        self.engine.handle(Input::Delta(Box::new(self.observer.flush())), now);
        self.judge(now);
    }

    /// A second at a time until the next counters.
    fn watch(&mut self, from_s: u64) {
        for second in 1..EVERY_S {
            self.judge(at(from_s + second));
        }
    }

    fn judge(&mut self, now: Timestamp) {
        self.engine.handle(Input::Judge, now);
        while let Some(effect) = self.engine.poll_effect() {
            match effect {
                Effect::Recall { request, .. } => {
                    self.engine.handle(Input::Recalled { request, spans: Vec::new() }, now);
                }
                Effect::Send(Outgoing::Delivery(delivery))
                    if delivery.urgency == Urgency::Page && delivery.action == Action::Trigger =>
                {
                    let from_s = now.unix_s() - BEGIN_S;
                    self.pages.push(Paged { from_s, until_s: None });
                }
                Effect::Send(_)
                | Effect::Publish(_)
                | Effect::Persist(_)
                | Effect::Reply { .. } => {}
            }
        }
        self.end_page(now);
    }

    /// The incident may go on as a ticket when what paged is over.
    fn end_page(&mut self, now: Timestamp) {
        let Some(page) = self.pages.last_mut().filter(|page| page.until_s.is_none()) else {
            return;
        };
        let view = self.engine.view();
        if view.slos.iter().all(|slo| slo.page == AlertState::Inactive) {
            page.until_s = Some(now.unix_s() - BEGIN_S);
        }
    }
}

fn options() -> Result<(ObserverOptions, EngineOptions), Error> {
    let problems = Problems::new();
    let mut documents = Documents::new();
    documents.read("slo.yaml", SLO, &problems);
    let definitions = documents.compile(&problems);
    let slis = SliPlan::compile(&definitions)?;
    let slos = definitions.iter().map(SloOptions::from);
    let observer = ObserverOptions {
        worker: 0,
        seed: 1,
        limits: observe::Limits::default(),
        automatic: None,
        redactor: Arc::new(Redactor::new(&[], &[])?),
        slis: Arc::new(slis),
    };
    let engine = EngineOptions {
        tenant: Arc::from("default"),
        epoch: 1,
        seed: 1,
        slos: slos.collect(),
        automatic: None,
        rules: DEFAULT_RULES.to_vec(),
        bad_events_min: 10,
        services_max: 100,
        series_max: 100,
        groups_max: 100,
        trace_url: None,
        raised: engine::RaisedOptions::default(),
        maintenance: Vec::new(),
    };
    Ok((observer, engine))
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_s(BEGIN_S).after(Duration::from_secs(second))
}

/// The counters as an SDK exports them: cumulative sums, with the time when they began.
fn request(scenario: &Scenario, counters: Counters) -> ExportMetricsServiceRequest {
    let attribute = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) }),
        ..KeyValue::default()
    };
    let point = |code: &str, count: u64| NumberDataPoint {
        attributes: vec![attribute("code", code)],
        start_time_unix_nano: at(0).unix_ns(),
        time_unix_nano: at(counters.at_s).unix_ns(),
        value: Some(number_data_point::Value::AsInt(i64::try_from(count).unwrap_or(i64::MAX))),
        ..NumberDataPoint::default()
    };
    let mut data_points = vec![point("200", counters.good)];
    if counters.bad > 0 || !scenario.never_failed {
        data_points.push(point("500", counters.bad));
    }
    let sum = Sum { data_points, aggregation_temporality: 2, is_monotonic: true };
    let metric = Metric {
        name: "http.requests".to_owned(),
        data: Some(metric::Data::Sum(sum)),
        ..Metric::default()
    };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    let resource = Resource {
        attributes: vec![attribute("service.name", "myservice")],
        ..Resource::default()
    };
    let resource_metrics = vec![ResourceMetrics {
        resource: Some(resource),
        scope_metrics: vec![scope],
        ..ResourceMetrics::default()
    }];
    ExportMetricsServiceRequest { resource_metrics }
}
