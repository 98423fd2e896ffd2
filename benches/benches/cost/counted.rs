//! Instructions, counted by callgrind.

use std::error::Error;
use std::path::Path;

use benches::group::Group;
use benches::instructions::{Callgrind, ITERATIONS, JUDGED_SERIES};

use crate::INSTRUCTIONS;
use crate::table::Output;

pub(crate) fn run(output: Output) -> Result<(), Box<dyn Error>> {
    let Some(callgrind) = Callgrind::find() else {
        output.remark("instructions: not counted, valgrind is not installed");
        return Ok(());
    };
    let count = Path::new(env!("CARGO_BIN_EXE_count"));
    output.remark(&format!("instructions ({}), a fixed request", callgrind.version()));
    for group in [Group::Spans, Group::Points, Group::Records, Group::Json] {
        for case in group.cases()? {
            let name = format!("{}/{}", group.name(), case.name());
            let total = callgrind.per_iteration(count, &name, ITERATIONS)?;
            let per_item = total / group.shape().batch as f64;
            let unit = format!("a {}", group.content().item());
            output.figure(INSTRUCTIONS, &name, per_item, &unit);
        }
    }
    let judge = callgrind.per_iteration(count, "judge", ITERATIONS)? / JUDGED_SERIES as f64;
    output.figure(INSTRUCTIONS, "close, add, judge", judge, "a series");
    Ok(())
}
