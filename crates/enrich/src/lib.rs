//! Context for incidents: traces assembled from span records, exemplars of what burned the budget,
//! and the redaction that everything passes before it is stored or sent.

mod exemplar;
mod index;
mod redact;

pub use exemplar::{EXEMPLARS_MAX, ExemplarQuery};
pub use index::{
    PENDING_ITEMS_MAX, PENDING_TRACES_MAX, TRACE_AGE_MAX, TRACE_LINES_MAX, TRACE_QUIET,
    TRACE_SPANS_MAX, TraceIndex, Traced,
};
pub use redact::{RedactError, Redactor};
