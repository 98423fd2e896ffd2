//! The only place where request bodies are decompressed: capped, whatever they claim.

use std::cell::RefCell;
use std::io::{self, Read};

use bytes::Bytes;
use libdeflater::Decompressor;
use memchr::memmem;
use zstd::zstd_safe::{DCtx, DParameter, ResetDirective, get_frame_content_size};

use crate::Refusal;
use crate::admission::Permit;
use crate::buffer::Buffer;

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

/// Room for a zstd frame that does not tell its size: so many times that of the packed bytes, and
/// so much at least. What needs more is read as a stream.
const UNSIZED_GROWTH: usize = 12;
const UNSIZED_BYTES_MIN: usize = 64 << 10;
/// How every gzip member begins.
const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

thread_local! {
    /// A context is 95 KiB, and its window up to 8 MiB: made once per thread, not per request.
    static ZSTD: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
    static GZIP: RefCell<Decompressor> = RefCell::new(Decompressor::new());
}

/// How a request is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Packed(Packing),
}

/// By what a request is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// RFC 1952: one member or several.
    Gzip,
    /// RFC 8878: one frame or several.
    Zstd,
    /// RFC 1950, as HTTP means it: zlib around deflate.
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

/// How many bytes these will be when decompressed, as far as they tell; at worst a guess.
pub(crate) fn told(packing: Packing, packed: &[u8]) -> usize {
    let told = match packing {
        Packing::Gzip => packed.last_chunk().map(|size| u64::from(u32::from_le_bytes(*size))),
        Packing::Zstd => get_frame_content_size(packed).ok().flatten(),
        Packing::Deflate => None,
    };
    match told {
        Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
        None => packed.len().saturating_mul(GROWTH_GUESS),
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
    match packing {
        Packing::Gzip => {
            if let Some(out) = gunzip_at_once(packed, &limits, permit)? {
                return Ok(out);
            }
            read_capped(flate2::bufread::MultiGzDecoder::new(packed), guess, &limits, permit)
        }
        Packing::Deflate => {
            read_capped(flate2::bufread::ZlibDecoder::new(packed), guess, &limits, permit)
        }
        Packing::Zstd => ZSTD.with_borrow_mut(|context| unzstd(context, packed, &limits, permit)),
    }
}

/// Decompresses with one call, into room of the size that the trailer tells. Nothing if it takes
/// more than that: several members, or a trailer that lies.
fn gunzip_at_once(
    packed: &[u8],
    limits: &Limits,
    permit: &mut Permit<'_>,
) -> Result<Option<Bytes>, Refusal> {
    let Some((head, trailer)) = packed.split_last_chunk::<4>() else { return Ok(None) };
    let bytes = usize::try_from(u32::from_le_bytes(*trailer)).unwrap_or(usize::MAX);
    let body = head.get(GZIP_MAGIC.len()..).unwrap_or_default();
    // By chance, one of some hundred requests of a usual size looks as if it had another member.
    if bytes > limits.cap || memmem::find(body, &GZIP_MAGIC).is_some() {
        return Ok(None);
    }
    at_once(bytes, permit, |out| {
        let done = GZIP.with_borrow_mut(|gzip| gzip.gzip_decompress(packed, out));
        done.ok().filter(|done| *done == bytes)
    })
}

/// Lets `decompress` write into room for `bytes_max` bytes and say how many it wrote; what it does
/// not need, or all if it fails, is given back.
fn at_once(
    bytes_max: usize,
    permit: &mut Permit<'_>,
    decompress: impl FnOnce(&mut [u8]) -> Option<usize>,
) -> Result<Option<Bytes>, Refusal> {
    permit.grow(bytes_max)?;
    let mut out = Buffer::filled(bytes_max);
    let done = decompress(out.as_mut_slice());
    permit.shrink(bytes_max - done.unwrap_or_default().min(bytes_max));
    Ok(done.map(|bytes| {
        out.cut(bytes);
        out.into_bytes()
    }))
}

fn unzstd(
    context: &mut DCtx<'static>,
    packed: &[u8],
    limits: &Limits,
    permit: &mut Permit<'_>,
) -> Result<Bytes, Refusal> {
    let told = get_frame_content_size(packed).ok().flatten();
    let told = told.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if told.is_some_and(|bytes| bytes > limits.cap) {
        return Err(limits.refusal());
    }
    let guess = packed.len().saturating_mul(UNSIZED_GROWTH).max(UNSIZED_BYTES_MIN);
    let room = told.unwrap_or_else(|| guess.min(limits.cap));
    // In one call it needs no window: the output is its own.
    let out = at_once(room, permit, |out| {
        let done = context.decompress(out, packed);
        done.ok().filter(|done| told.is_none_or(|bytes| bytes == *done))
    });
    if let Some(out) = out? {
        return Ok(out);
    }
    // Several frames, more than guessed, or a broken one: the stream knows, and says what is wrong.
    let failed = |_| malformed("zstd context");
    let _ = context.reset(ResetDirective::SessionAndParameters).map_err(failed)?;
    let window = DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX);
    let _ = context.set_parameter(window).map_err(failed)?;
    let guess = packed.len().saturating_mul(GROWTH_GUESS);
    let decoder = zstd::stream::read::Decoder::with_context(packed, context);
    read_capped(decoder, guess, limits, permit)
}

fn read_capped(
    mut decoder: impl Read,
    guess: usize,
    limits: &Limits,
    permit: &mut Permit<'_>,
) -> Result<Bytes, Refusal> {
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
            return Ok(out.into());
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
