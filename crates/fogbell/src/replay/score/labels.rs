//! Labels of recorded faults: a JSON array, recordings beside it.

use std::path::{Path, PathBuf};

use ::replay::score::Truth;
use anyhow::{Context, bail};
use contract::v1::cause;
use model::{CauseKind, Timestamp};
use serde::Deserialize;
use serde_json::Value;

/// How a recording's name may end, in the order in which it is looked for.
const ENDINGS: [&str; 4] = ["jsonl.zst", "jsonl", "json", "pb"];

/// What a label may say of the kind.
const KINDS: [CauseKind; 10] = [
    CauseKind::Code,
    CauseKind::Cpu,
    CauseKind::Memory,
    CauseKind::Disk,
    CauseKind::Network,
    CauseKind::Dependency,
    CauseKind::Quota,
    CauseKind::Config,
    CauseKind::Infrastructure,
    CauseKind::Silence,
];

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

/// What a file of labels holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels {
    pub(super) whole: Vec<Label>,
    /// What is wrong with each of the other entries, with its place.
    pub(super) broken: Vec<String>,
}

#[derive(Deserialize)]
struct Entry {
    case: String,
    system: String,
    root_cause_service: String,
    /// Without one, the case does not count in what is said of instances.
    #[serde(default)]
    root_cause_pod: String,
    /// Of `fogbell.v1.Cause.Kind`. As with the pod, a case without it does not count.
    root_cause_kind: Option<String>,
    root_cause_tag_key: Option<String>,
    root_cause_tag_value: Option<String>,
    #[serde(default)]
    fault: String,
    inject_time_unix_s: u64,
}

/// Reads the labels.
///
/// # Errors
/// If the file cannot be read, or is no JSON array with a label in it.
pub(super) fn read(file: &Path) -> anyhow::Result<Labels> {
    let shown = file.display();
    let text = std::fs::read(file).with_context(|| shown.to_string())?;
    let entries: Vec<Value> = serde_json::from_slice(&text)
        .with_context(|| format!("{shown}: a JSON array of labels is wanted"))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut labels = Labels::default();
    for (place, entry) in (1_u64..).zip(entries) {
        match Entry::deserialize(entry).map(|entry| Label::of(entry, folder)) {
            Ok(Some(label)) => labels.whole.push(label),
            Ok(None) => labels.broken.push(format!(
                "{shown}: entry {place}: root_cause_kind is none of {}",
                KINDS.map(name_of).join(", ")
            )),
            Err(error) => labels.broken.push(format!(
                "{shown}: entry {place}: {error} (case, system, root_cause_service and \
                 inject_time_unix_s are wanted)"
            )),
        }
    }
    if labels.whole.is_empty() {
        let why = labels.broken.into_iter().next();
        bail!("{}", why.unwrap_or_else(|| format!("{shown}: there is no case in it")));
    }
    Ok(labels)
}

impl Label {
    /// None if it names a kind that there is not.
    fn of(entry: Entry, folder: &Path) -> Option<Self> {
        let kind = match entry.root_cause_kind {
            Some(name) => Some(kind_of(&name)?),
            None => None,
        };
        Some(Self {
            stem: folder.join(&entry.case),
            truth: Truth {
                services: vec![entry.root_cause_service],
                instance: entry.root_cause_pod,
                kind,
                tag: entry.root_cause_tag_key.zip(entry.root_cause_tag_value),
                injected_at: Timestamp::from_unix_s(entry.inject_time_unix_s),
            },
            case: entry.case,
            system: entry.system,
            fault: entry.fault,
        })
    }

    /// The broken services of the other faults in the same case.
    pub(super) fn at_once<'a>(&self, all: &'a [Self]) -> Vec<&'a str> {
        let others = all.iter().filter(|other| other.case == self.case);
        let services = others.flat_map(|other| &other.truth.services).map(String::as_str);
        services.filter(|service| !self.truth.services.iter().any(|own| own == service)).collect()
    }

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

fn kind_of(name: &str) -> Option<CauseKind> {
    KINDS.into_iter().find(|kind| name_of(*kind) == name)
}

fn name_of(kind: CauseKind) -> &'static str {
    cause::Kind::from(kind).as_str_name()
}
