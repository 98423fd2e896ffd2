use std::fmt;
use std::time::Duration;

const NS_PER_S: u128 = 1_000_000_000;

/// Unit and its nanoseconds; longer spellings before those that they begin with.
const DURATION_UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", NS_PER_S),
    ("m", 60 * NS_PER_S),
    ("h", 3600 * NS_PER_S),
    ("d", 86_400 * NS_PER_S),
    ("w", 604_800 * NS_PER_S),
];

const BYTE_UNITS: [(&str, u128); 10] = [
    ("", 1),
    ("B", 1),
    ("kB", 1000),
    ("MB", 1000_u128.pow(2)),
    ("GB", 1000_u128.pow(3)),
    ("TB", 1000_u128.pow(4)),
    ("KiB", 1024),
    ("MiB", 1024_u128.pow(2)),
    ("GiB", 1024_u128.pow(3)),
    ("TiB", 1024_u128.pow(4)),
];

/// Digits that a number may have after its point.
const FRACTION_DIGITS_MAX: usize = 9;

/// Why a text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityError {
    /// No number where one is due.
    NoNumber,
    /// A number without its unit.
    NoUnit,
    /// A unit that is not known.
    UnknownUnit,
    /// More than can be held (584 years, 16 EiB).
    TooLarge,
}

/// Reads a duration as Go writes it, `300ms`, `1.5h`, `1h30m`, with days and weeks: `30d`, `2w`.
/// The units are ns, us, ms, s, m, h, d (24 hours), w. A bare `0` needs none.
///
/// # Errors
/// If the text is anything else, or more than 2^64 nanoseconds.
pub fn duration(text: &str) -> Result<Duration, QuantityError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut total_ns: u128 = 0;
    loop {
        let (number, after) = split_number(rest);
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        if unit.is_empty() && !number.is_empty() {
            return Err(QuantityError::NoUnit);
        }
        total_ns += scaled(number, unit, &DURATION_UNITS)?;
        if total_ns > u128::from(u64::MAX) {
            return Err(QuantityError::TooLarge);
        }
        if next.is_empty() {
            return Ok(Duration::from_nanos(total_ns as u64));
        }
        rest = next;
    }
}

/// Reads a number of bytes: `16MiB`, `1.5GiB`, `64kB`, `4096`.
///
/// # Errors
/// If the text is anything else, or more than 2^64 bytes.
pub fn bytes(text: &str) -> Result<u64, QuantityError> {
    let (number, unit) = split_number(text);
    let total = scaled(number, unit.trim_start(), &BYTE_UNITS)?;
    u64::try_from(total).map_err(|_| QuantityError::TooLarge)
}

fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// The number times its unit, in whole smallest units, what is below them cut off.
fn scaled(number: &str, unit: &str, units: &[(&str, u128)]) -> Result<u128, QuantityError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let empty = whole.is_empty() && fraction.is_empty();
    if empty || fraction.contains('.') || fraction.len() > FRACTION_DIGITS_MAX {
        return Err(QuantityError::NoNumber);
    }
    let (_, factor) =
        units.iter().find(|(name, _)| *name == unit).ok_or(QuantityError::UnknownUnit)?;
    let parse = |digits: &str| match digits {
        "" => Ok(0),
        digits => digits.parse::<u64>().map_err(|_| QuantityError::TooLarge),
    };
    let parts = u128::from(parse(fraction)?) * factor / 10_u128.pow(fraction.len() as u32);
    Ok(u128::from(parse(whole)?) * factor + parts)
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNumber => "does not begin with a number",
            Self::NoUnit => "has no unit",
            Self::UnknownUnit => "has an unknown unit",
            Self::TooLarge => "is too large",
        })
    }
}

impl std::error::Error for QuantityError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        for (text, ms) in [
            ("0", 0),
            ("300ms", 300),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("30d", 2_592_000_000),
            ("2w", 1_209_600_000),
            ("1h0.5s", 3_600_500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(duration("1.5us"), Ok(Duration::from_nanos(1500)));
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for (text, error) in [
            ("", QuantityError::NoNumber),
            ("5", QuantityError::NoUnit),
            ("1h5", QuantityError::NoUnit),
            ("h", QuantityError::NoNumber),
            ("-5m", QuantityError::NoNumber),
            ("1..5s", QuantityError::NoNumber),
            ("5 m", QuantityError::NoUnit),
            ("5M", QuantityError::UnknownUnit),
            ("99999999999999999999s", QuantityError::TooLarge),
            ("99999999d", QuantityError::TooLarge),
        ] {
            assert_eq!(duration(text), Err(error), "{text}");
        }
    }

    #[test]
    fn reads_byte_counts() {
        for (text, count) in [
            ("0", Ok(0)),
            ("4096", Ok(4096)),
            ("16MiB", Ok(16 << 20)),
            ("1.5GiB", Ok(3 << 29)),
            ("64 kB", Ok(64_000)),
            ("16mb", Err(QuantityError::UnknownUnit)),
            ("MiB", Err(QuantityError::NoNumber)),
            ("99999999TiB", Err(QuantityError::TooLarge)),
        ] {
            assert_eq!(bytes(text), count, "{text}");
        }
    }
}
