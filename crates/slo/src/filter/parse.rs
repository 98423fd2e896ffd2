use model::{SpanKind, Telemetry};

use super::lex::{Spanned, Token, lex};
use super::{
    COMPARISONS_MAX, Comparison, Expr, FILTER_BYTES_MAX, FILTER_DEPTH_MAX, Field, FilterError,
    Intrinsic, Literal, Op, SeverityBand, SpanStatus,
};

type Parsed<T> = Result<T, FilterError>;

struct Parser {
    signal: Telemetry,
    tokens: Vec<Spanned>,
    at: usize,
    /// One past the last character, where the end of the text is told.
    end_column: usize,
    comparisons: usize,
}

/// Parses `{ ... }`.
pub(super) fn parse(signal: Telemetry, text: &str) -> Parsed<Expr> {
    let mut parser = Parser::new(signal, text)?;
    parser.expect(&Token::Open, "{", "a filter stands in braces: { ... }")?;
    let expr = match parser.peek() {
        Some(Token::Close) => Expr::And(Vec::new()),
        _ => parser.or(0)?,
    };
    parser.expect(&Token::Close, "}", "join comparisons with && or ||, and end with }")?;
    parser.expect_end()?;
    Ok(expr)
}

/// Parses a field alone.
pub(super) fn parse_field(signal: Telemetry, text: &str) -> Parsed<Field> {
    let mut parser = Parser::new(signal, text)?;
    let field = parser.field()?;
    parser.expect_end()?;
    Ok(field)
}

impl Parser {
    fn new(signal: Telemetry, text: &str) -> Parsed<Self> {
        if text.len() > FILTER_BYTES_MAX {
            let what = format!("the filter is longer than {FILTER_BYTES_MAX} bytes");
            return Err(FilterError::new(1, what, "make it shorter"));
        }
        let end_column = text.chars().count() + 1;
        Ok(Self { signal, tokens: lex(text)?, at: 0, end_column, comparisons: 0 })
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|spanned| &spanned.token)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end_column, |spanned| spanned.column)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).map(|spanned| spanned.token.clone());
        self.at += 1;
        token
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, token: &Token, shown: &str, mend: &str) -> Parsed<()> {
        if self.take(token) {
            return Ok(());
        }
        Err(FilterError::new(self.column(), format!("`{shown}` is missing here"), mend))
    }

    fn expect_end(&self) -> Parsed<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(FilterError::new(self.column(), "nothing may follow here", "remove it")),
        }
    }

    fn or(&mut self, depth: usize) -> Parsed<Expr> {
        let mut any = vec![self.and(depth)?];
        while self.take(&Token::Or) {
            any.push(self.and(depth)?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Expr::Or(any) })
    }

    fn and(&mut self, depth: usize) -> Parsed<Expr> {
        let mut all = vec![self.unary(depth)?];
        while self.take(&Token::And) {
            all.push(self.unary(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::And(all) })
    }

    fn unary(&mut self, depth: usize) -> Parsed<Expr> {
        if depth >= FILTER_DEPTH_MAX {
            let what = format!("nested more than {FILTER_DEPTH_MAX} deep");
            return Err(FilterError::new(self.column(), what, "make the filter simpler"));
        }
        if self.take(&Token::Not) {
            return Ok(Expr::Not(Box::new(self.unary(depth + 1)?)));
        }
        if self.take(&Token::ParenOpen) {
            let inner = self.or(depth + 1)?;
            self.expect(&Token::ParenClose, ")", "close the parenthesis")?;
            return Ok(inner);
        }
        self.comparison().map(Expr::Compare)
    }

    fn comparison(&mut self) -> Parsed<Comparison> {
        let column = self.column();
        self.comparisons += 1;
        if self.comparisons > COMPARISONS_MAX {
            let what = format!("more than {COMPARISONS_MAX} comparisons");
            return Err(FilterError::new(column, what, "use =~ with alternatives"));
        }
        let field = self.field()?;
        let op_column = self.column();
        let Some(Token::Op(op)) = self.next() else {
            let mend = "write one of = != =~ !~ < <= > >=";
            return Err(FilterError::new(op_column, "an operator is missing here", mend));
        };
        let literal = self.literal(&field, op)?;
        Ok(Comparison { field, op, literal, column })
    }

    fn field(&mut self) -> Parsed<Field> {
        let column = self.column();
        match self.next() {
            Some(Token::Word(word)) => self.field_of(&word, column),
            Some(Token::Str { .. } | Token::Number(_)) => Err(FilterError::new(
                column,
                "a comparison begins with a field",
                "put the value on the right side",
            )),
            _ => {
                let mend = format!("write one of {}", known_fields(self.signal));
                Err(FilterError::new(column, "a field is missing here", mend))
            }
        }
    }

    fn field_of(&mut self, word: &str, column: usize) -> Parsed<Field> {
        let found = intrinsics(self.signal).iter().find(|intrinsic| intrinsic.as_str() == word);
        if let Some(intrinsic) = found {
            return Ok(Field::Intrinsic(*intrinsic));
        }
        let Some((scope, rest)) = word.split_once('.') else {
            return Err(self.unknown_field(word, column));
        };
        let item = item_scope(self.signal);
        let make: fn(String) -> Field = match scope {
            "resource" => Field::Resource,
            "scope" => Field::Scope,
            scope if scope == item => Field::Item,
            _ => return Err(self.unknown_field(word, column)),
        };
        let key = match (rest, self.peek()) {
            ("", Some(Token::Str { text, glued: true })) => {
                let key = text.clone();
                self.at += 1;
                key
            }
            _ => rest.to_owned(),
        };
        if key.is_empty() {
            let mend = format!("write {scope}.key or {scope}.\"key\"");
            return Err(FilterError::new(column, "the attribute's key is missing", mend));
        }
        Ok(make(key))
    }

    fn unknown_field(&self, word: &str, column: usize) -> FilterError {
        let item = item_scope(self.signal);
        let (scope, key) = word.split_once('.').unwrap_or(("", word));
        let signal = signal_name(self.signal);
        let elsewhere = [Telemetry::Traces, Telemetry::Metrics, Telemetry::Logs]
            .into_iter()
            .filter(|other| *other != self.signal)
            .find(|other| {
                scope == item_scope(*other)
                    || intrinsics(*other).iter().any(|intrinsic| intrinsic.as_str() == word)
            });
        if let Some(other) = elsewhere {
            let what = format!("`{word}` is only in {}, not in {signal}", signal_name(other));
            let mend = format!("here are: {}", known_fields(self.signal));
            return FilterError::new(column, what, mend);
        }
        let known = intrinsics(self.signal).iter().map(|intrinsic| intrinsic.as_str());
        let scopes = ["resource", "scope", item];
        let mend = match document::suggest(word, known) {
            Some(near) => format!("did you mean {near}?"),
            None if scope.is_empty() => format!("write {item}.{key} or resource.{key}"),
            None => match document::suggest(scope, scopes) {
                Some(near) => format!("did you mean {near}.{key}?"),
                None => format!("write {item}.{word} or resource.{word}"),
            },
        };
        FilterError::new(column, format!("`{word}` is no field of {signal}"), mend)
    }

    fn literal(&mut self, field: &Field, op: Op) -> Parsed<Literal> {
        let column = self.column();
        match self.next() {
            Some(Token::Str { text, .. }) => Ok(Literal::Str(text)),
            Some(Token::Number(text)) => number(&text, column),
            Some(Token::Word(word)) => word_literal(field, &word, column),
            _ => {
                let what = format!("a value is missing after `{}`", op.as_str());
                Err(FilterError::new(column, what, "write a text, a number, a duration or nil"))
            }
        }
    }
}

/// The attribute scope that is the event itself.
pub(super) fn item_scope(signal: Telemetry) -> &'static str {
    match signal {
        Telemetry::Traces => "span",
        Telemetry::Metrics => "point",
        Telemetry::Logs => "log",
    }
}

fn signal_name(signal: Telemetry) -> &'static str {
    match signal {
        Telemetry::Traces => "traces",
        Telemetry::Metrics => "metrics",
        Telemetry::Logs => "logs",
    }
}

fn intrinsics(signal: Telemetry) -> &'static [Intrinsic] {
    match signal {
        Telemetry::Traces => &[
            Intrinsic::Name,
            Intrinsic::Kind,
            Intrinsic::Status,
            Intrinsic::StatusMessage,
            Intrinsic::Duration,
        ],
        Telemetry::Metrics => &[Intrinsic::MetricName, Intrinsic::MetricUnit, Intrinsic::Value],
        Telemetry::Logs => &[Intrinsic::Severity, Intrinsic::Body, Intrinsic::EventName],
    }
}

fn known_fields(signal: Telemetry) -> String {
    let mut known: Vec<&str> = intrinsics(signal).iter().map(|known| known.as_str()).collect();
    let item = format!("{}.KEY", item_scope(signal));
    known.extend(["resource.KEY", "scope.KEY", &item]);
    known.join(", ")
}

/// A whole number, a number, or a duration with its unit.
fn number(text: &str, column: usize) -> Parsed<Literal> {
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(Literal::Int(whole));
    }
    let numeric = !text.chars().any(|c| c.is_alphabetic() && c != 'e' && c != 'E');
    if let (true, Ok(float)) = (numeric, text.parse::<f64>())
        && float.is_finite()
    {
        return Ok(Literal::Float(float));
    }
    match document::duration(text) {
        Ok(duration) => {
            Ok(Literal::Duration(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
        }
        Err(error) => Err(FilterError::new(
            column,
            format!("`{text}` is neither a number nor a duration: it {error}"),
            "write for example 500, 0.5, 300ms or 1h30m",
        )),
    }
}

/// Words mean something only beside the field that has them.
fn word_literal(field: &Field, word: &str, column: usize) -> Parsed<Literal> {
    match word {
        "true" => return Ok(Literal::Bool(true)),
        "false" => return Ok(Literal::Bool(false)),
        "nil" => return Ok(Literal::Nil),
        _ => {}
    }
    let (found, words): (Option<Literal>, &[&str]) = match field {
        Field::Intrinsic(Intrinsic::Kind) => (kind(word).map(Literal::Kind), &KINDS),
        Field::Intrinsic(Intrinsic::Status) => (status(word).map(Literal::Status), &STATUSES),
        Field::Intrinsic(Intrinsic::Severity) => (band(word).map(Literal::Severity), &BANDS),
        _ => (None, &[]),
    };
    found.ok_or_else(|| {
        let mend = match document::suggest(word, words.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None if words.is_empty() => format!("put it in quotes: \"{word}\""),
            None => format!("write one of {}", words.join(", ")),
        };
        FilterError::new(column, format!("`{word}` is no value of `{field}`"), mend)
    })
}

const KINDS: [&str; 6] = ["unspecified", "internal", "server", "client", "producer", "consumer"];
const STATUSES: [&str; 3] = ["unset", "ok", "error"];
const BANDS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "fatal"];

fn kind(word: &str) -> Option<SpanKind> {
    let index = KINDS.iter().position(|kind| *kind == word)?;
    i32::try_from(index).ok().map(SpanKind::from_otlp)
}

fn status(word: &str) -> Option<SpanStatus> {
    let index = STATUSES.iter().position(|status| *status == word)?;
    i32::try_from(index).ok().map(SpanStatus::from_otlp)
}

fn band(word: &str) -> Option<SeverityBand> {
    Some(match word {
        "trace" => SeverityBand::Trace,
        "debug" => SeverityBand::Debug,
        "info" => SeverityBand::Info,
        "warn" => SeverityBand::Warn,
        "error" => SeverityBand::Error,
        "fatal" => SeverityBand::Fatal,
        _ => return None,
    })
}
