//! A real Prometheus, as scraper and as oracle for sums over windows.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::process::Server;
use super::{http, ports, prepare, wait};

const START_LIMIT: Duration = Duration::from_secs(60);
const SCRAPE_LIMIT: Duration = Duration::from_secs(15);
const PACKAGE: &str = "prometheus";

/// One value of an instant query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub labels: BTreeMap<String, String>,
    /// As Prometheus prints it, with every digit.
    pub value: String,
}

impl Sample {
    /// The value as a number.
    pub(crate) fn number(&self) -> f64 {
        self.value.parse().expect("Prometheus prints numbers")
    }
}

/// A Prometheus of its own for one test, with its data in a temporary folder.
pub(crate) struct Prometheus {
    // Before the folder, so that the server is gone when its folder goes.
    server: Server,
    _folder: TempDir,
    port: u16,
}

impl Prometheus {
    /// Scrapes `/metrics` of `target`, given as HOST:PORT, every second.
    pub(crate) fn scraping(target: &str) -> Self {
        Self::with_rules(target, &[])
    }

    /// The same with files of rules, evaluated every second.
    pub(crate) fn with_rules(target: &str, rules: &[&Path]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rules: Vec<_> =
            rules.iter().map(|file| format!("{:?}", file.display().to_string())).collect();
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             rule_files: [{}]\n\
             scrape_configs:\n\
             - job_name: fogbell\n  static_configs: [{{ targets: [\"{target}\"] }}]\n",
            rules.join(", ")
        );
        Self::start(folder, &config)
    }

    /// Evaluates rules every second, and raises their alerts at `alertmanager`, HOST:PORT.
    pub(crate) fn raising(alertmanager: &str, rules: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "global: {{ evaluation_interval: 1s }}\n\
             rule_files: [{:?}]\n\
             alerting:\n  alertmanagers:\n\
             \x20 - static_configs: [{{ targets: [\"{alertmanager}\"] }}]\n",
            rules.display().to_string()
        );
        Self::start(folder, &config)
    }

    /// Holds the samples of an OpenMetrics text; they must lie in the past.
    pub(crate) fn with_history(openmetrics: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("history.om");
        fs::write(&text, openmetrics).unwrap();
        prepare::output(
            prepare::program("promtool", PACKAGE)
                .args(["tsdb", "create-blocks-from", "openmetrics"])
                .arg(&text)
                .arg(folder.path().join("data")),
        );
        Self::start(folder, "scrape_configs: []\n")
    }

    fn start(folder: TempDir, config: &str) -> Self {
        let port = ports::free();
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let mut command = prepare::program("prometheus", PACKAGE);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg("--storage.tsdb.retention.time=3650d")
            .arg("--enable-feature=exemplar-storage")
            // What fires before the receivers are known would wait for a minute.
            .arg("--rules.alert.resend-delay=1s")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let log = folder.path().join("prometheus.log");
        let mut server = Server::start("prometheus", &mut command, &log);
        let ready = format!("http://127.0.0.1:{port}/-/ready");
        server.wait_ready(START_LIMIT, || {
            http::get(&ready, &[]).is_ok_and(|answer| answer.status == 200)
        });
        Self { server, _folder: folder, port }
    }

    /// HOST:PORT.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The samples of `expression` now.
    #[track_caller]
    pub(crate) fn query(&self, expression: &str) -> Vec<Sample> {
        self.samples(&format!("query={}", encode(expression)))
    }

    /// The samples of `expression` at a time in Unix seconds.
    #[track_caller]
    pub(crate) fn query_at(&self, expression: &str, time_s: f64) -> Vec<Sample> {
        self.samples(&format!("query={}&time={time_s}", encode(expression)))
    }

    /// Waits until `expression` has samples.
    #[track_caller]
    pub(crate) fn wait_for(&self, expression: &str, limit: Duration) -> Vec<Sample> {
        wait::until(expression, limit, || Some(self.query(expression)).filter(|s| !s.is_empty()))
    }

    /// What a scrape of the target complained of, after at least one scrape: the target's last
    /// error, and every warning in Prometheus' log.
    pub(crate) fn scrape_complaints(&self) -> Vec<String> {
        let health = wait::until("the target was scraped", SCRAPE_LIMIT, || {
            let targets = self.api("targets", "state=active");
            let target = targets.pointer("/activeTargets/0")?.clone();
            (target.get("health")? != "unknown").then_some(target)
        });
        let last_error = health["lastError"].as_str().unwrap_or_default();
        let log = self.server.log();
        let warnings =
            log.lines().filter(|line| line.contains("level=warn") || line.contains("level=error"));
        warnings.chain(Some(last_error).filter(|e| !e.is_empty())).map(String::from).collect()
    }

    fn samples(&self, query: &str) -> Vec<Sample> {
        let data = self.api("query", query);
        let results = data["result"].as_array().expect("a query has results");
        if data["resultType"] == "scalar" {
            let value = data["result"][1].as_str().unwrap().to_owned();
            return vec![Sample { labels: BTreeMap::new(), value }];
        }
        results
            .iter()
            .map(|result| Sample {
                labels: serde_json::from_value(result["metric"].clone()).unwrap(),
                value: result["value"][1].as_str().unwrap().to_owned(),
            })
            .collect()
    }

    /// Why `expression` is no query; `None` if it is one.
    pub(crate) fn refusal(&self, expression: &str) -> Option<String> {
        let body = self.ask("query", &format!("query={}", encode(expression)));
        body["error"].as_str().map(str::to_owned)
    }

    #[track_caller]
    fn api(&self, path: &str, query: &str) -> Value {
        let mut body = self.ask(path, query);
        assert_eq!(body["status"], "success", "{path}?{query}: {body}");
        body["data"].take()
    }

    fn ask(&self, path: &str, query: &str) -> Value {
        let url = format!("http://{}/api/v1/{path}?{query}", self.address());
        let answer = http::get(&url, &[]).expect("Prometheus answers");
        serde_json::from_slice(&answer.body).expect("Prometheus sends JSON")
    }
}

/// What `promtool check metrics` says of an exposition; nothing where it is clean.
pub(crate) fn check_metrics(exposition: &str) -> Option<String> {
    let mut child = prepare::program("promtool", PACKAGE)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts promtool");
    child.stdin.take().unwrap().write_all(exposition.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let clean = output.status.success() && said.is_empty();
    (!clean).then(|| format!("{}\n{}", output.status, String::from_utf8_lossy(&said)))
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
