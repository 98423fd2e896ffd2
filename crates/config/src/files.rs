//! The one part that reads files.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use document::{FILE_BYTES_MAX, Place, Problem, Problems};
use glob::{MatchOptions, Pattern};
use model::{Maintenance, Timestamp};
use slo::openslo::{Documents, SloDefinition};

use crate::{Config, Read, Role, Secret, calendar};

/// Most OpenSLO files that are read.
pub const SLO_FILES_MAX: usize = 10_000;
/// Shortest token that is accepted, so that it cannot be guessed.
pub const TOKEN_BYTES_MIN: usize = 16;
/// Longest token that is accepted.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// A configuration with all that its files hold.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; paths of `auth.tenants` and `enrich.catalog` start at its folder.
    pub config: Config,
    /// Declared SLOs, by name.
    pub slos: Vec<SloDefinition>,
    /// Declared maintenance, in its order; what recurs is known for two years at least.
    pub maintenance: Vec<Maintenance>,
    /// Tokens of `auth.tenants`, in its order.
    pub credentials: Vec<Credential>,
    /// The OpenSLO files that were read, sorted.
    pub slo_files: Vec<PathBuf>,
    /// Everything that is wrong, by place. With an error among them the rest must not be used.
    pub problems: Vec<Problem>,
}

/// A token and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The tenant's name.
    pub tenant: String,
    /// What it may do.
    pub role: Role,
    /// The token.
    pub token: Secret,
}

/// Reads the configuration of a file, or the defaults, with the variables over it, and all files
/// that it names.
pub fn from_path(path: Option<&Path>, env: &mut dyn Iterator<Item = (String, String)>) -> Loaded {
    let problems = Problems::new();
    let file = path.and_then(|path| {
        let name = path.display().to_string();
        let text = read_text(path, FILE_BYTES_MAX);
        let text = text.map_err(|error| {
            problems.error(&Place::whole(&name), format!("cannot be read: {error}"), "");
        });
        Some((name, text.ok()?))
    });
    let file = file.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
    let mut read = Read::new(file, env, &problems);
    let folder = path.and_then(Path::parent).unwrap_or(Path::new(""));
    for tenant in &mut read.config.auth.tenants {
        tenant.token_file = folder.join(&tenant.token_file);
    }
    if let Some(catalog) = &mut read.config.enrich.catalog {
        *catalog = folder.join(&catalog);
    }
    let credentials = read.credentials(&problems);
    let slo_files = read.slo_files(folder, &problems);
    let slos = read.slos(&slo_files, &problems);
    let maintenance = read.maintenance(now(), &problems);
    let problems = problems.into_sorted();
    Loaded { config: read.config, slos, maintenance, credentials, slo_files, problems }
}

fn now() -> Timestamp {
    Timestamp::from_unix_s(u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0))
}

impl Read {
    fn credentials(&self, problems: &Problems) -> Vec<Credential> {
        let mut credentials: Vec<Credential> = Vec::new();
        for tenant in &self.config.auth.tenants {
            match read_token(&tenant.token_file) {
                Ok(token) if credentials.iter().any(|known| known.token == token) => {
                    let what = format!(
                        "{} holds the same token as another entry",
                        tenant.token_file.display()
                    );
                    self.error(problems, "auth.tenants", what, "give each its own token");
                }
                Ok(token) => {
                    let (tenant, role) = (tenant.name.clone(), tenant.role);
                    credentials.push(Credential { tenant, role, token });
                }
                Err(why) => {
                    let what = format!("{} {why}", tenant.token_file.display());
                    let mend = "write a token of at least 16 random characters into the file";
                    self.error(problems, "auth.tenants", what, mend);
                }
            }
        }
        credentials
    }

    /// Sorted, each once. Hidden files and folders are passed over.
    fn slo_files(&self, folder: &Path, problems: &Problems) -> Vec<PathBuf> {
        let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
        let is_default = self.config.slos.files == Config::default().slos.files;
        let mut files = Vec::new();
        for pattern in &self.config.slos.files {
            // The folder's own name is no pattern.
            let whole = match Path::new(pattern).is_absolute() || folder.as_os_str().is_empty() {
                true => pattern.clone(),
                false => format!("{}/{pattern}", Pattern::escape(&folder.to_string_lossy())),
            };
            let before = files.len();
            match glob::glob_with(&whole, options) {
                Ok(paths) => {
                    for path in paths.take(SLO_FILES_MAX + 1) {
                        match path {
                            Ok(path) => files.extend(path.is_file().then_some(path)),
                            Err(error) => {
                                let place = Place::whole(&error.path().display().to_string());
                                let what = format!("cannot be read: {}", error.error());
                                problems.error(&place, what, "");
                            }
                        }
                    }
                }
                Err(error) => {
                    let what = format!("{pattern:?} is no pattern: {}", error.msg);
                    self.error(problems, "slos.files", what, "write it like slos/**/*.yaml");
                    continue;
                }
            }
            if files.len() == before && !is_default {
                let what = format!("no file matches {pattern:?}");
                self.warn(problems, "slos.files", what, "patterns start at this file's folder");
            }
        }
        files.sort_unstable();
        files.dedup();
        if files.len() > SLO_FILES_MAX {
            let what = format!("more than {SLO_FILES_MAX} files match");
            self.error(problems, "slos.files", what, "put several documents into a file");
            files.truncate(SLO_FILES_MAX);
        }
        files
    }

    fn slos(&self, files: &[PathBuf], problems: &Problems) -> Vec<SloDefinition> {
        let mut documents = Documents::new();
        for path in files {
            let name = path.display().to_string();
            match read_text(path, FILE_BYTES_MAX) {
                Ok(text) => documents.read(&name, &text, problems),
                Err(error) => {
                    problems.error(&Place::whole(&name), format!("cannot be read: {error}"), "");
                }
            }
        }
        let definitions = documents.compile(problems);
        calendar::check(&definitions, problems);
        self.check_slos(&definitions, problems);
        definitions
    }
}

/// The text of a file. One byte more than the limit is read, so that what parses it can tell that it
/// is too long.
///
/// # Errors
/// Why it cannot be read, in words.
pub fn read_text(path: &Path, bytes_max: usize) -> Result<String, String> {
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let limit = bytes_max as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) if error.as_bytes().len() > bytes_max => Err("it is too large".to_owned()),
        Err(_) => Err("it is not UTF-8".to_owned()),
    }
}

fn read_token(path: &Path) -> Result<Secret, String> {
    let text =
        read_text(path, TOKEN_BYTES_MAX).map_err(|error| format!("cannot be read: {error}"))?;
    let token = text.trim();
    if token.len() < TOKEN_BYTES_MIN {
        return Err(format!("holds a token of fewer than {TOKEN_BYTES_MIN} bytes"));
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(format!("holds a token of more than {TOKEN_BYTES_MAX} bytes"));
    }
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("holds a token with blanks or other characters than ASCII".to_owned());
    }
    Ok(Secret::new(token.to_owned()))
}
