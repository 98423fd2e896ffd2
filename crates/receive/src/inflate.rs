//! The only place where request bodies are decompressed: capped, whatever they claim.

use std::io::Read;

use crate::Refusal;

/// The largest window that a zstd frame may ask for: 8 MiB, what its specification recommends
/// decoders to support.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// First guess of how much larger telemetry gets; measured requests grow five- to sixfold.
const GROWTH_GUESS: usize = 6;

/// `Content-Encoding` of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
    Deflate,
}

impl Compression {
    /// Reads the header's value.
    pub(crate) fn from_header(value: Option<&http::HeaderValue>) -> Result<Self, Refusal> {
        let Some(value) = value else { return Ok(Self::None) };
        match value.as_bytes() {
            b"" | b"identity" => Ok(Self::None),
            b"gzip" => Ok(Self::Gzip),
            b"zstd" => Ok(Self::Zstd),
            b"deflate" => Ok(Self::Deflate),
            other => {
                let other = String::from_utf8_lossy(other);
                let what = format!("content-encoding {other:?} is none of gzip, zstd, deflate");
                Err(Refusal::Unsupported(what))
            }
        }
    }
}

/// Decompresses `body` into at most `bytes_max` bytes.
pub(crate) fn inflate(
    compression: Compression,
    body: &[u8],
    bytes_max: usize,
) -> Result<Vec<u8>, Refusal> {
    match compression {
        Compression::None => Ok(body.to_vec()),
        Compression::Gzip => read_capped(flate2::read::MultiGzDecoder::new(body), body, bytes_max),
        Compression::Deflate => read_capped(flate2::read::ZlibDecoder::new(body), body, bytes_max),
        Compression::Zstd => {
            let malformed = |error: std::io::Error| Refusal::Malformed(format!("zstd: {error}"));
            let mut decoder = zstd::stream::read::Decoder::new(body).map_err(malformed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(malformed)?;
            read_capped(decoder, body, bytes_max)
        }
    }
}

fn read_capped(decoder: impl Read, body: &[u8], bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    let guess = body.len().saturating_mul(GROWTH_GUESS).min(bytes_max);
    let mut out = Vec::with_capacity(guess);
    // One byte more than allowed tells "exactly full" from "too large".
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let _ = decoder
        .take(limit)
        .read_to_end(&mut out)
        .map_err(|error| Refusal::Malformed(format!("cannot decompress: {error}")))?;
    if out.len() > bytes_max { Err(Refusal::TooLarge { bytes_max }) } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packed(compression: Compression, data: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::default();
        match compression {
            Compression::None => data.to_vec(),
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(data).and_then(|()| encoder.finish()).expect("gzip")
            }
            Compression::Deflate => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(data).and_then(|()| encoder.finish()).expect("deflate")
            }
            Compression::Zstd => zstd::encode_all(data, 3).expect("zstd"),
        }
    }

    const ALL: [Compression; 4] =
        [Compression::None, Compression::Gzip, Compression::Deflate, Compression::Zstd];

    #[test]
    fn gives_back_what_was_packed() {
        let data: Vec<u8> = (0..10_000u32).flat_map(u32::to_le_bytes).collect();
        for compression in ALL {
            let inflated = inflate(compression, &packed(compression, &data), data.len());
            assert_eq!(inflated.as_deref(), Ok(&data[..]), "{compression:?}");
        }
    }

    #[test]
    fn a_bomb_is_too_large_and_not_inflated_whole() {
        let bomb = vec![0; 50_000_000];
        for compression in [Compression::Gzip, Compression::Deflate, Compression::Zstd] {
            let packed = packed(compression, &bomb);
            assert!(packed.len() < 60_000);
            let refusal = inflate(compression, &packed, 1_000_000);
            assert_eq!(refusal, Err(Refusal::TooLarge { bytes_max: 1_000_000 }), "{compression:?}");
        }
    }

    #[test]
    fn truncated_and_foreign_bytes_are_malformed() {
        for compression in [Compression::Gzip, Compression::Deflate, Compression::Zstd] {
            let whole = packed(compression, &[7; 5000]);
            for bytes in [&whole[..whole.len() / 2], b"no such thing"] {
                let refusal = inflate(compression, bytes, 1_000_000);
                assert!(matches!(refusal, Err(Refusal::Malformed(_))), "{compression:?}");
            }
        }
    }

    #[test]
    fn an_unknown_compression_is_named() {
        let header = http::HeaderValue::from_static("br");
        let refusal = Compression::from_header(Some(&header));
        assert!(matches!(refusal, Err(Refusal::Unsupported(what)) if what.contains("\"br\"")));
    }
}
