//! What a span, a data point and a log record cost on the data plane and a judgement on the
//! control plane: in time, next to peers in the same run, and in instructions.
//! `cargo bench -p benches` prints all of it; the method is in the README.

pub mod beside;
pub mod budget;
pub mod case;
pub mod estate;
pub mod fleet;
pub mod group;
pub mod instructions;
pub mod objectives;
pub mod ring;
pub mod storm;
pub mod timing;
pub mod visitor;
