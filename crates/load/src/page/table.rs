use std::fmt;

use serde_json::json;

use super::PageReport;
use super::row::{PAGE_P99_MAX, PageRow};
use crate::latency::millis;
use crate::report::{LoadReport, mib};

impl fmt::Display for PageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.method)?;
        writeln!(
            f,
            "{:>5} {:>11} {:>11} {:>11} {:>8} {:>9} {:>7} {:>7} {:>7} {:>7} {:>11} {:>9} {:>11} {:>13} {:>8}",
            "load",
            "offered/s",
            "sent/s",
            "accepted/s",
            "refused",
            "pages",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "max ms",
            "answer p99",
            "then p99",
            "load's p99",
            "server/loader",
            "peak MiB"
        )?;
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        for row in &self.rows {
            writeln!(f, "{:>4.0} %  {}", row.share * 100.0, row.ledger)?;
            let Some(load) = &row.load else { continue };
            for (status, spans) in &load.items_refused {
                writeln!(f, "        refused {spans} spans: {status}")?;
            }
            if row.refused() > 0 {
                let for_good = load.items_refused_for_good;
                let (all, again) = (row.refused(), row.refused() - for_good);
                writeln!(f, "        {again} of {all} may be sent again, {for_good} must not")?;
            }
            if row.pages.refusals > 0 {
                writeln!(f, "        deciding requests refused: {} times", row.pages.refusals)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for PageRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { share, offered_per_s, pages, .. } = self;
        let ms = |quantile| millis(pages.latencies.quantile(quantile));
        write!(
            f,
            "{:>3.0} % {offered_per_s:>11.0} {:>11.0} {:>11.0} {:>6.1} % {:>9} {:>7.0} {:>7.0} \
             {:>7.0} {:>7.0} {:>11.0} {:>9.0} {:>11.0} {:>13} {:>8.1}",
            share * 100.0,
            self.sent_per_s(),
            self.accepted_per_s(),
            self.refused_share() * 100.0,
            format!("{}/{}", pages.received, pages.expected),
            ms(0.5),
            ms(0.9),
            ms(0.99),
            millis(pages.latencies.max()),
            millis(pages.answers.quantile(0.99)),
            millis(pages.decisions.quantile(0.99)),
            self.load.as_ref().map_or(0.0, |load| millis(load.latencies.quantile(0.99))),
            self.load.as_ref().map_or("-".to_owned(), LoadReport::busy),
            mib(self.rss_peak_bytes),
        )?;
        match self.misses() {
            misses if misses.is_empty() => write!(f, "  held"),
            misses => write!(f, "  MISSED: {}", misses.join("; ")),
        }
    }
}

impl PageReport {
    /// The method, then each row, as lines of JSON for tools.
    pub fn json_lines(&self) -> impl Iterator<Item = String> {
        let method = json!({ "method": self.method, "capacity_per_s": self.capacity_per_s });
        std::iter::once(method.to_string()).chain(self.rows.iter().map(PageRow::json))
    }
}

impl PageRow {
    fn sent_per_s(&self) -> f64 {
        self.load.as_ref().map_or(0.0, |load| load.items_sent as f64 / load.wall.as_secs_f64())
    }

    fn accepted_per_s(&self) -> f64 {
        self.load.as_ref().map_or(0.0, LoadReport::items_per_s)
    }

    fn refused_share(&self) -> f64 {
        let sent = self.load.as_ref().map_or(0, |load| load.items_sent);
        if sent == 0 { 0.0 } else { self.refused() as f64 / sent as f64 }
    }

    fn json(&self) -> String {
        let pages = &self.pages;
        let ms = |quantile| millis(pages.latencies.quantile(quantile));
        json!({
            "load": self.share,
            "offered_per_s": self.offered_per_s,
            "sent_per_s": self.sent_per_s(),
            "accepted_per_s": self.accepted_per_s(),
            "refused": self.load.as_ref().map(|load| &load.items_refused),
            "refused_share": self.refused_share(),
            "refused_for_good": self.load.as_ref().map_or(0, |load| load.items_refused_for_good),
            "pages_expected": pages.expected,
            "pages_received": pages.received,
            "pages_undecided": pages.undecided,
            "pages_doubled": pages.doubled,
            "pages_stray": pages.stray,
            "p50_ms": ms(0.5),
            "p90_ms": ms(0.9),
            "p99_ms": ms(0.99),
            "max_ms": millis(pages.latencies.max()),
            "p99_max_ms": PAGE_P99_MAX.as_millis() as u64,
            "answer_p99_ms": millis(pages.answers.quantile(0.99)),
            "decision_p99_ms": millis(pages.decisions.quantile(0.99)),
            "load_p99_ms": self.load.as_ref().map(|load| millis(load.latencies.quantile(0.99))),
            "received": self.ledger.received,
            "accepted": self.ledger.accepted,
            "rejected": self.ledger.rejected,
            "shed": self.ledger.shed,
            "accepted_seen": self.ledger.accepted_seen,
            "unaccounted": self.ledger.unaccounted(),
            "rss_peak_mib": mib(self.rss_peak_bytes),
            "rss_bound_mib": mib(self.rss_max_bytes),
            "held": self.misses().is_empty(),
        })
        .to_string()
    }
}
