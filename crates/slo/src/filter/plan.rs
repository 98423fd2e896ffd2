use std::collections::BTreeMap;
use std::fmt;

use model::SpanKind;

use super::memo::Memo;
use super::predicate::Predicate;
use super::{Comparison, Expr, Field, Filter, Intrinsic, SpanStatus};

/// Most distinct fields of one plan.
pub const FIELDS_MAX: usize = 4096;

/// The value of a field in one event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SlotValue<'a> {
    /// The event does not have it.
    Missing,
    /// A string as it came, UTF-8 or not.
    Str(&'a [u8]),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// A span's duration in nanoseconds.
    Duration(u64),
    /// A span's kind.
    Kind(SpanKind),
    /// A span's status.
    Status(SpanStatus),
    /// A log record's severity number, 1 to 24; 0 (not told) is to be given as `Missing`.
    Severity(u8),
}

/// The distinct fields and comparisons of a set of filters over one signal. Whoever evaluates reads
/// each field once per event into the slot of the same index and then runs programs; a [`Memo`]
/// sees to it that each comparison is made at most once per event, however many programs share it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    fields: Vec<Field>,
    slots: BTreeMap<Field, u16>,
    pub(super) tests: Vec<Test>,
    /// Tests by what tells them apart, in words.
    numbers: BTreeMap<String, u32>,
}

/// A filter compiled against a [`Plan`]. Equal programs pass the same events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    pub(super) step: Step,
}

/// The plan would need more than [`FIELDS_MAX`] fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyFields;

/// A program in normal form: parts are sorted, differ, and are never of their parent's kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A test of the plan.
    Test(u32),
    And(Box<[Self]>),
    Or(Box<[Self]>),
    Not(Box<Self>),
}

/// One comparison. `unit` is the slot of the metric's unit where the predicate needs it, else the
/// same slot.
#[derive(Clone, Debug)]
pub(super) struct Test {
    pub(super) slot: u16,
    unit: u16,
    pub(super) predicate: Predicate,
    /// Its field belongs to the resource or scope: the outcome lasts as long as they do.
    pub(super) lasts: bool,
}

impl Plan {
    /// No field yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The fields by slot.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// How many distinct comparisons there are.
    #[must_use]
    pub fn comparisons(&self) -> usize {
        self.tests.len()
    }

    /// The slot of a field, made if it is new; for `groupBy`.
    ///
    /// # Errors
    /// If there are too many.
    pub fn slot(&mut self, field: &Field) -> Result<u16, TooManyFields> {
        if let Some(slot) = self.slots.get(field) {
            return Ok(*slot);
        }
        if self.fields.len() >= FIELDS_MAX {
            return Err(TooManyFields);
        }
        let slot = u16::try_from(self.fields.len()).map_err(|_| TooManyFields)?;
        self.fields.push(field.clone());
        self.slots.insert(field.clone(), slot);
        Ok(slot)
    }

    /// Compiles a filter and takes up the fields that it needs.
    ///
    /// # Errors
    /// If there are too many.
    pub fn compile(&mut self, filter: &Filter) -> Result<Program, TooManyFields> {
        Ok(Program { step: self.step(filter.expr())? })
    }

    fn step(&mut self, expr: &Expr) -> Result<Step, TooManyFields> {
        Ok(match expr {
            Expr::And(parts) => {
                let flat = |step| match step {
                    Step::And(parts) => parts.into_vec(),
                    other => vec![other],
                };
                joined(self.steps(parts)?.into_iter().flat_map(flat).collect(), Step::And)
            }
            Expr::Or(parts) => {
                let flat = |step| match step {
                    Step::Or(parts) => parts.into_vec(),
                    other => vec![other],
                };
                joined(self.steps(parts)?.into_iter().flat_map(flat).collect(), Step::Or)
            }
            Expr::Not(inner) => match self.step(inner)? {
                Step::Not(twice) => *twice,
                step => Step::Not(Box::new(step)),
            },
            Expr::Compare(comparison) => Step::Test(self.test(comparison)?),
        })
    }

    fn steps(&mut self, parts: &[Expr]) -> Result<Vec<Step>, TooManyFields> {
        parts.iter().map(|part| self.step(part)).collect()
    }

    /// The number of a comparison, the same wherever it stands.
    fn test(&mut self, comparison: &Comparison) -> Result<u32, TooManyFields> {
        let Comparison { field, op, literal, .. } = comparison;
        let slot = self.slot(field)?;
        let words = format!("{slot} {} {literal:?}", op.as_str());
        if let Some(number) = self.numbers.get(&words) {
            return Ok(*number);
        }
        let measure = *field == Field::Intrinsic(Intrinsic::Value);
        let predicate = Predicate::new(*op, literal, measure);
        let unit = match predicate {
            Predicate::Measure(..) => self.slot(&Field::Intrinsic(Intrinsic::MetricUnit))?,
            _ => slot,
        };
        let lasts = matches!(field, Field::Resource(_) | Field::Scope(_));
        let number = u32::try_from(self.tests.len()).map_err(|_| TooManyFields)?;
        self.tests.push(Test { slot, unit, predicate, lasts });
        self.numbers.insert(words, number);
        Ok(number)
    }
}

impl Program {
    /// Whether an event passes; `slots` as the plan lays them out. A slot beyond the slice is
    /// missing. `memo` is the plan's and was told of the event.
    #[must_use]
    #[inline]
    pub fn matches(&self, plan: &Plan, slots: &[SlotValue<'_>], memo: &mut Memo) -> bool {
        match &self.step {
            Step::Test(number) => memo.holds(*number, plan, slots),
            step => step.holds(plan, slots, memo),
        }
    }
}

impl Step {
    /// Recursion is bounded by the depth that the parser allows.
    fn holds(&self, plan: &Plan, slots: &[SlotValue<'_>], memo: &mut Memo) -> bool {
        match self {
            Self::Test(number) => memo.holds(*number, plan, slots),
            Self::And(parts) => parts.iter().all(|part| part.holds(plan, slots, memo)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(plan, slots, memo)),
            Self::Not(inner) => !inner.holds(plan, slots, memo),
        }
    }
}

impl Test {
    pub(super) fn passes(&self, slots: &[SlotValue<'_>]) -> bool {
        let value = |slot: u16| slots.get(usize::from(slot)).copied().unwrap_or(SlotValue::Missing);
        self.predicate.passes(value(self.slot), value(self.unit))
    }
}

/// Parts in normal form: one part alone is itself.
pub(super) fn joined(mut parts: Vec<Step>, join: fn(Box<[Step]>) -> Step) -> Step {
    parts.sort();
    parts.dedup();
    match <[Step; 1]>::try_from(parts) {
        Ok([alone]) => alone,
        Err(parts) => join(parts.into()),
    }
}

impl fmt::Display for TooManyFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the SLOs of one signal look at more than {FIELDS_MAX} distinct fields")
    }
}

impl std::error::Error for TooManyFields {}
