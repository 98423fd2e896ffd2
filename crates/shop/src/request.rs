//! One visitor's request on its way through the shop.

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::attribute::{flag, text};
use crate::exporter::Exporter;
use crate::failure::{Failure, Reply};
use crate::log::{self, SpanContext};
use crate::metric::Observation;
use crate::pod::{Pod, Pods};
use crate::random::Random;
use crate::span::{self, Call, Frame};
use crate::timeline::{Effect, Timeline};
use crate::topology::{
    self, OnFailure, Operation, Order, Partner, SERVICES, Statement, Step, Target, Transport,
};
use crate::visitor::Visitor;

/// Spread of all log-normal times.
const SIGMA: f64 = 0.32;
/// Median of one way between two pods of a region, and of two regions.
const NEAR_MS: f64 = 0.4;
const FAR_MS: f64 = 11.0;
const PUBLISH_MS: f64 = 2.5;
/// Range of the time that a message waits for its consumer.
const QUEUED_MS: (f64, f64) = (10.0, 120.0);
/// Share of an operation's own time that it spends before its steps.
const BEFORE_STEPS_SHARE: f64 = 0.6;
/// Share of served requests that leave an information line.
const INFO_SHARE: f64 = 0.01;

/// The walk of one trace.
pub(crate) struct Request<'a> {
    pub(crate) pods: &'a Pods,
    pub(crate) timeline: &'a Timeline,
    pub(crate) random: &'a mut Random,
    pub(crate) exporters: &'a mut [Exporter],
    pub(crate) trace_id: [u8; 16],
    pub(crate) visitor: &'a Visitor,
}

/// Where in the trace a call is made.
#[derive(Debug, Clone, Copy)]
struct Caller<'p> {
    index: usize,
    pod: &'p Pod,
    span_id: [u8; 8],
}

/// How something ended.
#[derive(Debug)]
struct Outcome {
    end_ns: u64,
    reply: Reply,
}

impl Request<'_> {
    /// The request comes in at the entry; without a pod it never enters the shop.
    pub(crate) fn enter(&mut self, operation: &'static Operation, start_ns: u64) {
        if let Some(pod) = self.pods.pick(0, None, start_ns, self.timeline, self.random) {
            self.serve(pod, operation, None, start_ns);
        }
    }

    fn serve(
        &mut self,
        index: usize,
        operation: &'static Operation,
        parent: Option<[u8; 8]>,
        start_ns: u64,
    ) -> Outcome {
        let Some(pod) = self.pods.get(index) else {
            return Outcome { end_ns: start_ns, reply: Reply::Failed(Failure::reset()) };
        };
        let span_id = self.random.span_id();
        let effect = self.timeline.on_operation(pod, start_ns, self.random);
        let own_ms = self.random.log_normal(operation.own_ms, SIGMA) + effect.extra_ms;
        let before_ns = start_ns + nanoseconds(own_ms * BEFORE_STEPS_SHARE);
        let outcome = match effect.failure {
            Some(failure) => Outcome { end_ns: before_ns, reply: Reply::Failed(failure) },
            None if self.is_missing(pod, operation) => {
                Outcome { end_ns: before_ns, reply: Reply::NotFound }
            }
            None => self.steps(Caller { index, pod, span_id }, operation, before_ns),
        };
        let end_ns = outcome.end_ns + nanoseconds(own_ms * (1.0 - BEFORE_STEPS_SHARE));
        if let Some(crash_ns) = pod.crash_within(start_ns, end_ns, self.timeline) {
            return Outcome { end_ns: crash_ns, reply: Reply::Failed(Failure::reset()) };
        }
        let outcome = Outcome { end_ns, reply: outcome.reply };
        let frame = Frame { trace_id: self.trace_id, span_id, parent, start_ns, end_ns };
        self.record_served(Caller { index, pod, span_id }, operation, frame, &outcome.reply);
        outcome
    }

    fn is_missing(&self, pod: &Pod, operation: &Operation) -> bool {
        self.visitor.wants_missing && pod.spec.name == "catalog" && operation.name.contains("{id}")
    }

    fn steps(&mut self, caller: Caller<'_>, operation: &Operation, start_ns: u64) -> Outcome {
        let (mut began_ns, mut end_ns) = (start_ns, start_ns);
        for step in operation.steps {
            if step.order == Order::Next {
                began_ns = end_ns;
            }
            let outcome = self.step(caller, step, began_ns);
            end_ns = end_ns.max(outcome.end_ns);
            if outcome.reply != Reply::Good && step.on_failure == OnFailure::Fail {
                let reply = match outcome.reply {
                    Reply::Failed(failure) => Reply::Failed(failure.passed_on(peer(step))),
                    other => other,
                };
                return Outcome { end_ns, reply };
            }
        }
        Outcome { end_ns, reply: Reply::Good }
    }

    /// The step with its retries; only failures are tried again.
    fn step(&mut self, caller: Caller<'_>, step: &Step, start_ns: u64) -> Outcome {
        let mut outcome = self.attempt(caller, step, start_ns);
        for _ in 1..step.attempts {
            if !matches!(outcome.reply, Reply::Failed(_)) {
                break;
            }
            outcome = self.attempt(caller, step, outcome.end_ns + nanoseconds(1.0));
        }
        outcome
    }

    fn attempt(&mut self, caller: Caller<'_>, step: &Step, start_ns: u64) -> Outcome {
        match step.target {
            Target::Call { service, operation } => {
                let position = topology::position(service).unwrap_or(0);
                let operation = SERVICES.get(position).and_then(|spec| spec.operation(operation));
                let Some(operation) = operation else {
                    return Outcome { end_ns: start_ns, reply: Reply::NotFound };
                };
                self.call(caller, position, operation, start_ns)
            }
            Target::Database(statement) => self.query(caller, statement, start_ns),
            Target::Partner(partner) => self.ask_partner(caller, partner, start_ns),
            Target::Publish(topic) => self.publish(caller, topic, start_ns),
        }
    }

    fn call(
        &mut self,
        caller: Caller<'_>,
        position: usize,
        operation: &'static Operation,
        start_ns: u64,
    ) -> Outcome {
        let Some(spec) = SERVICES.get(position) else {
            return Outcome { end_ns: start_ns, reply: Reply::NotFound };
        };
        let span_id = self.random.span_id();
        let region = Some(caller.pod.region);
        let callee = self.pods.pick(position, region, start_ns, self.timeline, self.random);
        let callee_pod = callee.and_then(|callee| self.pods.get(callee));
        let far = callee_pod.is_some_and(|callee| callee.region != caller.pod.region);
        let way_ms = self.random.log_normal(if far { FAR_MS } else { NEAR_MS }, SIGMA);
        let address = spec.address();
        let lost = self.timeline.on_way(caller.pod, callee_pod, &address, start_ns, self.random);
        let outcome = match (callee, lost) {
            (_, Some(effect)) => ended(start_ns, way_ms, effect),
            (None, None) => {
                let reply = Reply::Failed(Failure::refused(&address, spec.port));
                Outcome { end_ns: start_ns + nanoseconds(way_ms * 2.0), reply }
            }
            (Some(callee), None) => {
                let arrival_ns = start_ns + nanoseconds(way_ms);
                let served = self.serve(callee, operation, Some(span_id), arrival_ns);
                Outcome { end_ns: served.end_ns + nanoseconds(way_ms), reply: served.reply }
            }
        };
        let frame = self.frame(caller, span_id, start_ns, outcome.end_ns);
        let path = self.visitor.path(operation);
        let reply = &outcome.reply;
        let span = span::client(frame, Call { spec, operation, path: &path, reply });
        self.record(caller, span);
        outcome
    }

    fn query(&mut self, caller: Caller<'_>, statement: &Statement, start_ns: u64) -> Outcome {
        let span_id = self.random.span_id();
        let effect = self.timeline.on_statement(caller.pod, statement, start_ns, self.random);
        let own_ms = self.random.log_normal(statement.median_ms, SIGMA);
        let failure = effect.failure.clone();
        let outcome = ended(start_ns, own_ms, effect);
        let frame = self.frame(caller, span_id, start_ns, outcome.end_ns);
        self.record(caller, span::statement(frame, statement, failure.as_ref()));
        outcome
    }

    fn ask_partner(&mut self, caller: Caller<'_>, partner: &Partner, start_ns: u64) -> Outcome {
        let span_id = self.random.span_id();
        let effect = self.timeline.on_partner(caller.pod, partner, start_ns, self.random);
        // A refusal comes sooner than an answer.
        let median_ms = partner.median_ms * if effect.failure.is_some() { 0.2 } else { 1.0 };
        let own_ms = self.random.log_normal(median_ms, SIGMA);
        let failure = effect.failure.clone();
        let outcome = ended(start_ns, own_ms, effect);
        let frame = self.frame(caller, span_id, start_ns, outcome.end_ns);
        self.record(caller, span::partner(frame, partner, failure.as_ref()));
        outcome
    }

    /// The message is sent; whoever consumes it goes on by itself.
    fn publish(&mut self, caller: Caller<'_>, topic: &'static str, start_ns: u64) -> Outcome {
        let span_id = self.random.span_id();
        let lost = self.timeline.on_way(caller.pod, None, "kafka.shop.svc", start_ns, self.random);
        let failure = lost.as_ref().and_then(|effect| effect.failure.clone());
        let own_ms = self.random.log_normal(PUBLISH_MS, SIGMA);
        let outcome = ended(start_ns, own_ms, lost.unwrap_or_default());
        let frame = self.frame(caller, span_id, start_ns, outcome.end_ns);
        self.record(caller, span::producer(frame, topic, failure.as_ref()));
        if let (None, Some((position, operation))) = (failure, topology::consumer(topic)) {
            let queued_ms = self.random.between(QUEUED_MS.0, QUEUED_MS.1);
            let taken_ns = outcome.end_ns + nanoseconds(queued_ms);
            let pod = self.pods.pick(position, None, taken_ns, self.timeline, self.random);
            if let Some(pod) = pod {
                self.serve(pod, operation, Some(span_id), taken_ns);
            }
        }
        outcome
    }

    fn frame(&self, caller: Caller<'_>, span_id: [u8; 8], start_ns: u64, end_ns: u64) -> Frame {
        let parent = Some(caller.span_id);
        Frame { trace_id: self.trace_id, span_id, parent, start_ns, end_ns }
    }

    /// What a crash interrupts is never recorded.
    fn record(&mut self, at: Caller<'_>, span: Span) {
        let (start_ns, end_ns) = (span.start_time_unix_nano, span.end_time_unix_nano);
        let crashed = at.pod.crash_within(start_ns, end_ns, self.timeline).is_some();
        if let (false, Some(exporter)) = (crashed, self.exporters.get_mut(at.index)) {
            exporter.span(span);
        }
    }

    fn record_served(
        &mut self,
        at: Caller<'_>,
        operation: &'static Operation,
        frame: Frame,
        reply: &Reply,
    ) {
        let spec = at.pod.spec;
        let path = self.visitor.path(operation);
        let mut span = span::server(frame, Call { spec, operation, path: &path, reply });
        if frame.parent.is_none() {
            span.attributes.extend(self.visitor.entry_attributes());
        }
        match spec.name {
            "checkout" => span.attributes.extend(self.visitor.flag_attributes()),
            "notification" | "account" => {
                span.attributes.push(text("enduser.id", self.visitor.user.as_str()));
            }
            _ => {}
        }
        if self.timeline.is_cold(at.pod, frame.start_ns) {
            span.attributes.push(flag("faas.coldstart", true));
        }
        let context = SpanContext { trace_id: frame.trace_id, span_id: frame.span_id };
        let record = self.line(operation, frame, at.pod, reply);
        let Some(exporter) = self.exporters.get_mut(at.index) else { return };
        exporter.span(span);
        if let Some(record) = record {
            exporter.log(log::within(record, context));
        }
        if operation.transport == Transport::Http {
            let (method, route) = operation.parts();
            let duration_s = (frame.end_ns - frame.start_ns) as f64 / 1e9;
            let (status, end_ns) = (span::http_status(reply), frame.end_ns);
            exporter.observe(Observation { method, route, status, duration_s, end_ns, context });
        }
    }

    /// The line that the service logs about the request, if it logs one.
    fn line(
        &mut self,
        operation: &Operation,
        frame: Frame,
        pod: &Pod,
        reply: &Reply,
    ) -> Option<LogRecord> {
        let name = operation.name;
        if let Reply::Failed(failure) = reply {
            let message = self.visitor.complaint(pod.spec.name, name, &failure.message);
            let mut record = log::error(frame.end_ns, message);
            record.attributes.push(text("exception.type", failure.exception));
            return Some(record);
        }
        self.random.chance(INFO_SHARE).then(|| {
            let duration_ms = (frame.end_ns - frame.start_ns) / 1_000_000;
            let message = self.visitor.remark(pod.spec.name, name, duration_ms);
            log::info(frame.end_ns, message)
        })
    }
}

fn ended(start_ns: u64, own_ms: f64, effect: Effect) -> Outcome {
    let end_ns = start_ns + nanoseconds(own_ms + effect.extra_ms);
    Outcome { end_ns, reply: effect.failure.map_or(Reply::Good, Reply::Failed) }
}

fn peer(step: &Step) -> &'static str {
    match step.target {
        Target::Call { service, .. } => service,
        Target::Database(statement) => statement.database.address,
        Target::Partner(partner) => partner.address,
        Target::Publish(_) => "kafka.shop.svc",
    }
}

/// Milliseconds as whole nanoseconds; every duration is positive and far below the type's end.
fn nanoseconds(milliseconds: f64) -> u64 {
    (milliseconds * 1e6) as u64
}
