use std::fmt;

use model::SpanKind;

/// What a comparison looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// An attribute of the resource.
    Resource(String),
    /// An attribute of the instrumentation scope; `name` and `version` are the scope's own.
    Scope(String),
    /// An attribute of the span, log record or metric point.
    Item(String),
    /// A part of the event that is no attribute.
    Intrinsic(Intrinsic),
}

/// The parts of an event that are no attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Intrinsic {
    /// Name of a span.
    Name,
    /// Kind of a span.
    Kind,
    /// Status of a span.
    Status,
    /// Message beside a span's status.
    StatusMessage,
    /// End less start of a span.
    Duration,
    /// Name of a metric.
    MetricName,
    /// UCUM unit of a metric.
    MetricUnit,
    /// A number point's value, or a histogram's observations.
    Value,
    /// Severity number of a log record.
    Severity,
    /// Body of a log record, if it is a string.
    Body,
    /// Event name of a log record.
    EventName,
}

/// An operator between a field and a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored.
    Match,
    /// `!~`, anchored.
    NotMatch,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// The code of a span's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanStatus {
    /// Not told.
    Unset,
    /// Declared to be well.
    Ok,
    /// Declared to have failed.
    Error,
}

/// A named band of four severity numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeverityBand {
    /// 1 to 4.
    Trace,
    /// 5 to 8.
    Debug,
    /// 9 to 12.
    Info,
    /// 13 to 16.
    Warn,
    /// 17 to 20.
    Error,
    /// 21 to 24.
    Fatal,
}

/// What a field is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// A quoted text.
    Str(String),
    /// A whole number.
    Int(i64),
    /// A number with a point or an exponent, finite.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// `nil`: absence.
    Nil,
    /// `300ms`, in nanoseconds.
    Duration(u64),
    /// `server` and the like.
    Kind(SpanKind),
    /// `unset`, `ok` or `error` of a span.
    Status(SpanStatus),
    /// `warn` and the like of a log record.
    Severity(SeverityBand),
}

/// A field, an operator and a literal.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Left side.
    pub field: Field,
    /// Between.
    pub op: Op,
    /// Right side.
    pub literal: Literal,
    /// Where the field begins, in characters from 1.
    pub column: usize,
}

/// A filter's syntax tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// All of them; an empty one holds for every event.
    And(Vec<Self>),
    /// Any of them.
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// A comparison.
    Compare(Comparison),
}

impl Intrinsic {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Kind => "kind",
            Self::Status => "status",
            Self::StatusMessage => "statusMessage",
            Self::Duration => "duration",
            Self::MetricName => "metric.name",
            Self::MetricUnit => "metric.unit",
            Self::Value => "value",
            Self::Severity => "severity",
            Self::Body => "body",
            Self::EventName => "event.name",
        }
    }
}

impl Op {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Match => "=~",
            Self::NotMatch => "!~",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// What holds of two comparable values just where this does not.
    #[must_use]
    pub const fn inverse(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Match => Self::NotMatch,
            Self::NotMatch => Self::Match,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }
}

impl SpanStatus {
    /// From the number that OTLP carries; unknown numbers are `Unset`.
    #[must_use]
    pub const fn from_otlp(number: i32) -> Self {
        match number {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }
}

impl SeverityBand {
    /// The lowest severity number of the band.
    #[must_use]
    pub const fn first(self) -> u8 {
        match self {
            Self::Trace => 1,
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => 17,
            Self::Fatal => 21,
        }
    }

    /// The highest severity number of the band.
    #[must_use]
    pub const fn last(self) -> u8 {
        self.first() + 3
    }
}

impl fmt::Display for Field {
    /// `resource.service.name`; an attribute of the event itself is printed with its key alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(key) => write!(f, "resource.{key}"),
            Self::Scope(key) => write!(f, "scope.{key}"),
            Self::Item(key) => f.write_str(key),
            Self::Intrinsic(intrinsic) => f.write_str(intrinsic.as_str()),
        }
    }
}
