//! How requests lie one after another in a recording.

use std::io::{self, BufRead, ErrorKind, Read};

/// The largest line or message, before and after decompression. A larger one is broken.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// What begins a zstd frame.
pub(super) const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// As much of a file as tells its framing.
pub(super) const HEAD_BYTES: usize = 8;

const VARINT_BYTES_MAX: usize = 10;

/// How a recording is cut into requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// A line of JSON each: the Collector's file exporter.
    Lines,
    /// A varint of the length before each: protobuf's delimited messages.
    Varint,
    /// Four bytes of the length, big-endian, before each: the Collector's file exporter with
    /// `format: proto`, or with compression.
    Word,
}

/// What was cut off.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// A whole line or message, in the buffer.
    Whole,
    /// One that cannot be used, and why; the next one can be read.
    Broken(String),
    /// One that cannot be used, and why; after it nothing can be read.
    Last(String),
    /// There is no more.
    End,
}

impl Framing {
    /// By the first bytes of a recording, [`HEAD_BYTES`] of them if it has as many.
    ///
    /// A request begins with `{` as JSON and with 0x0a as protobuf, so that a brace can be the
    /// length only where 0x0a comes next; and there a JSON text would go on with blanks.
    pub(super) fn of(head: &[u8]) -> Self {
        match head {
            [_, _, _, _, rest @ ..] if rest.starts_with(&ZSTD_MAGIC) => Self::Word,
            [0, ..] => Self::Word,
            [b'{', b'\n', next, ..] if !next.is_ascii_whitespace() => Self::Varint,
            [b'{' | b'[' | b'"' | b' ' | b'\t' | b'\r' | b'\n', ..] | [] => Self::Lines,
            _ => Self::Varint,
        }
    }

    /// Replaces what `out` holds by the next line or message.
    ///
    /// # Errors
    /// If the file cannot be read. That it ends in the middle is no error but [`Cut::Last`].
    pub(super) fn cut(self, input: &mut dyn BufRead, out: &mut Vec<u8>) -> io::Result<Cut> {
        out.clear();
        let cut = match self {
            Self::Lines => line(input, out),
            Self::Varint => varint(input).and_then(|length| message(input, length, out)),
            Self::Word => word(input).and_then(|length| message(input, length, out)),
        };
        match cut {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Ok(Cut::Last("the file ends in the middle".to_owned()))
            }
            other => other,
        }
    }
}

fn line(input: &mut dyn BufRead, out: &mut Vec<u8>) -> io::Result<Cut> {
    let limit = MESSAGE_BYTES_MAX as u64 + 1;
    if (&mut *input).take(limit).read_until(b'\n', out)? == 0 {
        return Ok(Cut::End);
    }
    if out.len() <= MESSAGE_BYTES_MAX || out.ends_with(b"\n") {
        return Ok(Cut::Whole);
    }
    let _ = input.skip_until(b'\n')?;
    Ok(Cut::Broken(format!("the line is longer than {} MiB", MESSAGE_BYTES_MAX >> 20)))
}

/// `None` at the end of the file.
fn varint(input: &mut dyn BufRead) -> io::Result<Option<u64>> {
    let mut value = 0u64;
    for index in 0..VARINT_BYTES_MAX {
        let Some(byte) = byte(input)? else {
            return if index == 0 { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
        };
        value |= u64::from(byte & 0x7f).checked_shl(7 * index as u32).unwrap_or(u64::MAX);
        if byte < 0x80 {
            return Ok(Some(value));
        }
    }
    Ok(Some(u64::MAX))
}

fn word(input: &mut dyn BufRead) -> io::Result<Option<u64>> {
    let Some(first) = byte(input)? else { return Ok(None) };
    let mut rest = [0; 3];
    input.read_exact(&mut rest)?;
    let [second, third, fourth] = rest;
    Ok(Some(u32::from_be_bytes([first, second, third, fourth]).into()))
}

fn byte(input: &mut dyn BufRead) -> io::Result<Option<u8>> {
    let byte = input.fill_buf()?.first().copied();
    if byte.is_some() {
        input.consume(1);
    }
    Ok(byte)
}

fn message(input: &mut dyn BufRead, length: Option<u64>, out: &mut Vec<u8>) -> io::Result<Cut> {
    let Some(length) = length else { return Ok(Cut::End) };
    if length > MESSAGE_BYTES_MAX as u64 {
        let why = format!(
            "a message of {length} bytes is announced, the most is {} MiB: this is no \
             length-delimited recording, or a damaged one",
            MESSAGE_BYTES_MAX >> 20
        );
        return Ok(Cut::Last(why));
    }
    let read = (&mut *input).take(length).read_to_end(out)?;
    if read as u64 == length { Ok(Cut::Whole) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_all(framing: Framing, bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<Cut>) {
        let (mut input, mut out) = (bytes, Vec::new());
        let (mut whole, mut rest) = (Vec::new(), Vec::new());
        loop {
            match framing.cut(&mut input, &mut out).unwrap() {
                Cut::Whole => whole.push(out.clone()),
                Cut::End => return (whole, rest),
                last @ Cut::Last(_) => {
                    rest.push(last);
                    return (whole, rest);
                }
                other => rest.push(other),
            }
        }
    }

    #[test]
    fn the_first_bytes_tell_the_framing() {
        for (head, expected) in [
            (&b"{\"resour"[..], Framing::Lines),
            (b" {\"resou", Framing::Lines),
            (b"", Framing::Lines),
            (b"{\n  \"res", Framing::Lines),
            (b"{\n\x79\x0a\x10\x12\x02\x08", Framing::Varint),
            (b"\x05\x0a\x03\x12\x01\x00", Framing::Varint),
            (b"\xac\x02\x0a\xa9\x02\x0a\x01\x00", Framing::Varint),
            (b"\x00\x00\x01\x2c\x0a\xa9\x02\x0a", Framing::Word),
            (b"\x01\x00\x01\x2c\x28\xb5\x2f\xfd", Framing::Word),
        ] {
            assert_eq!(Framing::of(head), expected, "{head:?}");
        }
    }

    #[test]
    fn messages_are_cut_where_their_lengths_say() {
        let long = vec![7u8; 300];
        for (framing, bytes) in [
            (Framing::Lines, [b"ab\n".as_slice(), &long, b"\n"].concat()),
            (Framing::Varint, [b"\x03ab\n\xad\x02".as_slice(), &long, b"\n"].concat()),
            (Framing::Word, [b"\0\0\0\x03ab\n\0\0\x01\x2d".as_slice(), &long, b"\n"].concat()),
        ] {
            let (whole, rest) = cut_all(framing, &bytes);
            assert_eq!(rest, [], "{framing:?}");
            assert_eq!(whole, [b"ab\n".to_vec(), [&long[..], b"\n"].concat()], "{framing:?}");
        }
    }

    #[test]
    fn what_ends_in_the_middle_or_is_absurd_ends_the_recording() {
        for (framing, bytes, whole) in [
            (Framing::Varint, &b"\x02ab\x05ab"[..], 1),
            (Framing::Varint, b"\x02ab\x85", 1),
            (Framing::Varint, b"\x02ab\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1),
            (Framing::Word, b"\0\0\0\x02ab\0\0\0", 1),
            (Framing::Word, b"\xff\xff\xff\xffab", 0),
        ] {
            let (cut, rest) = cut_all(framing, bytes);
            assert_eq!(cut.len(), whole, "{bytes:?}");
            assert!(matches!(rest.as_slice(), [Cut::Last(_)]), "{bytes:?}: {rest:?}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out() {
        let mut bytes = vec![b'x'; MESSAGE_BYTES_MAX + 5];
        bytes.extend_from_slice(b"\nab");
        let (whole, rest) = cut_all(Framing::Lines, &bytes);
        assert_eq!(whole, [b"ab".to_vec()]);
        assert!(matches!(rest.as_slice(), [Cut::Broken(_)]), "{rest:?}");
    }
}
