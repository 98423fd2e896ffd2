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
    fn many_series_have_a_bound_together() {
        let memory = json!({"group": "judge", "case": "memory", "value": 3160.0});
        assert!(Promise::of_series(&[memory]).unwrap().is_held());
        assert!(Promise::of_series(&[]).is_none());
    }
}
