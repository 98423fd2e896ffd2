use model::{Outgoing, Revision, Row, TraceId};

use crate::Reply;

/// What the engine wants done. The shell commits `Persist` and `Send` effects of one turn in one
/// transaction, and lets nothing else of that turn leave before the commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Write rows of state.
    Persist(Vec<Row>),
    /// Put into the outbox.
    Send(Outgoing),
    /// Tell subscribers.
    Publish(Revision),
    /// Ask the workers for all spans of these traces.
    Recall {
        /// Names the answer.
        request: u64,
        /// Which traces.
        trace_ids: Vec<TraceId>,
    },
    /// Answer a command.
    Reply {
        /// `reply_to` of the command.
        reply_to: u64,
        /// The answer.
        reply: Reply,
    },
}
