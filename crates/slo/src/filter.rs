//! The filter language: the spanset-filter subset of TraceQL, for spans, metric points and log
//! records, compiled to programs over slots.
//!
//! A comparison with a missing attribute is false, `!=` and `!~` included; `!= nil` tests that it
//! is there, `= nil` that it is not. So is a comparison with a value of another type: a string
//! that holds a number equals no number. Integers and floats compare by value.

mod ast;
mod check;
mod error;
mod lex;
mod memo;
mod parse;
mod plan;
mod predicate;
mod required;
mod rung;
mod split;

pub use ast::{Comparison, Expr, Field, Intrinsic, Literal, Op, SeverityBand, SpanStatus};
pub use error::FilterError;
pub use memo::Memo;
pub use plan::{FIELDS_MAX, Plan, Program, SlotValue, TooManyFields};
pub use required::Required;
pub use rung::Rung;
pub use split::{Limit, ValueBound, ValueSplit, unit_ns};

use model::Telemetry;

/// Longest filter that is read.
pub const FILTER_BYTES_MAX: usize = 4096;
/// Deepest nesting of parentheses and negations in a filter.
pub const FILTER_DEPTH_MAX: usize = 32;
/// Most comparisons in a filter.
pub const COMPARISONS_MAX: usize = 64;
/// Largest compiled form of one regular expression.
pub const REGEX_BYTES_MAX: usize = 1 << 20;

/// A filter that was parsed and type-checked for one signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    signal: Telemetry,
    text: String,
    expr: Expr,
}

impl Filter {
    /// Parses and type-checks a filter.
    ///
    /// # Errors
    /// The first error of syntax, or else all errors of type, by column.
    pub fn parse(signal: Telemetry, text: &str) -> Result<Self, Vec<FilterError>> {
        let expr = parse::parse(signal, text).map_err(|error| vec![error])?;
        let errors = check::check(signal, &expr);
        if errors.is_empty() {
            Ok(Self { signal, text: text.to_owned(), expr })
        } else {
            Err(errors)
        }
    }

    /// Which events it looks at.
    #[must_use]
    pub fn signal(&self) -> Telemetry {
        self.signal
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The events of this filter for which `comparison` holds, too. It is written behind, as its
    /// author would have; the caller has checked its types.
    #[must_use]
    pub fn and(&self, comparison: Comparison) -> Self {
        self.joined(|column| {
            let text = shown(self.signal, &comparison);
            (Expr::Compare(Comparison { column, ..comparison }), text)
        })
    }

    /// The events of this filter that have a number in the field of `comparison`, on whichever
    /// side of it.
    #[must_use]
    pub fn with_number(&self, comparison: &Comparison) -> Self {
        self.joined(|column| {
            let side = |op: Op| Comparison { op, column, ..comparison.clone() };
            let sides = [side(comparison.op), side(comparison.op.inverse())];
            let text = sides.each_ref().map(|side| shown(self.signal, side)).join(" || ");
            (Expr::Or(sides.map(Expr::Compare).into()), format!("({text})"))
        })
    }

    /// Joins a part that is made for the column at which it stands.
    fn joined(&self, part: impl FnOnce(usize) -> (Expr, String)) -> Self {
        let inside = self.text.trim().trim_start_matches('{').trim_end_matches('}').trim();
        let before = match &self.expr {
            Expr::And(parts) if parts.is_empty() => "{ ".to_owned(),
            Expr::Or(_) => format!("{{ ({inside}) && "),
            _ => format!("{{ {inside} && "),
        };
        let (part, text) = part(before.chars().count() + 1);
        let mut parts = match &self.expr {
            Expr::And(parts) => parts.clone(),
            alone => vec![alone.clone()],
        };
        parts.push(part);
        Self { signal: self.signal, text: format!("{before}{text} }}"), expr: Expr::And(parts) }
    }

    /// Its syntax tree.
    #[must_use]
    pub fn expr(&self) -> &Expr {
        &self.expr
    }
}

impl Field {
    /// Parses a field alone, `span.http.route`, as `groupBy` names it.
    ///
    /// # Errors
    /// If it is no field, or not one of this signal.
    pub fn parse(signal: Telemetry, text: &str) -> Result<Self, FilterError> {
        parse::parse_field(signal, text)
    }

    /// Whether it may be compared with a number or a duration by `<`.
    #[must_use]
    pub fn holds_numbers(&self) -> bool {
        !matches!(self, Self::Intrinsic(intrinsic)
            if !matches!(intrinsic, Intrinsic::Duration | Intrinsic::Value))
    }
}

/// A comparison of numbers as it is written.
fn shown(signal: Telemetry, Comparison { field, op, literal, .. }: &Comparison) -> String {
    let literal = match literal {
        Literal::Int(number) => number.to_string(),
        Literal::Float(number) => number.to_string(),
        Literal::Duration(ns) => format!("{ns}ns"),
        other => format!("{other:?}"),
    };
    format!("{} {} {literal}", check::shown(signal, field), op.as_str())
}

#[cfg(test)]
mod tests;
