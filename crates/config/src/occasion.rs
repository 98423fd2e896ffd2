//! Stretches of time by the clock on the wall, once or by a rule of RFC 5545.

use std::time::Duration;

use jiff::ZonedDateTime;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use model::{Maintenance, Timestamp};
use rrule::{RRule, RRuleSet, Tz, Unvalidated};
use slo::window::WINDOW_MAX;

use crate::calendar::{wall_time, zone_named};

/// The shortest and the longest stretch.
const DURATION_MIN: Duration = Duration::from_secs(60);
const DURATION_MAX: Duration = Duration::from_secs(31 * 24 * 3600);
/// Occurrences are known for at least this long from now; a rule that recurs too often for that
/// is refused.
const KNOWN_FOR: Duration = Duration::from_secs(2 * 366 * 24 * 3600);
/// The longest rule.
const RULE_BYTES_MAX: usize = 1024;
/// How rules write a moment; all of them are read as times of the zone.
const RULE_TIME: &str = "%Y%m%dT%H%M%S";

/// When something takes place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Occasion {
    /// When it begins first, as 2026-11-29 02:00:00.
    pub start: String,
    /// The time zone of `start` and of the rule, by its IANA name; empty = UTC.
    pub time_zone: String,
    /// How long it lasts each time, 1 min to 31 days.
    pub duration: Duration,
    /// When it begins again, by a recurrence rule of RFC 5545, such as `FREQ=WEEKLY;BYDAY=SU`;
    /// empty = never.
    pub recurrence: String,
}

/// What is wrong with an occasion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OccasionError {
    /// Which of its fields.
    pub field: &'static str,
    /// What.
    pub what: String,
    /// What to write.
    pub mend: &'static str,
}

impl Occasion {
    /// The stretches that no window has forgotten by `now`, in order, at most
    /// [`Maintenance::STRETCHES_MAX`]. They begin by the clock on the wall, whatever it is turned
    /// back or forth in between; a moment that the clock leaves out is read as the moment as long
    /// after it, and of one that comes twice, the first is meant. Each is as long as any other.
    ///
    /// # Errors
    /// If a field cannot be read or is out of range, or the rule recurs too often to be known for
    /// two years.
    pub fn stretches(&self, now: Timestamp) -> Result<Vec<(Timestamp, Timestamp)>, OccasionError> {
        let start = wall_time(&self.start).ok_or_else(|| {
            let what = format!("{:?} is no date and time", self.start);
            OccasionError { field: "start", what, mend: "write it as 2026-01-31 02:00:00" }
        })?;
        let name = if self.time_zone.is_empty() { "UTC" } else { &self.time_zone };
        let zone = zone_named(name).map_err(|(what, mend)| OccasionError {
            field: "time_zone",
            what,
            mend,
        })?;
        if !(DURATION_MIN..=DURATION_MAX).contains(&self.duration) {
            let what = format!("{:?} is out of range", self.duration);
            return Err(OccasionError {
                field: "duration",
                what,
                mend: "write one from 1m to 31d",
            });
        }
        let begins = if self.recurrence.is_empty() {
            vec![start]
        } else {
            self.recur(start, &zone, now).map_err(|what| OccasionError {
                field: "recurrence",
                what,
                mend: "write a rule of RFC 5545, such as FREQ=WEEKLY;BYDAY=SU",
            })?
        };
        let stretch = |begin: DateTime| {
            let s = begin.to_zoned_datetime(zone.clone()).ok()?.timestamp().as_second();
            let from = Timestamp::from_unix_s(u64::try_from(s).ok()?);
            Some((from, from.after(self.duration)))
        };
        Ok(begins.into_iter().filter_map(stretch).collect())
    }

    fn recur(
        &self,
        start: DateTime,
        zone: &TimeZone,
        now: Timestamp,
    ) -> Result<Vec<DateTime>, String> {
        if self.recurrence.len() > RULE_BYTES_MAX {
            return Err(format!("is longer than {RULE_BYTES_MAX} bytes"));
        }
        // The rule is followed on a clock that is never turned; what its moments are in the zone
        // is decided afterwards, as for calendar windows.
        let rule: RRule<Unvalidated> = floating(&self.recurrence, zone)?.parse().map_err(told)?;
        let dt_start = on_no_zone(start).ok_or("cannot begin then")?;
        let rule = rule.validate(dt_start).map_err(told)?;
        let forgotten = now.before(WINDOW_MAX + self.duration);
        let oldest = on_no_zone(wall_of(forgotten, zone)).ok_or("cannot begin then")?;
        let set = RRuleSet::new(dt_start).rrule(rule).after(oldest);
        let limit = u16::try_from(Maintenance::STRETCHES_MAX).unwrap_or(u16::MAX);
        let found = set.all(limit);
        let begins: Vec<DateTime> = found.dates.iter().filter_map(off_no_zone).collect();
        let known_until = wall_of(now.after(KNOWN_FOR), zone);
        if found.limited && begins.last().is_some_and(|last| *last < known_until) {
            return Err(format!(
                "recurs {} times before {known_until}: too often to be maintenance",
                begins.len()
            ));
        }
        if begins.is_empty() {
            return Err("has no occurrence in the last 400 days, nor later".to_owned());
        }
        Ok(begins)
    }
}

/// The rule with its last moment as a time of the zone.
fn floating(rule: &str, zone: &TimeZone) -> Result<String, String> {
    let rule = rule.strip_prefix("RRULE:").unwrap_or(rule);
    let parts = rule.split(';').map(|part| {
        let Some(until) = part.strip_prefix("UNTIL=") else { return Ok(part.to_owned()) };
        let local = match until.strip_suffix('Z') {
            Some(utc) => {
                let utc = DateTime::strptime(RULE_TIME, utc)
                    .map_err(|_| format!("UNTIL={until} is no time"))?;
                let moment =
                    utc.to_zoned_datetime(TimeZone::UTC).map_err(|error| error.to_string())?;
                moment.with_time_zone(zone.clone()).datetime().strftime(RULE_TIME).to_string()
            }
            // A date alone means the whole day.
            None if !until.contains('T') => format!("{until}T235959"),
            None => until.to_owned(),
        };
        Ok(format!("UNTIL={local}Z"))
    });
    Ok(parts.collect::<Result<Vec<_>, String>>()?.join(";"))
}

fn told(error: rrule::RRuleError) -> String {
    error.to_string()
}

fn wall_of(at: Timestamp, zone: &TimeZone) -> DateTime {
    let s = i64::try_from(at.unix_s()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_second(s).unwrap_or(jiff::Timestamp::MAX);
    ZonedDateTime::new(moment, zone.clone()).datetime()
}

fn on_no_zone(wall: DateTime) -> Option<chrono::DateTime<Tz>> {
    let s = wall.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp().as_second();
    Some(chrono::DateTime::from_timestamp(s, 0)?.with_timezone(&Tz::UTC))
}

fn off_no_zone(moment: &chrono::DateTime<Tz>) -> Option<DateTime> {
    let utc = jiff::Timestamp::from_second(moment.timestamp()).ok()?;
    Some(ZonedDateTime::new(utc, TimeZone::UTC).datetime())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let moment: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_unix_s(u64::try_from(moment.as_second()).unwrap())
    }

    fn sundays(recurrence: &str) -> Occasion {
        Occasion {
            start: "2026-03-22 02:30:00".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            duration: Duration::from_secs(2 * 3600),
            recurrence: recurrence.to_owned(),
        }
    }

    fn begins(of: &Occasion, now: &str) -> Vec<Timestamp> {
        of.stretches(at(now)).unwrap().into_iter().map(|(from, _)| from).collect()
    }

    #[test]
    fn what_recurs_follows_the_clock_of_its_zone() {
        let now = "2026-04-01T00:00:00Z";
        let weekly = begins(&sundays("FREQ=WEEKLY;BYDAY=SU;COUNT=3"), now);
        // On the second Sunday 02:30 is left out, and is read as 03:30; then it is summer.
        let expected = ["2026-03-22T01:30:00Z", "2026-03-29T01:30:00Z", "2026-04-05T00:30:00Z"];
        assert_eq!(weekly, expected.map(at));
        let stretches = sundays("").stretches(at(now)).unwrap();
        assert_eq!(stretches, [(at("2026-03-22T01:30:00Z"), at("2026-03-22T03:30:00Z"))]);
        let last_friday = Occasion {
            start: "2026-01-30 22:00:00".to_owned(),
            time_zone: String::new(),
            ..sundays("RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=2")
        };
        let expected = ["2026-01-30T22:00:00Z", "2026-02-27T22:00:00Z"];
        assert_eq!(begins(&last_friday, now), expected.map(at));
    }

    #[test]
    fn a_rule_ends_by_its_moment_in_any_spelling() {
        let now = "2026-04-01T00:00:00Z";
        for until in ["20260405T003000Z", "20260405T023000", "20260405"] {
            let rule = format!("FREQ=WEEKLY;UNTIL={until}");
            assert_eq!(begins(&sundays(&rule), now).len(), 3, "{until}");
        }
        let rule = "FREQ=WEEKLY;UNTIL=20260405T002959Z";
        assert_eq!(begins(&sundays(rule), now).len(), 2);
    }

    #[test]
    fn one_without_an_end_is_known_for_years_and_forgets_what_no_window_holds() {
        let daily = begins(&sundays("FREQ=DAILY"), "2030-01-01T00:00:00Z");
        assert_eq!(daily.len(), Maintenance::STRETCHES_MAX);
        let oldest = at("2030-01-01T00:00:00Z").before(WINDOW_MAX + Duration::from_secs(7200));
        assert!(daily[0] >= oldest && daily[0].since(oldest) < Duration::from_secs(86_400));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_mend() {
        let error = |of: &Occasion| of.stretches(at("2026-04-01T00:00:00Z")).unwrap_err();
        let wrong = [
            (sundays("FREQ=SOMETIMES"), "recurrence"),
            (sundays("FREQ=WEEKLY;UNTIL=tomorrowZ"), "recurrence"),
            (sundays("FREQ=HOURLY"), "recurrence"),
            (sundays("FREQ=WEEKLY;UNTIL=20200101"), "recurrence"),
            (Occasion { start: "Sunday".to_owned(), ..sundays("") }, "start"),
            (Occasion { time_zone: "Mars/Phobos".to_owned(), ..sundays("") }, "time_zone"),
            (Occasion { duration: Duration::ZERO, ..sundays("") }, "duration"),
        ];
        for (occasion, field) in wrong {
            assert_eq!(error(&occasion).field, field, "{occasion:?}");
        }
        assert!(error(&sundays("FREQ=HOURLY")).what.contains("too often"));
    }
}
