use std::fmt;

use serde_json::json;

use crate::compare::{Comparison, Measurement, Progress, Row, Server, median};
use crate::report::mib;

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Touch => "touch",
            Self::Walk => "walk",
            Self::Json => "json",
            Self::Fogbell => "fogbell",
            Self::Collector => "collector",
        })
    }
}

impl fmt::Display for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, pair, server, measurement } = self;
        let Measurement { ns_per_item, server_cores, loader_cores, accepted, .. } = measurement;
        write!(f, "{:<14} pair {pair}  {server:<9} {ns_per_item:>7.0} ns a ", case.name)?;
        write!(f, "{:<7}", format!("{},", case.content.item()))?;
        write!(f, "{:>5.0} MiB at most, ", mib(measurement.rss_peak_bytes))?;
        write!(f, "busy {server_cores:.2} server {loader_cores:.2} loader")?;
        if *accepted < 1.0 {
            write!(f, ", accepted only {:.1} %", accepted * 100.0)?;
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.method)?;
        writeln!(f, "CPU ns an item, medians; ratio to the base: median and worst of pairs")?;
        writeln!(
            f,
            "{:<14} {:<27} {:>6} {:>8} {:>6} {:>8} {:>13} {:>6} {:<6} {:>12} {:>8} {:>13}",
            "case",
            "payload",
            "touch",
            "base",
            "ns",
            "fogbell",
            "ratio",
            "bound",
            "",
            "items/s/core",
            "peak MiB",
            "server/loader"
        )?;
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ratio, worst) = self.ratio();
        let fogbell = cost(&self.fogbell);
        write!(
            f,
            "{:<14} {:<27} {:>6} {:>8} {:>6.0} {fogbell:>8.0} {:>13} {:>6.2} {:<6} {:>12.0} {:>8.1} \
             {:>13}",
            self.case.name,
            self.case.payload(),
            self.touch.map_or("-".to_owned(), |touch| format!("{:.0}", touch.ns_per_item)),
            self.case.base.name(),
            cost(&self.base),
            format!("{ratio:.2} [{worst:.2}]"),
            self.case.bound,
            if self.is_held() { "held" } else { "MISSED" },
            if fogbell > 0.0 { 1e9 / fogbell } else { 0.0 },
            self.rss_peak_mib(),
            format!(
                "{:.2}/{:.2}",
                median(self.fogbell.iter().map(|run| run.server_cores)),
                median(self.fogbell.iter().map(|run| run.loader_cores))
            ),
        )?;
        if let Some((ratio, least)) = self.peer_ratio() {
            let collector = cost(&self.collector);
            write!(f, "  Collector {collector:.0} ns, {ratio:.1} [{least:.1}] x fogbell")?;
        }
        if let Some(bound) = self.case.rss_bound_mib.filter(|bound| self.rss_peak_mib() > *bound) {
            write!(f, "  memory MISSED {bound:.0} MiB")?;
        }
        if self.accepted() < 1.0 {
            write!(f, "  accepted only {:.1} %", self.accepted() * 100.0)?;
        }
        Ok(())
    }
}

impl Comparison {
    /// The method, then each row, as lines of JSON for tools.
    pub fn json_lines(&self) -> impl Iterator<Item = String> {
        let method = json!({ "method": self.method }).to_string();
        std::iter::once(method).chain(self.rows.iter().map(Row::json))
    }
}

impl Row {
    pub(super) fn json(&self) -> String {
        let (ratio, worst) = self.ratio();
        let peer = self.peer_ratio().map(|(ratio, least)| {
            json!({
                "ns": cost(&self.collector), "ratio": ratio, "least": least,
                "bound": self.case.peer_bound,
            })
        });
        json!({
            "case": self.case.name,
            "payload": self.case.payload(),
            "base": self.case.base.name(),
            "touch_ns": self.touch.map(|touch| touch.ns_per_item),
            "base_ns": cost(&self.base),
            "fogbell_ns": cost(&self.fogbell),
            "ratio": ratio,
            "worst": worst,
            "bound": self.case.bound,
            "held": self.is_held(),
            "rss_peak_mib": self.rss_peak_mib(),
            "rss_bound_mib": self.case.rss_bound_mib,
            "accepted": self.accepted(),
            "collector": peer,
        })
        .to_string()
    }

    /// The least share that the daemon accepted in any run.
    fn accepted(&self) -> f64 {
        self.fogbell.iter().map(|run| run.accepted).fold(1.0, f64::min)
    }
}

fn cost(runs: &[Measurement]) -> f64 {
    median(runs.iter().map(|run| run.ns_per_item))
}
