//! Words for people.

use std::time::Duration;

const UNITS_S: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];

/// A duration in the largest unit that divides it, as Prometheus writes windows: `5m`, `1h`, `3d`.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (unit_s, unit) = UNITS_S
        .into_iter()
        .find(|(unit_s, _)| seconds >= *unit_s && seconds.is_multiple_of(*unit_s))
        .unwrap_or((1, "s"));
    format!("{}{unit}", seconds / unit_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_largest_unit_that_divides() {
        for (seconds, text) in
            [(0, "0s"), (30, "30s"), (300, "5m"), (3600, "1h"), (5400, "90m"), (2_592_000, "30d")]
        {
            assert_eq!(duration_text(Duration::from_secs(seconds)), text);
        }
    }
}
