use std::io::Write;
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::Admission;

const ALL: [Packing; 3] = [Packing::Gzip, Packing::Deflate, Packing::Zstd];
const BYTES_MAX: usize = 16 << 20;

fn pack(packing: Packing, data: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    match packing {
        Packing::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(data).and_then(|()| encoder.finish()).expect("gzip")
        }
        Packing::Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(data).and_then(|()| encoder.finish()).expect("deflate")
        }
        Packing::Zstd => zstd::encode_all(data, 3).expect("zstd"),
    }
}

/// A zstd frame that tells its size, as encoders write it that see the whole request.
fn sized(data: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(data, 3).expect("zstd")
}

/// The outcome, and how much of the budget was held at its end.
fn unpack(packing: Packing, packed: &[u8], bytes_max: usize) -> (Result<Bytes, Refusal>, usize) {
    let (admission, tenant) = (Admission::new(64 << 20, bytes_max), AtomicUsize::new(0));
    let mut permit = admission.permit(&tenant);
    let out = inflate(packing, packed, bytes_max, &mut permit);
    (out, admission.in_flight())
}

/// Bytes that hardly compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn gives_back_what_was_packed_and_holds_exactly_that() {
    for data in [Vec::new(), noise(10_000), b"abcdefgh".repeat(100_000)] {
        let sized = (Packing::Zstd, sized(&data));
        for (packing, packed) in ALL.map(|p| (p, pack(p, &data))).into_iter().chain([sized]) {
            let (out, held) = unpack(packing, &packed, data.len());
            assert_eq!(out.as_deref(), Ok(&data[..]), "{packing:?}");
            assert_eq!(held, data.len(), "{packing:?}");
        }
    }
}

#[test]
fn several_members_and_frames_follow_each_other() {
    let gzip = [pack(Packing::Gzip, b"one "), pack(Packing::Gzip, b"two")].concat();
    let zstd = [sized(b"one "), sized(b"two")].concat();
    for (packing, packed) in [(Packing::Gzip, gzip), (Packing::Zstd, zstd)] {
        assert_eq!(unpack(packing, &packed, BYTES_MAX).0.as_deref(), Ok(&b"one two"[..]));
    }
}

#[test]
fn members_that_equal_each_other_are_all_there() {
    let one = pack(Packing::Gzip, b"again ");
    let out = unpack(Packing::Gzip, &one.repeat(3), BYTES_MAX).0;
    assert_eq!(out.as_deref(), Ok(&b"again again again "[..]));
}

#[test]
fn a_gzip_trailer_that_lies_is_malformed_and_gives_the_rest_back() {
    let data = noise(5000);
    let honest = pack(Packing::Gzip, &data);
    for told in [0u32, 4999, 5001, 900_000, u32::MAX] {
        let mut packed = honest.clone();
        let at = packed.len() - 4;
        packed[at..].copy_from_slice(&told.to_le_bytes());
        let (out, held) = unpack(Packing::Gzip, &packed, BYTES_MAX);
        assert!(matches!(out, Err(Refusal::Malformed(_))), "{told}: {out:?}");
        assert!(held < 4 * STEP_BYTES_MIN, "{told}: {held}");
    }
    let mut packed = honest;
    let at = packed.len() - 8;
    packed[at] ^= 1;
    assert!(matches!(unpack(Packing::Gzip, &packed, BYTES_MAX).0, Err(Refusal::Malformed(_))));
}

#[test]
fn a_frame_without_its_size_may_grow_beyond_the_guess() {
    let data = b"0123456789abcdef".repeat(50_000);
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("encoder");
    encoder.include_contentsize(false).expect("no size");
    encoder.write_all(&data).expect("write");
    let packed = encoder.finish().expect("zstd");
    assert!(packed.len() * UNSIZED_GROWTH < data.len());
    let (out, held) = unpack(Packing::Zstd, &packed, BYTES_MAX);
    assert_eq!((out.as_deref(), held), (Ok(&data[..]), data.len()));
}

#[test]
fn one_byte_more_than_allowed_is_too_large() {
    let data = noise(100_000);
    for (packing, packed) in
        ALL.map(|p| (p, pack(p, &data))).into_iter().chain([(Packing::Zstd, sized(&data))])
    {
        let bytes_max = data.len() - 1;
        assert_eq!(unpack(packing, &packed, bytes_max).0, Err(Refusal::TooLarge { bytes_max }));
    }
}

#[test]
fn a_bomb_is_refused_before_it_takes_memory() {
    let bomb = vec![0; 50_000_000];
    let packed = ALL.map(|p| (p, pack(p, &bomb))).into_iter();
    for (packing, packed) in packed.chain([(Packing::Zstd, sized(&bomb))]) {
        assert!(packed.len() < 60_000);
        let (admission, tenant) = (Admission::new(BYTES_MAX, 1 << 20), AtomicUsize::new(0));
        let refusal = inflate(packing, &packed, 1 << 20, &mut admission.permit(&tenant));
        assert_eq!(refusal, Err(Refusal::TooLarge { bytes_max: 1 << 20 }), "{packing:?}");
    }
    // Within the size limit, yet nothing that telemetry is.
    let dense = pack(Packing::Zstd, &vec![0; 10_000_000]);
    assert!(dense.len() < 4_000);
    let refusal = unpack(Packing::Zstd, &dense, BYTES_MAX).0;
    assert_eq!(refusal, Err(Refusal::TooDense { ratio_max: RATIO_MAX }));
}

#[test]
fn a_frame_that_lies_about_its_size_is_malformed_and_gives_the_rest_back() {
    let mut packed = sized(&noise(300));
    // The size follows the four magic bytes and the descriptor; two bytes, less 256.
    packed[5] = packed[5].wrapping_add(1);
    let (out, held) = unpack(Packing::Zstd, &packed, BYTES_MAX);
    assert!(matches!(out, Err(Refusal::Malformed(_))), "{out:?}");
    assert!(held < 2 * STEP_BYTES_MIN);
}

#[test]
fn a_zstd_window_beyond_the_cap_is_never_made_room_for() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("encoder");
    encoder.window_log(ZSTD_WINDOW_LOG_MAX + 2).expect("window");
    encoder.include_contentsize(false).expect("no size");
    let data = [noise(1000), vec![0; 2 * UNSIZED_BYTES_MIN]].concat();
    encoder.write_all(&data).expect("write");
    let packed = encoder.finish().expect("zstd");
    let out = unpack(Packing::Zstd, &packed, BYTES_MAX).0;
    assert!(matches!(out, Err(Refusal::Malformed(_))), "{out:?}");
}

#[test]
fn truncated_and_foreign_bytes_are_malformed() {
    for packing in ALL {
        let whole = pack(packing, &noise(5000));
        for bytes in [&whole[..whole.len() / 2], b"no such thing"] {
            let (out, _) = unpack(packing, bytes, BYTES_MAX);
            assert!(matches!(out, Err(Refusal::Malformed(_))), "{packing:?}");
        }
    }
}

#[test]
fn what_all_inflate_at_the_same_time_stays_within_the_budget() {
    let packed = pack(Packing::Gzip, &b"0123456789abcdef".repeat(60_000));
    let admission = Admission::new(4 << 20, 1 << 20);
    let tenant = AtomicUsize::new(0);
    let together = std::sync::Barrier::new(16);
    let taken: usize = std::thread::scope(|scope| {
        let run = || {
            let mut permit = admission.permit(&tenant);
            let out = inflate(Packing::Gzip, &packed, 1 << 20, &mut permit);
            // All hold what they have until the last one has tried.
            let _ = together.wait();
            match out {
                Ok(out) => out.len(),
                Err(refusal) => {
                    assert!(refusal.retry_after().is_some(), "{refusal:?}");
                    0
                }
            }
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert!(taken > 0 && taken <= admission.bytes_max(), "{taken}");
    assert_eq!(admission.in_flight(), 0);
}

#[test]
fn compressions_are_read_from_their_headers() {
    let value = http::HeaderValue::from_static;
    let content = |v| Compression::from_content_encoding(Some(&value(v)));
    let grpc = |v| Compression::from_grpc_encoding(Some(&value(v)));
    for (name, packing) in [("gzip", Packing::Gzip), ("zstd", Packing::Zstd)] {
        assert_eq!(content(name), Ok(Compression::Packed(packing)));
        assert_eq!(grpc(name), Ok(Compression::Packed(packing)));
    }
    assert_eq!(content("deflate"), Ok(Compression::Packed(Packing::Deflate)));
    assert_eq!(
        (content("identity"), grpc("identity")),
        (Ok(Compression::None), Ok(Compression::None))
    );
    for refusal in [content("br"), grpc("deflate"), content("gzip, gzip")] {
        assert!(matches!(refusal, Err(Refusal::Compression(what)) if what.contains("is none of")));
    }
}

#[test]
fn a_size_is_told_where_it_can_be() {
    let data = b"abcdefgh".repeat(100_000);
    assert_eq!(told(Packing::Gzip, &pack(Packing::Gzip, &data)), data.len());
    assert_eq!(told(Packing::Zstd, &sized(&data)), data.len());
    for packed in [pack(Packing::Deflate, &data), b"no zstd".to_vec()] {
        let packing = if packed.len() > 10 { Packing::Deflate } else { Packing::Zstd };
        assert_eq!(told(packing, &packed), packed.len() * GROWTH_GUESS, "a guess");
    }
    assert_eq!(told(Packing::Gzip, b"abc"), 3 * GROWTH_GUESS);
}
