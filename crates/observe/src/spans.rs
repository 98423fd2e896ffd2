mod edge;
mod name;
mod reason;
mod record;
mod settle;
mod stage;
mod unnamed;

use model::{SpanKind, Timestamp};
use otlp::{Resource, Scope, Span, TraceVisitor, Value};
use slo::filter::{Intrinsic, SlotValue, SpanStatus};

use crate::declared::{Event, Slots};
use crate::fields::{Fields, KNOWN_KEYS, Text};
use crate::hash::{Hash128, Key};
use crate::keys::Keys;
use crate::plan::SignalPlan;
use crate::state::{Accepted, Age, State};
use crate::tables::NewOperation;
use crate::{arena, histogram, recall, verdict, weight};
use name::{flag_key, name_of};
use reason::Reason;
use stage::{Bad, Fact, Marks, StatusCode, Tagged, Wanted};
use unnamed::Unnamed;

pub(crate) use stage::Stage;

const OPERATION: u64 = 30;
/// Tags of single spans that are counted.
const TAGGED: [Text; 5] =
    [Text::ErrorType, Text::FlagVariant, Text::Tenant, Text::ColdStart, Text::FlagKey];

/// Walks the spans of one request: judges each as it is shown, and counts them once the request
/// is known to be whole.
#[derive(Debug)]
pub(crate) struct SpanWalk<'o, 'a> {
    state: &'o mut State,
    plan: &'o SignalPlan,
    accepted: Accepted,
    fields: Fields<'a>,
    slots: Slots<'a>,
    declares: bool,
    /// The keys of all attributes that are read.
    wanted: Keys,
    unnamed: Unnamed<'a>,
    stage: Stage,
    bad: Vec<Bad<'a>>,
    from: Sender,
}

/// The resource at hand.
#[derive(Clone, Copy, Debug)]
struct Sender {
    resource: u32,
    service: u32,
    /// What all keys of its operations and of its edges begin with.
    operations: Hash128,
    edges: Hash128,
    /// The set of tags of its last span that had none but status codes, and these.
    last_tag_set: (u32, u32),
}

/// What is known of a span once it is judged.
#[derive(Clone, Copy, Debug)]
struct Judged {
    kind: SpanKind,
    marks: Marks,
    end: Timestamp,
    duration_ns: u64,
    weight: u64,
    trace_hash: u64,
    /// Its number among the facts.
    fact: u32,
}

impl<'o, 'a> SpanWalk<'o, 'a> {
    pub(crate) fn new(state: &'o mut State, plan: &'o SignalPlan, accepted: Accepted) -> Self {
        let (slots, declares) = (Slots::new(&plan.fields), !plan.slis.is_empty());
        let stage = std::mem::take(&mut state.stage);
        let from = Sender::new(state, arena::NONE, state.tables.overflow_service);
        let wanted = KNOWN_KEYS.and(plan.fields.keys());
        let (fields, unnamed, bad) = (Fields::new(), Unnamed::new(), Vec::new());
        Self { state, plan, accepted, fields, slots, declares, wanted, unnamed, stage, bad, from }
    }

    /// Leaves the room that it took for the next request.
    pub(crate) fn end(mut self) {
        self.stage.clear();
        self.state.stage = self.stage;
    }

    #[inline(always)]
    fn judge(&self, span: &Span<'a>) -> Judged {
        let kind = SpanKind::from_otlp(span.kind);
        let duration_ns = span.end_unix_ns.saturating_sub(span.start_unix_ns);
        let error = verdict::is_error(kind, span.status_code, &self.fields);
        let mut marks = Marks::default();
        marks.set(Marks::ERROR, error);
        marks.set(Marks::SLOW, duration_ns > self.state.slow_ns);
        marks.set(Marks::SERVES, kind.serves());
        marks.set(Marks::ENTRY, kind.serves() && u64::from_le_bytes(span.parent_span_id) == 0);
        if error && kind.calls() {
            marks.set(Marks::THROTTLED, verdict::is_throttled(&self.fields));
            marks.set(Marks::UNANSWERED, verdict::is_unanswered(&self.fields));
        }
        Judged {
            kind,
            marks,
            end: Timestamp::from_unix_ns(span.end_unix_ns),
            duration_ns,
            weight: weight::of_trace_state(span.trace_state),
            trace_hash: recall::trace_hash(span.trace_id),
            fact: self.stage.facts.len() as u32,
        }
    }

    #[inline(always)]
    fn operation(&self, kind: SpanKind, span: &Span<'a>) -> (Key, NewOperation<'a>) {
        let new = name_of(kind, &self.fields, span.name);
        let key = self.from.operations.tagged((new.separator as u64) << 8 | kind as u64);
        let key = key.bytes(new.first);
        let key = if new.second.is_empty() { key } else { key.bytes(new.second) };
        (key.finish(), new)
    }

    /// Keeps the span to be counted, and its name to be looked up.
    #[inline(always)]
    fn keep(&mut self, span: &Span<'a>, judged: &Judged) {
        let fact = Fact {
            weight: judged.weight,
            operation: arena::NONE,
            edge: arena::NONE,
            pane: judged.end.pane(),
            status: StatusCode::of(self.fields.http_status, self.fields.rpc_status),
            bucket: histogram::bucket_of(judged.duration_ns),
            marks: judged.marks,
        };
        self.stage.push(fact, judged.end);
        let unnamed = unnamed::Span {
            fact: judged.fact,
            service: self.from.service,
            operation: self.operation(judged.kind, span),
            peer: if judged.kind.calls() { self.peer() } else { None },
        };
        if self.unnamed.push(unnamed) {
            self.name();
        }
    }

    #[inline(never)]
    fn name(&mut self) {
        self.unnamed.name(&mut self.stage.facts, &mut self.state.tables);
    }

    #[cold]
    fn tag(&mut self, marks: Marks) {
        let tables = &mut self.state.tables;
        let service = self.from.service;
        for (key, text) in [
            ("error.type", Text::ErrorType),
            ("tenant.id", Text::Tenant),
            ("faas.coldstart", Text::ColdStart),
        ] {
            let value = self.fields.get(text);
            if !value.is_empty() && tables.keeps(key) {
                let tag = tables.tag(service, key, value);
                self.stage.tagged.push(Tagged { tag, marks });
            }
        }
        let variant = self.fields.get(Text::FlagVariant);
        if !variant.is_empty() {
            let tag = tables.tag(service, &flag_key(&self.fields), variant);
            self.stage.tagged.push(Tagged { tag, marks });
        }
    }

    /// Keeps what a bad span shows; returns its number.
    #[cold]
    fn note_bad(&mut self, span: &Span<'a>, judged: &Judged) -> u32 {
        let subjects = [Text::Enduser, Text::User, Text::Tenant];
        let subjects = subjects.map(|text| self.fields.get(text));
        self.bad.push(Bad {
            service: self.from.service,
            fact: judged.fact,
            end: judged.end,
            trace_id: span.trace_id,
            span_id: span.span_id,
            trace_hash: judged.trace_hash,
            duration_ns: judged.duration_ns,
            marks: judged.marks,
            reason: Reason::of(&self.fields, span),
            subject: subjects.into_iter().find(|subject| !subject.is_empty()).unwrap_or_default(),
        });
        (self.bad.len() - 1) as u32
    }

    fn declared(&mut self, span: &Span<'a>, judged: &Judged, noted: Option<u32>) {
        for &(intrinsic, slot) in &self.plan.fields.intrinsics {
            self.slots.set(slot, intrinsic_of(intrinsic, span, judged));
        }
        let state = &mut *self.state;
        let sampled = state.recall.samples(judged.trace_hash);
        let event = Event::at(judged.end, judged.weight, sampled);
        state.tallies.traces.count(self.plan, &mut self.slots, &mut state.tables, event);
        if self.slots.wanting.is_empty() {
            return;
        }
        let bad = noted.unwrap_or_else(|| self.note_bad(span, judged));
        let wanted = self.slots.wanting.drain(..).map(|series| Wanted { series, bad });
        self.stage.wanted.extend(wanted);
    }
}

impl Sender {
    fn new(state: &State, resource: u32, service: u32) -> Self {
        let start = |purpose| state.tables.seed.start(purpose).number(u64::from(service));
        Self {
            resource,
            service,
            operations: start(OPERATION),
            edges: start(edge::EDGE),
            last_tag_set: (arena::NONE, arena::NONE),
        }
    }
}

impl<'a> TraceVisitor<'a> for SpanWalk<'_, 'a> {
    #[inline(always)]
    fn wants(&self, key: &'a [u8]) -> bool {
        self.wanted.may_hold(key)
    }

    fn resource(&mut self, resource: Resource<'a>) {
        let id = self.state.tables.resource(resource);
        let service = self.state.tables.resources.get(id).service;
        self.from = Sender::new(self.state, id, service);
        self.stage.begin_run(id, service);
        if self.declares {
            let memo = &mut self.state.tallies.traces.memo;
            self.slots.resource(&self.plan.fields, memo, resource);
        }
    }

    fn scope(&mut self, scope: Scope<'a>) {
        if self.declares {
            let memo = &mut self.state.tallies.traces.memo;
            self.slots.scope(&self.plan.fields, memo, scope);
        }
    }

    #[inline(always)]
    fn attribute(&mut self, key: &'a [u8], value: Value<'a>) {
        self.fields.read(key, value);
        if self.declares
            && let Some(slot) = self.plan.fields.item(key)
        {
            self.slots.attribute(slot, value);
        }
    }

    #[inline(always)]
    fn span(&mut self, span: &Span<'a>) {
        match self.accepted.age_of(span.end_unix_ns) {
            Age::Current => {}
            Age::Late => {
                self.stage.late += 1;
                return self.discard();
            }
            Age::Future => {
                self.stage.push_future(Timestamp::from_unix_ns(span.end_unix_ns));
                return self.discard();
            }
        }
        let judged = self.judge(span);
        self.keep(span, &judged);
        let mut bad = None;
        if judged.marks.has(Marks::SERVES) {
            if self.fields.any(&TAGGED) {
                self.tag(judged.marks);
            }
            if judged.marks.is_bad() {
                bad = Some(self.note_bad(span, &judged));
            }
        }
        self.record(span, &judged);
        if self.declares && !self.slots.is_idle() {
            self.declared(span, &judged, bad);
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

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.stage.is_full() || self.state.tallies.traces.is_full()
    }

    fn settle(&mut self) {
        self.name();
        self.stage.settle(&self.bad, self.state);
        self.state.tallies.traces.settle(&mut self.state.tables);
        self.bad.clear();
    }

    fn forget(&mut self) {
        self.unnamed.clear();
        self.state.tallies.traces.forget();
        self.stage.clear();
        self.bad.clear();
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
