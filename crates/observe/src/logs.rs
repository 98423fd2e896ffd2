use model::{Telemetry, Timestamp};
use otlp::{LogRecord, LogsVisitor, Resource, Scope, Value};
use slo::filter::{Intrinsic, SlotValue};

use crate::declared::{Event, Slots};
use crate::options::{ERROR_SEVERITY_MIN, TEMPLATE_SEVERITY_MIN};
use crate::plan::SignalPlan;
use crate::recall::Line;
use crate::series::Exemplar;
use crate::state::{Accepted, State};
use crate::template;

/// Walks the records of one request.
#[derive(Debug)]
pub(crate) struct LogWalk<'o, 'a> {
    state: &'o mut State,
    plan: &'o SignalPlan,
    accepted: Accepted,
    service: u32,
    slots: Slots<'a>,
    declares: bool,
}

impl<'o> LogWalk<'o, '_> {
    pub(crate) fn new(state: &'o mut State, plan: &'o SignalPlan, accepted: Accepted) -> Self {
        let (slots, declares) = (Slots::new(&plan.fields), !plan.slis.is_empty());
        let service = state.tables.overflow_service;
        Self { state, plan, accepted, service, slots, declares }
    }

    /// Adds up what was counted.
    pub(crate) fn end(self) {
        self.state.tallies.logs.settle(&mut self.state.tables);
    }
}

impl<'a> LogWalk<'_, 'a> {
    /// Counts a record that warns by its template, and keeps what a sampled trace logs.
    fn template(&mut self, record: &LogRecord<'a>, severity: u8) {
        let (warns, in_span) = (severity >= TEMPLATE_SEVERITY_MIN, record.span_id != [0; 8]);
        let hash = crate::recall::trace_hash(record.trace_id);
        let sampled = in_span && self.state.joined.samples(hash);
        if !warns && !sampled {
            return;
        }
        let Some(message) = message_of(record) else { return };
        template::of_message(&message, &mut self.state.masked);
        if self.state.masked.is_empty() {
            return;
        }
        let tables = &mut self.state.tables;
        let id = tables.template(self.service, &self.state.masked, warns);
        let template = tables.templates.get_mut(id);
        if warns {
            template.count += 1;
            template.severity = template.severity.max(severity);
            if !template.touched {
                template.touched = true;
                tables.touched.templates.push(id);
            }
        }
        if sampled {
            let (trace_id, span_id) = (record.trace_id, record.span_id);
            self.state.joined.push_line(Line { trace_id, span_id, template: id, severity });
        }
    }

    fn declared(&mut self, record: &LogRecord<'a>, at: Timestamp, severity: u8) {
        for &(intrinsic, slot) in &self.plan.fields.intrinsics {
            let value = match (intrinsic, record.body) {
                (Intrinsic::Severity, _) if severity > 0 => SlotValue::Severity(severity),
                (Intrinsic::Body, Value::Str(body)) => SlotValue::Str(body),
                (Intrinsic::EventName, _) if !record.event_name.is_empty() => {
                    SlotValue::Str(record.event_name)
                }
                _ => SlotValue::Missing,
            };
            self.slots.set(slot, value);
        }
        let state = &mut *self.state;
        let sampled = state.recall.samples(crate::recall::trace_hash(record.trace_id));
        let event = Event::at(at, 1, sampled);
        state.tallies.logs.count(self.plan, &mut self.slots, &mut state.tables, event);
        while let Some(series) = self.slots.wanting.pop() {
            if record.trace_id != [0; 16] {
                self.keep_exemplar(series, record, at);
            }
        }
    }

    fn keep_exemplar(&mut self, series: u32, record: &LogRecord<'a>, at: Timestamp) {
        let max = self.state.tables.limits.exemplars;
        let sampled = self.state.recall.samples(crate::recall::trace_hash(record.trace_id));
        let name = if record.event_name.is_empty() { b"log" } else { record.event_name };
        let name = self.state.tables.text(name);
        let name = self.state.tables.texts.get(name).clone();
        if !self.state.tables.series.get(series).wants(&name, sampled, max) {
            return;
        }
        let reason = message_of(record).unwrap_or_default();
        let reason = self.state.tables.clean(reason.as_bytes());
        let exemplar = Exemplar {
            at,
            trace_id: record.trace_id,
            span_id: record.span_id,
            duration_ns: 0,
            operation: name,
            reason,
            sampled,
        };
        self.state.tables.series.get_mut(series).keep(exemplar, max);
    }
}

impl<'a> LogsVisitor<'a> for LogWalk<'_, 'a> {
    fn key_lengths(&self) -> u64 {
        self.plan.fields.key_lengths
    }

    fn resource(&mut self, resource: Resource<'a>) {
        let id = self.state.tables.resource(resource);
        self.service = self.state.tables.resources.get(id).service;
        if self.declares {
            let memo = &mut self.state.tallies.logs.memo;
            self.slots.resource(&self.plan.fields, memo, resource);
        }
    }

    fn scope(&mut self, scope: Scope<'a>) {
        if self.declares {
            let memo = &mut self.state.tallies.logs.memo;
            self.slots.scope(&self.plan.fields, memo, scope);
        }
    }

    fn attribute(&mut self, key: &'a [u8], value: Value<'a>) {
        if self.declares
            && let Some(slot) = self.plan.fields.item(key)
        {
            self.slots.attribute(slot, value);
        }
    }

    fn record(&mut self, record: &LogRecord<'a>) {
        let time_ns = match (record.time_unix_ns, record.observed_time_unix_ns) {
            (0, 0) => self.state.now.unix_ns(),
            (0, observed) => observed,
            (time, _) => time,
        };
        if !self.state.hears((self.service, Telemetry::Logs), self.accepted, time_ns) {
            return self.discard();
        }
        let at = Timestamp::from_unix_ns(time_ns);
        let severity = u8::try_from(record.severity_number).unwrap_or(0);
        self.state.counters.logs += 1;
        let service = self.state.tables.hear(self.service);
        service.logs += 1;
        service.error_logs += u64::from(severity >= ERROR_SEVERITY_MIN);
        self.template(record, severity);
        if self.declares && !self.slots.is_idle() {
            self.declared(record, at, severity);
        }
        self.discard();
    }

    fn discard(&mut self) {
        self.slots.clear();
    }
}

/// The body if it is a text, else the event's name.
fn message_of<'a>(record: &LogRecord<'a>) -> Option<std::borrow::Cow<'a, str>> {
    /// Twice what a template holds is enough to make one.
    const MESSAGE_BYTES_MAX: usize = 2 * template::TEMPLATE_BYTES_MAX;
    let bytes = match record.body {
        Value::Str(body) if !body.is_empty() => body,
        _ if !record.event_name.is_empty() => record.event_name,
        _ => return None,
    };
    let cut = bytes.get(..MESSAGE_BYTES_MAX).unwrap_or(bytes);
    Some(String::from_utf8_lossy(cut))
}
