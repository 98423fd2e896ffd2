use prost::Message;

use crate::error::LoadError;
use crate::stamp::{Spot, Stamp, spots};
use crate::template::{self, Variant};

/// One pair in this many fails: enough that errors and their exemplars are on the measured path,
/// too few to burn a budget of 0.1 %.
const PAIRS_PER_ERROR: usize = 2000;
/// Steps between unrelated values of [`scatter`] (the golden ratio in 64 bits, as in SplitMix64).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// How large the payload is, and how it spreads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Spans in a request; even, at least 2.
    pub batch: usize,
    /// Services; each request is of one.
    pub services: usize,
    /// Routes of each service.
    pub routes: usize,
}

impl Shape {
    /// How many healthy requests of a service it takes to visit all its routes.
    pub(crate) const fn variants(&self) -> usize {
        self.routes.div_ceil(self.batch / 2)
    }

    /// Of this many requests of a service, one holds an error.
    const fn error_rounds(&self) -> u64 {
        PAIRS_PER_ERROR.div_ceil(self.batch / 2) as u64
    }
}

/// Uncompressed trace requests, encoded ahead, that differ from each other in ids and times.
///
/// Request `n` is of service `n` modulo the number of services, in round `n` divided by it. A span
/// that serves is the child of one that calls it in the neighbour's request of the same round.
#[derive(Debug)]
pub struct Requests {
    shape: Shape,
    /// By service, then variant; the faulty one comes last.
    templates: Vec<Template>,
    key: u64,
}

#[derive(Debug)]
struct Template {
    message: Vec<u8>,
    service: usize,
    /// With the span's duration in nanoseconds.
    spots: Vec<(Spot, u32)>,
}

impl Requests {
    /// Encodes all of them. Equal `key`s give equal ids.
    ///
    /// # Errors
    /// If the shape makes no sense or is too large to keep.
    pub fn new(shape: Shape, key: u64) -> Result<Self, LoadError> {
        shape.check()?;
        let variants = (0..shape.variants()).map(Variant::Healthy).chain([Variant::Faulty]);
        let templates = (0..shape.services)
            .flat_map(|service| variants.clone().map(move |variant| (service, variant)))
            .map(|(service, variant)| Template::new(&shape, service, variant))
            .collect::<Result<_, _>>()?;
        Ok(Self { shape, templates, key: scatter(key) })
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
        let variants = self.shape.variants() as u64;
        let every = self.shape.error_rounds();
        let faulty = round % every == every - 1;
        let variant = if faulty { variants } else { round % variants };
        // Both factors are bounded by the number of templates.
        (service * (variants + 1) + variant) as usize
    }

    /// The bytes of a template, not to be sent as they are.
    pub(crate) fn template(&self, index: usize) -> &[u8] {
        self.templates.get(index).map_or(&[], |template| &template.message)
    }

    /// A copy of request `n`, whose spans end at `now_unix_ns`.
    #[must_use]
    pub fn message(&self, n: u64, now_unix_ns: u64) -> Vec<u8> {
        let mut message = self.template(self.template_of(n)).to_vec();
        self.stamp(n, now_unix_ns, &mut message);
        message
    }

    /// Writes the ids of request `n` and the times over a copy of its template.
    pub(crate) fn stamp(&self, n: u64, now_unix_ns: u64, message: &mut [u8]) {
        let Some(template) = self.templates.get(self.template_of(n)) else { return };
        let round = n / self.shape.services as u64;
        for (index, (spot, duration_ns)) in template.spots.iter().enumerate() {
            let (caller, pair) = template::pair(&self.shape, template.service, index);
            let call = (round * self.shape.services as u64 + caller as u64)
                .wrapping_mul(self.shape.batch as u64 / 2)
                .wrapping_add(pair as u64);
            let ids = Ids::of(self.key, call);
            let (span_id, parent_span_id) =
                if template::is_server(index) { (ids.server, ids.client) } else { (ids.client, 0) };
            spot.write(
                message,
                &Stamp {
                    trace_id: ids.trace,
                    span_id: span_id.to_le_bytes(),
                    parent_span_id: parent_span_id.to_le_bytes(),
                    start_unix_ns: now_unix_ns.saturating_sub(u64::from(*duration_ns)),
                    end_unix_ns: now_unix_ns,
                },
            );
        }
    }
}

impl Template {
    fn new(shape: &Shape, service: usize, variant: Variant) -> Result<Self, LoadError> {
        let message = template::request(shape, service, variant).encode_to_vec();
        let spots = spots(&message)
            .map_err(|_| LoadError::Option("a request cannot be read back".to_owned()))?
            .into_iter()
            .enumerate()
            .map(|(span, spot)| (spot, template::duration_ns(shape, service, span)))
            .collect();
        Ok(Self { message, service, spots })
    }
}

/// The ids of one call: a trace, the span that calls, the span that serves.
#[derive(Debug, Clone, Copy)]
struct Ids {
    trace: [u8; 16],
    client: u64,
    server: u64,
}

impl Ids {
    #[inline]
    fn of(key: u64, call: u64) -> Self {
        let base = key.wrapping_add(call.wrapping_mul(STEP << 2));
        let word = |n: u64| scatter(base.wrapping_add(STEP.wrapping_mul(n)));
        let mut trace = [0; 16];
        let (high, low) = trace.split_at_mut(8);
        high.copy_from_slice(&word(0).to_le_bytes());
        low.copy_from_slice(&word(1).to_le_bytes());
        // An id of zeros is invalid; the lowest bit keeps the one unlucky value away.
        Self { trace, client: word(2) | 1, server: word(3) | 1 }
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection that spreads every bit.
#[inline]
const fn scatter(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
