//! What is sent: export requests encoded ahead, of which each copy gets its own ids, times and
//! counts.

mod attribute;
mod identity;
mod lone;
mod place;
mod points;
mod records;
mod spans;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use crate::error::LoadError;
use crate::wire::Read;
use identity::scatter;
pub(crate) use lone::{Lone, Verdict};

/// One pair in this many fails: enough that errors and their exemplars are on the measured path,
/// too few to burn a budget of 0.1 %.
const PAIRS_PER_ERROR: usize = 2000;

/// What the requests hold, and how they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// Spans as protobuf.
    Spans,
    /// Spans as OTLP/JSON, for OTLP/HTTP.
    JsonSpans,
    /// Data points of cumulative histograms as protobuf.
    Points,
    /// Log records as protobuf.
    Records,
}

impl Content {
    /// What one of them is called in the plural.
    #[must_use]
    pub const fn items(self) -> &'static str {
        match self {
            Self::Spans | Self::JsonSpans => "spans",
            Self::Points => "points",
            Self::Records => "records",
        }
    }

    /// What one of them is called.
    #[must_use]
    pub const fn item(self) -> &'static str {
        match self {
            Self::Spans | Self::JsonSpans => "span",
            Self::Points => "point",
            Self::Records => "record",
        }
    }

    /// A little above the bytes of one item.
    pub(crate) const fn item_bytes(self) -> usize {
        match self {
            Self::Spans | Self::Points | Self::Records => 512,
            Self::JsonSpans => 1536,
        }
    }

    /// Batches are a multiple of this.
    pub(crate) const fn batch_step(self) -> usize {
        match self {
            Self::Spans | Self::JsonSpans => 2,
            Self::Points => points::POINTS_PER_INSTANCE,
            Self::Records => 1,
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Spans => "spans",
            Self::JsonSpans => "json-spans",
            Self::Points => "points",
            Self::Records => "records",
        })
    }
}

impl FromStr for Content {
    type Err = LoadError;

    fn from_str(name: &str) -> Result<Self, LoadError> {
        let all = [Self::Spans, Self::JsonSpans, Self::Points, Self::Records];
        all.into_iter().find(|content| content.to_string() == name).ok_or_else(|| {
            let what = "is not spans, json-spans, points or records";
            LoadError::Option(format!("content {name:?} {what}"))
        })
    }
}

/// How large the payload is, and how it spreads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Items in a request. Spans: even, at least 2. Points: a multiple of 100, the points of an
    /// instance of a service; a service has two requests of them and then repeats its series, so
    /// that there are `2 * batch * services`.
    pub batch: usize,
    /// Services; each request is of one.
    pub services: usize,
    /// Routes of each service.
    pub routes: usize,
}

impl Shape {
    /// How many healthy requests of a service it takes to visit all that it has.
    pub(crate) const fn variants(&self, content: Content) -> usize {
        match content {
            Content::Spans | Content::JsonSpans => self.routes.div_ceil(self.batch / 2),
            Content::Points => points::VARIANTS,
            Content::Records => 1,
        }
    }

    /// Of this many requests of a service, one holds an error. Points and records hold theirs
    /// among the others.
    const fn error_rounds(&self, content: Content) -> Option<u64> {
        match content {
            Content::Spans | Content::JsonSpans => {
                Some(PAIRS_PER_ERROR.div_ceil(self.batch / 2) as u64)
            }
            Content::Points | Content::Records => None,
        }
    }
}

/// Uncompressed export requests, encoded ahead, that differ from each other in ids, times and
/// counts.
///
/// Request `n` is of service `n` modulo the number of services, in round `n` divided by it. A span
/// that serves is the child of one that calls it in the neighbour's request of the same round. The
/// counts of a data point grow from round to round.
#[derive(Debug)]
pub struct Requests {
    content: Content,
    shape: Shape,
    /// By service, then variant; a faulty one comes last.
    templates: Vec<Template>,
    key: u64,
}

#[derive(Debug)]
struct Template {
    message: Vec<u8>,
    places: Places,
}

/// Where a copy differs from its template.
#[derive(Debug)]
enum Places {
    Spans(spans::Spots),
    Points(points::Spots),
    Records(records::Spots),
}

/// Which of a service's requests.
#[derive(Debug, Clone, Copy)]
enum Variant {
    /// All is well; the number picks the part of what the service has.
    Healthy(usize),
    /// One pair fails.
    Faulty,
}

/// Which copy it is.
#[derive(Debug, Clone, Copy)]
struct Turn {
    round: u64,
    /// The request's number.
    n: u64,
    key: u64,
    now_unix_ns: u64,
}

impl Requests {
    /// Encodes all of them. Equal `key`s give equal ids. Cumulative streams start at
    /// `began_unix_ns`.
    ///
    /// # Errors
    /// If the shape makes no sense or is too large to keep.
    pub fn new(
        content: Content,
        shape: Shape,
        key: u64,
        began_unix_ns: u64,
    ) -> Result<Self, LoadError> {
        shape.check(content)?;
        let faulty = shape.error_rounds(content).map(|_| Variant::Faulty);
        let variants = (0..shape.variants(content)).map(Variant::Healthy).chain(faulty);
        let templates = (0..shape.services)
            .flat_map(|service| variants.clone().map(move |variant| (service, variant)))
            .map(|(service, variant)| {
                Template::new(content, &shape, service, variant, began_unix_ns)
                    .map_err(|_| LoadError::Option("a request cannot be read back".to_owned()))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { content, shape, templates, key: scatter(key) })
    }

    /// What they hold.
    #[must_use]
    pub const fn content(&self) -> Content {
        self.content
    }

    /// The payload's shape.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// How many different templates there are.
    pub(crate) const fn templates(&self) -> usize {
        self.templates.len()
    }

    /// Which template request `n` is a copy of.
    pub(crate) fn template_of(&self, n: u64) -> usize {
        let services = self.shape.services as u64;
        let (round, service) = (n / services, n % services);
        let variants = self.shape.variants(self.content) as u64;
        // The product is bounded by the number of templates.
        (match self.shape.error_rounds(self.content) {
            Some(every) if round % every == every - 1 => service * (variants + 1) + variants,
            Some(_) => service * (variants + 1) + round % variants,
            None => service * variants + round % variants,
        }) as usize
    }

    /// The bytes of a template, not to be sent as they are.
    pub(crate) fn template(&self, index: usize) -> &[u8] {
        self.templates.get(index).map_or(&[], |template| &template.message)
    }

    /// A copy of request `n`, whose items are of `now_unix_ns`.
    #[must_use]
    pub fn message(&self, n: u64, now_unix_ns: u64) -> Vec<u8> {
        let mut message = self.template(self.template_of(n)).to_vec();
        self.stamp(n, now_unix_ns, &mut message);
        message
    }

    /// Writes what makes request `n` differ over a copy of its template.
    pub(crate) fn stamp(&self, n: u64, now_unix_ns: u64, message: &mut [u8]) {
        let Some(template) = self.templates.get(self.template_of(n)) else { return };
        let round = n / self.shape.services as u64;
        let turn = Turn { round, n, key: self.key, now_unix_ns };
        match &template.places {
            Places::Spans(spots) => spots.stamp(&self.shape, turn, message),
            Places::Points(spots) => spots.stamp(turn, message),
            Places::Records(spots) => spots.stamp(&self.shape, turn, message),
        }
    }
}

impl Template {
    fn new(
        content: Content,
        shape: &Shape,
        service: usize,
        variant: Variant,
        began_unix_ns: u64,
    ) -> Read<Self> {
        let (message, places) = match content {
            Content::Spans | Content::JsonSpans => {
                let format = match content {
                    Content::JsonSpans => spans::Format::Json,
                    _ => spans::Format::Protobuf,
                };
                let (message, spots) = spans::encode(format, shape, service, variant)?;
                (message, Places::Spans(spots))
            }
            Content::Points => {
                let (message, spots) =
                    points::encode(shape, service, variant.number(), began_unix_ns)?;
                (message, Places::Points(spots))
            }
            Content::Records => {
                let (message, spots) = records::encode(shape, service)?;
                (message, Places::Records(spots))
            }
        };
        Ok(Self { message, places })
    }
}

impl Variant {
    const fn number(self) -> usize {
        match self {
            Self::Healthy(number) => number,
            Self::Faulty => 0,
        }
    }
}
