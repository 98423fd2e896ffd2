use std::collections::BTreeMap;
use std::fmt;

use model::SpanKind;

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

/// The distinct fields that a set of filters over one signal needs. Whoever evaluates reads each
/// field once per event into the slot of the same index and then runs all programs.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    fields: Vec<Field>,
    slots: BTreeMap<Field, u16>,
}

/// A filter compiled against a [`Plan`]'s slots.
#[derive(Clone, Debug)]
pub struct Program {
    step: Step,
}

/// The plan would need more than [`FIELDS_MAX`] fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyFields;

#[derive(Clone, Debug)]
enum Step {
    And(Box<[Self]>),
    Or(Box<[Self]>),
    Not(Box<Self>),
    /// `unit` is the slot of the metric's unit where the test needs it, else the same slot.
    Test {
        slot: u16,
        unit: u16,
        predicate: Predicate,
    },
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
            Expr::And(parts) => Step::And(self.steps(parts)?),
            Expr::Or(parts) => Step::Or(self.steps(parts)?),
            Expr::Not(inner) => Step::Not(Box::new(self.step(inner)?)),
            Expr::Compare(Comparison { field, op, literal, .. }) => {
                let slot = self.slot(field)?;
                let measure = *field == Field::Intrinsic(Intrinsic::Value);
                let predicate = Predicate::new(*op, literal, measure);
                let unit = match predicate {
                    Predicate::Measure(..) => {
                        self.slot(&Field::Intrinsic(Intrinsic::MetricUnit))?
                    }
                    _ => slot,
                };
                Step::Test { slot, unit, predicate }
            }
        })
    }

    fn steps(&mut self, parts: &[Expr]) -> Result<Box<[Step]>, TooManyFields> {
        parts.iter().map(|part| self.step(part)).collect()
    }
}

impl Program {
    /// Whether an event passes; `slots` as the plan lays them out. A slot beyond the slice is
    /// missing.
    #[must_use]
    pub fn matches(&self, slots: &[SlotValue<'_>]) -> bool {
        self.step.holds(slots)
    }
}

impl Step {
    /// Recursion is bounded by the depth that the parser allows.
    fn holds(&self, slots: &[SlotValue<'_>]) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds(slots)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(slots)),
            Self::Not(inner) => !inner.holds(slots),
            Self::Test { slot, unit, predicate } => {
                let value =
                    |slot: u16| slots.get(usize::from(slot)).copied().unwrap_or(SlotValue::Missing);
                predicate.passes(value(*slot), value(*unit))
            }
        }
    }
}

impl fmt::Display for TooManyFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the SLOs of one signal look at more than {FIELDS_MAX} distinct fields")
    }
}

impl std::error::Error for TooManyFields {}
