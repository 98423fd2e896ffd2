//! OTLP/JSON: one pass that turns it into the wire bytes that the walker reads.
//!
//! OTLP specification 1.11 and the JSON mapping of proto3: lowerCamelCase names, ids in hex, enums
//! as numbers, 64-bit integers as numbers or strings, unknown fields ignored, null for "not set".
//! If a name comes twice in an object the last one wins.
//!
//! Text that is not JSON is refused as a whole. A value that does not fit its field spoils its
//! item only: the item is written such that the walker rejects it and says why.

mod attribute;
mod binary;
mod number;
mod schema;
mod text;
mod transcoder;
mod varint;

use std::error::Error;
use std::fmt;

use crate::Signal;
use text::{Stop, Text};
use transcoder::Transcoder;

/// How deep objects and arrays may nest; deeper text is refused. The recursion limit of serde_json.
pub const JSON_DEPTH_MAX: u32 = 128;

/// How often in one request a name may come again in its object; more are refused. Each costs a
/// pass over what was written of the object.
pub const JSON_DUPLICATES_MAX: u32 = 16;

/// Text that cannot be read as a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong, in English.
    pub what: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, what } = self;
        write!(f, "malformed OTLP/JSON at line {line}, column {column}: {what}")
    }
}

impl Error for JsonError {}

/// Replaces what `out` holds by the wire bytes of the request. It may be used again and again to
/// save allocations. It grows to at most a small multiple of the text; in practice to less than it.
///
/// # Errors
///
/// If the text is not JSON in UTF-8, is not an object, nests too deep, repeats too many names, or
/// holds a value of the wrong type outside of every item, resource and scope.
pub fn transcode(signal: Signal, json: &[u8], out: &mut Vec<u8>) -> Result<(), JsonError> {
    out.clear();
    if let Err(error) = std::str::from_utf8(json) {
        let stop = Stop { at: error.valid_up_to(), what: "invalid UTF-8" };
        return Err(locate(json, stop));
    }
    request(signal, json, out).map_err(|stop| {
        out.clear();
        locate(json, stop)
    })
}

fn request(signal: Signal, json: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
    let mut transcoder = Transcoder::new(Text::new(json), out);
    transcoder.message(match signal {
        Signal::Traces => &schema::TRACES,
        Signal::Metrics => &schema::METRICS,
        Signal::Logs => &schema::LOGS,
    })?;
    if transcoder.text.peek_token().is_some() {
        return Err(transcoder.text.stop("expected the end"));
    }
    match transcoder.spoiled {
        Some((fault, at)) => Err(Stop { at, what: fault.as_str() }),
        None => Ok(()),
    }
}

/// Which signal a request holds: by the first of `resourceSpans`, `resourceMetrics` and
/// `resourceLogs` in it. For recordings, where each line is a request of any signal.
#[must_use]
pub fn signal_of(json: &[u8]) -> Option<Signal> {
    let mut text = Text::new(json);
    text.expect(b'{', "").ok()?;
    loop {
        match text.string().ok()?.raw {
            b"resourceSpans" => return Some(Signal::Traces),
            b"resourceMetrics" => return Some(Signal::Metrics),
            b"resourceLogs" => return Some(Signal::Logs),
            _ => {}
        }
        text.expect(b':', "").ok()?;
        text.skip(1).ok()?;
        if !text.more(b'}').ok()? {
            return None;
        }
    }
}

#[cold]
fn locate(json: &[u8], stop: Stop) -> JsonError {
    let before = json.get(..stop.at).unwrap_or(json);
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let line = before.get(line_start..).unwrap_or_default();
    JsonError {
        line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
        // Every byte but the continuation bytes of UTF-8 begins a character.
        column: 1 + line.iter().filter(|&&byte| byte & 0xc0 != 0x80).count(),
        what: stop.what,
    }
}
