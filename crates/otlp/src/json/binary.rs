//! Bytes in JSON: hex for ids, base64 for the rest.

/// The value of each hex digit of either case; [`NO_DIGIT`] for all other bytes. A table, since
/// the digits of ids are random and so would be the branches.
static NIBBLES: [u8; 256] = nibbles();
const NO_DIGIT: u8 = 0x10;

const fn nibbles() -> [u8; 256] {
    let mut nibbles = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        nibbles[b"0123456789abcdef"[value as usize] as usize] = value;
        nibbles[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    nibbles
}

/// Appends the bytes of an id in hex of either case. If it is none, what was appended is not
/// meaningful.
pub(super) fn hex(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (pairs, rest) = text.as_chunks::<2>();
    let mut wrong = rest.len() as u8;
    out.extend(pairs.iter().map(|&[high, low]| {
        let (high, low) = (NIBBLES[usize::from(high)], NIBBLES[usize::from(low)]);
        wrong |= (high | low) & NO_DIGIT;
        high << 4 | low
    }));
    (wrong == 0).then_some(())
}

/// Appends the bytes of base64 text: RFC 4648, either alphabet, with or without padding.
pub(super) fn base64(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let digits = match text {
        [digits @ .., b'=', b'='] if text.len().is_multiple_of(4) => digits,
        [digits @ .., b'='] if text.len().is_multiple_of(4) => digits,
        _ => text,
    };
    let mut chunks = digits.chunks_exact(4);
    for chunk in &mut chunks {
        let bits = sextets(chunk)?;
        out.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
    }
    let rest = chunks.remainder();
    let bits = sextets(rest)?;
    match rest.len() {
        0 => {}
        2 => out.push((bits >> 4) as u8),
        3 => out.extend_from_slice(&[(bits >> 10) as u8, (bits >> 2) as u8]),
        _ => return None,
    }
    Some(())
}

fn sextets(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |bits, &digit| {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        Some(bits << 6 | u32::from(value))
    })
}
