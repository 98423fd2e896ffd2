//! Programs that use the OpenTelemetry SDKs as a user's services do.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::prepare;

/// A client that has been started.
pub(crate) struct Client {
    child: std::process::Child,
    command: String,
}

impl Client {
    /// Starts `clients/shop.py`, which takes traces, metrics or logs, and then its options.
    pub(crate) fn python(arguments: &[&str]) -> Self {
        let mut command = Command::new(python_environment().join("bin/python"));
        command.arg(prepare::fixture("clients/shop.py")).args(arguments);
        Self::start(command)
    }

    /// Starts `clients/shop.mjs`, which sends traces.
    pub(crate) fn node(arguments: &[&str]) -> Self {
        node_modules();
        let mut command = prepare::program("node", "nodejs");
        command.arg(prepare::fixture("clients/shop.mjs")).args(arguments);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts the client");
        Self { child, command: format!("{command:?}") }
    }

    /// Waits for its end and returns its summary: `requests`, `failed_requests`, `exports`,
    /// `failed_exports` and what else the client counts. A refused export is no failure of the
    /// client; look at `failed_exports`.
    #[track_caller]
    pub(crate) fn summary(self) -> Value {
        let output = self.child.wait_with_output().expect("the client ends");
        let printed = String::from_utf8_lossy(&output.stdout);
        printed.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_else(
            || {
                let errors = String::from_utf8_lossy(&output.stderr);
                panic!("{}: {}\n{printed}\n{errors}", self.command, output.status)
            },
        )
    }
}

/// A virtual environment with the packages of `clients/requirements.txt`, made once.
fn python_environment() -> PathBuf {
    let requirements = prepare::fixture("clients/requirements.txt");
    let folder = prepare::root().join(".cache/python-clients");
    prepare::once(&folder, &fs::read_to_string(&requirements).unwrap(), || {
        let mut create = prepare::program("python3", "python3 and python3-venv");
        prepare::output(create.args(["-m", "venv"]).arg(&folder));
        let mut install = Command::new(folder.join("bin/pip"));
        prepare::output(install.args(["install", "--quiet", "-r"]).arg(&requirements));
    });
    folder
}

/// The packages of `clients/package-lock.json`, installed once beside the client.
fn node_modules() {
    let folder = prepare::fixture("clients/node_modules");
    let lock = fs::read_to_string(prepare::fixture("clients/package-lock.json")).unwrap();
    prepare::once(&folder, &lock, || {
        prepare::output(
            prepare::program("npm", "npm").current_dir(prepare::fixture("clients")).args([
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
            ]),
        );
    });
}
