use std::fmt;

use crate::compare::{Comparison, Measurement, Progress, Row, Server, median};
use crate::options::Protocol;
use crate::report::mib;

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Touch => "touch",
            Self::Walk => "walk",
            Self::Fogbell => "fogbell",
        })
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ns_per_item, server_cores, loader_cores, items_per_s, .. } = self;
        let peak = mib(self.rss_peak_bytes);
        write!(
            f,
            "{ns_per_item:.0} ns CPU a span, {items_per_s:.0} spans/s, peak {peak:.1} MiB, "
        )?;
        write!(f, "server {server_cores:.2} and loader {loader_cores:.2} cores busy")?;
        if self.accepted < 1.0 {
            write!(f, ", accepted only {:.1} %", self.accepted * 100.0)?;
        }
        Ok(())
    }
}

impl fmt::Display for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, pair, server, .. } = self;
        write!(f, "batch {} {} pair {pair} {server}", case.batch, case.compression)?;
        match &self.measurement {
            Some(measurement) => write!(f, ": {measurement}"),
            None => write!(f, " ..."),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.method)?;
        writeln!(f, "CPU ns a span, medians; W = walk; ratio: median and worst of pairs")?;
        writeln!(
            f,
            "{:>5} {:<11} {:>6} {:>6} {:>6} {:>8} {:>13} {:>10} {:>8} {:>13}",
            "batch",
            "payload",
            "routes",
            "touch",
            "walk",
            "fogbell",
            "ratio to W",
            "spans/s/core",
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
        let ns = |runs: &[Measurement]| median(runs.iter().map(|run| run.ns_per_item));
        let payload = match self.case.protocol {
            Protocol::Grpc => self.case.compression.to_string(),
            Protocol::Http => format!("{} http", self.case.compression),
        };
        let (ratio, worst) = self.ratio();
        let fogbell = ns(&self.fogbell);
        write!(
            f,
            "{:>5} {payload:<11} {:>6} {:>6.0} {:>6.0} {fogbell:>8.0} {:>13} {:>12.0} {:>8.1} {:>13}",
            self.case.batch,
            self.case.routes,
            ns(&self.touch),
            ns(&self.walk),
            format!("{ratio:.2} [{worst:.2}]"),
            if fogbell > 0.0 { 1e9 / fogbell } else { 0.0 },
            self.rss_peak_mib(),
            format!(
                "{:.2}/{:.2}",
                median(self.fogbell.iter().map(|run| run.server_cores)),
                median(self.fogbell.iter().map(|run| run.loader_cores))
            ),
        )?;
        let accepted = self.fogbell.iter().map(|run| run.accepted).fold(1.0, f64::min);
        if accepted < 1.0 {
            write!(f, "  accepted only {:.1} %", accepted * 100.0)?;
        }
        Ok(())
    }
}
