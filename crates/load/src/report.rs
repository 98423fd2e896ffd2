use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::latency::Latencies;

/// What a run sent, what became of it, and what it cost.
#[derive(Debug, Clone, Default)]
pub struct LoadReport {
    /// From the end of the warm-up to the last answer.
    pub wall: Duration,
    /// Answered requests, refused ones included.
    pub requests: u64,
    /// Spans in them.
    pub spans_sent: u64,
    /// Spans that the server took.
    pub spans_accepted: u64,
    /// Spans that partial successes rejected out of requests that were taken.
    pub spans_rejected: u64,
    /// Spans of requests that were refused, by gRPC or HTTP status or the transport's fault.
    pub spans_refused: BTreeMap<String, u64>,
    /// Requests of an open loop whose time came, but no sender was free until the end; the
    /// latencies know nothing of them. 0 in a closed loop.
    pub requests_unsent: u64,
    /// Request bodies as they travel.
    pub body_bytes: u64,
    /// Of all answered requests: from sending in a closed loop, from the intended time in an open
    /// one.
    pub latencies: Latencies,
    /// Of the process whose id was given.
    pub server: Option<ServerCost>,
    /// CPU of this process meanwhile, to 10 ms. In a closed loop the loader was the limit if all its
    /// cores were busy and the server's were not; in an open loop it spins before each send.
    pub loader_cpu: Duration,
}

/// What the server spent while the run counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerCost {
    /// User and system time of all its threads, to 10 ms.
    pub cpu: Duration,
    /// Resident memory at the end.
    pub rss_bytes: u64,
    /// The most resident memory since the server began.
    pub rss_peak_bytes: u64,
}

impl LoadReport {
    /// Accepted spans in a second of wall time.
    #[must_use]
    pub fn spans_per_s(&self) -> f64 {
        if self.wall.is_zero() { 0.0 } else { self.spans_accepted as f64 / self.wall.as_secs_f64() }
    }

    /// The server's CPU for each span that it accepted. None without a server's process or
    /// accepted spans.
    #[must_use]
    pub fn server_ns_per_span(&self) -> Option<f64> {
        let cpu_ns = self.server?.cpu.as_nanos() as f64;
        (self.spans_accepted > 0).then(|| cpu_ns / self.spans_accepted as f64)
    }

    /// Spans that one core of the server takes in a second.
    #[must_use]
    pub fn spans_per_s_per_core(&self) -> Option<f64> {
        self.server_ns_per_span().filter(|ns| *ns > 0.0).map(|ns| 1e9 / ns)
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wall_s = self.wall.as_secs_f64();
        writeln!(
            f,
            "sent       {} spans in {} requests, {:.1} MiB, {wall_s:.2} s",
            self.spans_sent,
            self.requests,
            mib(self.body_bytes)
        )?;
        writeln!(
            f,
            "accepted   {} spans, {:.0} a second",
            self.spans_accepted,
            self.spans_per_s()
        )?;
        if self.spans_rejected > 0 {
            writeln!(f, "rejected   {} spans by partial success", self.spans_rejected)?;
        }
        for (status, spans) in &self.spans_refused {
            writeln!(f, "refused    {spans} spans: {status}")?;
        }
        if self.requests_unsent > 0 {
            writeln!(f, "unsent     {} requests: every sender was busy", self.requests_unsent)?;
        }
        writeln!(f, "latency    {}", self.latencies)?;
        if let (Some(server), Some(ns)) = (&self.server, self.server_ns_per_span()) {
            writeln!(
                f,
                "server     {ns:.0} ns CPU a span, {:.0} spans/s/core, {:.2} cores busy",
                self.spans_per_s_per_core().unwrap_or(0.0),
                server.cpu.as_secs_f64() / wall_s
            )?;
            let (rss, peak) = (mib(server.rss_bytes), mib(server.rss_peak_bytes));
            writeln!(f, "memory     {rss:.1} MiB, peak {peak:.1} MiB")?;
        }
        write!(f, "loader     {:.2} cores busy", self.loader_cpu.as_secs_f64() / wall_s)
    }
}

pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
