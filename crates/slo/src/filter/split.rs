use super::{Comparison, Expr, Field, Filter, Intrinsic, Literal, Op};

/// A filter over metrics, taken apart for histograms: which points count, and which of their
/// observations.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueSplit {
    /// The filter says nothing about `value`: all observations count.
    All,
    /// The points that pass `points`, and of them the observations within `bound`.
    Bound {
        /// The filter without its comparison of `value`.
        points: Filter,
        /// Which observations.
        bound: ValueBound,
    },
    /// `value` stands below `||` or `!`, twice, or with `=` or `!=`: buckets cannot tell.
    Unsplittable {
        /// Where, in characters of the filter, from 1.
        column: usize,
    },
}

/// `value < 500ms` and the like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueBound {
    /// One of `<`, `<=`, `>`, `>=`.
    pub op: Op,
    /// The bound.
    pub limit: Limit,
}

/// A bound of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// In the metric's own unit, whatever it is.
    Number(f64),
    /// In nanoseconds; applies to metrics whose unit is one of time.
    Duration(u64),
}

impl Filter {
    /// Separates the comparison of `value` from the rest.
    #[must_use]
    pub fn split_value_bound(&self) -> ValueSplit {
        let alone = std::slice::from_ref(&self.expr);
        let parts = match &self.expr {
            Expr::And(parts) => parts.as_slice(),
            _ => alone,
        };
        let mut bound = None;
        let mut rest = Vec::new();
        for part in parts {
            match (bound_of(part), value_column(part)) {
                (Some(found), _) if bound.is_none() => bound = Some(found),
                (_, Some(column)) => return ValueSplit::Unsplittable { column },
                _ => rest.push(part.clone()),
            }
        }
        match bound {
            None => ValueSplit::All,
            Some(bound) => {
                let points = Self { expr: Expr::And(rest), ..self.clone() };
                ValueSplit::Bound { points, bound }
            }
        }
    }
}

impl ValueBound {
    /// The bound in a metric's UCUM unit; `None` for a duration against a unit that is not one of
    /// time.
    #[must_use]
    pub fn in_unit(self, unit: &str) -> Option<f64> {
        match self.limit {
            Limit::Number(number) => Some(number),
            Limit::Duration(ns) => unit_ns(unit).map(|per_unit| ns as f64 / per_unit),
        }
    }

    /// Whether what is below the bound is selected (`<`, `<=`) rather than what is above.
    #[must_use]
    pub fn selects_below(self) -> bool {
        matches!(self.op, Op::Less | Op::LessOrEqual)
    }
}

/// Nanoseconds in a UCUM unit of time.
#[must_use]
pub fn unit_ns(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "min" => 60e9,
        "h" => 3600e9,
        "d" => 86_400e9,
        _ => return None,
    })
}

fn bound_of(expr: &Expr) -> Option<ValueBound> {
    let Expr::Compare(Comparison { field, op, literal, .. }) = expr else { return None };
    if *field != Field::Intrinsic(Intrinsic::Value) {
        return None;
    }
    if !matches!(op, Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual) {
        return None;
    }
    let limit = match literal {
        Literal::Int(number) => Limit::Number(*number as f64),
        Literal::Float(number) => Limit::Number(*number),
        Literal::Duration(ns) => Limit::Duration(*ns),
        _ => return None,
    };
    Some(ValueBound { op: *op, limit })
}

/// Where `value` is first compared in the tree.
fn value_column(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().find_map(value_column),
        Expr::Not(inner) => value_column(inner),
        Expr::Compare(comparison) => {
            let is_value = comparison.field == Field::Intrinsic(Intrinsic::Value);
            is_value.then_some(comparison.column)
        }
    }
}
