use std::cmp::Ordering;

use model::SpanKind;
use regex::bytes::{Regex, RegexBuilder};

use super::{Literal, Op, REGEX_BYTES_MAX, SlotValue, SpanStatus, unit_ns};

/// What a comparison asks of a slot's value.
#[derive(Clone, Debug)]
pub(super) enum Predicate {
    Present,
    Absent,
    Str {
        text: Box<[u8]>,
        wanted: bool,
    },
    Regex {
        regex: Regex,
        wanted: bool,
    },
    Int(Order, i64),
    Float(Order, f64),
    Bool {
        value: bool,
        wanted: bool,
    },
    Duration(Order, u64),
    /// A point's value against a duration, by the metric's unit.
    Measure(Order, u64),
    Kind {
        kind: SpanKind,
        wanted: bool,
    },
    Status {
        status: SpanStatus,
        wanted: bool,
    },
    Severity {
        first: u8,
        last: u8,
        wanted: bool,
    },
}

/// The outcomes of a comparison that satisfy an operator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    less: bool,
    equal: bool,
    greater: bool,
    unordered: bool,
}

impl Order {
    fn of(op: Op) -> Self {
        let (less, equal, greater) = match op {
            Op::Equal | Op::Match => (false, true, false),
            Op::NotEqual | Op::NotMatch => (true, false, true),
            Op::Less => (true, false, false),
            Op::LessOrEqual => (true, true, false),
            Op::Greater => (false, false, true),
            Op::GreaterOrEqual => (false, true, true),
        };
        Self { less, equal, greater, unordered: op == Op::NotEqual }
    }

    /// Whether it holds for large values alone, or for small ones alone.
    pub(super) fn is_above(self) -> Option<bool> {
        (self.less != self.greater).then_some(self.greater)
    }

    pub(super) fn holds_if_equal(self) -> bool {
        self.equal
    }

    fn holds(self, ordering: Option<Ordering>) -> bool {
        match ordering {
            Some(Ordering::Less) => self.less,
            Some(Ordering::Equal) => self.equal,
            Some(Ordering::Greater) => self.greater,
            None => self.unordered,
        }
    }
}

impl Predicate {
    /// The test of a comparison that passed the type check; `measure` says that the field is a
    /// point's value.
    pub(super) fn new(op: Op, literal: &Literal, measure: bool) -> Self {
        let wanted = !matches!(op, Op::NotEqual | Op::NotMatch);
        match literal {
            Literal::Nil if wanted => Self::Absent,
            Literal::Nil => Self::Present,
            Literal::Str(text) => match (op, anchored(text)) {
                (Op::Match | Op::NotMatch, Ok(regex)) => Self::Regex { regex, wanted },
                _ => Self::Str { text: text.as_bytes().into(), wanted },
            },
            Literal::Int(value) => Self::Int(Order::of(op), *value),
            Literal::Float(value) => Self::Float(Order::of(op), *value),
            Literal::Bool(value) => Self::Bool { value: *value, wanted },
            Literal::Duration(ns) if measure => Self::Measure(Order::of(op), *ns),
            Literal::Duration(ns) => Self::Duration(Order::of(op), *ns),
            Literal::Kind(kind) => Self::Kind { kind: *kind, wanted },
            Literal::Status(status) => Self::Status { status: *status, wanted },
            Literal::Severity(band) => {
                let (first, last) = match op {
                    Op::Less => (1, band.first() - 1),
                    Op::LessOrEqual => (1, band.last()),
                    Op::Greater => (band.last() + 1, u8::MAX),
                    Op::GreaterOrEqual => (band.first(), u8::MAX),
                    _ => (band.first(), band.last()),
                };
                Self::Severity { first, last, wanted }
            }
        }
    }

    /// Whether a value passes. `unit` is the metric's, for durations against a point's value.
    pub(super) fn passes(&self, value: SlotValue<'_>, unit: SlotValue<'_>) -> bool {
        match (self, value) {
            (Self::Absent, value) => matches!(value, SlotValue::Missing),
            (_, SlotValue::Missing) => false,
            (Self::Present, _) => true,
            (Self::Str { text, wanted }, SlotValue::Str(bytes)) => (**text == *bytes) == *wanted,
            (Self::Regex { regex, wanted }, SlotValue::Str(bytes)) => {
                regex.is_match(bytes) == *wanted
            }
            (Self::Int(order, right), SlotValue::Int(left)) => order.holds(Some(left.cmp(right))),
            (Self::Int(order, right), SlotValue::Float(left)) => {
                order.holds(compare_int_float(*right, left).map(Ordering::reverse))
            }
            (Self::Int(order, right), SlotValue::Severity(left)) => {
                order.holds(Some(i64::from(left).cmp(right)))
            }
            (Self::Float(order, right), SlotValue::Int(left)) => {
                order.holds(compare_int_float(left, *right))
            }
            (Self::Float(order, right), SlotValue::Float(left)) => {
                order.holds(left.partial_cmp(right))
            }
            (Self::Bool { value, wanted }, SlotValue::Bool(left)) => (left == *value) == *wanted,
            (Self::Duration(order, right), SlotValue::Duration(left)) => {
                order.holds(Some(left.cmp(right)))
            }
            (Self::Measure(order, ns), value) => measure_passes(*order, *ns, value, unit),
            (Self::Kind { kind, wanted }, SlotValue::Kind(left)) => (left == *kind) == *wanted,
            (Self::Status { status, wanted }, SlotValue::Status(left)) => {
                (left == *status) == *wanted
            }
            (Self::Severity { first, last, wanted }, SlotValue::Severity(left)) => {
                (*first..=*last).contains(&left) == *wanted
            }
            _ => false,
        }
    }
}

/// False where the unit is not one of time.
fn measure_passes(order: Order, ns: u64, value: SlotValue<'_>, unit: SlotValue<'_>) -> bool {
    let SlotValue::Str(unit) = unit else { return false };
    let Some(per_unit) = std::str::from_utf8(unit).ok().and_then(unit_ns) else { return false };
    let bound = ns as f64 / per_unit;
    match value {
        SlotValue::Int(value) => order.holds(compare_int_float(value, bound)),
        SlotValue::Float(value) => order.holds(value.partial_cmp(&bound)),
        _ => false,
    }
}

/// Exact: an integer beyond 2^53 is not rounded to the float's grid.
fn compare_int_float(int: i64, float: f64) -> Option<Ordering> {
    /// 2^63 is the first float above every `i64`; -2^63 is the least `i64` itself.
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        return None;
    }
    if float >= TWO_63 {
        return Some(Ordering::Less);
    }
    if float < -TWO_63 {
        return Some(Ordering::Greater);
    }
    let whole = float.trunc();
    let fraction = 0.0_f64.partial_cmp(&(float - whole))?;
    Some(int.cmp(&(whole as i64)).then(fraction))
}

/// A regular expression that must match the whole text. Its run time is linear in the text.
pub(super) fn anchored(pattern: &str) -> Result<Regex, String> {
    let build = |pattern: &str| {
        let built = RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build();
        built.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => format!("larger than {REGEX_BYTES_MAX} bytes"),
            // The last line says what; those above it draw the pattern.
            error => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                last.trim_start_matches("error: ").to_owned()
            }
        })
    };
    // Alone first: `a)(b` is wrong, although it is right between the parentheses below.
    build(pattern)?;
    build(&format!(r"\A(?:{pattern})\z"))
}
