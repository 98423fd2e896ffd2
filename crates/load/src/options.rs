use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::Uri;

use crate::error::LoadError;
use crate::payload::{Content, Shape};

/// Connections, requests in flight on each, services, routes: more is a slip of the pen.
const COUNT_MAX: usize = 10_000;
/// Some templates a service are kept, and each request in flight holds one more copy.
const TEMPLATE_BYTES_MAX: usize = 2 << 30;

/// How request bodies are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// Gzip.
    Gzip,
    /// Zstandard, with the size in the frame.
    Zstd,
}

impl Compression {
    /// The value of the encoding header; none for no compression.
    pub(crate) const fn encoding(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encoding().unwrap_or("none"))
    }
}

impl FromStr for Compression {
    type Err = LoadError;

    fn from_str(name: &str) -> Result<Self, LoadError> {
        match name {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            _ => Err(LoadError::Option(format!("compression {name:?} is not none, gzip or zstd"))),
        }
    }
}

/// How requests travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP/gRPC: `in_flight` streams on each connection.
    Grpc,
    /// OTLP/HTTP over HTTP/1.1: `in_flight` connections for each of
    /// `connections`, since a connection carries one request at a time.
    Http,
}

impl FromStr for Protocol {
    type Err = LoadError;

    fn from_str(name: &str) -> Result<Self, LoadError> {
        match name {
            "grpc" => Ok(Self::Grpc),
            "http" => Ok(Self::Http),
            _ => Err(LoadError::Option(format!("protocol {name:?} is not grpc or http"))),
        }
    }
}

/// What [`run`](crate::run) drives, where, and for how long.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Such as `http://127.0.0.1:4317`; only plain `http`.
    pub endpoint: String,
    /// gRPC or HTTP; JSON needs HTTP.
    pub protocol: Protocol,
    /// What is sent.
    pub content: Content,
    /// Items in a request, as [`Shape::batch`] says.
    pub batch: usize,
    /// Of the request bodies.
    pub compression: Compression,
    /// Connections, at least 1.
    pub connections: usize,
    /// Requests on their way on each connection, at least 1.
    pub in_flight: usize,
    /// Driven before anything is counted.
    pub warm_up: Duration,
    /// How long requests are issued and counted.
    pub duration: Duration,
    /// Items a second in an open loop, whose latencies count from the intended send time. `None`
    /// is a closed loop: as fast as answers come.
    pub rate: Option<f64>,
    /// Services; each request is of one.
    pub services: usize,
    /// Routes of each service.
    pub routes: usize,
    /// Of ids; the start time is mixed in, so that no two runs send the same ones.
    pub seed: u64,
    /// A process on this machine whose CPU and memory are read.
    pub server_pid: Option<u32>,
    /// Bearer token.
    pub token: Option<String>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            endpoint: "http://127.0.0.1:4317".to_owned(),
            protocol: Protocol::Grpc,
            content: Content::Spans,
            batch: 1000,
            compression: Compression::None,
            connections: 4,
            in_flight: 4,
            warm_up: Duration::from_secs(1),
            duration: Duration::from_secs(10),
            rate: None,
            services: 50,
            routes: 40,
            seed: 1,
            server_pid: None,
            token: None,
        }
    }
}

impl LoadOptions {
    /// The payload's shape.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        Shape { batch: self.batch, services: self.services, routes: self.routes }
    }

    pub(crate) fn uri(&self) -> Result<Uri, LoadError> {
        let uri: Uri = self.endpoint.parse().map_err(|_| self.bad_endpoint())?;
        let plain = uri.scheme_str() == Some("http") && uri.authority().is_some();
        if plain { Ok(uri) } else { Err(self.bad_endpoint()) }
    }

    fn bad_endpoint(&self) -> LoadError {
        let endpoint = &self.endpoint;
        LoadError::Option(format!("endpoint {endpoint:?} is not like http://127.0.0.1:4317"))
    }

    pub(crate) fn check(&self) -> Result<(), LoadError> {
        self.uri()?;
        self.shape().check(self.content)?;
        if self.content == Content::JsonSpans && self.protocol != Protocol::Http {
            return Err(LoadError::Option("JSON travels over http only".to_owned()));
        }
        for (name, count) in [("connections", self.connections), ("in-flight", self.in_flight)] {
            if !(1..=COUNT_MAX).contains(&count) {
                return Err(LoadError::Option(format!("{name} {count} is not 1 to {COUNT_MAX}")));
            }
        }
        if let Some(rate) = self.rate
            && !(rate.is_finite() && rate > 0.0)
        {
            return Err(LoadError::Option(format!("rate {rate} is not above zero")));
        }
        if self.duration.is_zero() {
            return Err(LoadError::Option("duration is zero".to_owned()));
        }
        Ok(())
    }
}

impl Shape {
    pub(crate) fn check(&self, content: Content) -> Result<(), LoadError> {
        let step = content.batch_step();
        if self.batch < step || !self.batch.is_multiple_of(step) {
            let (batch, items) = (self.batch, content.items());
            return Err(LoadError::Option(format!(
                "batch {batch} of {items} is not a multiple of {step}"
            )));
        }
        for (name, count) in [("services", self.services), ("routes", self.routes)] {
            if !(1..=COUNT_MAX).contains(&count) {
                return Err(LoadError::Option(format!("{name} {count} is not 1 to {COUNT_MAX}")));
            }
        }
        let templates = self.services.saturating_mul(self.variants(content) + 1);
        let bytes = templates.saturating_mul(self.batch).saturating_mul(content.item_bytes());
        if bytes > TEMPLATE_BYTES_MAX {
            return Err(LoadError::Option(format!(
                "{templates} requests of {} {} encoded ahead need {} MiB; use smaller batches or \
                 fewer services and routes",
                self.batch,
                content.items(),
                bytes >> 20
            )));
        }
        Ok(())
    }
}
