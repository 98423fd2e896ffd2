//! Servers as child processes, pinned to a core, with data that goes when they go.

use std::fmt;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::process::Command;

use crate::collector;
use crate::compare::{Run, Server};
use crate::error::LoadError;
use crate::options::Protocol;

/// A daemon that does not listen by then never will.
const READY_WITHIN: Duration = Duration::from_secs(30);
const READY_POLL: Duration = Duration::from_millis(20);
/// Of what a child wrote, shown when it does not come up.
const LOG_TAIL_BYTES: usize = 2000;

/// Which cores the servers and the loader run on. The loader gets its old ones back at the end.
#[derive(Debug)]
pub(crate) struct Pinning {
    /// The server's core, and the loader's cores before; None if nothing is pinned.
    pinned: Option<(usize, String)>,
}

impl Pinning {
    /// Moves this process off `server_core`.
    pub(crate) fn new(server_core: usize) -> Self {
        Self { pinned: Self::pin(server_core) }
    }

    fn pin(server_core: usize) -> Option<(usize, String)> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let before =
            status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim();
        let cores = core_numbers(before)?;
        let others: Vec<String> =
            cores.iter().filter(|core| **core != server_core).map(ToString::to_string).collect();
        let possible = cores.contains(&server_core) && !others.is_empty();
        (possible && move_self(&others.join(","))).then(|| (server_core, before.to_owned()))
    }

    /// Whether the server has one core, and for itself.
    pub(crate) const fn is_pinned(&self) -> bool {
        self.pinned.is_some()
    }

    fn command(&self, binary: &Path) -> Command {
        match &self.pinned {
            Some((core, _)) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string()]).arg(binary);
                command
            }
            None => Command::new(binary),
        }
    }
}

impl Drop for Pinning {
    fn drop(&mut self) {
        if let Some((_, before)) = &self.pinned {
            // Nothing is left to do about a refusal here.
            move_self(before);
        }
    }
}

impl fmt::Display for Pinning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pinned {
            Some((core, _)) => write!(f, "server pinned to core {core}, loader to the others"),
            None => write!(f, "NOT PINNED: needs taskset and two cores"),
        }
    }
}

/// Moves all threads of this process to `cores`; those that they start later follow.
fn move_self(cores: &str) -> bool {
    let pid = process::id().to_string();
    process::Command::new("taskset")
        .args(["-a", "-c", "-p", cores, &pid])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// `0-2,5` as numbers.
fn core_numbers(list: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        cores.extend(first..=last);
    }
    Some(cores)
}

/// What can be started.
#[derive(Debug)]
pub(crate) struct Binaries<'a> {
    pub fogbell: &'a Path,
    pub collector: Option<&'a Path>,
}

/// A server that runs; killed when dropped.
#[derive(Debug)]
pub(crate) struct Child {
    process: tokio::process::Child,
    pid: u32,
    address: SocketAddr,
    api: SocketAddr,
    folder: Folder,
}

impl Child {
    pub(crate) async fn start(
        binaries: &Binaries<'_>,
        run: Run,
        pinning: &Pinning,
    ) -> Result<Self, LoadError> {
        let binary = match (run.server, binaries.collector) {
            (Server::Collector, Some(collector)) => collector,
            _ => binaries.fogbell,
        };
        let failed = |source| LoadError::Start { binary: binary.to_owned(), source };
        let absolute = fs::canonicalize(binary).map_err(failed)?;
        let folder = Folder::new().map_err(LoadError::Thread)?;
        let log = File::create(folder.log()).map_err(LoadError::Thread)?;
        let [grpc, http, api] = free_ports().map_err(LoadError::Thread)?;
        let mut command = pinning.command(&absolute);
        let address = if run.protocol == Protocol::Grpc { grpc } else { http };
        match run.server {
            Server::Touch | Server::Walk | Server::Json => {
                command.args(["limit", &run.server.to_string(), "--listen", &address.to_string()]);
            }
            Server::Fogbell => configure(&mut command, &folder, run, [grpc, http, api])?,
            Server::Collector => {
                let file = folder.path.join("collector.yaml");
                fs::write(&file, collector::config(grpc)).map_err(LoadError::Thread)?;
                command.arg("--config").arg(file).env("GOMAXPROCS", "1");
            }
        }
        let process = command
            .current_dir(&folder.path)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(LoadError::Thread)?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let pid = process.id().unwrap_or_default();
        let mut child = Self { process, pid, address, api, folder };
        child.ready(run.server).await?;
        Ok(child)
    }

    pub(crate) const fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a daemon is scraped.
    pub(crate) const fn api(&self) -> SocketAddr {
        self.api
    }

    /// Ends it at once: its data is temporary.
    pub(crate) async fn stop(mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        drop(self.process.kill().await);
    }

    async fn ready(&mut self, server: Server) -> Result<(), LoadError> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let ended = self.process.try_wait().map_err(LoadError::Thread)?;
            let reason = match ended {
                Some(status) => format!("it ended with {status}"),
                None if Instant::now() > deadline => {
                    format!("it does not listen on {} after {READY_WITHIN:?}", self.address)
                }
                None => {
                    if TcpStream::connect(self.address).await.is_ok() {
                        return Ok(());
                    }
                    tokio::time::sleep(READY_POLL).await;
                    continue;
                }
            };
            let log = fs::read(self.folder.log()).unwrap_or_default();
            let tail = log.get(log.len().saturating_sub(LOG_TAIL_BYTES)..).unwrap_or_default();
            let reason = format!("{reason}\n{}", String::from_utf8_lossy(tail));
            return Err(LoadError::NotReady { server: server.to_string(), reason });
        }
    }
}

/// A daemon with its defaults, but for what it listens on, where its data is, its SLOs, and where
/// its pages go.
fn configure(
    command: &mut Command,
    folder: &Folder,
    run: Run,
    [grpc, http, api]: [SocketAddr; 3],
) -> Result<(), LoadError> {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FOGBELL_") {
            command.env_remove(name);
        }
    }
    command
        .arg("serve")
        .arg("--data-dir")
        .arg(folder.path.join("data"))
        .env("FOGBELL_RECEIVE_OTLP_GRPC_LISTEN", grpc.to_string())
        .env("FOGBELL_RECEIVE_OTLP_HTTP_LISTEN", http.to_string())
        .env("FOGBELL_API_LISTEN", api.to_string())
        .env("FOGBELL_LOG_LEVEL", "warn");
    if let Some(objectives) = run.objectives {
        let file = folder.path.join("slos.yaml");
        fs::write(&file, objectives.yaml()).map_err(LoadError::Thread)?;
        command.env("FOGBELL_SLOS_FILES", file);
    }
    if let Some(sink) = run.pages_to {
        let file = folder.path.join("fogbell.yaml");
        let emit = format!(
            "emit:\n  grpc: [{{ name: load, endpoint: \"http://{sink}\", urgencies: [page] }}]\n"
        );
        fs::write(&file, emit).map_err(LoadError::Thread)?;
        command.arg("--config").arg(file);
    }
    Ok(())
}

/// Free now; another process may be faster, then the server does not come up and says so.
fn free_ports() -> std::io::Result<[SocketAddr; 3]> {
    let bind = || TcpListener::bind(("127.0.0.1", 0));
    let (first, second, third) = (bind()?, bind()?, bind()?);
    Ok([first.local_addr()?, second.local_addr()?, third.local_addr()?])
}

/// A temporary folder, removed when dropped.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new() -> std::io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("fogbell-load-{}-{number}", process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self { path })
    }

    fn log(&self) -> PathBuf {
        self.path.join("log")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        drop(fs::remove_dir_all(&self.path));
    }
}

#[cfg(test)]
mod tests {
    use super::core_numbers;

    #[test]
    fn core_lists_hold_ranges() {
        assert_eq!(core_numbers("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(core_numbers("7"), Some(vec![7]));
        assert_eq!(core_numbers("a-b"), None);
    }
}
