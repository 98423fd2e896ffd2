//! The fogbell binary.

fn main() {}
