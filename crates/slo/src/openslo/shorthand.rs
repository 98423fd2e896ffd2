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
        let unit_s = match self.unit {
            ShorthandUnit::Minute => MINUTE_S,
            ShorthandUnit::Hour => 60 * MINUTE_S,
            ShorthandUnit::Day => DAY_S,
            ShorthandUnit::Week => 7 * DAY_S,
            ShorthandUnit::Month => 30 * DAY_S,
            ShorthandUnit::Quarter => 90 * DAY_S,
            ShorthandUnit::Year => 365 * DAY_S,
        };
        Duration::from_secs(u64::from(self.count) * unit_s)
    }
}
