//! What a run ends with.

use std::io::Write;
use std::process::ExitCode;

/// `EX_USAGE` of sysexits: the configuration or the command line is wrong.
pub(crate) const USAGE: u8 = 64;

/// How a subcommand ends.
pub(crate) type Outcome = anyhow::Result<ExitCode>;

/// Prints an error with its causes to standard error.
pub(crate) fn complain(error: &anyhow::Error) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "fogbell: {error:#}");
}

/// Prints a line to standard output; a closed pipe is no error, whoever reads has seen enough.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a line to standard error.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
