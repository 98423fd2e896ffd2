mod series;
mod tally;

use model::{Pane, Timestamp};
use otlp::{Resource, Scope, Value};
use slo::filter::{Memo, Program, SlotValue};

use crate::plan::{FieldPlan, ROOT, SlotId, Stage};

pub(crate) use tally::Tallies;

/// The values of the fields that the declared SLIs of one signal look at, for the event at hand.
#[derive(Debug)]
pub(crate) struct Slots<'a> {
    values: Vec<SlotValue<'a>>,
    /// Slots of the event's own attributes that were filled.
    filled: Vec<SlotId>,
    /// Where in the look-up the resource leads; idle if nothing can be found from there.
    of_resource: Vec<u32>,
    /// Where the metric leads from there; for other signals the same.
    of_metric: Vec<u32>,
    /// Programs that the event at hand may pass.
    found: Vec<u32>,
    /// Series that want the event at hand as an exemplar.
    pub(crate) wanting: Vec<u32>,
}

/// An event, as far as what SLIs count of it is concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) pane: Pane,
    /// How many events it stands for.
    pub(crate) weight: u64,
    /// Whether its trace is kept whole.
    pub(crate) sampled: bool,
}

impl Event {
    pub(crate) fn at(at: Timestamp, weight: u64, sampled: bool) -> Self {
        Self { pane: at.pane(), weight, sampled }
    }
}

impl<'a> Slots<'a> {
    pub(crate) fn new(plan: &FieldPlan) -> Self {
        Self {
            values: vec![SlotValue::Missing; plan.slots],
            filled: Vec::new(),
            of_resource: Vec::new(),
            of_metric: Vec::new(),
            found: Vec::new(),
            wanting: Vec::new(),
        }
    }

    /// Takes up a resource and finds the SLIs that it may concern.
    pub(crate) fn resource(&mut self, plan: &FieldPlan, memo: &mut Memo, resource: Resource<'a>) {
        self.of_resource.clear();
        self.of_metric.clear();
        if self.values.is_empty() && !plan.lookup.leads_from(ROOT, Stage::Resource) {
            return;
        }
        memo.next_scope();
        self.values.fill(SlotValue::Missing);
        if !plan.resource.is_empty() {
            for (key, value) in resource.attributes() {
                self.put_all(&plan.resource, key, value);
            }
        }
        let nodes =
            std::iter::once(ROOT).chain(plan.lookup.lead(ROOT, Stage::Resource, &self.values));
        self.of_resource.extend(nodes.filter(|&node| plan.lookup.leads_from(node, Stage::Metric)));
        self.of_metric.extend_from_slice(&self.of_resource);
    }

    pub(crate) fn scope(&mut self, plan: &FieldPlan, memo: &mut Memo, scope: Scope<'a>) {
        if plan.scope.is_empty() {
            return;
        }
        memo.next_scope();
        for (_, slot) in &plan.scope {
            self.set(*slot, SlotValue::Missing);
        }
        for (key, value) in scope.attributes() {
            self.put_all(&plan.scope, key, value);
        }
        for (key, text) in [(&b"name"[..], scope.name()), (b"version", scope.version())] {
            if !text.is_empty() {
                self.put_all(&plan.scope, key, Value::Str(text));
            }
        }
    }

    /// Takes up a metric, whose fields were set; whether any SLI may count points of it.
    pub(crate) fn metric(&mut self, plan: &FieldPlan) -> bool {
        self.of_metric.clear();
        for &node in &self.of_resource {
            let lead = plan.lookup.lead(node, Stage::Metric, &self.values);
            let nodes = std::iter::once(node).chain(lead);
            self.of_metric.extend(nodes.filter(|&node| plan.lookup.leads_from(node, Stage::Event)));
        }
        !self.is_idle()
    }

    /// Takes up an attribute of the event that goes to a slot; see [`FieldPlan::item`].
    #[inline]
    pub(crate) fn attribute(&mut self, slot: SlotId, value: Value<'a>) {
        self.set(slot, slot_value(value));
        self.filled.push(slot);
    }

    /// Forgets the attributes of the last event.
    #[inline]
    pub(crate) fn clear(&mut self) {
        while let Some(slot) = self.filled.pop() {
            self.set(slot, SlotValue::Missing);
        }
    }

    #[inline]
    pub(crate) fn set(&mut self, slot: SlotId, value: SlotValue<'a>) {
        if let Some(known) = self.values.get_mut(usize::from(slot)) {
            *known = value;
        }
    }

    /// Whether no SLI can count events of this resource and metric.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.of_metric.is_empty()
    }

    /// Finds the programs that the event at hand may pass; returns how many there are.
    #[inline]
    pub(crate) fn find(&mut self, plan: &FieldPlan, memo: &mut Memo) -> usize {
        memo.next_event();
        self.found.clear();
        for &node in &self.of_metric {
            self.found.extend_from_slice(plan.lookup.programs(node));
            for leaf in plan.lookup.lead(node, Stage::Event, &self.values) {
                self.found.extend_from_slice(plan.lookup.programs(leaf));
            }
        }
        self.found.len()
    }

    /// One of those that were found.
    #[inline]
    pub(crate) fn found(&self, at: usize) -> usize {
        self.found.get(at).map_or(usize::MAX, |&number| number as usize)
    }

    /// Whether the event at hand passes a program.
    #[inline]
    pub(crate) fn pass(&self, program: &Program, plan: &FieldPlan, memo: &mut Memo) -> bool {
        program.matches(&plan.filters, &self.values, memo)
    }

    fn value(&self, slot: SlotId) -> SlotValue<'a> {
        self.values.get(usize::from(slot)).copied().unwrap_or(SlotValue::Missing)
    }

    fn put_all(&mut self, fields: &[(Box<[u8]>, SlotId)], key: &[u8], value: Value<'a>) {
        if let Some((_, slot)) = fields.iter().find(|(known, _)| **known == *key) {
            self.set(*slot, slot_value(value));
        }
    }
}

fn slot_value(value: Value<'_>) -> SlotValue<'_> {
    match value {
        Value::Str(text) => SlotValue::Str(text),
        Value::Int(number) => SlotValue::Int(number),
        Value::Double(number) => SlotValue::Float(number),
        Value::Bool(flag) => SlotValue::Bool(flag),
        _ => SlotValue::Missing,
    }
}
