use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::latency::Latencies;
use crate::payload::Content;

/// What a run sent, what became of it, and what it cost.
#[derive(Debug, Clone)]
pub struct LoadReport {
    /// What was sent.
    pub content: Content,
    /// From the end of the warm-up to the last answer.
    pub wall: Duration,
    /// Answered requests, refused ones included.
    pub requests: u64,
    /// Items in them.
    pub items_sent: u64,
    /// Items that the server took.
    pub items_accepted: u64,
    /// Items that partial successes rejected out of requests that were taken.
    pub items_rejected: u64,
    /// Items of requests that were refused, by gRPC or HTTP status or the transport's fault.
    pub items_refused: BTreeMap<String, u64>,
    /// Those of them that the client must not send again.
    pub items_refused_for_good: u64,
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
    /// Accepted items in a second of wall time.
    #[must_use]
    pub fn items_per_s(&self) -> f64 {
        if self.wall.is_zero() { 0.0 } else { self.items_accepted as f64 / self.wall.as_secs_f64() }
    }

    /// The server's CPU for each item that it accepted. None without a server's process or
    /// accepted items.
    #[must_use]
    pub fn server_ns_per_item(&self) -> Option<f64> {
        let cpu_ns = self.server?.cpu.as_nanos() as f64;
        (self.items_accepted > 0).then(|| cpu_ns / self.items_accepted as f64)
    }

    /// Cores that the server and the loader kept busy, in a word.
    pub(crate) fn busy(&self) -> String {
        let cores = |cpu: Duration| cpu.as_secs_f64() / self.wall.as_secs_f64();
        let server = self.server.map_or(0.0, |server| cores(server.cpu));
        format!("{server:.2}/{:.2}", cores(self.loader_cpu))
    }

    /// Items that one core of the server takes in a second.
    #[must_use]
    pub fn items_per_s_per_core(&self) -> Option<f64> {
        self.server_ns_per_item().filter(|ns| *ns > 0.0).map(|ns| 1e9 / ns)
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wall_s = self.wall.as_secs_f64();
        let (item, items) = (self.content.item(), self.content.items());
        writeln!(
            f,
            "sent       {} {items} in {} requests, {:.1} MiB, {wall_s:.2} s",
            self.items_sent,
            self.requests,
            mib(self.body_bytes)
        )?;
        writeln!(
            f,
            "accepted   {} {items}, {:.0} a second",
            self.items_accepted,
            self.items_per_s()
        )?;
        if self.items_rejected > 0 {
            writeln!(f, "rejected   {} {items} by partial success", self.items_rejected)?;
        }
        for (status, refused) in &self.items_refused {
            writeln!(f, "refused    {refused} {items}: {status}")?;
        }
        if self.requests_unsent > 0 {
            writeln!(f, "unsent     {} requests: every sender was busy", self.requests_unsent)?;
        }
        writeln!(f, "latency    {}", self.latencies)?;
        if let (Some(server), Some(ns)) = (&self.server, self.server_ns_per_item()) {
            writeln!(
                f,
                "server     {ns:.0} ns CPU a {item}, {:.0} {items}/s/core, {:.2} cores busy",
                self.items_per_s_per_core().unwrap_or(0.0),
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
