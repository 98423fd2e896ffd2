use std::fmt;
use std::time::Duration;

const MINUTE_S: u64 = 60;
const DAY_S: u64 = 86_400;

/// OpenSLO's duration shorthand: a whole number and one unit, case-sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shorthand {
    /// How many units.
    pub count: u32,
    /// The unit.
    pub unit: ShorthandUnit,
}

/// A unit of the duration shorthand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShorthandUnit {
    /// `m`
    Minute,
    /// `h`
    Hour,
    /// `d`
    Day,
    /// `w`
    Week,
    /// `M`
    Month,
    /// `Q`
    Quarter,
    /// `Y`
    Year,
}

impl fmt::Display for Shorthand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            ShorthandUnit::Minute => 'm',
            ShorthandUnit::Hour => 'h',
            ShorthandUnit::Day => 'd',
            ShorthandUnit::Week => 'w',
            ShorthandUnit::Month => 'M',
            ShorthandUnit::Quarter => 'Q',
            ShorthandUnit::Year => 'Y',
        };
        write!(f, "{}{unit}", self.count)
    }
}

impl Shorthand {
    /// Reads `30d`, `5m`, `1M`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let unit = match text.chars().last()? {
            'm' => ShorthandUnit::Minute,
            'h' => ShorthandUnit::Hour,
            'd' => ShorthandUnit::Day,
            'w' => ShorthandUnit::Week,
            'M' => ShorthandUnit::Month,
            'Q' => ShorthandUnit::Quarter,
            'Y' => ShorthandUnit::Year,
            _ => return None,
        };
        let digits = text.get(..text.len() - 1)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Self { count: digits.parse().ok()?, unit })
    }

    /// As a fixed length: a month is 30 days, a quarter 90, a year 365. For rolling windows; a
    /// calendar window follows the calendar.
    #[must_use]
    pub fn rolling(self) -> Duration {
        self.of_days(30, 90, 365)
    }

    /// The longest that it can be by the calendar.
    #[must_use]
    pub fn longest(self) -> Duration {
        self.of_days(31, 92, 366)
    }

    fn of_days(self, month: u64, quarter: u64, year: u64) -> Duration {
        let unit_s = match self.unit {
            ShorthandUnit::Minute => MINUTE_S,
            ShorthandUnit::Hour => 60 * MINUTE_S,
            ShorthandUnit::Day => DAY_S,
            ShorthandUnit::Week => 7 * DAY_S,
            ShorthandUnit::Month => month * DAY_S,
            ShorthandUnit::Quarter => quarter * DAY_S,
            ShorthandUnit::Year => year * DAY_S,
        };
        Duration::from_secs(u64::from(self.count) * unit_s)
    }
}
