//! The only place where request bodies are decompressed: capped, whatever they claim.

use std::cell::RefCell;
use std::io::{self, Read};

use bytes::Bytes;
use zstd::zstd_safe::{DCtx, DParameter, ResetDirective, get_frame_content_size};

use crate::Refusal;
use crate::admission::Permit;

/// The largest window that a zstd frame may ask for: 8 MiB, what its specification recommends
/// decoders to support.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// First guess of how much larger telemetry gets; measured requests grow five- to sixfold.
const GROWTH_GUESS: usize = 6;
/// Output is made room for at least in steps of this size.
const STEP_BYTES_MIN: usize = 16 << 10;
/// Beyond [`RATIO_FROM_BYTES`] no request may grow to more than so many times its size.
const RATIO_MAX: usize = 200;
const RATIO_FROM_BYTES: usize = 1 << 20;

thread_local! {
    /// A context is 95 KiB, and its window up to 8 MiB: made once per thread, not per request.
    static ZSTD: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

/// How a request is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Packed(Packing),
}

/// By what a request is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    Zstd,
    Deflate,
}

/// How large the output may get, and of what.
struct Limits {
    bytes_max: usize,
    /// Of this request: the smaller of `bytes_max` and what the ratio allows.
    cap: usize,
}

impl Compression {
    /// Reads the value of `content-encoding`.
    pub(crate) fn from_content_encoding(
        value: Option<&http::HeaderValue>,
    ) -> Result<Self, Refusal> {
        let Some(value) = value else { return Ok(Self::None) };
        match value.as_bytes().trim_ascii() {
            b"" | b"identity" => Ok(Self::None),
            b"gzip" => Ok(Self::Packed(Packing::Gzip)),
            b"zstd" => Ok(Self::Packed(Packing::Zstd)),
            b"deflate" => Ok(Self::Packed(Packing::Deflate)),
            other => Err(unknown("content-encoding", other, "gzip, zstd, deflate")),
        }
    }

    /// Reads the value of `grpc-encoding`.
    pub(crate) fn from_grpc_encoding(value: Option<&http::HeaderValue>) -> Result<Self, Refusal> {
        let Some(value) = value else { return Ok(Self::None) };
        match value.as_bytes() {
            b"identity" => Ok(Self::None),
            b"gzip" => Ok(Self::Packed(Packing::Gzip)),
            b"zstd" => Ok(Self::Packed(Packing::Zstd)),
            other => Err(unknown("grpc-encoding", other, "gzip, zstd")),
        }
    }
}

fn unknown(header: &str, value: &[u8], known: &str) -> Refusal {
    let value = String::from_utf8_lossy(value);
    Refusal::Compression(format!("{header} {value:?} is none of {known}"))
}

impl Limits {
    fn new(packed_bytes: usize, bytes_max: usize) -> Self {
        let by_ratio = packed_bytes.saturating_mul(RATIO_MAX).max(RATIO_FROM_BYTES);
        Self { bytes_max, cap: by_ratio.min(bytes_max) }
    }

    fn refusal(&self) -> Refusal {
        if self.cap < self.bytes_max {
            Refusal::TooDense { ratio_max: RATIO_MAX }
        } else {
            Refusal::TooLarge { bytes_max: self.bytes_max }
        }
    }
}

/// Decompresses `packed` into at most `bytes_max` bytes. Each of them is taken from `permit` before
/// there is room for it.
pub(crate) fn inflate(
    packing: Packing,
    packed: &[u8],
    bytes_max: usize,
    permit: &mut Permit<'_>,
) -> Result<Bytes, Refusal> {
    let limits = Limits::new(packed.len(), bytes_max);
    let guess = packed.len().saturating_mul(GROWTH_GUESS);
    let out = match packing {
        Packing::Gzip => {
            read_capped(flate2::bufread::MultiGzDecoder::new(packed), guess, &limits, permit)
        }
        Packing::Deflate => {
            read_capped(flate2::bufread::ZlibDecoder::new(packed), guess, &limits, permit)
        }
        Packing::Zstd => ZSTD.with_borrow_mut(|context| unzstd(context, packed, &limits, permit)),
    };
    out.map(Bytes::from)
}

fn unzstd(
    context: &mut DCtx<'static>,
    packed: &[u8],
    limits: &Limits,
    permit: &mut Permit<'_>,
) -> Result<Vec<u8>, Refusal> {
    let failed = |_| malformed("zstd context");
    let _ = context.reset(ResetDirective::SessionAndParameters).map_err(failed)?;
    let window = DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX);
    let _ = context.set_parameter(window).map_err(failed)?;
    // A frame that tells its size is decompressed in place; a window is not needed then.
    if let Ok(Some(bytes)) = get_frame_content_size(packed) {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if bytes > limits.cap {
            return Err(limits.refusal());
        }
        permit.grow(bytes)?;
        let mut out = Vec::with_capacity(bytes);
        if context.decompress(&mut out, packed).is_ok() && out.len() == bytes {
            return Ok(out);
        }
        // Several frames, or a broken one: the stream knows, and says what is wrong.
        permit.shrink(bytes);
        drop(out);
        let _ = context.reset(ResetDirective::SessionOnly).map_err(failed)?;
    }
    let guess = packed.len().saturating_mul(GROWTH_GUESS);
    let decoder = zstd::stream::read::Decoder::with_context(packed, context);
    read_capped(decoder, guess, limits, permit)
}

fn read_capped(
    mut decoder: impl Read,
    guess: usize,
    limits: &Limits,
    permit: &mut Permit<'_>,
) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    let mut step = guess;
    loop {
        // One byte more than allowed tells "exactly full" from "too large".
        let room = limits.cap.saturating_add(1).saturating_sub(out.len());
        step = step.max(STEP_BYTES_MIN).min(room);
        permit.grow(step)?;
        out.reserve_exact(step);
        let read = read_up_to(&mut decoder, step, &mut out)
            .map_err(|error| malformed(&error.to_string()))?;
        if out.len() > limits.cap {
            return Err(limits.refusal());
        }
        if read < step {
            permit.shrink(step - read);
            return Ok(out);
        }
        step = out.len();
    }
}

fn read_up_to(decoder: &mut impl Read, bytes: usize, out: &mut Vec<u8>) -> io::Result<usize> {
    let limit = u64::try_from(bytes).unwrap_or(u64::MAX);
    decoder.by_ref().take(limit).read_to_end(out)
}

fn malformed(what: &str) -> Refusal {
    Refusal::Malformed(format!("cannot decompress the request: {what}"))
}

#[cfg(test)]
mod tests;
