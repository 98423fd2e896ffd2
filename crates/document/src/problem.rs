use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

/// Problems that are kept; of those beyond, only the number is told.
pub const PROBLEMS_MAX: usize = 200;

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Name of the file, or of whatever else the value came from (an environment variable).
    pub file: Arc<str>,
    /// From 1; 0 where the source has no lines.
    pub line: u32,
    /// In characters from 1; 0 where the source has no lines.
    pub column: u32,
}

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The document is refused.
    Error,
    /// The document is read, but not as its author may expect.
    Warning,
}

/// One thing that is wrong with a document, and what to do about it. Printed as
/// `fogbell.yaml:12:7: receive.ack: "durabel" is not one of accepted, durable; write one of these`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it refuses the document.
    pub level: Level,
    /// Where it is.
    pub place: Place,
    /// Path of keys from the document's root, `receive.otlp.grpc.listen`; empty for the root.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What the author should do; empty if `what` says it all.
    pub mend: String,
}

/// Collects problems. Shared by all readers of a document, hence the inner mutability.
#[derive(Debug, Default)]
pub struct Problems {
    kept: RefCell<Vec<Problem>>,
    errors: Cell<usize>,
    left_off: Cell<usize>,
}

impl Place {
    /// The start of a file.
    #[must_use]
    pub fn start_of(file: &str) -> Self {
        Self { file: file.into(), line: 1, column: 1 }
    }

    /// A source without lines, such as an environment variable.
    #[must_use]
    pub fn whole(source: &str) -> Self {
        Self { file: source.into(), line: 0, column: 0 }
    }
}

impl Problems {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one; beyond [`PROBLEMS_MAX`] it is only counted.
    pub fn push(&self, problem: Problem) {
        if problem.level == Level::Error {
            self.errors.set(self.errors.get() + 1);
        }
        let mut kept = self.kept.borrow_mut();
        if kept.len() < PROBLEMS_MAX {
            kept.push(problem);
        } else {
            self.left_off.set(self.left_off.get() + 1);
        }
    }

    /// Adds an error at a place without a path.
    pub fn error(&self, place: &Place, what: impl Into<String>, mend: impl Into<String>) {
        self.push(Problem {
            level: Level::Error,
            place: place.clone(),
            path: String::new(),
            what: what.into(),
            mend: mend.into(),
        });
    }

    /// Adds a warning at a place without a path.
    pub fn warn(&self, place: &Place, what: impl Into<String>, mend: impl Into<String>) {
        self.push(Problem {
            level: Level::Warning,
            place: place.clone(),
            path: String::new(),
            what: what.into(),
            mend: mend.into(),
        });
    }

    /// How many errors there were, so that a reader can tell whether its part added one.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.errors.get()
    }

    /// All that were kept, by file, line and column; if some were left off, a last one says how
    /// many.
    #[must_use]
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut all = self.kept.into_inner();
        all.sort_by(|a, b| a.place.cmp(&b.place));
        let left_off = self.left_off.get();
        if let (true, Some(last)) = (left_off > 0, all.last()) {
            all.push(Problem {
                level: Level::Error,
                place: Place::whole(&last.place.file),
                path: String::new(),
                what: format!("{left_off} more problems are not shown"),
                mend: "mend these first".to_owned(),
            });
        }
        all
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if self.level == Level::Warning {
            f.write_str("warning: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.what)?;
        if !self.mend.is_empty() {
            write!(f, "; {}", self.mend)?;
        }
        Ok(())
    }
}
