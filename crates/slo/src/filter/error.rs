use std::fmt;

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// In characters of the filter, from 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What its author should do.
    pub mend: String,
}

impl FilterError {
    pub(super) fn new(column: usize, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { column, what: what.into(), mend: mend.into() }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.what)?;
        if !self.mend.is_empty() {
            write!(f, "; {}", self.mend)?;
        }
        Ok(())
    }
}

impl std::error::Error for FilterError {}
