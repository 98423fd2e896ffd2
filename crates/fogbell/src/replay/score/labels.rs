//! Labels of recorded faults: a JSON array, recordings beside it.

use std::path::{Path, PathBuf};

use ::replay::score::Truth;
use anyhow::{Context, bail};
use model::Timestamp;
use serde::Deserialize;

/// How a recording's name may end, in the order in which it is looked for.
const ENDINGS: [&str; 4] = ["jsonl.zst", "jsonl", "json", "pb"];

/// A labelled fault with its recording.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub(super) case: String,
    pub(super) system: String,
    /// What kind of fault it is.
    pub(super) fault: String,
    pub(super) truth: Truth,
    /// Where the recording is looked for: the file's name without its ending.
    stem: PathBuf,
}

#[derive(Deserialize)]
struct Entry {
    case: String,
    system: String,
    root_cause_service: String,
    #[serde(default)]
    root_cause_pod: String,
    #[serde(default)]
    fault: String,
    inject_time_unix_s: u64,
}

/// Reads the labels.
///
/// # Errors
/// If the file cannot be read, or an entry misses a field, with its place.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<Label>> {
    let shown = file.display();
    let text = std::fs::read(file).with_context(|| shown.to_string())?;
    let entries: Vec<Entry> = serde_json::from_slice(&text).with_context(|| {
        format!(
            "{shown}: an array is wanted whose entries have case, system, root_cause_service \
             and inject_time_unix_s"
        )
    })?;
    if entries.is_empty() {
        bail!("{shown}: there is no case in it");
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let label = |entry: Entry| Label {
        stem: folder.join(&entry.case),
        truth: Truth {
            services: vec![entry.root_cause_service],
            instance: entry.root_cause_pod,
            injected_at: Timestamp::from_unix_s(entry.inject_time_unix_s),
        },
        case: entry.case,
        system: entry.system,
        fault: entry.fault,
    };
    Ok(entries.into_iter().map(label).collect())
}

impl Label {
    /// The recording of the case.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn recording(&self) -> anyhow::Result<PathBuf> {
        let path = |ending: &str| {
            let mut name = self.stem.clone().into_os_string();
            name.push(format!(".{ending}"));
            PathBuf::from(name)
        };
        ENDINGS.iter().map(|ending| path(ending)).find(|path| path.is_file()).with_context(|| {
            format!("no recording {}.{{{}}}", self.stem.display(), ENDINGS.join(","))
        })
    }
}
