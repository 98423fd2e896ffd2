use model::Telemetry;

use super::parse::item_scope;
use super::predicate::anchored;
use super::{Comparison, Expr, Field, FilterError, Intrinsic, Literal, Op};

/// What a field can hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    /// An attribute: known when it arrives.
    Any,
    Text,
    Duration,
    Kind,
    Status,
    Severity,
    /// A number in the metric's unit.
    Measure,
}

/// All errors of type, by column.
pub(super) fn check(signal: Telemetry, expr: &Expr) -> Vec<FilterError> {
    let mut errors = Vec::new();
    walk(signal, expr, &mut errors);
    errors
}

fn walk(signal: Telemetry, expr: &Expr, errors: &mut Vec<FilterError>) {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => {
            parts.iter().for_each(|part| walk(signal, part, errors))
        }
        Expr::Not(inner) => walk(signal, inner, errors),
        Expr::Compare(comparison) => {
            if let Err((what, mend)) = compare(signal, comparison) {
                errors.push(FilterError::new(comparison.column, what, mend));
            }
        }
    }
}

type Checked = Result<(), (String, String)>;

fn compare(signal: Telemetry, comparison: &Comparison) -> Checked {
    let Comparison { field, op, literal, .. } = comparison;
    let of = type_of(field);
    let field = &shown(signal, field);
    match literal {
        Literal::Nil => equality_only(field, *op, "nil"),
        Literal::Str(text) => text_literal(field, of, *op, text),
        Literal::Bool(_) => {
            allow(of == Type::Any, field, "a boolean", of)?;
            equality_only(field, *op, "a boolean")
        }
        Literal::Int(_) | Literal::Float(_) => {
            if of == Type::Duration {
                let what = format!("`{field}` is a duration, not a bare number");
                return Err((what, "write its unit, for example 300ms".to_owned()));
            }
            let whole = matches!(literal, Literal::Int(_));
            let numeric = matches!(of, Type::Any | Type::Measure);
            allow(numeric || (of == Type::Severity && whole), field, "a number", of)?;
            no_regex(*op, "a number")
        }
        Literal::Duration(_) => {
            if of == Type::Any {
                let what = format!("`{field}` is an attribute and carries no unit");
                return Err((what, "compare it with a number in its own unit".to_owned()));
            }
            allow(matches!(of, Type::Duration | Type::Measure), field, "a duration", of)?;
            no_regex(*op, "a duration")
        }
        Literal::Kind(_) => equality_only(field, *op, "a span kind"),
        Literal::Status(_) => equality_only(field, *op, "a span status"),
        Literal::Severity(_) => no_regex(*op, "a severity"),
    }
}

fn text_literal(field: &str, of: Type, op: Op, text: &str) -> Checked {
    if matches!(of, Type::Kind | Type::Status | Type::Severity) {
        let what = format!("`{field}` is compared with a bare word, not with a text");
        return Err((what, format!("write {field} {} {text} without quotes", op.as_str())));
    }
    allow(matches!(of, Type::Any | Type::Text), field, "a text", of)?;
    match op {
        Op::Equal | Op::NotEqual => Ok(()),
        Op::Match | Op::NotMatch => match anchored(text) {
            Ok(_) => Ok(()),
            Err(error) => Err((format!("the regular expression is wrong: {error}"), String::new())),
        },
        _ => Err((format!("texts have no order for `{}`", op.as_str()), "use = or =~".to_owned())),
    }
}

fn allow(fits: bool, field: &str, literal: &str, of: Type) -> Checked {
    if fits {
        return Ok(());
    }
    let (is, mend) = match of {
        Type::Any => ("an attribute", "compare it with a text, a number or a boolean"),
        Type::Text => ("a text", "compare it with a quoted text"),
        Type::Duration => ("a duration", "compare it with a duration such as 300ms"),
        Type::Kind => ("a span kind", "compare it with server, client and the like"),
        Type::Status => ("a span status", "compare it with unset, ok or error"),
        Type::Severity => ("a severity", "compare it with warn, error and the like or 1 to 24"),
        Type::Measure => ("a number", "compare it with a number or a duration such as 300ms"),
    };
    Err((format!("`{field}` is {is} and never {literal}"), mend.to_owned()))
}

fn equality_only(field: &str, op: Op, literal: &str) -> Checked {
    if matches!(op, Op::Equal | Op::NotEqual) {
        return Ok(());
    }
    let what = format!("`{}` does not apply to {literal}", op.as_str());
    Err((what, format!("write {field} = or {field} !=")))
}

fn no_regex(op: Op, literal: &str) -> Checked {
    if !matches!(op, Op::Match | Op::NotMatch) {
        return Ok(());
    }
    let what = format!("`{}` does not apply to {literal}", op.as_str());
    Err((what, "write a quoted regular expression, or use =".to_owned()))
}

/// The field as its author wrote it.
pub(super) fn shown(signal: Telemetry, field: &Field) -> String {
    match field {
        Field::Item(key) => format!("{}.{key}", item_scope(signal)),
        field => field.to_string(),
    }
}

fn type_of(field: &Field) -> Type {
    match field {
        Field::Resource(_) | Field::Scope(_) | Field::Item(_) => Type::Any,
        Field::Intrinsic(intrinsic) => match intrinsic {
            Intrinsic::Name
            | Intrinsic::StatusMessage
            | Intrinsic::MetricName
            | Intrinsic::MetricUnit
            | Intrinsic::Body
            | Intrinsic::EventName => Type::Text,
            Intrinsic::Kind => Type::Kind,
            Intrinsic::Status => Type::Status,
            Intrinsic::Duration => Type::Duration,
            Intrinsic::Value => Type::Measure,
            Intrinsic::Severity => Type::Severity,
        },
    }
}
