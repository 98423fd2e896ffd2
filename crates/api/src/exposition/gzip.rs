use std::sync::Arc;

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};

/// RFC 1952: the magic, deflate, no flags, no time, no hint, unknown system.
const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// Room for what a flush adds to a block.
const SPARE_BYTES: usize = 1 << 10;

/// Text as whole deflate blocks that look back at nothing before them, so that a part which is
/// compressed once can be shared by answers that end differently.
#[derive(Clone, Debug)]
pub(crate) struct Deflated {
    blocks: Bytes,
    crc: Arc<Crc>,
}

/// The text cannot be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeflateError;

impl Deflated {
    /// Its size.
    pub(crate) fn bytes(&self) -> usize {
        self.blocks.len()
    }
}

/// The first part of a stream.
pub(crate) fn first(text: &[u8]) -> Result<Deflated, DeflateError> {
    deflate(text, FlushCompress::Full)
}

/// The last part of a stream.
pub(crate) fn last(text: &[u8]) -> Result<Deflated, DeflateError> {
    deflate(text, FlushCompress::Finish)
}

/// Both parts as one gzip stream.
pub(crate) fn join(first: &Deflated, last: &Deflated) -> Vec<Bytes> {
    let mut crc = Crc::new();
    crc.combine(&first.crc);
    crc.combine(&last.crc);
    let mut trailer = Vec::with_capacity(8);
    trailer.extend(crc.sum().to_le_bytes());
    trailer.extend(crc.amount().to_le_bytes());
    vec![Bytes::from_static(HEADER), first.blocks.clone(), last.blocks.clone(), trailer.into()]
}

fn deflate(text: &[u8], flush: FlushCompress) -> Result<Deflated, DeflateError> {
    let mut crc = Crc::new();
    crc.update(text);
    let mut compress = Compress::new(Compression::fast(), false);
    let mut blocks = Vec::with_capacity(text.len() / 8 + SPARE_BYTES);
    loop {
        let taken = usize::try_from(compress.total_in()).map_err(|_| DeflateError)?;
        let rest = text.get(taken..).ok_or(DeflateError)?;
        let _ = compress.compress_vec(rest, &mut blocks, flush).map_err(|_| DeflateError)?;
        // Room that is left says that all was written out.
        if blocks.len() < blocks.capacity() {
            return Ok(Deflated { blocks: blocks.into(), crc: Arc::new(crc) });
        }
        blocks.reserve(blocks.len() + SPARE_BYTES);
    }
}
