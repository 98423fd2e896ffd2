//! What a span costs on the data plane and a judgement on the control plane: in time, next to
//! peers in the same run, and in instructions. `cargo bench -p benches` prints all of it; the
//! method is in the README.

pub mod fleet;
pub mod instructions;
pub mod spans;
pub mod timing;
pub mod visitor;
