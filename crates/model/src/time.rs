use std::fmt;
use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};

/// Width of a pane: the grain of event time, in nanoseconds (5 s).
pub const PANE_NS: u64 = 5_000_000_000;

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;

/// A moment: nanoseconds since the Unix epoch, as OTLP carries them. Reaches to the year 2554.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Timestamp(u64);

/// The index of a pane: whole multiples of [`PANE_NS`] since the Unix epoch.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Pane(pub u32);

impl Timestamp {
    /// The Unix epoch; stands for "not set" where a field says so.
    pub const ZERO: Self = Self(0);
    /// The last moment that can be told.
    pub const MAX: Self = Self(u64::MAX);

    /// From nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn from_unix_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// From milliseconds since the Unix epoch; saturates.
    #[must_use]
    pub const fn from_unix_ms(ms: u64) -> Self {
        Self(ms.saturating_mul(NS_PER_MS))
    }

    /// From seconds since the Unix epoch; saturates.
    #[must_use]
    pub const fn from_unix_s(s: u64) -> Self {
        Self(s.saturating_mul(NS_PER_S))
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_ns(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_ms(self) -> u64 {
        self.0 / NS_PER_MS
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn unix_s(self) -> u64 {
        self.0 / NS_PER_S
    }

    /// Seconds since the Unix epoch with their fraction, for exposition only.
    #[must_use]
    pub fn unix_s_f64(self) -> f64 {
        self.0 as f64 / NS_PER_S as f64
    }

    /// This moment and `span` more; saturates.
    #[must_use]
    pub const fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(duration_ns(span)))
    }

    /// This moment less `span`; saturates at the epoch.
    #[must_use]
    pub const fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(duration_ns(span)))
    }

    /// How long after `earlier` this moment lies; zero if it does not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The pane that holds this moment.
    #[must_use]
    pub const fn pane(self) -> Pane {
        Pane((self.0 / PANE_NS) as u32)
    }

    /// Whether the moment was set at all.
    #[must_use]
    pub const fn is_set(self) -> bool {
        self.0 != 0
    }
}

impl Pane {
    /// The first moment of the pane.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        Timestamp(self.0 as u64 * PANE_NS)
    }

    /// The first moment after the pane.
    #[must_use]
    pub const fn end(self) -> Timestamp {
        Timestamp((self.0 as u64 + 1) * PANE_NS)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds, `2026-11-23T03:04:05.678Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second_of_day) = (self.unix_s() / 86_400, self.unix_s() % 86_400);
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) =
            (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        let ms = self.unix_ms() % 1000;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

const fn duration_ns(span: Duration) -> u64 {
    let ns = span.as_nanos();
    if ns > u64::MAX as u128 { u64::MAX } else { ns as u64 }
}

/// Year, month and day of a count of days since 1970-01-01, in the proleptic Gregorian calendar
/// (Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`).
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_403_045_678, "2026-11-23T03:04:05.678Z"),
        ] {
            assert_eq!(Timestamp::from_unix_ms(unix_ms).to_string(), text);
        }
    }

    #[test]
    fn a_pane_holds_its_start_and_not_its_end() {
        let pane = Timestamp::from_unix_s(1_000_003).pane();
        assert_eq!(pane.start(), Timestamp::from_unix_s(1_000_000));
        assert_eq!(pane.start().pane(), pane);
        assert_eq!(pane.end().pane(), Pane(pane.0 + 1));
    }

    #[test]
    fn arithmetic_saturates() {
        let hour = Duration::from_secs(3600);
        assert_eq!(Timestamp::ZERO.before(hour), Timestamp::ZERO);
        assert_eq!(Timestamp::MAX.after(hour), Timestamp::MAX);
        assert_eq!(Timestamp::ZERO.since(Timestamp::MAX), Duration::ZERO);
    }
}
