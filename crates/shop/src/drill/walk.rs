//! One request on its way through the services.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::fault::{FLAG, FLAG_OFF, FLAG_ON, Planned};
use super::system::Edge;
use super::{Drill, DrillFault, Place};
use crate::attribute::{integer, text};
use crate::log::{self, SpanContext};

const MS: f64 = 1e6;
/// How long a caller waits for an answer.
const DEADLINE_NS: u64 = 2_000_000_000;
/// How long a refused connection takes, and a message waits in a queue.
const REFUSED_MS: f64 = 1.0;
const QUEUED_MS: f64 = 15.0;
/// What a database and a partner take.
const DATABASE_MS: f64 = 3.0;
const PARTNER_MS: f64 = 35.0;
/// The way of a packet there, or back.
const HOP_MS: (f64, f64) = (0.2, 0.6);

/// What a caller gets.
#[derive(Clone, Debug)]
struct Answer {
    end_ns: u64,
    /// HTTP status; 0 = nobody answered.
    status: u16,
    /// `error.type` where it failed.
    error: Option<&'static str>,
}

/// The span that serves.
#[derive(Clone, Copy)]
struct Serving {
    place: Place,
    operation: usize,
    context: SpanContext,
    start_ns: u64,
    /// Of a feature flag, where there is one.
    variant: Option<&'static str>,
}

impl Answer {
    const fn ok(end_ns: u64) -> Self {
        Self { end_ns, status: 200, error: None }
    }

    const fn failed(end_ns: u64, status: u16, error: &'static str) -> Self {
        Self { end_ns, status, error: Some(error) }
    }

    const fn is_failed(&self) -> bool {
        self.error.is_some()
    }
}

impl Drill {
    /// A request of a user.
    pub(super) fn request(&mut self, at_ns: u64) {
        let service = self.random.below(self.system.entries as u64) as usize;
        let operations = self.system.services[service].operations.len() as u64;
        let operation = self.random.below(operations) as usize;
        let trace_id = self.degrader.options().trace_id(&mut self.random);
        let _ = self.serve((service, operation), trace_id, None, at_ns, SpanKind::Server);
    }

    /// The fault that a pod suffers at a moment.
    pub(super) fn active(&self, place: Place, at_ns: u64) -> Option<Planned> {
        let suffers = |planned: &&Planned| {
            let is_pod = planned.pod.is_none_or(|pod| pod == place.pod);
            let zone = self.system.services[place.service].pods.get(place.pod).map(|pod| pod.zone);
            let is_there = planned.zone.is_none_or(|bad| zone == Some(bad));
            let is_its = planned.service == place.service && is_pod && is_there;
            is_its && planned.from_ns <= at_ns
        };
        self.planned.iter().find(suffers).copied()
    }

    fn serve(
        &mut self,
        (service, operation): (usize, usize),
        trace_id: [u8; 16],
        parent: Option<[u8; 8]>,
        at_ns: u64,
        kind: SpanKind,
    ) -> Answer {
        let pods = self.system.services[service].pods.len() as u64;
        let place = Place { service, pod: self.random.below(pods) as usize };
        let fault = self.active(place, at_ns).map(|planned| planned.fault);
        if fault == Some(DrillFault::Silent) {
            return Answer::failed(self.later(at_ns, REFUSED_MS), 0, "ConnectionRefused");
        }
        let context = SpanContext { trace_id, span_id: self.random.span_id() };
        let variant = self.variant(service, fault);
        let serving = Serving { place, operation, context, start_ns: at_ns, variant };
        let answer = self.work(serving, fault);
        self.record(serving, parent, &answer, kind);
        answer
    }

    /// The variant of the flag that a request gets, at the service where one is switched.
    fn variant(&mut self, service: usize, fault: Option<DrillFault>) -> Option<&'static str> {
        let is_flagged =
            |planned: &Planned| planned.service == service && planned.fault == DrillFault::FlagFlip;
        self.planned.iter().any(is_flagged).then(|| {
            let is_on = fault == Some(DrillFault::FlagFlip) && self.random.chance(0.4);
            if is_on { FLAG_ON } else { FLAG_OFF }
        })
    }

    /// What a service does of its own and with others.
    fn work(&mut self, serving: Serving, fault: Option<DrillFault>) -> Answer {
        let Serving { place, operation, start_ns, .. } = serving;
        let own = &self.system.services[place.service].operations[operation];
        let (route, own_ms, calls) = (own.route.clone(), own.own_ms, own.calls.clone());
        self.log(serving, start_ns, &format!("handling {route} for user {}", place.pod), false);
        let slower = match fault {
            Some(DrillFault::Cpu) => 12.0,
            Some(DrillFault::MemoryLeak) => 6.0,
            _ => 1.0,
        };
        let mut now_ns = self.later(start_ns, own_ms * slower);
        if fault == Some(DrillFault::PoolExhausted) {
            now_ns = self.later(now_ns, 180.0);
        }
        if fault == Some(DrillFault::EarlyReturn) && self.random.chance(0.9) {
            self.log(serving, now_ns, &format!("nothing to do for {route}"), false);
            return Answer::ok(now_ns);
        }
        if let Some(answer) = self.fails(serving, fault, now_ns) {
            return answer;
        }
        if self.system.services[place.service].has_database {
            now_ns = self.ask_database(serving, fault, now_ns);
        }
        if let Some(failed) = self.ask_partner(serving, fault, &mut now_ns) {
            return failed;
        }
        for edge in calls {
            let answer = self.call(serving, edge, now_ns);
            now_ns = answer.end_ns;
            if answer.is_failed() && !edge.optional {
                self.log(serving, now_ns, &format!("{route} failed: upstream error"), true);
                return Answer::failed(now_ns, 500, "500");
            }
        }
        let end_ns = self.later(now_ns, own_ms * slower / 4.0);
        self.log(serving, end_ns, &format!("done {route}"), false);
        Answer::ok(end_ns)
    }

    /// How the service itself fails, if it does.
    fn fails(
        &mut self,
        serving: Serving,
        fault: Option<DrillFault>,
        now_ns: u64,
    ) -> Option<Answer> {
        let (chance, status, error, message) = match fault? {
            DrillFault::ErrorReturn => (0.6, 500, "500", "cannot proceed: state is invalid"),
            DrillFault::Exception => (
                0.7,
                500,
                "java.lang.NullPointerException",
                "java.lang.NullPointerException: item is null",
            ),
            DrillFault::BadRollout => (0.5, 500, "KeyError", "KeyError: 'currency'"),
            DrillFault::BadPod => (0.9, 503, "503", "not ready: cache is corrupt"),
            DrillFault::BadZone => (0.8, 503, "503", "not ready: no leader"),
            DrillFault::FlagFlip if serving.variant == Some(FLAG_ON) => {
                (0.8, 500, "NotImplementedError", "NotImplementedError: new path")
            }
            DrillFault::Quota => (0.6, 429, "429", "too many requests"),
            DrillFault::DiskFull => (0.5, 500, "IOException", "no space left on device"),
            _ => return None,
        };
        if !self.random.chance(chance) {
            return None;
        }
        self.log(serving, now_ns, message, true);
        Some(Answer::failed(now_ns, status, error))
    }

    fn call(&mut self, by: Serving, edge: Edge, at_ns: u64) -> Answer {
        let callee = Place { service: edge.to, pod: 0 };
        // A fault of the network is not one pod's.
        let fault = self.active(callee, at_ns).map(|planned| planned.fault);
        let span_id = self.random.span_id();
        if edge.queued {
            let sent_ns = self.later(at_ns, 0.5);
            let taken_ns = self.later(sent_ns, QUEUED_MS);
            let target = (edge.to, edge.operation);
            let trace_id = by.context.trace_id;
            let _ = self.serve(target, trace_id, Some(span_id), taken_ns, SpanKind::Consumer);
            let answer = Answer::ok(sent_ns);
            self.record_call(by, (span_id, at_ns), edge, &answer);
            return answer;
        }
        let mut way_ms = self.random.between(HOP_MS.0, HOP_MS.1);
        match fault {
            Some(DrillFault::NetworkDelay) => way_ms += self.random.log_normal(60.0, 0.2),
            Some(DrillFault::PacketLoss) if self.random.chance(0.4) => {
                way_ms += if self.random.chance(0.3) { 2_500.0 } else { 400.0 };
            }
            _ => {}
        }
        let there_ns = at_ns.saturating_add((way_ms * MS) as u64);
        let target = (edge.to, edge.operation);
        let trace_id = by.context.trace_id;
        let mut answer = self.serve(target, trace_id, Some(span_id), there_ns, SpanKind::Server);
        answer.end_ns = answer.end_ns.saturating_add((way_ms * MS) as u64);
        if answer.end_ns - at_ns > DEADLINE_NS {
            answer = Answer::failed(at_ns + DEADLINE_NS, 504, "timeout");
        }
        self.record_call(by, (span_id, at_ns), edge, &answer);
        answer
    }

    fn ask_database(&mut self, by: Serving, fault: Option<DrillFault>, at_ns: u64) -> u64 {
        let slow = if fault == Some(DrillFault::SlowDatabase) { 60.0 } else { 1.0 };
        let end_ns = self.later(at_ns, DATABASE_MS * slow);
        let service = &self.system.services[by.place.service];
        let attributes = vec![
            text("db.system.name", "postgresql"),
            text("db.operation.name", "SELECT"),
            text("server.address", service.database()),
            integer("server.port", 5432),
        ];
        let (span_id, times) = (self.random.span_id(), (at_ns, end_ns));
        self.record_client(by, span_id, "SELECT", times, attributes, None);
        end_ns
    }

    /// `Some` if the request fails with it.
    fn ask_partner(
        &mut self,
        by: Serving,
        fault: Option<DrillFault>,
        now_ns: &mut u64,
    ) -> Option<Answer> {
        let partner = self.system.services[by.place.service].partner.clone()?;
        let is_down = fault == Some(DrillFault::PartnerDown) && self.random.chance(0.8);
        let end_ns = self.later(*now_ns, if is_down { 300.0 } else { PARTNER_MS });
        let status: u16 = if is_down { 503 } else { 200 };
        let attributes = vec![
            text("http.request.method", "POST"),
            text("server.address", partner.as_str()),
            integer("server.port", 443),
            integer("http.response.status_code", i64::from(status)),
        ];
        let error = is_down.then_some("503");
        let (span_id, times) = (self.random.span_id(), (*now_ns, end_ns));
        self.record_client(by, span_id, "POST", times, attributes, error);
        *now_ns = end_ns;
        if is_down {
            self.log(by, end_ns, &format!("{partner} answers 503"), true);
            return Some(Answer::failed(end_ns, 502, "502"));
        }
        None
    }

    fn record_call(
        &mut self,
        by: Serving,
        (span_id, at_ns): ([u8; 8], u64),
        edge: Edge,
        answer: &Answer,
    ) {
        let callee = &self.system.services[edge.to];
        let route = callee.operations[edge.operation].route.clone();
        if edge.queued {
            let attributes = vec![
                text("messaging.system", "kafka"),
                text("messaging.destination.name", route.trim_start_matches('/').replace('/', ".")),
                text("messaging.operation.type", "send"),
            ];
            let name = format!("send {route}");
            let times = (at_ns, answer.end_ns);
            let mut span = span(by.context, span_id, SpanKind::Producer, &name, times);
            span.attributes = attributes;
            self.keep(by.place, answer.end_ns).spans.push(span);
            return;
        }
        let mut attributes = vec![
            text("http.request.method", "GET"),
            text("server.address", callee.address()),
            integer("server.port", 8080),
        ];
        if answer.status != 0 {
            attributes.push(integer("http.response.status_code", i64::from(answer.status)));
        }
        let times = (at_ns, answer.end_ns);
        self.record_client(by, span_id, "GET", times, attributes, answer.error);
    }

    fn record_client(
        &mut self,
        by: Serving,
        span_id: [u8; 8],
        name: &str,
        times: (u64, u64),
        mut attributes: Vec<KeyValue>,
        error: Option<&'static str>,
    ) {
        let mut span = span(by.context, span_id, SpanKind::Client, name, times);
        if let Some(error) = error {
            attributes.push(text("error.type", error));
            span.status = Some(failed(""));
        }
        span.attributes = attributes;
        self.keep(by.place, times.1).spans.push(span);
    }

    /// The span that serves.
    fn record(
        &mut self,
        serving: Serving,
        parent: Option<[u8; 8]>,
        answer: &Answer,
        kind: SpanKind,
    ) {
        let Serving { place, operation, context, start_ns, variant } = serving;
        let route = &self.system.services[place.service].operations[operation].route;
        let name = match kind {
            SpanKind::Consumer => format!("process {route}"),
            _ => format!("GET {route}"),
        };
        let mut span = span(context, context.span_id, kind, &name, (start_ns, answer.end_ns));
        span.parent_span_id = parent.map(Vec::from).unwrap_or_default();
        span.attributes = match kind {
            SpanKind::Consumer => {
                vec![text("messaging.system", "kafka"), text("messaging.operation.type", "process")]
            }
            _ => vec![
                text("http.request.method", "GET"),
                text("http.route", route.as_str()),
                integer("http.response.status_code", i64::from(answer.status)),
            ],
        };
        if let Some(variant) = variant {
            span.attributes.push(text("feature_flag.key", FLAG));
            span.attributes.push(text("feature_flag.result.variant", variant));
        }
        if let Some(error) = answer.error.filter(|_| answer.status >= 500) {
            span.attributes.push(text("error.type", error));
            span.status = Some(failed(error));
            span.events.push(Event {
                time_unix_nano: answer.end_ns,
                name: "exception".to_owned(),
                attributes: vec![text("exception.type", error)],
                ..Event::default()
            });
        }
        self.keep(place, answer.end_ns).spans.push(span);
    }

    fn log(&mut self, serving: Serving, at_ns: u64, message: &str, is_error: bool) {
        let record = if is_error { log::error } else { log::info };
        let record = log::within(record(at_ns, message.to_owned()), serving.context);
        self.keep(serving.place, at_ns).records.push(record);
    }

    fn later(&mut self, at_ns: u64, median_ms: f64) -> u64 {
        at_ns.saturating_add((self.random.log_normal(median_ms, 0.25) * MS) as u64)
    }
}

/// A child of a span, or the span itself where the ids are equal.
fn span(
    context: SpanContext,
    span_id: [u8; 8],
    kind: SpanKind,
    name: &str,
    (start_ns, end_ns): (u64, u64),
) -> Span {
    let is_child = span_id != context.span_id;
    Span {
        trace_id: context.trace_id.to_vec(),
        span_id: span_id.to_vec(),
        parent_span_id: if is_child { context.span_id.to_vec() } else { Vec::new() },
        name: name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: start_ns,
        end_time_unix_nano: end_ns,
        flags: 1,
        ..Span::default()
    }
}

fn failed(message: &str) -> Status {
    Status { code: StatusCode::Error.into(), message: message.to_owned() }
}
