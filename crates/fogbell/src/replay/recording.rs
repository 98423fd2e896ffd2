//! One recording as a stream of requests. A file is read as it goes, never whole.

use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, bail};
use model::Timestamp;
use otlp::{Signal, json};

use super::framing::{Cut, Framing, HEAD_BYTES, MESSAGE_BYTES_MAX, ZSTD_MAGIC};

const BUFFER_BYTES: usize = 256 << 10;

/// Bytes that were read of all files, as they lie on the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Position(Rc<Cell<u64>>);

impl Position {
    pub(super) fn bytes(&self) -> u64 {
        self.0.get()
    }
}

/// A request of a recording.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) place: Place,
    pub(super) signal: Signal,
    /// OTLP protobuf.
    pub(super) body: Vec<u8>,
    /// The newest event time in it: the moment at which it can have been sent.
    pub(super) newest: Option<Timestamp>,
}

/// Where a request stands, as a person would look for it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    file: Rc<Path>,
    /// From 1.
    number: u64,
    framing: Framing,
}

/// What a recording holds next.
#[derive(Debug)]
pub(super) enum Item {
    Record(Record),
    /// Where something is that cannot be replayed, and why.
    Broken(Place, String),
}

/// An open recording.
pub(super) struct Recording {
    file: Rc<Path>,
    input: Box<dyn BufRead>,
    framing: Framing,
    /// Of requests that do not say it themselves.
    signal: Signal,
    number: u64,
    ended: bool,
    buffer: Vec<u8>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, number) = (self.file.display(), self.number);
        match self.framing {
            Framing::Lines => write!(f, "{file}:{number}"),
            Framing::Varint | Framing::Word => write!(f, "{file}: message {number}"),
        }
    }
}

impl Recording {
    /// Opens a file and looks at its first bytes.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn open(path: PathBuf, signal: Signal, position: &Position) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        let file = File::open(&path).with_context(|| shown.clone())?;
        if file.metadata().with_context(|| shown.clone())?.is_dir() {
            bail!("{shown} is a folder: name the files in it");
        }
        let counted = Counted { inner: file, position: position.clone() };
        let (input, framing) = decoded(counted).with_context(|| shown)?;
        let file = path.into();
        Ok(Self { file, input, framing, signal, number: 0, ended: false, buffer: Vec::new() })
    }

    /// The next request, or what is broken in its place; `None` at the end.
    ///
    /// # Errors
    /// If the file cannot be read further, but for its end.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Item>> {
        loop {
            if self.ended {
                return Ok(None);
            }
            self.number += 1;
            let cut = self.framing.cut(&mut *self.input, &mut self.buffer);
            let cut = cut.with_context(|| self.place().to_string())?;
            let why = match cut {
                Cut::Whole if is_blank(self.framing, &self.buffer) => continue,
                Cut::Whole => match self.record() {
                    Ok(record) => return Ok(Some(Item::Record(record))),
                    Err(why) => why,
                },
                Cut::Broken(why) => why,
                Cut::Last(why) => {
                    self.ended = true;
                    why
                }
                Cut::End => {
                    self.ended = true;
                    return Ok(None);
                }
            };
            return Ok(Some(Item::Broken(self.place(), why)));
        }
    }

    fn place(&self) -> Place {
        Place { file: Rc::clone(&self.file), number: self.number, framing: self.framing }
    }

    fn record(&mut self) -> Result<Record, String> {
        let message = inflated(std::mem::take(&mut self.buffer))?;
        let (signal, body) = if message.trim_ascii_start().starts_with(b"{") {
            let signal = json::signal_of(&message).ok_or_else(|| {
                "holds neither resourceSpans nor resourceMetrics nor resourceLogs".to_owned()
            })?;
            let mut body = Vec::new();
            json::transcode(signal, &message, &mut body)
                .map_err(|e| format!("column {}: {}", e.column, e.what))?;
            self.buffer = message;
            (signal, body)
        } else if self.framing == Framing::Lines {
            return Err("is not a JSON object".to_owned());
        } else {
            (self.signal, message)
        };
        let newest = ::replay::newest(signal, &body).map_err(|malformed| malformed.to_string())?;
        Ok(Record { place: self.place(), signal, body, newest })
    }
}

fn is_blank(framing: Framing, buffer: &[u8]) -> bool {
    framing == Framing::Lines && buffer.trim_ascii().is_empty()
}

/// The file's contents, unpacked if it is zstd as a whole, and how they are cut.
fn decoded(file: impl Read + 'static) -> io::Result<(Box<dyn BufRead>, Framing)> {
    let (head, input) = peeked(BufReader::with_capacity(BUFFER_BYTES, file))?;
    if !head.starts_with(&ZSTD_MAGIC) {
        return Ok((Box::new(input), Framing::of(&head)));
    }
    let decoder = zstd::stream::read::Decoder::with_buffer(input)?;
    let (head, input) = peeked(BufReader::with_capacity(BUFFER_BYTES, decoder))?;
    Ok((Box::new(input), Framing::of(&head)))
}

/// The first bytes, and the input with them still in it.
fn peeked<R: BufRead>(mut input: R) -> io::Result<(Vec<u8>, impl BufRead + use<R>)> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    (&mut input).take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(input)))
}

/// The message, unpacked if it is zstd.
fn inflated(message: Vec<u8>) -> Result<Vec<u8>, String> {
    if !message.starts_with(&ZSTD_MAGIC) {
        return Ok(message);
    }
    let mut out = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(message.as_slice());
    let read = decoder.and_then(|d| d.take(MESSAGE_BYTES_MAX as u64 + 1).read_to_end(&mut out));
    match read {
        Ok(length) if length <= MESSAGE_BYTES_MAX => Ok(out),
        Ok(_) => Err(format!("is larger than {} MiB when unpacked", MESSAGE_BYTES_MAX >> 20)),
        Err(error) => Err(format!("cannot be unpacked: {error}")),
    }
}

/// A reader whose progress can be seen.
struct Counted<R> {
    inner: R,
    position: Position,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.position.0.set(self.position.0.get() + read as u64);
        Ok(read)
    }
}
