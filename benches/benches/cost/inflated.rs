//! Decompression as the door does it, next to the library's own bulk call with a context and room
//! that are used again.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;

use benches::group::SHAPE;
use benches::ring::Ring;
use benches::timing::{median, timed};
use flate2::write::GzEncoder;
use libdeflater::Decompressor;
use load::Content;
use receive::{Admission, Packing};

use crate::INFLATE;
use crate::table::Output;

/// As `fogbell load` packs.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;
/// The default of `receive.request_bytes_max`, and room for some.
const REQUEST_BYTES_MAX: usize = 16 << 20;
const ROUNDS: usize = 40;

pub(crate) fn run(output: Output) -> Result<(), Box<dyn Error>> {
    let ring = Ring::new(Content::Spans, SHAPE)?;
    let largest = ring.messages().iter().map(Vec::len).max().unwrap_or_default();
    let (mut gzip, mut zstd) = (Decompressor::new(), zstd::bulk::Decompressor::new()?);
    let mut room = vec![0; largest];
    let mut packed = Vec::new();
    for message in ring.messages() {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
        encoder.write_all(message)?;
        packed.push((encoder.finish()?, zstd::bulk::compress(message, ZSTD_LEVEL)?));
    }
    output.remark("inflate: each request of a ring of spans, ours next to the library's bulk call");
    let gzips = packed.iter().map(|(gzip, _)| gzip.as_slice());
    compare(output, "gzip", Packing::Gzip, gzips, |bytes| {
        gzip.gzip_decompress(bytes, &mut room).is_ok()
    })?;
    let zstds = packed.iter().map(|(_, zstd)| zstd.as_slice());
    compare(output, "zstd", Packing::Zstd, zstds, |bytes| {
        zstd.decompress_to_buffer(bytes, &mut room).is_ok()
    })?;
    output.remark("");
    Ok(())
}

/// Ours and theirs in turn, request by request; the ratio is taken within a round.
fn compare<'a>(
    output: Output,
    name: &str,
    packing: Packing,
    packed: impl Iterator<Item = &'a [u8]> + Clone,
    mut theirs: impl FnMut(&[u8]) -> bool,
) -> Result<(), Box<dyn Error>> {
    let admission = Admission::new(4 * REQUEST_BYTES_MAX, REQUEST_BYTES_MAX);
    let (mut of_ours, mut of_theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (mut ours_ns, mut theirs_ns) = (Vec::new(), Vec::new());
        for bytes in packed.clone() {
            let (done, ns) =
                timed(|| black_box(admission.inflate(packing, bytes, REQUEST_BYTES_MAX)).is_ok());
            ours_ns.push(ns);
            let (theirs_done, ns) = timed(|| theirs(bytes));
            theirs_ns.push(ns);
            if !(done && theirs_done) {
                return Err(format!("{name} cannot be read").into());
            }
        }
        let (ours, theirs) = (median(ours_ns), median(theirs_ns));
        ratios.push(ours / theirs);
        of_ours.push(ours);
        of_theirs.push(theirs);
    }
    let per_span = |ns: Vec<f64>| median(ns) / SHAPE.batch as f64;
    output.figure(INFLATE, &format!("{name}-library"), per_span(of_theirs), "ns a span");
    output.figure(INFLATE, &format!("{name}-ours"), per_span(of_ours), "ns a span");
    output.figure(INFLATE, &format!("{name}-ratio"), median(ratios), "x the library's");
    Ok(())
}
