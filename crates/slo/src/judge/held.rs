use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use model::Timestamp;

use super::policy::Condition;
use super::{Found, JudgeOptions, RowVerdict, Verdict};

/// Since when the conditions of a series have held that must last before they count.
///
/// Time in which nobody could tell whether they held, for silence or a gap, does not count, and is
/// no break either.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Held {
    /// Those that hold; by rule and condition at most one each.
    conditions: Vec<HeldCondition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct HeldCondition {
    /// By what it says: rules may come and go.
    rule: u64,
    condition: u8,
    since: Timestamp,
    /// Since when nobody can tell; zero: it can be told.
    unknown_since: Timestamp,
}

impl Held {
    /// Takes a judgement: rows that fire though a condition has not held for as long as it must
    /// become [`Verdict::Waiting`]. Says whether what is held has changed.
    pub fn follow(&mut self, options: &JudgeOptions, found: &mut Found, now: Timestamp) -> bool {
        if options.lasting().is_empty() && self.conditions.is_empty() {
            return false;
        }
        let mut held = Vec::new();
        for &(rule, identity) in options.lasting() {
            let (Some(row), Some(conditions)) = (
                found.rows.iter_mut().find(|row| row.rule == rule),
                options.rules().get(rule).map(|rule| rule.conditions.as_slice()),
            ) else {
                continue;
            };
            let lasts = self.row(row, conditions, identity, now, &mut held);
            if row.holds == Verdict::Firing && !lasts {
                row.holds = Verdict::Waiting;
            }
        }
        let changed = held != self.conditions;
        self.conditions = held;
        changed
    }

    /// Time went by in which nothing was judged.
    pub fn skip(&mut self, gap: Duration) {
        for held in self.conditions.iter_mut().filter(|held| !held.unknown_since.is_set()) {
            held.since = held.since.after(gap);
        }
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    fn row(
        &self,
        row: &RowVerdict,
        conditions: &[Condition],
        rule: u64,
        now: Timestamp,
        held: &mut Vec<HeldCondition>,
    ) -> bool {
        let mut lasts = true;
        for (at, condition) in conditions.iter().enumerate() {
            if condition.after.is_zero() {
                continue;
            }
            let at = u8::try_from(at).unwrap_or(u8::MAX);
            let is_it = |held: &&HeldCondition| (held.rule, held.condition) == (rule, at);
            let known = self.conditions.iter().find(is_it).copied();
            let next = match (row.holds, known) {
                (Verdict::Frozen, known) => known.map(|known| known.unknown_from(now)),
                (_, known) if row.holds_at(at) => {
                    let fresh = HeldCondition {
                        rule,
                        condition: at,
                        since: now,
                        unknown_since: Timestamp::ZERO,
                    };
                    Some(known.map_or(fresh, |known| known.known_at(now)))
                }
                _ => None,
            };
            lasts &= next.is_some_and(|held| now.since(held.since) >= condition.after);
            held.extend(next);
        }
        lasts
    }
}

impl HeldCondition {
    fn unknown_from(self, now: Timestamp) -> Self {
        if self.unknown_since.is_set() {
            return self;
        }
        Self { unknown_since: now, ..self }
    }

    fn known_at(self, now: Timestamp) -> Self {
        if !self.unknown_since.is_set() {
            return self;
        }
        let gap = now.since(self.unknown_since);
        Self { since: self.since.after(gap), unknown_since: Timestamp::ZERO, ..self }
    }
}
