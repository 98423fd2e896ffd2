use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why the journal could not do it.
///
/// After [`JournalError::Storage`] from a commit its outcome is unknown and every later commit
/// fails: open the journal again and restore from what it holds.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Another process has the file open.
    #[error("{} is in use by another process: is fogbell running already?", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by another version of fogbell.
    #[error(
        "{} has format {found}, this version reads format {known}: use the version that wrote it, or move the file away",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: u64,
        /// The format that this version reads.
        known: u64,
    },
    /// The file is damaged or not fogbell's. [`crate::open`] sets such a file aside.
    #[error("the journal is corrupt: {0}")]
    Corrupt(String),
    /// A value cannot be stored; the commit did not happen.
    #[error("a value cannot be stored: {0}")]
    Encode(#[source] io::Error),
    /// The directory or the file cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The disk, or redb, failed.
    #[error("the journal failed: {0}")]
    Storage(#[source] Box<redb::Error>),
}

impl From<redb::Error> for JournalError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Corrupted(what) => Self::Corrupt(what),
            error => Self::Storage(Box::new(error)),
        }
    }
}

macro_rules! from_redb {
    ($($error:ident),+) => {
        $(impl From<redb::$error> for JournalError {
            fn from(error: redb::$error) -> Self {
                redb::Error::from(error).into()
            }
        })+
    };
}

from_redb!(CommitError, StorageError, TableError, TransactionError);
