//! The daemon under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Server;
use super::{http, ports, prepare};

const START_LIMIT: Duration = Duration::from_secs(30);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// A running `fogbell serve` on free loopback ports, with its data in a temporary folder that
/// outlives its restarts.
pub(crate) struct Fogbell {
    // Before the folder, so that the daemon is gone when its folder goes.
    server: Option<Server>,
    folder: TempDir,
    grpc: u16,
    http: u16,
    api: u16,
}

impl Fogbell {
    /// Starts the daemon with `config`, the keys of fogbell.yaml as JSON, over free ports and a
    /// data folder of its own; returns when it is ready.
    pub(crate) fn start(config: &Value) -> Self {
        Self::start_with(config, &[])
    }

    /// The same with files beside the configuration, by their paths relative to it.
    pub(crate) fn start_with(config: &Value, files: &[(&str, &str)]) -> Self {
        let mut fogbell = Self::prepare(config, files);
        fogbell.start_again();
        fogbell
    }

    /// Everything for a daemon, which is not started yet.
    pub(crate) fn prepare(config: &Value, files: &[(&str, &str)]) -> Self {
        let [grpc, http, api] = [(); 3].map(|()| ports::free());
        let folder = tempfile::tempdir().unwrap();
        let fogbell = Self { server: None, folder, grpc, http, api };
        for (path, text) in files {
            fogbell.write(path, text);
        }
        fogbell.configure(config);
        fogbell
    }

    /// Writes a file beside the configuration.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes the configuration anew; the daemon sees it on `hangup` or at its next start.
    pub(crate) fn configure(&self, config: &Value) {
        let listen = |port: u16| json!({ "listen": format!("127.0.0.1:{port}") });
        let mut whole = json!({
            "receive": { "otlp": { "grpc": listen(self.grpc), "http": listen(self.http) } },
            "api": listen(self.api),
        });
        merge(&mut whole, config);
        // JSON is YAML too.
        fs::write(self.config_file(), serde_json::to_string_pretty(&whole).unwrap()).unwrap();
    }

    /// Starts the daemon on the same data, configuration and ports; returns when it is ready.
    pub(crate) fn start_again(&mut self) {
        assert!(self.server.is_none(), "the daemon already runs");
        let mut command = command();
        command
            .current_dir(self.folder.path())
            .arg("serve")
            .arg("--config")
            .arg(self.config_file())
            .arg("--data-dir")
            .arg(self.data_dir());
        let log = self.folder.path().join("fogbell.log");
        let mut server = Server::start("fogbell", &mut command, &log);
        let ready = self.api_url("/readyz");
        server.wait_ready(START_LIMIT, || {
            http::get(&ready, &[]).is_ok_and(|answer| answer.status == 200)
        });
        self.server = Some(server);
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.server.take().expect("the daemon runs").kill();
    }

    /// SIGTERM: returns how the daemon ended after its drain.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.server.take().expect("the daemon runs").terminate(DRAIN_LIMIT)
    }

    /// SIGHUP: the daemon reads its configuration again.
    pub(crate) fn hangup(&self) {
        self.server.as_ref().expect("the daemon runs").signal(Signal::HUP);
    }

    /// Where OTLP/gRPC goes.
    pub(crate) fn grpc_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.grpc)
    }

    /// Where OTLP/HTTP goes, without a path.
    pub(crate) fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// HOST:PORT of the API, as Prometheus wants its target.
    pub(crate) fn api_address(&self) -> String {
        format!("127.0.0.1:{}", self.api)
    }

    /// The API with a path, which begins with a slash or is empty.
    pub(crate) fn api_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.api_address())
    }

    /// `/metrics` as text.
    #[track_caller]
    pub(crate) fn metrics(&self) -> String {
        let answer = http::get(&self.api_url("/metrics"), &[]).expect("the API answers");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    /// The value of a series of `/metrics`, given as it is written there.
    #[track_caller]
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        value_of(&self.metrics(), series)
    }

    /// The most memory that the daemon has had resident since its start, in bytes, without the
    /// pages of its own file: an unoptimised binary maps some fifty MiB that nobody ships.
    pub(crate) fn resident_bytes_peak(&self) -> u64 {
        let id = self.server.as_ref().expect("the daemon runs").id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the daemon lives");
        let bytes = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
            line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") * 1024
        };
        bytes("VmHWM:") - bytes("RssFile:")
    }

    /// Runs another subcommand of the binary against this daemon's API, and returns what it
    /// printed; a failure fails the test.
    #[track_caller]
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let api = self.api_url("");
        prepare::output(command().args(arguments).env("FOGBELL_API_URL", api))
    }

    /// All that the daemon wrote since its last start and before, on both outputs.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("fogbell.log")).unwrap_or_default()
    }

    /// The folder of its durable state.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The path of its configuration.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.path().join("fogbell.yaml")
    }
}

/// The binary under test: `FOGBELL_BIN`, or the one that was built beside this test.
pub(crate) fn command() -> Command {
    let built = || {
        let test = std::env::current_exe().unwrap();
        test.parent().and_then(Path::parent).unwrap().join("fogbell")
    };
    let binary = std::env::var_os("FOGBELL_BIN").map_or_else(built, PathBuf::from);
    assert!(binary.is_file(), "{} is missing: run `cargo xtask test`", binary.display());
    let mut command = Command::new(binary);
    // What steers the tests is no configuration.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FOGBELL_") {
            command.env_remove(name);
        }
    }
    command
}

/// The value of a series in an exposition, given as it is written there.
#[track_caller]
pub(crate) fn value_of(exposition: &str, series: &str) -> Option<f64> {
    let line = exposition.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    let value = line.split(' ').next().unwrap_or_default();
    Some(value.parse().unwrap_or_else(|_| panic!("{series} {line} has no number")))
}

/// Lays `over` on `under`, object by object.
fn merge(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
    }
}
