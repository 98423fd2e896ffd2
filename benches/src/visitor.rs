//! Reads with fogbell's walker what the bare walk reads, and adds it up in the same way.

use load::limit::Totals;
use otlp::{Resource, Scope, Scratch, Span, TraceVisitor, Value};

/// Which attributes the walker shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Those with the key lengths of the two that the bare walk reads.
    TwoLengths,
    /// Every one.
    All,
}

#[derive(Debug)]
struct Summing<'a> {
    totals: Totals,
    service: &'a [u8],
    wanted: Wanted,
}

/// The totals of a request; `None` if the walker refuses it.
#[must_use]
pub fn totals(request: &[u8], wanted: Wanted) -> Option<Totals> {
    let scratch = Scratch::new();
    let mut summing = Summing { totals: Totals::default(), service: b"", wanted };
    otlp::traces(request, &scratch, &mut summing).ok()?;
    Some(summing.totals)
}

impl<'a> TraceVisitor<'a> for Summing<'a> {
    #[inline(always)]
    fn wants(&self, key: &'a [u8]) -> bool {
        matches!((self.wanted, key.len()), (Wanted::All, _) | (Wanted::TwoLengths, 10 | 25))
    }

    fn resource(&mut self, resource: Resource<'a>) {
        let mut name = resource.attributes().filter(|(key, _)| *key == b"service.name");
        self.service = match name.next() {
            Some((_, Value::Str(name))) => name,
            _ => b"",
        };
    }

    fn scope(&mut self, _: Scope<'a>) {}

    #[inline(always)]
    fn attribute(&mut self, key: &'a [u8], value: Value<'a>) {
        match value {
            Value::Str(route) if key == b"http.route" => {
                self.totals.route_bytes += route.len() as u64;
            }
            Value::Int(code) if key == b"http.response.status_code" => {
                self.totals.status_codes = self.totals.status_codes.wrapping_add(code as u64);
            }
            _ => {}
        }
    }

    #[inline(always)]
    fn span(&mut self, span: &Span<'a>) {
        let totals = &mut self.totals;
        totals.spans += 1;
        totals.service_bytes += self.service.len() as u64;
        totals.name_bytes += span.name.len() as u64;
        totals.errors += u64::from(span.status_code == 2);
        totals.kinds = totals.kinds.wrapping_add(span.kind as u64);
        let duration_ns = span.end_unix_ns.wrapping_sub(span.start_unix_ns);
        totals.duration_ns = totals.duration_ns.wrapping_add(duration_ns);
        let word = |id: &[u8]| id.first_chunk().map_or(0, |id| u64::from_le_bytes(*id));
        totals.ids ^= word(&span.trace_id) ^ word(&span.span_id) ^ word(&span.parent_span_id);
    }

    fn discard(&mut self) {}

    fn settle(&mut self) {}

    fn forget(&mut self) {
        self.totals = Totals::default();
    }
}

#[cfg(test)]
mod tests {
    use load::limit::walk;
    use load::{Content, Shape};

    use super::{Wanted, totals};
    use crate::ring::requests;

    #[test]
    fn both_walks_read_the_same() {
        let shape = Shape { batch: 100, services: 3, routes: 10 };
        let requests = requests(Content::Spans, shape).unwrap();
        for n in 0..10 {
            let message = requests.message(n, 1_800_000_000_000_000_000);
            let bare = walk(&message);
            assert_eq!(bare.unwrap().spans, 100);
            assert_eq!(totals(&message, Wanted::TwoLengths), bare);
            assert_eq!(totals(&message, Wanted::All), bare);
        }
        assert_eq!(totals(b"\x0a\x05hello", Wanted::All), None);
    }
}
