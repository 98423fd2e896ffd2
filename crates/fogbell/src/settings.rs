//! The configuration for a subcommand, or everything that is wrong with it.

use std::process::ExitCode;

use config::{Loaded, LogLevel};
use document::{Level, Problem};

use crate::cli::ConfigArgs;
use crate::exit::{USAGE, note};

/// Belong to the command line; all others that begin with `FOGBELL_` are keys of the configuration.
const OF_THE_COMMAND_LINE: [&str; 3] = ["FOGBELL_CONFIG", "FOGBELL_API_URL", "FOGBELL_TOKEN_FILE"];

/// Reads the file, the variables over it and all files that it names. Every problem is printed to
/// standard error; an error among them is the exit code.
pub(crate) fn load(args: &ConfigArgs) -> Result<Loaded, ExitCode> {
    let loaded = config::from_path(args.config.as_deref(), &mut variables());
    for problem in &loaded.problems {
        note(&problem.to_string());
    }
    match Count::of(&loaded.problems) {
        Count { errors: 0, .. } => Ok(loaded),
        count => {
            note(&format!("fogbell: {count} in the configuration"));
            Err(ExitCode::from(USAGE))
        }
    }
}

/// The name of a level as log filters have it.
pub(crate) fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

/// How many problems there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
}

impl Count {
    pub(crate) fn of(problems: &[Problem]) -> Self {
        let errors = problems.iter().filter(|problem| problem.level == Level::Error).count();
        Self { errors, warnings: problems.len() - errors }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let some = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        f.write_str(&some(self.errors, "error"))?;
        if self.warnings > 0 {
            write!(f, ", {}", some(self.warnings, "warning"))?;
        }
        Ok(())
    }
}

/// The variables that are the configuration's. One that is not UTF-8 has no meaning to it.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| is_key(name))
}

fn is_key(name: &str) -> bool {
    name.starts_with("FOGBELL_") && !OF_THE_COMMAND_LINE.contains(&name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn written(folder: &Path, text: &str) -> ConfigArgs {
        let path = folder.join("fogbell.yaml");
        std::fs::write(&path, text).unwrap();
        ConfigArgs { config: Some(path) }
    }

    #[test]
    fn an_error_is_the_exit_code_and_a_warning_is_not() {
        let folder = tempfile::tempdir().unwrap();
        for (text, passes) in [
            ("", true),
            ("log: { level: debug }\n", true),
            ("slos: { files: [none-such/*.yaml] }\n", true),
            ("log: { level: loud }\n", false),
            ("api: { listne: \"127.0.0.1:1\" }\n", false),
        ] {
            assert_eq!(load(&written(folder.path(), text)).is_ok(), passes, "{text}");
        }
        let missing = ConfigArgs { config: Some(folder.path().join("none.yaml")) };
        assert!(load(&missing).is_err());
    }

    #[test]
    fn variables_of_the_command_line_are_no_keys() {
        for (name, expected) in [
            ("FOGBELL_API_LISTEN", true),
            ("FOGBELL_NONSENSE", true),
            ("FOGBELL_API_URL", false),
            ("FOGBELL_TOKEN_FILE", false),
            ("FOGBELL_CONFIG", false),
            ("PATH", false),
        ] {
            assert_eq!(is_key(name), expected, "{name}");
        }
    }
}
