//! Service graph, root-cause evidence and ranking, grouping of alerts into incidents.

pub mod book;

mod alert_kind;
mod blame;
mod case;
mod correlator;
mod count;
mod diagnosis;
mod evidence;
mod explain;
mod facts;
mod flow;
mod habits;
mod hypothesis;
mod impact;
mod kind;
mod memory;
mod names;
mod own_time;
mod place;
mod records;
mod relate;
mod ring;
mod series;
mod shared_cause;
mod tags;
mod unseen;
mod usage;
mod votes;
mod words;

pub use correlator::Correlator;
pub use diagnosis::Diagnosis;
pub use explain::EXPLAIN_REACH;
pub use facts::stands_out;
pub use memory::OPERATION_BYTES_MAX;
pub use place::SUBJECT_LABELS;
pub use unseen::Unseen;

#[cfg(test)]
mod tests;
