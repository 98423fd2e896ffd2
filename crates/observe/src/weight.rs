/// Sampling thresholds have 56 bits.
const THRESHOLD_BITS: u32 = 56;
const THRESHOLD_DIGITS_MAX: usize = 14;

/// How many events a span stands for, by the rejection threshold `ot=th:...` of its W3C
/// `tracestate`: the adjusted count 2^56 / (2^56 - th), rounded. 1 without a threshold or with one
/// that cannot be read.
///
/// Source: OpenTelemetry specification, "TraceState: Probability Sampling".
#[inline]
pub(crate) fn of_trace_state(trace_state: &[u8]) -> u64 {
    if trace_state.is_empty() {
        return 1;
    }
    threshold(trace_state).map_or(1, adjusted_count)
}

fn adjusted_count(threshold: u64) -> u64 {
    let kept = (1 << THRESHOLD_BITS) - threshold;
    ((1u64 << THRESHOLD_BITS) + kept / 2) / kept
}

fn threshold(trace_state: &[u8]) -> Option<u64> {
    let members = trace_state.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let own = members.into_iter().find_map(|member| member.strip_prefix(b"ot="))?;
    let digits = own.split(|&byte| byte == b';').find_map(|pair| pair.strip_prefix(b"th:"))?;
    if digits.is_empty() || digits.len() > THRESHOLD_DIGITS_MAX {
        return None;
    }
    let text = std::str::from_utf8(digits).ok()?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let value = u64::from_str_radix(text, 16).ok()?;
    Some(value << (4 * (THRESHOLD_DIGITS_MAX - digits.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_gives_the_adjusted_count() {
        for (trace_state, weight) in [
            ("", 1),
            ("ot=th:0", 1),
            ("ot=th:8", 2),
            ("ot=th:c", 4),
            ("vendor=1, ot=rv:123456789abcde;th:fd70a4,x=y", 100),
            ("ot=th:ffffffffffffff", 1 << 56),
            ("ot=th:", 1),
            ("ot=th:+8", 1),
            ("ot=th:fffffffffffffff", 1),
            ("ot=p:8;r:62", 1),
            ("other=th:8", 1),
        ] {
            assert_eq!(of_trace_state(trace_state.as_bytes()), weight, "{trace_state}");
        }
    }
}
