//! A figure with its bound.

use std::fmt;

use serde_json::Value;

/// Where a case is measured in process too: its name, and the group and case of the benchmarks.
const INSIDE: [(&str, &str, &str); 7] = [
    ("batch-1000", "spans", "observe"),
    ("wide", "wide", "observe"),
    ("json", "json", "observe"),
    ("points", "points", "observe"),
    ("records", "records", "observe"),
    ("slos-by-route", "slos-by-route", "1000-slos"),
    ("slos-on-all", "slos-on-all", "100-slos"),
];
/// What 100,000 series over 30 days may take together.
const SERIES: f64 = 100_000.0;
const SERIES_MIB_MAX: f64 = 1024.0;
const MIB: f64 = 1_048_576.0;

/// One row of the table.
#[derive(Debug)]
pub(super) struct Promise {
    case: String,
    what: String,
    figure: f64,
    /// Of the pairs.
    worst: Option<f64>,
    bound: Bound,
    /// What it was made of.
    details: String,
}

#[derive(Debug, Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Promise {
    pub(super) const HEADER: &str = "\
case           what is measured                          figure  [worst]      bound         details";

    /// The promises about one case that `fogbell load --compare --json` measured: its cost, and its
    /// memory and the Collector where they have a bound.
    pub(super) fn of_comparison(row: &Value, inside: &[Value]) -> Result<Vec<Self>, String> {
        let case = text(row, "case")?;
        let base = text(row, "base")?;
        let promise = |what: String, figure, worst, bound, details| Self {
            case: case.to_owned(),
            what,
            figure,
            worst,
            bound,
            details,
        };
        let mut details = format!(
            "{:.0} ns, {base} {:.0} ns",
            number(row, "fogbell_ns")?,
            number(row, "base_ns")?
        );
        let accepted = number(row, "accepted")?;
        if accepted < 1.0 {
            details += &format!(", ACCEPTED ONLY {:.1} %", accepted * 100.0);
        }
        if let Some(line) = inside_of(case, inside) {
            let ns = number(line, "ns")? + number(line, "hand_over_ns")?;
            details += &format!("; in process {ns:.0} ns, {:.2} x", number(line, "ratio")?);
        }
        let mut promises = vec![promise(
            format!("{} / {base}", text(row, "payload")?),
            number(row, "ratio")?,
            Some(number(row, "worst")?),
            Bound::AtMost(number(row, "bound")?),
            details,
        )];
        if let Ok(bound) = number(row, "rss_bound_mib") {
            let (what, figure) = ("peak memory, MiB".to_owned(), number(row, "rss_peak_mib")?);
            promises.push(promise(what, figure, None, Bound::AtMost(bound), String::new()));
        }
        if let Some(peer) = row.get("collector").filter(|peer| peer.is_object()) {
            promises.push(promise(
                "Collector / fogbell".to_owned(),
                number(peer, "ratio")?,
                Some(number(peer, "least")?),
                Bound::AtLeast(number(peer, "bound")?),
                format!("{:.0} ns", number(peer, "ns")?),
            ));
        }
        Ok(promises)
    }

    /// The promises about one load that `fogbell load --page-latency --json` measured: that each
    /// fault pages soon and once; and, where there is more than the daemon can take, that it stays
    /// in its memory and accounts for every span.
    pub(super) fn of_pages(row: &Value) -> Result<Vec<Self>, String> {
        let load = number(row, "load")?;
        let case = format!("load-{:.0}%", load * 100.0);
        let promise = |what: &str, figure, bound, details| Self {
            case: case.clone(),
            what: what.to_owned(),
            figure,
            worst: None,
            bound: Bound::AtMost(bound),
            details,
        };
        let count = |key| number(row, key);
        let (expected, received) = (count("pages_expected")?, count("pages_received")?);
        let wrong = expected - received
            + count("pages_undecided")?
            + count("pages_doubled")?
            + count("pages_stray")?;
        let soon = format!(
            "p50 {:.0}, max {:.0} ms; {:.2} M spans/s offered, {:.2} M accepted, {:.1} % refused",
            number(row, "p50_ms")?,
            number(row, "max_ms")?,
            number(row, "offered_per_s")? / 1e6,
            number(row, "accepted_per_s")? / 1e6,
            number(row, "refused_share")? * 100.0
        );
        let (p99, p99_max) = (number(row, "p99_ms")?, number(row, "p99_max_ms")?);
        let mut promises = vec![
            promise("p99 from deciding event to page, ms", p99, p99_max, soon),
            promise("pages not there exactly once", wrong, 0.0, format!("of {expected:.0}")),
        ];
        if load > 1.0 {
            let (peak, peak_max) = (number(row, "rss_peak_mib")?, number(row, "rss_bound_mib")?);
            let received = format!("of {:.0}", number(row, "received")?);
            let for_good = number(row, "refused_for_good")?;
            promises.extend([
                promise("peak memory, MiB", peak, peak_max, String::new()),
                promise("spans unaccounted for", number(row, "unaccounted")?, 0.0, received),
                promise("spans refused for good", for_good, 0.0, String::new()),
            ]);
        }
        Ok(promises)
    }

    /// The memory of many series, if it was measured.
    pub(super) fn of_series(inside: &[Value]) -> Option<Self> {
        let memory = inside.iter().find(|line| is(line, "judge", "memory"))?;
        let bytes = number(memory, "value").ok()?;
        Some(Self {
            case: "series".to_owned(),
            what: "100,000 series over 30 days, MiB".to_owned(),
            figure: bytes * SERIES / MIB,
            worst: None,
            bound: Bound::AtMost(SERIES_MIB_MAX),
            details: format!("{bytes:.0} bytes a series, in process"),
        })
    }

    /// Whether the figure is within its bound.
    pub(super) fn is_held(&self) -> bool {
        match self.bound {
            Bound::AtMost(bound) => self.figure <= bound,
            Bound::AtLeast(bound) => self.figure >= bound,
        }
    }
}

fn inside_of<'a>(case: &str, inside: &'a [Value]) -> Option<&'a Value> {
    let (_, group, name) = INSIDE.iter().find(|(known, ..)| *known == case)?;
    inside.iter().find(|line| is(line, group, name))
}

fn is(line: &Value, group: &str, case: &str) -> bool {
    text(line, "group") == Ok(group) && text(line, "case") == Ok(case)
}

fn number(line: &Value, key: &str) -> Result<f64, String> {
    line.get(key).and_then(Value::as_f64).ok_or_else(|| format!("no number {key:?} in {line}"))
}

fn text<'a>(line: &'a Value, key: &str) -> Result<&'a str, String> {
    line.get(key).and_then(Value::as_str).ok_or_else(|| format!("no text {key:?} in {line}"))
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, what, figure, .. } = self;
        let worst = self.worst.map(|worst| format!("[{worst:.2}]")).unwrap_or_default();
        let bound = match self.bound {
            Bound::AtMost(bound) => format!("<= {bound}"),
            Bound::AtLeast(bound) => format!(">= {bound}"),
        };
        let verdict = if self.is_held() { "held" } else { "MISSED" };
        let row = format!(
            "{case:<14} {what:<38} {figure:>9.2} {worst:>8}  {bound:<7} {verdict:<7} {}",
            self.details
        );
        f.write_str(row.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Promise;

    #[test]
    fn a_comparison_gives_cost_memory_and_peer_with_a_verdict_each() {
        let row = json!({
            "case": "batch-1000", "payload": "1000 spans none 50x40", "base": "walk",
            "base_ns": 200.0, "fogbell_ns": 250.0, "ratio": 1.25, "worst": 1.4, "bound": 1.3,
            "rss_peak_mib": 160.0, "rss_bound_mib": 150.0, "accepted": 0.5,
            "collector": {"ns": 5000.0, "ratio": 20.5, "least": 19.0, "bound": 20.0},
        });
        let inside = [json!({
            "group": "spans", "case": "observe", "ns": 150.0, "hand_over_ns": 5.0, "ratio": 2.5,
        })];
        let promises = Promise::of_comparison(&row, &inside).unwrap();
        let held: Vec<bool> = promises.iter().map(Promise::is_held).collect();
        assert_eq!(held, [true, false, true]);
        let shown = promises[0].to_string();
        for part in ["1.25", "[1.40]", "<= 1.3", "held", "ACCEPTED ONLY 50.0 %", "155 ns"] {
            assert!(shown.contains(part), "{part:?} is missing in {shown:?}");
        }
        assert!(Promise::of_comparison(&json!({"case": "zstd"}), &[]).is_err());
    }

    #[test]
    fn a_case_without_further_bounds_gives_its_cost_only() {
        let row = json!({
            "case": "points", "payload": "1000 points none 50x40", "base": "walk",
            "base_ns": 200.0, "fogbell_ns": 620.0, "ratio": 3.1, "worst": 3.2, "bound": 2.5,
            "rss_peak_mib": 300.0, "rss_bound_mib": null, "accepted": 1.0, "collector": null,
        });
        let promises = Promise::of_comparison(&row, &[]).unwrap();
        assert_eq!(promises.len(), 1);
        assert!(promises[0].to_string().contains("MISSED"));
    }

    #[test]
    fn an_overloaded_daemon_has_to_page_and_to_account_for_all() {
        let row = |load: f64| {
            json!({
                "load": load, "offered_per_s": 8e6, "accepted_per_s": 4e6, "refused_share": 0.5,
                "refused_for_good": 0, "pages_expected": 40, "pages_received": 39,
                "pages_undecided": 0, "pages_doubled": 1, "pages_stray": 0, "p50_ms": 200.0,
                "p99_ms": 900.0, "max_ms": 950.0, "p99_max_ms": 1000, "received": 1000,
                "unaccounted": 1, "rss_peak_mib": 140.0, "rss_bound_mib": 150.0,
            })
        };
        let held = |load| -> Vec<bool> {
            Promise::of_pages(&row(load)).unwrap().iter().map(Promise::is_held).collect()
        };
        assert_eq!(held(2.0), [true, false, true, false, true]);
        assert_eq!(held(0.5), [true, false]);
        let shown = Promise::of_pages(&row(2.0)).unwrap()[0].to_string();
        assert!(shown.contains("load-200%") && shown.contains("8.00 M spans/s"), "{shown}");
        assert!(Promise::of_pages(&json!({"load": 1.0})).is_err());
    }

    #[test]
    fn many_series_have_a_bound_together() {
        let memory = json!({"group": "judge", "case": "memory", "value": 3160.0});
        assert!(Promise::of_series(&[memory]).unwrap().is_held());
        assert!(Promise::of_series(&[]).is_none());
    }
}
