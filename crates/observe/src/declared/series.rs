use std::borrow::Cow;
use std::sync::Arc;

use model::SeriesKey;
use slo::filter::SlotValue;

use super::Slots;
use crate::hash::{Hash128, Key};
use crate::plan::{Sli, SlotId};
use crate::series::Series;
use crate::tables::{OVERFLOW, Tables};

const DECLARED: u64 = 20;
const GROUP: u64 = 21;

impl Tables {
    /// What tells groups of the event at hand apart, whatever the SLO.
    pub(crate) fn group(&self, group_by: &[SlotId], slots: &Slots<'_>) -> Key {
        let start = self.seed.start(GROUP);
        group_by.iter().fold(start, |hash, &slot| hash_slot(hash, slots.value(slot))).finish()
    }

    /// The series of a declared SLI without groups.
    pub(crate) fn ungrouped_series(&mut self, sli: &Sli) -> u32 {
        let start = self.seed.start(DECLARED).bytes(sli.slo.as_bytes());
        let key = start.finish();
        match self.series.find(key, self.generation) {
            Some(id) => id,
            None => self.insert_declared(sli, key, key, Vec::new()),
        }
    }

    /// The series of a declared SLI and the group that the event at hand belongs to, which
    /// [`Tables::group`] has hashed. Groups beyond the limit share one whose every value is
    /// `__overflow__`.
    pub(crate) fn declared_series(&mut self, sli: &Sli, group: Key, slots: &Slots<'_>) -> u32 {
        if sli.group_by.is_empty() {
            return self.ungrouped_series(sli);
        }
        let start = self.seed.start(DECLARED).bytes(sli.slo.as_bytes());
        let key = start.number(group as u64).number((group >> 64) as u64).finish();
        match self.series.find(key, self.generation) {
            Some(id) => id,
            None => self.new_group(sli, start, key, slots),
        }
    }

    #[cold]
    fn new_group(&mut self, sli: &Sli, start: Hash128, key: Key, slots: &Slots<'_>) -> u32 {
        let family = start.finish();
        if self.series.has_room(family) {
            let group = sli.group_by.iter().map(|&slot| self.clean(&text_of(slots.value(slot))));
            let group = group.collect();
            return self.insert_declared(sli, key, family, group);
        }
        let overflow = start.number(u64::MAX).finish();
        match self.series.find(overflow, self.generation) {
            Some(id) => id,
            None => {
                let group = sli.group_by.iter().map(|_| Arc::from(OVERFLOW)).collect();
                self.insert_declared(sli, overflow, family, group)
            }
        }
    }

    fn insert_declared(&mut self, sli: &Sli, key: Key, family: Key, group: Vec<Arc<str>>) -> u32 {
        let series = Series::new(SeriesKey::Declared { slo: sli.slo.clone(), group });
        self.series.insert(key, family, self.generation, series)
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
