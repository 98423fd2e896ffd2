//! Numbers of proto3 JSON: in digits or in quotes, integers exact also in exponent form.

/// A decimal number of JSON's form, by its parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal<'j> {
    negative: bool,
    whole: &'j [u8],
    fraction: &'j [u8],
    exponent: i32,
}

impl<'j> Decimal<'j> {
    /// Nothing if this is not a number as RFC 8259 defines it.
    pub(super) fn read(bytes: &'j [u8]) -> Option<Self> {
        let (negative, rest) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, bytes),
        };
        let (whole, rest) = digits(rest);
        if whole.is_empty() || (whole.len() > 1 && whole.starts_with(b"0")) {
            return None;
        }
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => Some(digits(rest)).filter(|(digits, _)| !digits.is_empty())?,
            _ => (&[][..], rest),
        };
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', sign @ (b'-' | b'+'), rest @ ..] => exponent(rest, *sign == b'-')?,
            [b'e' | b'E', rest @ ..] => exponent(rest, false)?,
            _ => return None,
        };
        Some(Self { negative, whole, fraction, exponent })
    }

    /// The exact value, if it is an integer of at most 64 bits and a sign.
    fn integer(&self) -> Option<i128> {
        let mut scale = i64::from(self.exponent) - i64::try_from(self.fraction.len()).ok()?;
        // Trailing zeros of the mantissa cancel a negative scale; leading ones do not matter.
        let mut all = self.whole.len() + self.fraction.len();
        let digit = |index: usize| match index.checked_sub(self.whole.len()) {
            None => self.whole.get(index),
            Some(index) => self.fraction.get(index),
        };
        while scale < 0 && all > 0 && digit(all - 1) == Some(&b'0') {
            all -= 1;
            scale += 1;
        }
        let mut value = 0_i128;
        for digit in (0..all).filter_map(digit) {
            value = value * 10 + i128::from(digit - b'0');
            if value > i128::from(u64::MAX) {
                return None;
            }
        }
        if value == 0 {
            return Some(0);
        }
        if !(0..=20).contains(&scale) {
            return None;
        }
        let value = value * 10_i128.pow(u32::try_from(scale).ok()?);
        Some(if self.negative { -value } else { value })
    }
}

fn digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let len = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    bytes.split_at(len)
}

/// An exponent; one that is out of all reason is cut to what no number survives.
fn exponent(bytes: &[u8], negative: bool) -> Option<i32> {
    let (digits, rest) = digits(bytes);
    if digits.is_empty() || !rest.is_empty() {
        return None;
    }
    let fold = |value: i32, digit: &u8| (value * 10 + i32::from(digit - b'0')).min(100_000_000);
    let value = digits.iter().fold(0, fold);
    Some(if negative { -value } else { value })
}

/// An integer of the type `T`; exact, also from forms like `1.5e18`.
#[inline]
pub(super) fn integer<T: TryFrom<i128>>(bytes: &[u8]) -> Option<T> {
    // Up to 19 digits fit without a check: nearly all numbers on the way.
    let short = (1..=19).contains(&bytes.len()) && (bytes.len() == 1 || !bytes.starts_with(b"0"));
    if short && bytes.iter().all(u8::is_ascii_digit) {
        let fold = |value: u64, digit: &u8| value * 10 + u64::from(digit - b'0');
        return T::try_from(i128::from(bytes.iter().fold(0, fold))).ok();
    }
    T::try_from(Decimal::read(bytes)?.integer()?).ok()
}

/// A finite double.
pub(super) fn double(bytes: &[u8]) -> Option<f64> {
    Decimal::read(bytes)?;
    let value: f64 = std::str::from_utf8(bytes).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

/// A double from between quotes: also NaN and the infinities.
pub(super) fn quoted_double(bytes: &[u8]) -> Option<f64> {
    match bytes {
        b"NaN" => Some(f64::NAN),
        b"Infinity" => Some(f64::INFINITY),
        b"-Infinity" => Some(f64::NEG_INFINITY),
        _ => double(bytes),
    }
}
