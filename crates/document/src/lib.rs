//! YAML documents whose every value knows its place, read so that all errors are reported at once.

mod node;
mod parse;
mod print;
mod problem;
mod quantity;
mod suggest;
mod tree;

pub use node::{Fields, Node};
pub use parse::{DEPTH_MAX, FILE_BYTES_MAX, NODES_MAX, TEXT_BYTES_MAX, parse};
pub use problem::{Level, PROBLEMS_MAX, Place, Problem, Problems};
pub use quantity::{QuantityError, bytes, duration};
pub use suggest::suggest;
pub use tree::{Entry, Scalar, Tree, Value};
