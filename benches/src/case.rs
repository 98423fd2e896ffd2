//! The ways to take in a request.

use std::error::Error;
use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use enrich::Redactor;
use model::Timestamp;
use observe::{AutomaticSettings, Limits, Observer, ObserverOptions, SliPlan};
use otlp::Signal;

/// How a request reaches an observer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is read from a socket.
    Protobuf,
    /// As OTLP/JSON, transcoded first.
    Json,
}

/// One way, by its name.
pub struct Case {
    name: &'static str,
    way: Way,
}

enum Way {
    Read(fn(&[u8]) -> bool),
    Observe(Box<Watching>),
}

struct Watching {
    observer: Observer,
    signal: Signal,
    form: Form,
    /// What transcoding writes to, again and again.
    wire: Vec<u8>,
    hands_over_each: bool,
}

impl Case {
    /// Reads a request and forgets it; whether it could be read.
    #[must_use]
    pub const fn read(name: &'static str, read: fn(&[u8]) -> bool) -> Self {
        Self { name, way: Way::Read(read) }
    }

    /// `Observer` as the daemon runs it without configuration, but for the declared `slis`.
    ///
    /// # Errors
    /// If the built-in redaction does not compile.
    pub fn observe(
        name: &'static str,
        signal: Signal,
        form: Form,
        slis: Arc<SliPlan>,
    ) -> Result<Self, Box<dyn Error>> {
        let observer = Observer::new(&ObserverOptions {
            worker: 0,
            seed: 1,
            limits: Limits::default(),
            automatic: Some(AutomaticSettings::default()),
            redactor: Arc::new(Redactor::new(&[], &[])?),
            slis,
        });
        let wire = Vec::new();
        let watching = Watching { observer, signal, form, wire, hands_over_each: false };
        Ok(Self { name, way: Way::Observe(Box::new(watching)) })
    }

    /// Hands over after each request.
    #[must_use]
    pub fn handing_over_each(mut self) -> Self {
        if let Way::Observe(watching) = &mut self.way {
            watching.hands_over_each = true;
        }
        self
    }

    /// As on the command line and in tables.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Takes one request; whether it could be read.
    #[must_use]
    pub fn take(&mut self, request: &[u8], now: Timestamp) -> bool {
        match &mut self.way {
            Way::Read(read) => read(request),
            Way::Observe(watching) => watching.take(request, now),
        }
    }

    /// Hands over what an observer holds; nothing in the other cases.
    pub fn hand_over(&mut self) {
        if let Way::Observe(watching) = &mut self.way {
            black_box(watching.observer.flush());
        }
    }

    /// How many items an observer counted.
    #[must_use]
    pub fn items_counted(&self) -> Option<u64> {
        let Way::Observe(watching) = &self.way else { return None };
        let stats = watching.observer.stats();
        Some(match watching.signal {
            Signal::Traces => stats.spans,
            Signal::Metrics => stats.points,
            Signal::Logs => stats.logs,
        })
    }

    /// Items that an observer left out although their request was taken.
    #[must_use]
    pub fn items_dropped(&self) -> u64 {
        let Way::Observe(watching) = &self.way else { return 0 };
        let stats = watching.observer.stats();
        stats.late_dropped + stats.future_dropped + stats.points_dropped + stats.points_ignored
    }
}

impl Watching {
    fn take(&mut self, request: &[u8], now: Timestamp) -> bool {
        let request = match self.form {
            Form::Protobuf => request,
            Form::Json => match otlp::json::transcode(self.signal, request, &mut self.wire) {
                Ok(()) => &self.wire,
                Err(_) => return false,
            },
        };
        let taken = match self.signal {
            Signal::Traces => self.observer.traces(request, now),
            Signal::Metrics => self.observer.metrics(request, now),
            Signal::Logs => self.observer.logs(request, now),
        };
        if self.hands_over_each {
            black_box(self.observer.flush());
        }
        taken.is_ok_and(|summary| summary.rejected.total() == 0)
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}
