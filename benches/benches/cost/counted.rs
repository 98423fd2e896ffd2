//! Instructions, counted by callgrind.

use std::error::Error;
use std::path::Path;

use benches::budget::count_all;
use benches::instructions::{Callgrind, ITERATIONS};

use crate::INSTRUCTIONS;
use crate::table::Output;

pub(crate) fn run(output: Output) -> Result<(), Box<dyn Error>> {
    let Some(callgrind) = Callgrind::find() else {
        output.remark("instructions: not counted, valgrind is not installed");
        return Ok(());
    };
    let version = callgrind.version();
    output.remark(&format!(
        "instructions for each item ({version}), {ITERATIONS} fixed requests once all names are known"
    ));
    for (case, count) in count_all(&callgrind, Path::new(env!("CARGO_BIN_EXE_count")))? {
        output.figure(INSTRUCTIONS, &case, count, "instructions");
    }
    Ok(())
}
