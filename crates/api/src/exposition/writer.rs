use std::borrow::Cow;
use std::fmt::Write as _;

use model::{Timestamp, TraceId};

use super::Format;

/// What a family of metrics is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Gauge,
    Counter,
    /// Always 1; its labels tell.
    Info,
}

/// A family's name, without the `_total` and `_info` of its samples, and what it means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The end of the name, where it is a unit.
    pub(crate) unit: Option<&'static str>,
    pub(crate) help: &'static str,
}

/// Labels of a sample, rendered, without braces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels<'a> {
    pub(crate) own: &'a str,
    /// One more, whose value needs no escapes.
    pub(crate) further: Option<(&'static str, &'a str)>,
}

/// The trace of one event that a counter counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exemplar {
    pub(crate) trace_id: TraceId,
    pub(crate) at: Timestamp,
}

/// Writes families one after the other.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) format: Format,
    pub(crate) out: String,
    head_start: usize,
    head_end: usize,
}

impl<'a> Labels<'a> {
    pub(crate) fn alone(own: &'a str) -> Self {
        Self { own, further: None }
    }
}

impl Kind {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Gauge => "",
            Self::Counter => "_total",
            Self::Info => "_info",
        }
    }

    const fn word(self, format: Format) -> &'static str {
        match (self, format) {
            (Self::Counter, _) => "counter",
            (Self::Info, Format::OpenMetrics) => "info",
            (Self::Gauge | Self::Info, _) => "gauge",
        }
    }
}

impl Writer {
    pub(crate) fn with_capacity(format: Format, bytes: usize) -> Self {
        Self { format, out: String::with_capacity(bytes), head_start: 0, head_end: 0 }
    }

    /// Begins a family. One that gets no sample leaves no trace.
    pub(crate) fn begin(&mut self, head: &Head) {
        self.head_start = self.out.len();
        let Head { name, kind, unit, help } = *head;
        let suffix = match self.format {
            Format::Text => kind.suffix(),
            Format::OpenMetrics => "",
        };
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(self.out, "# HELP {name}{suffix} {}", escaped_help(help, self.format));
        let _ = writeln!(self.out, "# TYPE {name}{suffix} {}", kind.word(self.format));
        if let (Format::OpenMetrics, Some(unit)) = (self.format, unit) {
            let _ = writeln!(self.out, "# UNIT {name} {unit}");
        }
        self.head_end = self.out.len();
    }

    /// Ends the family.
    pub(crate) fn end(&mut self) {
        if self.out.len() == self.head_end {
            self.out.truncate(self.head_start);
        }
    }

    /// One sample.
    pub(crate) fn sample(&mut self, head: &Head, labels: Labels<'_>, value: f64) {
        self.name_and_labels(head, labels);
        number(&mut self.out, value);
        self.out.push('\n');
    }

    /// One sample that is a count, exact to the last event, with a trace where the format has room.
    pub(crate) fn count(
        &mut self,
        head: &Head,
        labels: Labels<'_>,
        count: u64,
        trace: Option<Exemplar>,
    ) {
        self.name_and_labels(head, labels);
        let _ = write!(self.out, "{count}");
        if let (Format::OpenMetrics, Some(Exemplar { trace_id, at })) = (self.format, trace) {
            let (s, ms) = (at.unix_s(), at.unix_ms() % 1000);
            let _ = write!(self.out, " # {{trace_id=\"{trace_id}\"}} 1 {s}.{ms:03}");
        }
        self.out.push('\n');
    }

    fn name_and_labels(&mut self, head: &Head, Labels { own, further }: Labels<'_>) {
        let out = &mut self.out;
        out.push_str(head.name);
        out.push_str(head.kind.suffix());
        if !own.is_empty() || further.is_some() {
            out.push('{');
            out.push_str(own);
            if let Some((name, value)) = further {
                if !own.is_empty() {
                    out.push(',');
                }
                out.push_str(name);
                out.push_str("=\"");
                out.push_str(value);
                out.push('"');
            }
            out.push('}');
        }
        out.push(' ');
    }
}

fn number(out: &mut String, value: f64) {
    if value == f64::INFINITY {
        out.push_str("+Inf");
    } else if value == f64::NEG_INFINITY {
        out.push_str("-Inf");
    } else {
        let _ = write!(out, "{value}");
    }
}

/// Help texts escape backslash and line feed, and in OpenMetrics the quote, too.
pub(crate) fn escaped_help(help: &str, format: Format) -> Cow<'_, str> {
    if !help.contains(['\\', '\n', '"']) {
        return Cow::Borrowed(help);
    }
    let escaped = help.replace('\\', "\\\\").replace('\n', "\\n");
    Cow::Owned(match format {
        Format::Text => escaped,
        Format::OpenMetrics => escaped.replace('"', "\\\""),
    })
}
