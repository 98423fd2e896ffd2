use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use model::Timestamp;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError};

use crate::bounds::{CACHE_BYTES, CHECKED_FILE_BYTES_MAX};
use crate::outbox::Outbox;
use crate::tables::{
    FORMAT, META, META_EPOCH, META_FORMAT, META_LAST_COMMIT_AT, ROWS, begin_write, create, number,
};
use crate::{Journal, JournalError, Restored, SinkSpec};

/// The journal within its directory.
pub const FILE_NAME: &str = "journal.redb";

/// Opens the journal in `dir`, or creates it with `fresh_epoch`. A file that is corrupt or not
/// fogbell's is renamed to `journal.redb.corrupt-<now in ms>` and a new one is begun. What waits
/// for sinks that are not among `sinks` goes to the dead letters (pages, tickets) or is dropped.
///
/// # Errors
/// [`JournalError::Locked`] if another process has it open, [`JournalError::Format`] if another
/// version wrote it, [`JournalError::File`] or [`JournalError::Storage`] if the directory cannot
/// be used.
pub fn open(
    dir: &Path,
    fresh_epoch: u32,
    now: Timestamp,
    sinks: Vec<SinkSpec>,
) -> Result<(Journal, Restored), JournalError> {
    create_private_dir(dir).map_err(|source| file_error(dir, source))?;
    let path = dir.join(FILE_NAME);
    match open_file(&path, fresh_epoch, now, &sinks) {
        Err(JournalError::Corrupt(why)) => {
            let aside = set_aside(&path, now).map_err(|source| file_error(&path, source))?;
            tracing::error!(why, set_aside = %aside.display(), "the journal is corrupt");
            let (journal, mut restored) = open_file(&path, fresh_epoch, now, &sinks)?;
            restored.set_aside = Some(aside);
            Ok((journal, restored))
        }
        opened => opened,
    }
}

/// redb may panic on what it did not write: to the caller that is a corrupt file like any other.
fn open_file(
    path: &Path,
    fresh_epoch: u32,
    now: Timestamp,
    sinks: &[SinkSpec],
) -> Result<(Journal, Restored), JournalError> {
    let attempt = || {
        let bytes = fs::metadata(path).map_or(0, |file| file.len());
        let new = bytes == 0;
        let db = builder(bytes <= CHECKED_FILE_BYTES_MAX)
            .create(path)
            .map_err(|error| database_error(path, error))?;
        if new {
            sync_dir(path).map_err(|source| file_error(path, source))?;
        }
        restore(db, path, fresh_epoch, now, sinks)
    };
    catch_unwind(AssertUnwindSafe(attempt))
        .unwrap_or_else(|_| Err(JournalError::Corrupt("it cannot be read".to_owned())))
}

pub(crate) fn builder(check_integrity: bool) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(check_integrity);
    builder
}

/// Makes a journal of a database: creates what is not there, reads what is.
pub(crate) fn restore(
    db: Database,
    path: &Path,
    fresh_epoch: u32,
    now: Timestamp,
    sinks: &[SinkSpec],
) -> Result<(Journal, Restored), JournalError> {
    let txn = begin_write(&db)?;
    create(&txn)?;
    {
        let mut meta = txn.open_table(META)?;
        match number(&meta, META_FORMAT)? {
            Some(FORMAT) => {}
            Some(found) => {
                let path = path.to_owned();
                return Err(JournalError::Format { path, found, known: FORMAT });
            }
            None => {
                meta.insert(META_FORMAT, FORMAT)?;
                meta.insert(META_EPOCH, u64::from(fresh_epoch))?;
            }
        }
    }
    let retired = Outbox::open(&txn)?.retire(sinks, now)?;
    if retired > 0 {
        tracing::warn!(entries = retired, "entries waited for sinks that are not configured");
    }
    txn.commit()?;
    let restored = read_all(&db)?;
    Ok((Journal::new(db, sinks.to_vec()), restored))
}

fn read_all(db: &Database) -> Result<Restored, JournalError> {
    let txn = db.begin_read()?;
    let meta = txn.open_table(META)?;
    let epoch = number(&meta, META_EPOCH)?
        .and_then(|epoch| u32::try_from(epoch).ok())
        .ok_or_else(|| JournalError::Corrupt("the store has no epoch".to_owned()))?;
    let last_commit_at = number(&meta, META_LAST_COMMIT_AT)?.map(Timestamp::from_unix_ns);
    let mut rows = Vec::new();
    for item in txn.open_table(ROWS)?.iter()? {
        let (key, value) = item?;
        rows.push((key.value().to_vec(), value.value().to_vec()));
    }
    Ok(Restored { epoch, rows, last_commit_at, set_aside: None })
}

fn database_error(path: &Path, error: DatabaseError) -> JournalError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => JournalError::Locked { path: path.to_owned() },
        DatabaseError::UpgradeRequired(version) => {
            JournalError::Corrupt(format!("a redb file of the old format {version}"))
        }
        DatabaseError::Storage(StorageError::Io(source)) => match source.kind() {
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
                JournalError::Corrupt(source.to_string())
            }
            _ => file_error(path, source),
        },
        error => redb::Error::from(error).into(),
    }
}

fn file_error(path: &Path, source: io::Error) -> JournalError {
    JournalError::File { path: path.to_owned(), source }
}

/// Incidents name services, people and routes: only the owner may read them.
fn create_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn set_aside(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let mut ms = now.unix_ms();
    let aside = loop {
        let aside = path.with_file_name(format!("{FILE_NAME}.corrupt-{ms}"));
        if !aside.try_exists()? {
            break aside;
        }
        ms += 1;
    };
    fs::rename(path, &aside)?;
    sync_dir(path)?;
    Ok(aside)
}

/// A new name in a directory is durable once the directory is.
fn sync_dir(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}
