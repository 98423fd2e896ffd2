use model::TagPair;
use otlp::Span;

use super::name::flag_key;
use super::reason::Reason;
use super::stage::{Marks, Recorded};
use super::{Judged, SpanWalk};
use crate::fields::{Fields, Text};
use crate::recall::{Compact, NO_MESSAGE};

const TAG_SET: u64 = 33;
/// Span tags that a record may carry beside those of its resource.
const OWN_TAGS: [(&str, Text); 5] = [
    ("db.collection.name", Text::DbCollection),
    ("error.type", Text::ErrorType),
    ("faas.coldstart", Text::ColdStart),
    ("feature_flag.result.variant", Text::FlagVariant),
    ("tenant.id", Text::Tenant),
];

impl<'a> SpanWalk<'_, 'a> {
    /// Keeps a compact record where the span's trace is in a sample, or the span is bad.
    #[inline(always)]
    pub(super) fn record(&mut self, span: &Span<'a>, judged: &Judged) {
        let Judged { marks, trace_hash, .. } = *judged;
        let state = &*self.state;
        if !(state.recall.samples(trace_hash) || state.joined.samples(trace_hash) || marks.is_bad())
        {
            return;
        }
        let mut record = Compact {
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent_span_id: span.parent_span_id,
            start_unix_ns: span.start_unix_ns,
            duration_ns: judged.duration_ns,
            tag_set: self.tag_set(),
            ..Compact::default()
        };
        let is_error = marks.has(Marks::ERROR);
        let message = if is_error { self.message(span) } else { NO_MESSAGE };
        record.set_message(message, is_error);
        let fact = judged.fact;
        self.stage.records.push(Recorded { record, fact, trace_hash, marks });
    }

    /// The set of tags of the span and its resource.
    fn tag_set(&mut self) -> u32 {
        let fields = &self.fields;
        let has_texts = fields.any(&OWN_TAGS.map(|(_, text)| text));
        let status = u32::from(fields.http_status) << 8 | u32::from(fields.rpc_status as u8);
        if !has_texts && self.from.last_tag_set.0 == status {
            return self.from.last_tag_set.1;
        }
        let id = self.find_tag_set(status);
        if !has_texts {
            self.from.last_tag_set = (status, id);
        }
        id
    }

    fn find_tag_set(&mut self, status: u32) -> u32 {
        let tables = &mut self.state.tables;
        let number = u64::from(self.from.resource) << 32 | u64::from(status);
        let mut hash = tables.seed.start(TAG_SET).number(number);
        for (_, text) in OWN_TAGS {
            hash = hash.bytes(self.fields.get(text));
        }
        let key = hash.bytes(self.fields.get(Text::FlagKey)).finish();
        if let Some(id) = tables.tag_sets.find(key, tables.generation) {
            return id;
        }
        let base = tables.resources.get(self.from.resource).tag_set;
        if !tables.tag_sets.has_room(0) {
            return base;
        }
        let mut pairs: Vec<TagPair> = tables.tag_sets.get(base).to_vec();
        let clean = |bytes: &[u8]| tables.clean(bytes);
        for (key, text) in OWN_TAGS {
            let value = self.fields.get(text);
            if value.is_empty() || !tables.keeps(key) {
                continue;
            }
            let key = if text == Text::FlagVariant { flag_key(&self.fields) } else { key.into() };
            pairs.push((clean(key.as_bytes()), clean(value)));
        }
        push_statuses(&self.fields, &mut pairs);
        pairs.sort();
        tables.tag_sets.insert(key, 0, tables.generation, pairs.into())
    }

    #[cold]
    fn message(&mut self, span: &Span<'a>) -> u32 {
        let reason = Reason::of(&self.fields, span).text();
        if span.status_message.is_empty() || *reason == *span.status_message {
            return self.state.tables.text(&reason);
        }
        let mut message = reason.into_owned();
        message.extend_from_slice(b": ");
        message.extend_from_slice(span.status_message);
        self.state.tables.text(&message)
    }
}

fn push_statuses(fields: &Fields<'_>, pairs: &mut Vec<TagPair>) {
    if fields.http_status != 0 {
        let code = fields.http_status.to_string();
        pairs.push(("http.response.status_code".into(), code.into()));
    }
    if fields.rpc_status >= 0 {
        let code = fields.rpc_status.to_string();
        pairs.push(("rpc.response.status_code".into(), code.into()));
    }
}
