use std::borrow::Cow;
use std::sync::Arc;

use model::SeriesKey;
use otlp::{Resource, Scope, Value};
use slo::filter::SlotValue;

use crate::hash::Hash128;
use crate::plan::{Selected, SignalPlan, Sli, SlotId};
use crate::series::Series;
use crate::tables::{OVERFLOW, Tables};

const DECLARED: u64 = 20;

/// The values of the fields that the declared SLIs of one signal look at, for the event at hand.
#[derive(Debug)]
pub(crate) struct Slots<'a> {
    values: Vec<SlotValue<'a>>,
    /// Slots of the event's own attributes that were filled.
    filled: Vec<SlotId>,
    /// Indices of the SLIs that events of this resource may pass.
    active: Vec<u16>,
}

/// What an event is to an SLI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Uncounted,
    Good,
    Bad,
}

impl<'a> Slots<'a> {
    pub(crate) fn new(plan: &SignalPlan) -> Self {
        Self {
            values: vec![SlotValue::Missing; plan.slots],
            filled: Vec::new(),
            active: Vec::new(),
        }
    }

    /// Takes up a resource and finds the SLIs that it may concern.
    pub(crate) fn resource(&mut self, plan: &SignalPlan, resource: Resource<'a>) {
        if plan.slis.is_empty() {
            return;
        }
        self.values.fill(SlotValue::Missing);
        if !plan.resource.is_empty() {
            for (key, value) in resource.attributes() {
                self.put_all(&plan.resource, key, value);
            }
        }
        self.active.clear();
        for (at, sli) in plan.slis.iter().enumerate() {
            if sli.total.may_pass(&self.values) || sli.numerator.may_pass(&self.values) {
                self.active.push(at as u16);
            }
        }
    }

    pub(crate) fn scope(&mut self, plan: &SignalPlan, scope: Scope<'a>) {
        if plan.scope.is_empty() {
            return;
        }
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

    /// Takes up an attribute of the event that goes to a slot; see [`SignalPlan::item`].
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

    pub(crate) fn set(&mut self, slot: SlotId, value: SlotValue<'a>) {
        if let Some(known) = self.values.get_mut(usize::from(slot)) {
            *known = value;
        }
    }

    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.active.is_empty()
    }

    /// The SLIs that events of this resource may pass, by number; none beyond the last.
    #[inline]
    pub(crate) fn active<'p>(&self, plan: &'p SignalPlan, number: usize) -> Option<&'p Sli> {
        plan.slis.get(usize::from(*self.active.get(number)?))
    }

    pub(crate) fn values(&self) -> &[SlotValue<'a>] {
        &self.values
    }

    /// What a single event is: it counts if it passes `total`, and the numerator decides.
    pub(crate) fn outcome(&self, sli: &Sli) -> Outcome {
        if !sli.total.program.matches(&self.values) {
            return Outcome::Uncounted;
        }
        let selected = sli.numerator.program.matches(&self.values);
        if selected == (sli.numerator_is == Selected::Good) { Outcome::Good } else { Outcome::Bad }
    }

    fn put_all(&mut self, fields: &[(Box<[u8]>, SlotId)], key: &[u8], value: Value<'a>) {
        if let Some((_, slot)) = fields.iter().find(|(known, _)| **known == *key) {
            self.set(*slot, slot_value(value));
        }
    }
}

impl Tables {
    /// The series of a declared SLI and the group that the event at hand belongs to. Groups beyond
    /// the limit share one whose every value is `__overflow__`.
    pub(crate) fn declared_series(&mut self, sli: &Sli, slots: &Slots<'_>) -> u32 {
        let family = self.seed.of(DECLARED, sli.slo.as_bytes());
        let start = self.seed.start(DECLARED).bytes(sli.slo.as_bytes());
        let value = |slot: SlotId| {
            slots.values.get(usize::from(slot)).copied().unwrap_or(SlotValue::Missing)
        };
        let key = sli.group_by.iter().fold(start, |hash, &slot| hash_slot(hash, value(slot)));
        let key = key.finish();
        if let Some(id) = self.series.find(key, self.generation) {
            return id;
        }
        let overflow = start.number(u64::MAX).finish();
        let (key, group) = if sli.group_by.is_empty() {
            (key, Vec::new())
        } else if self.series.has_room(family) {
            let group = sli.group_by.iter().map(|&slot| self.clean(&text_of(value(slot))));
            (key, group.collect())
        } else if let Some(id) = self.series.find(overflow, self.generation) {
            return id;
        } else {
            (overflow, sli.group_by.iter().map(|_| Arc::from(OVERFLOW)).collect())
        };
        let series = Series::new(SeriesKey::Declared { slo: sli.slo.clone(), group });
        self.series.insert(key, family, self.generation, series)
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

/// Values that print the same are one group, as their text is all that is told of them.
fn hash_slot(hash: Hash128, value: SlotValue<'_>) -> Hash128 {
    match value {
        SlotValue::Missing => hash.bytes(b""),
        SlotValue::Str(text) => hash.bytes(text),
        other => hash.bytes(&text_of(other)),
    }
}

/// A group's value as text; what is missing is the empty text, as Prometheus has it.
fn text_of(value: SlotValue<'_>) -> Cow<'_, [u8]> {
    let text = match value {
        SlotValue::Missing => return Cow::Borrowed(b""),
        SlotValue::Str(text) => return Cow::Borrowed(text),
        SlotValue::Int(number) => number.to_string(),
        SlotValue::Float(number) => number.to_string(),
        SlotValue::Bool(flag) => flag.to_string(),
        SlotValue::Duration(ns) => ns.to_string(),
        SlotValue::Kind(kind) => kind.as_str().to_owned(),
        SlotValue::Status(status) => format!("{status:?}").to_ascii_lowercase(),
        SlotValue::Severity(number) => number.to_string(),
    };
    Cow::Owned(text.into_bytes())
}
