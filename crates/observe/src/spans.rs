mod edge;
mod record;
mod run;

use model::{Count, SpanKind, Timestamp};
use otlp::{Resource, Scope, Span, TraceVisitor, Value};
use slo::filter::{Intrinsic, SlotValue, SpanStatus};

use crate::declared::{Outcome, Slots};
use crate::fields::{Fields, KEY_LENGTHS, Protocol, Text};
use crate::hash::Seed;
use crate::plan::SignalPlan;
use crate::series::Exemplar;
use crate::state::{Accepted, State};
use crate::tables::NewOperation;
use crate::{verdict, weight};
use run::Run;

const OPERATION: u64 = 30;
const SUBJECT: u64 = 31;

/// Walks the spans of one request.
#[derive(Debug)]
pub(crate) struct SpanWalk<'o, 'a> {
    state: &'o mut State,
    plan: &'o SignalPlan,
    accepted: Accepted,
    fields: Fields<'a>,
    slots: Slots<'a>,
    declares: bool,
    run: Run,
}

/// What is known of a span once it is judged.
#[derive(Clone, Copy, Debug)]
struct Judged {
    kind: SpanKind,
    error: bool,
    slow: bool,
    end: Timestamp,
    duration_ns: u64,
    weight: u64,
    operation: u32,
    edge: u32,
    trace_hash: u64,
}

impl<'o, 'a> SpanWalk<'o, 'a> {
    pub(crate) fn new(state: &'o mut State, plan: &'o SignalPlan, accepted: Accepted) -> Self {
        let (slots, declares) = (Slots::new(plan), !plan.slis.is_empty());
        Self { state, plan, accepted, fields: Fields::new(), slots, declares, run: Run::default() }
    }

    /// Adds what the last resource's spans came to.
    pub(crate) fn end(mut self) {
        self.run.end(self.state);
    }

    #[inline(always)]
    fn judge(&mut self, span: &Span<'a>) -> Judged {
        let kind = SpanKind::from_otlp(span.kind);
        let duration_ns = span.end_unix_ns.saturating_sub(span.start_unix_ns);
        Judged {
            kind,
            error: verdict::is_error(kind, span.status_code, &self.fields),
            slow: duration_ns > self.state.slow_ns,
            end: Timestamp::from_unix_ns(span.end_unix_ns),
            duration_ns,
            weight: weight::of_trace_state(span.trace_state),
            operation: self.operation(kind, span),
            edge: if kind.calls() { self.edge() } else { crate::arena::NONE },
            trace_hash: crate::recall::trace_hash(span.trace_id),
        }
    }

    #[inline(always)]
    fn operation(&mut self, kind: SpanKind, span: &Span<'a>) -> u32 {
        let new = name_of(kind, &self.fields, span.name);
        let tables = &mut self.state.tables;
        let start =
            tables.seed.start(OPERATION | (new.separator as u64) << 16 | (kind as u64) << 8);
        let key = start.number(u64::from(self.run.service)).bytes(new.first);
        let key = if new.second.is_empty() { key } else { key.bytes(new.second) };
        let key = key.finish();
        match tables.operations.find(key, tables.generation) {
            Some(id) => id,
            None => tables.new_operation(key, self.run.service, &new),
        }
    }

    #[inline(always)]
    fn count_operation(&mut self, span: &Span<'a>, judged: &Judged) {
        let tables = &mut self.state.tables;
        let operation = tables.operations.get_mut(judged.operation);
        operation.outcomes.add(judged.error, judged.slow);
        let octaves = &mut operation.latency;
        tables.operation_latencies.add(judged.operation, octaves, judged.duration_ns);
        if judged.kind.serves() && span.parent_span_id == [0; 8] {
            operation.entry_total += 1;
            operation.entry_bad += u32::from(judged.error || judged.slow);
        }
        if !operation.touched {
            operation.touched = true;
            tables.touched.operations.push(judged.operation);
        }
    }

    /// A span that serves: SLIs and tags.
    #[inline(always)]
    fn serve(&mut self, span: &Span<'a>, judged: &Judged) {
        self.run.outcomes.add(judged.error, judged.slow);
        self.run.count(self.state, judged);
        self.count_status_tag(judged);
        const TAGGED: [Text; 5] =
            [Text::ErrorType, Text::FlagVariant, Text::Tenant, Text::ColdStart, Text::FlagKey];
        if self.fields.any(&TAGGED) {
            self.count_tags(judged);
        }
        if judged.error || judged.slow {
            self.keep_exemplars(span, judged);
            if span.parent_span_id == [0; 8] {
                self.note_subject();
            }
        }
    }

    #[inline(always)]
    fn count_status_tag(&mut self, judged: &Judged) {
        let (http, rpc) = (self.fields.http_status, self.fields.rpc_status);
        if http == 0 && rpc < 0 {
            return;
        }
        let tag = self.run.status_tag(&mut self.state.tables, http, rpc);
        self.state.tables.count_tag(tag, judged.error, judged.slow);
    }

    fn count_tags(&mut self, judged: &Judged) {
        let tables = &mut self.state.tables;
        let service = self.run.service;
        for (key, text) in [
            ("error.type", Text::ErrorType),
            ("tenant.id", Text::Tenant),
            ("faas.coldstart", Text::ColdStart),
        ] {
            let value = self.fields.get(text);
            if !value.is_empty() && tables.keeps(key) {
                let tag = tables.tag(service, key, value);
                tables.count_tag(tag, judged.error, judged.slow);
            }
        }
        let variant = self.fields.get(Text::FlagVariant);
        if !variant.is_empty() {
            let key = flag_key(&self.fields);
            let tag = tables.tag(service, &key, variant);
            tables.count_tag(tag, judged.error, judged.slow);
        }
    }

    /// Bad events that show why the automatic SLIs burn.
    #[cold]
    fn keep_exemplars(&mut self, span: &Span<'a>, judged: &Judged) {
        if self.state.automatic.is_none() {
            return;
        }
        let [availability, latency] = self.run.automatic_series(self.state);
        for (series, bad, reason) in
            [(availability, judged.error, None), (latency, judged.slow, Some("slow"))]
        {
            if bad {
                self.keep_exemplar(series, span, judged, reason);
            }
        }
    }

    fn keep_exemplar(
        &mut self,
        series: u32,
        span: &Span<'a>,
        judged: &Judged,
        reason: Option<&'static str>,
    ) {
        let max = self.state.tables.limits.exemplars;
        let sampled = self.state.recall.samples(judged.trace_hash);
        let operation = self.state.tables.operations.get(judged.operation).name.clone();
        if !self.state.tables.touch_series(series).wants(&operation, sampled, max) {
            return;
        }
        let reason = match reason {
            Some(reason) => reason.as_bytes(),
            None => &self.reason(span),
        };
        let reason = self.state.tables.text(reason);
        let exemplar = Exemplar {
            at: judged.end,
            trace_id: span.trace_id,
            span_id: span.span_id,
            duration_ns: judged.duration_ns,
            operation,
            reason: self.state.tables.texts.get(reason).clone(),
            sampled,
        };
        self.state.tables.series.get_mut(series).keep(exemplar, max);
    }

    #[cold]
    fn note_subject(&mut self) {
        let max = self.state.tables.limits.subjects;
        for text in [Text::Enduser, Text::User, Text::Tenant] {
            let value = self.fields.get(text);
            if value.is_empty() {
                continue;
            }
            let subject = Seed::COMMON.of(SUBJECT, value) as u64;
            let subjects = &mut self.state.tables.hear(self.run.service).subjects;
            if subjects.len() < max && !subjects.contains(&subject) {
                subjects.push(subject);
            }
            return;
        }
    }

    fn declared(&mut self, span: &Span<'a>, judged: &Judged) {
        for &(intrinsic, slot) in &self.plan.intrinsics {
            self.slots.set(slot, intrinsic_of(intrinsic, span, judged));
        }
        let mut number = 0;
        while let Some(sli) = self.slots.active(self.plan, number) {
            number += 1;
            let count = match self.slots.outcome(sli) {
                Outcome::Uncounted => continue,
                Outcome::Good => Count::one_good(judged.weight),
                Outcome::Bad => Count::one_bad(judged.weight),
            };
            let series = self.state.tables.declared_series(sli, &self.slots);
            self.state.count(series, judged.end.pane(), count);
            if count.bad_signed > 0 {
                let reason = (!judged.error && judged.slow).then_some("slow");
                self.keep_exemplar(series, span, judged, reason);
            }
        }
    }
}

impl<'a> TraceVisitor<'a> for SpanWalk<'_, 'a> {
    fn key_lengths(&self) -> u64 {
        KEY_LENGTHS | self.plan.key_lengths
    }

    fn resource(&mut self, resource: Resource<'a>) {
        self.run.end(self.state);
        let id = self.state.tables.resource(resource);
        self.run = Run::of(&self.state.tables, id);
        if self.declares {
            self.slots.resource(self.plan, resource);
        }
    }

    fn scope(&mut self, scope: Scope<'a>) {
        if self.declares {
            self.slots.scope(self.plan, scope);
        }
    }

    #[inline(always)]
    fn attribute(&mut self, key: &'a [u8], value: Value<'a>) {
        self.fields.read(key, value);
        if self.declares {
            self.slots.attribute(self.plan, key, value);
        }
    }

    #[inline(always)]
    fn span(&mut self, span: &Span<'a>) {
        if !self.state.accepts(self.accepted, span.end_unix_ns) {
            return self.discard();
        }
        let judged = self.judge(span);
        self.run.heard(judged.end);
        self.count_operation(span, &judged);
        if judged.kind.serves() {
            self.serve(span, &judged);
        } else if judged.kind.calls() {
            self.call(&judged);
        }
        self.record(span, &judged);
        if self.declares && !self.slots.is_idle() {
            self.declared(span, &judged);
        }
        self.discard();
    }

    #[inline(always)]
    fn discard(&mut self) {
        self.fields.clear();
        if self.declares {
            self.slots.clear();
        }
    }
}

/// What a span's operation is called: by route, RPC method, database operation or destination,
/// else by the span's name.
#[inline(always)]
fn name_of<'a>(kind: SpanKind, fields: &Fields<'a>, name: &'a [u8]) -> NewOperation<'a> {
    let get = |text| fields.get(text);
    let (first, separator, second, route): (&[u8], char, &[u8], &[u8]) = match fields.protocol {
        Protocol::Http if !get(Text::Route).is_empty() => {
            let route = get(Text::Route);
            (get(Text::Method), ' ', route, if kind.serves() { route } else { &[] })
        }
        Protocol::Rpc if !get(Text::RpcMethod).is_empty() => {
            (get(Text::RpcService), '/', get(Text::RpcMethod), &[])
        }
        Protocol::Database if !get(Text::DbSummary).is_empty() => {
            (get(Text::DbSummary), ' ', &[], &[])
        }
        Protocol::Database if !get(Text::DbOperation).is_empty() => {
            (get(Text::DbOperation), ' ', get(Text::DbCollection), &[])
        }
        Protocol::Messaging if !get(Text::Destination).is_empty() => {
            (get(Text::MessagingOperation), ' ', get(Text::Destination), &[])
        }
        _ => (name, ' ', &[], &[]),
    };
    NewOperation { kind, first, separator, second, route }
}

/// Flags are told apart by their keys, so that a flag that takes another variant shows as that.
fn flag_key(fields: &Fields<'_>) -> String {
    match fields.get(Text::FlagKey) {
        [] => "feature_flag.result.variant".to_owned(),
        key => format!("feature_flag.{}", String::from_utf8_lossy(key)),
    }
}

fn intrinsic_of<'a>(intrinsic: Intrinsic, span: &Span<'a>, judged: &Judged) -> SlotValue<'a> {
    match intrinsic {
        Intrinsic::Name => SlotValue::Str(span.name),
        Intrinsic::Kind => SlotValue::Kind(judged.kind),
        Intrinsic::Status => SlotValue::Status(SpanStatus::from_otlp(span.status_code)),
        Intrinsic::StatusMessage if span.status_message.is_empty() => SlotValue::Missing,
        Intrinsic::StatusMessage => SlotValue::Str(span.status_message),
        Intrinsic::Duration => SlotValue::Duration(judged.duration_ns),
        _ => SlotValue::Missing,
    }
}
