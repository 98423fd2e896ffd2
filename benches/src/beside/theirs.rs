//! A Prometheus with the month as backfilled blocks, and the rules that Sloth generated.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::ours::BEGIN_S;
use super::scenario::{Counters, DAY_S, EVERY_S, MONTH_S, Scenario};
use super::{Error, Outcome, Paged};

/// What the rules are about.
const METRIC: &str = "http_request_duration_seconds_count";
const JOB: &str = "myservice";
/// How often Prometheus evaluates them.
const EVALUATED_EVERY_S: u64 = 30;
/// Recordings that are needed all month, for the number of 30 days; the others for its end only.
const WHOLE_MONTH: &str = "slo:sli_error:ratio_rate5m";
const AT_THE_END: [&str; 6] = ["30m", "1h", "2h", "6h", "1d", "3d"];
const OF_30_DAYS: &str = "slo:sli_error:ratio_rate30d";
/// What flickers for less depends on the moment at which rules are evaluated.
const STEADY_S: u64 = 300;
/// What the alert's longest window of six hours looks back to, and how long after a fault it must
/// still be silent that nobody was paged for.
const TESTED_BEFORE_S: u64 = 7 * 3600;
const TESTED_AFTER_S: u64 = 3600;
const STARTED_WITHIN: Duration = Duration::from_secs(60);

/// Sloth's rules, cut out of the file that it generated.
#[derive(Clone, Debug)]
pub struct Rules {
    file: PathBuf,
    /// Name and expression, in their order.
    recordings: Vec<(String, String)>,
    page: String,
}

impl Rules {
    /// From a file of Sloth's.
    ///
    /// # Errors
    /// If it is none, or none with a page.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let problems = document::Problems::new();
        let trees = document::parse("rules", &fs::read_to_string(file)?, &problems);
        let root = trees.first().ok_or("no document")?;
        let (mut recordings, mut page) = (Vec::new(), None);
        for group in items(root.get("groups")) {
            for rule in items(group.get("rules")) {
                let text = |key: &str| rule.get(key).and_then(text_of);
                let Some(expr) = text("expr") else { continue };
                let severity = rule.get("labels").and_then(|labels| labels.get("sloth_severity"));
                match text("record") {
                    Some(name) => recordings.push((name, expr)),
                    None if severity.and_then(text_of).as_deref() == Some("page") => {
                        page = Some(expr);
                    }
                    None => {}
                }
            }
        }
        let file = file.canonicalize()?;
        Ok(Self { file, recordings, page: page.ok_or("no alert that pages")? })
    }

    fn expr(&self, record: &str) -> Result<&str, Error> {
        let found = self.recordings.iter().find(|(name, _)| name == record);
        found.map(|(_, expr)| expr.as_str()).ok_or_else(|| format!("no {record}").into())
    }

    /// A file of rules with these recordings alone. Each keeps the labels by which alerts and the
    /// number of 30 days find it.
    fn with(&self, records: &[String]) -> Result<String, Error> {
        let mut out = "groups:\n- name: recordings\n  rules:\n".to_owned();
        for record in records {
            let window = record.trim_start_matches("slo:sli_error:ratio_rate");
            let expr = serde_json::to_string(self.expr(record)?)?;
            write!(
                out,
                "  - record: {record}\n    expr: {expr}\n    labels:\n      sloth_id: \
                 myservice-requests-availability\n      sloth_service: myservice\n      sloth_slo: \
                 requests-availability\n      sloth_window: {window}\n"
            )?;
        }
        Ok(out)
    }
}

fn items(tree: Option<&document::Tree>) -> &[document::Tree] {
    match tree.map(|tree| &tree.value) {
        Some(document::Value::List(items)) => items,
        _ => &[],
    }
}

fn text_of(tree: &document::Tree) -> Option<String> {
    match &tree.value {
        document::Value::Scalar(scalar) => Some(scalar.text.clone()),
        _ => None,
    }
}

/// What Sloth's rules make of a scenario, in a Prometheus that is started for it in this folder.
///
/// # Errors
/// If Prometheus is missing, or says no.
pub fn outcome(scenario: &Scenario, rules: &Rules, folder: &Path) -> Result<Outcome, Error> {
    let data = folder.join("data");
    fs::create_dir_all(&data)?;
    let samples = folder.join("samples.txt");
    fs::write(&samples, openmetrics(scenario)?)?;
    promtool(&["tsdb", "create-blocks-from", "openmetrics"], &[&samples, &data])?;
    record(rules, folder, &data, &[WHOLE_MONTH.to_owned()], 0..MONTH_S)?;
    let at_the_end = AT_THE_END.map(|window| format!("slo:sli_error:ratio_rate{window}"));
    record(rules, folder, &data, &at_the_end, MONTH_S - 2 * DAY_S..MONTH_S)?;

    let prometheus = Prometheus::start(&data, folder)?;
    let pages = prometheus.lasting(&rules.page, MONTH_S - DAY_S..MONTH_S)?;
    let error_ratio = prometheus.number(rules.expr(OF_30_DAYS)?, MONTH_S)?;
    let lasts = |page: &&Paged| page.until_s.is_some_and(|end| end - page.from_s >= STEADY_S);
    let steady = pages.iter().find(lasts);
    if pages.is_empty() || steady.is_some() {
        check_page(scenario, rules, steady, folder)?;
    }
    Ok(Outcome::of(scenario, &pages, error_ratio))
}

/// Backfills recordings, which needs a Prometheus that has what they read.
fn record(
    rules: &Rules,
    folder: &Path,
    data: &Path,
    records: &[String],
    during: Range<u64>,
) -> Result<(), Error> {
    let file = folder.join("recordings.yml");
    fs::write(&file, rules.with(records)?)?;
    let prometheus = Prometheus::start(data, folder)?;
    let made = folder.join("made");
    let (start, end) = (unix(during.start).to_string(), unix(during.end).to_string());
    let every = format!("{EVALUATED_EVERY_S}s");
    let output = format!("--output-dir={}", made.display());
    let url = format!("--url={}", prometheus.url);
    let arguments = [
        "tsdb",
        "create-blocks-from",
        "rules",
        "--start",
        &start,
        "--end",
        &end,
        "--eval-interval",
        &every,
        &output,
        &url,
    ];
    promtool(&arguments, &[&file])?;
    drop(prometheus);
    for block in fs::read_dir(&made)? {
        let block = block?;
        fs::rename(block.path(), data.join(block.file_name()))?;
    }
    Ok(())
}

/// Holds the first page that lasts against `promtool test rules`, which evaluates Sloth's file as it is: the
/// alert fires at that evaluation and not two before, or never until the fault is over. The one
/// between is left out: a Prometheus evaluates each group at an offset of its own, so that alerts
/// see recordings of the same turn or of the one before.
fn check_page(
    scenario: &Scenario,
    rules: &Rules,
    page: Option<&Paged>,
    folder: &Path,
) -> Result<(), Error> {
    let around = page.map_or(scenario.fault.start, |page| page.from_s);
    let from_s =
        around.min(scenario.fault.start).saturating_sub(TESTED_BEFORE_S) / EVERY_S * EVERY_S;
    let until_s = page.map_or(scenario.fault.end + TESTED_AFTER_S, |page| page.from_s);
    let until_s = until_s / EVALUATED_EVERY_S * EVALUATED_EVERY_S;
    let mut told = (from_s / EVERY_S..=until_s / EVERY_S).map(|_| None).collect::<Vec<_>>();
    for counters in scenario.counters() {
        let at = counters.at_s.checked_sub(from_s).map(|since| (since / EVERY_S) as usize);
        if let Some(place) = at.and_then(|at| told.get_mut(at)) {
            *place = Some(counters);
        }
    }
    let values = |of: fn(&Counters) -> Option<u64>| {
        let value = |told: &Option<Counters>| {
            told.as_ref().and_then(of).map_or("_".to_owned(), |value| value.to_string())
        };
        told.iter().map(value).collect::<Vec<_>>().join(" ")
    };
    let good = values(|counters| Some(counters.good));
    let bad = if scenario.never_failed {
        values(|counters| Some(counters.bad).filter(|bad| *bad > 0))
    } else {
        values(|counters| Some(counters.bad))
    };
    let expr = "count(ALERTS{sloth_severity=\"page\", alertstate=\"firing\"})";
    let at = |second: u64, samples: &str| {
        let since = second - from_s;
        format!("      - {{ expr: '{expr}', eval_time: {since}s, exp_samples: [{samples}] }}\n")
    };
    let expected = match page {
        Some(_) => {
            at(until_s - 2 * EVALUATED_EVERY_S, "") + &at(until_s, "{ labels: '{}', value: 1 }")
        }
        None => at(until_s, ""),
    };
    let test = format!(
        "rule_files: [{:?}]\nevaluation_interval: {EVALUATED_EVERY_S}s\ntests:\n  - interval: \
         {EVERY_S}s\n    input_series:\n      - series: '{METRIC}{{job=\"{JOB}\",code=\"200\"}}'\n        \
         values: '{good}'\n      - series: '{METRIC}{{job=\"{JOB}\",code=\"500\"}}'\n        \
         values: '{bad}'\n    promql_expr_test:\n{expected}",
        rules.file.display().to_string(),
    );
    let file = folder.join("test.yml");
    fs::write(&file, test)?;
    promtool(&["test", "rules"], &[&file]).map(drop)
}

/// The counters as a scrape would have had them.
fn openmetrics(scenario: &Scenario) -> Result<String, Error> {
    let mut out = format!("# TYPE {METRIC} unknown\n");
    for counters in scenario.counters() {
        let at = unix(counters.at_s);
        writeln!(out, "{METRIC}{{job=\"{JOB}\",code=\"200\"}} {} {at}", counters.good)?;
        if counters.bad > 0 || !scenario.never_failed {
            writeln!(out, "{METRIC}{{job=\"{JOB}\",code=\"500\"}} {} {at}", counters.bad)?;
        }
    }
    out.push_str("# EOF\n");
    Ok(out)
}

fn promtool(arguments: &[&str], paths: &[&Path]) -> Result<String, Error> {
    let output = Command::new("promtool").args(arguments).args(paths).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("promtool {}: {said}", arguments.join(" ")).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

const fn unix(second: u64) -> u64 {
    BEGIN_S + second
}

/// A server that ends with its value.
struct Prometheus {
    child: Child,
    url: String,
}

impl Prometheus {
    fn start(data: &Path, folder: &Path) -> Result<Self, Error> {
        let config: PathBuf = folder.join("prometheus.yml");
        fs::write(&config, "global: {}\n")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--storage.tsdb.retention.time=10y")
            .arg("--query.max-samples=500000000")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let started = Self { child, url: format!("http://127.0.0.1:{port}") };
        let ready = std::time::Instant::now();
        while started.query(&["query", "instant", "-o", "json"], "vector(1)").is_err() {
            if ready.elapsed() > STARTED_WITHIN {
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(started)
    }

    fn query(&self, arguments: &[&str], expr: &str) -> Result<Value, Error> {
        let output = Command::new("promtool").args(arguments).args([&self.url, expr]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// When an expression holds.
    fn lasting(&self, expr: &str, during: Range<u64>) -> Result<Vec<Paged>, Error> {
        let (start, end) = (unix(during.start).to_string(), unix(during.end).to_string());
        let step = format!("{EVALUATED_EVERY_S}s");
        let arguments =
            ["query", "range", "-o", "json", "--start", &start, "--end", &end, "--step", &step];
        let found = self.query(&arguments, expr)?;
        let values = found.as_array().into_iter().flatten().filter_map(|s| s["values"].as_array());
        let mut holds: Vec<u64> =
            values.flatten().filter_map(|pair| pair[0].as_f64()).map(|at| at as u64).collect();
        holds.sort_unstable();
        holds.dedup();
        let mut pages: Vec<Paged> = Vec::new();
        for at in holds.into_iter().map(|at| at - BEGIN_S) {
            let until_s = Some(at + EVERY_S);
            match pages.last_mut() {
                Some(page) if page.until_s >= Some(at) => page.until_s = until_s,
                _ => pages.push(Paged { from_s: at, until_s }),
            }
        }
        Ok(pages)
    }

    fn number(&self, expr: &str, second: u64) -> Result<Option<f64>, Error> {
        let at = unix(second).to_string();
        let found = self.query(&["query", "instant", "-o", "json", "--time", &at], expr)?;
        let value = found.as_array().and_then(|all| all.first()).map(|one| &one["value"][1]);
        Ok(value.and_then(Value::as_str).and_then(|number| number.parse().ok()))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
