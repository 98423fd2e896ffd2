//! Calendar windows: where their periods begin, by the rules of their time zone.

use document::Problems;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, ZonedDateTime};
use model::Timestamp;
use slo::openslo::{CalendarWindow, Shorthand, ShorthandUnit, SloDefinition};
use slo::window::Calendar;

/// Periods are known between these years; what begins later is known for two periods.
const FROM_YEAR: i16 = 2020;
const UNTIL_YEAR: i16 = 2060;
/// Periods of one calendar: those of an hour for the years above.
const PERIODS_MAX: usize = 400_000;
/// How a moment by the clock on the wall is written.
const WALL_TIME: &str = "%Y-%m-%d %H:%M:%S";

/// Where the periods of a calendar window begin: its start time and every multiple of its length
/// after it, by the clock on the wall. A moment that a change of the clock leaves out is read as
/// the moment as long after it; of one that comes twice, the first is meant. The 31st of a month
/// that has none is its last day. Minutes and hours pass without regard to the clock.
///
/// # Errors
/// With what is wrong, and what to write.
pub fn calendar_of(window: &CalendarWindow) -> Result<Calendar, (String, &'static str)> {
    let start = wall_time(&window.start_time).ok_or_else(|| {
        let what = format!("startTime {:?} is no date and time", window.start_time);
        (what, "write it as 2026-01-31 00:00:00")
    })?;
    let zone = zone_named(&window.time_zone)?;
    let starts = starts(start, &zone, window.length);
    let calendar = starts.and_then(Calendar::new);
    calendar.ok_or_else(|| ("the calendar cannot be followed".to_owned(), "use another startTime"))
}

/// A moment by the clock on the wall, as OpenSLO writes it.
pub(crate) fn wall_time(text: &str) -> Option<DateTime> {
    DateTime::strptime(WALL_TIME, text).ok()
}

pub(crate) fn zone_named(name: &str) -> Result<TimeZone, (String, &'static str)> {
    TimeZone::get(name).map_err(|_| {
        let what = format!("there is no time zone {name:?}");
        (what, "write a name of the IANA database, such as Europe/Berlin")
    })
}

/// Reports what is wrong with the calendars of definitions.
pub(crate) fn check(definitions: &[SloDefinition], problems: &Problems) {
    for window in definitions.iter().filter_map(|definition| definition.calendar.as_ref()) {
        if let Err((what, mend)) = calendar_of(window) {
            problems.error(&window.spot.place, format!("{}: {what}", window.spot.path), mend);
        }
    }
}

fn starts(start: DateTime, zone: &TimeZone, length: Shorthand) -> Option<Vec<Timestamp>> {
    let (anchor, each) = (start.to_zoned_datetime(zone.clone()).ok()?, span(length)?);
    let nth = |n: i64| -> Option<ZonedDateTime> {
        let span = each.checked_mul(n).ok()?;
        match length.unit {
            ShorthandUnit::Minute | ShorthandUnit::Hour => anchor.checked_add(span).ok(),
            // From the start each time: a month after the 31st of January must not make every
            // later one begin on the 28th.
            _ => start.checked_add(span).ok()?.to_zoned_datetime(zone.clone()).ok(),
        }
    };
    let mut n = first_of_interest(&anchor, length);
    let mut starts = Vec::new();
    while starts.len() < PERIODS_MAX {
        let Some(begins) = nth(n) else { break };
        let is_enough = starts.len() >= 2 && begins.year() >= UNTIL_YEAR;
        let s = u64::try_from(begins.timestamp().as_second()).ok();
        starts.extend(s.map(Timestamp::from_unix_s));
        if is_enough {
            break;
        }
        n += 1;
    }
    Some(starts)
}

/// The number of a period that begins before the years that are known, and not long before.
fn first_of_interest(anchor: &ZonedDateTime, length: Shorthand) -> i64 {
    let years = f64::from(FROM_YEAR - anchor.year()) - 2.0;
    let length_years = length.longest().as_secs_f64() / (365.0 * 86_400.0);
    (years / length_years).floor().max(0.0) as i64
}

fn span(length: Shorthand) -> Option<Span> {
    let count = i64::from(length.count);
    match length.unit {
        ShorthandUnit::Minute => Span::new().try_minutes(count).ok(),
        ShorthandUnit::Hour => Span::new().try_hours(count).ok(),
        ShorthandUnit::Day => Span::new().try_days(count).ok(),
        ShorthandUnit::Week => Span::new().try_weeks(count).ok(),
        ShorthandUnit::Month => Span::new().try_months(count).ok(),
        ShorthandUnit::Quarter => Span::new().try_months(count.checked_mul(3)?).ok(),
        ShorthandUnit::Year => Span::new().try_years(count).ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use document::Place;
    use slo::openslo::Spot;

    use super::*;

    fn window(length: &str, start_time: &str, time_zone: &str) -> CalendarWindow {
        CalendarWindow {
            length: Shorthand::parse(length).unwrap(),
            start_time: start_time.to_owned(),
            time_zone: time_zone.to_owned(),
            spot: Spot { place: Place::whole("a.yaml"), path: "spec.timeWindow".to_owned() },
        }
    }

    fn at(text: &str) -> Timestamp {
        let moment: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_unix_s(u64::try_from(moment.as_second()).unwrap())
    }

    /// The period that holds a moment.
    fn period(of: &CalendarWindow, moment: &str) -> (String, String) {
        let calendar = calendar_of(of).unwrap();
        let (from, until) = calendar.period(at(moment));
        let text = |at: Timestamp| {
            jiff::Timestamp::from_second(i64::try_from(at.unix_s()).unwrap()).unwrap().to_string()
        };
        (text(from), text(until))
    }

    #[test]
    fn periods_follow_the_clock_of_the_zone_over_its_changes() {
        let day = |zone| window("1d", "2022-01-01 00:00:00", zone);
        for (of, moment, from, until) in [
            // Berlin: 23 hours in March, 25 in October.
            (
                day("Europe/Berlin"),
                "2026-03-29T12:00:00Z",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
            ),
            (
                day("Europe/Berlin"),
                "2026-10-25T12:00:00Z",
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z",
            ),
            (
                day("Asia/Kolkata"),
                "2026-03-29T12:00:00Z",
                "2026-03-28T18:30:00Z",
                "2026-03-29T18:30:00Z",
            ),
            // 02:30 is left out on this day, and is read as 03:30.
            (
                window("1d", "2022-01-01 02:30:00", "Europe/Berlin"),
                "2026-03-29T12:00:00Z",
                "2026-03-29T01:30:00Z",
                "2026-03-30T00:30:00Z",
            ),
            // Hours pass, whatever clocks say.
            (
                window("12h", "2022-01-01 00:00:00", "Europe/Berlin"),
                "2026-03-29T12:00:00Z",
                "2026-03-29T11:00:00Z",
                "2026-03-29T23:00:00Z",
            ),
        ] {
            let expected = (from.to_owned(), until.to_owned());
            assert_eq!(period(&of, moment), expected, "{of:?}");
        }
    }

    #[test]
    fn months_quarters_weeks_and_years_have_their_lengths() {
        let utc = |length, start| window(length, start, "UTC");
        for (of, moment, from, until) in [
            (
                utc("1M", "2022-01-31 00:00:00"),
                "2024-03-01T00:00:00Z",
                "2024-02-29T00:00:00Z",
                "2024-03-31T00:00:00Z",
            ),
            (
                utc("1M", "2022-01-31 00:00:00"),
                "2026-02-28T10:00:00Z",
                "2026-02-28T00:00:00Z",
                "2026-03-31T00:00:00Z",
            ),
            (
                utc("1Q", "2022-01-01 12:00:00"),
                "2026-11-27T00:00:00Z",
                "2026-10-01T12:00:00Z",
                "2027-01-01T12:00:00Z",
            ),
            (
                utc("1w", "2022-01-03 00:00:00"),
                "2026-11-27T00:00:00Z",
                "2026-11-23T00:00:00Z",
                "2026-11-30T00:00:00Z",
            ),
            (
                utc("1Y", "1999-04-01 00:00:00"),
                "2026-11-27T00:00:00Z",
                "2026-04-01T00:00:00Z",
                "2027-04-01T00:00:00Z",
            ),
            (
                utc("2M", "2026-10-01 00:00:00"),
                "2026-11-27T00:00:00Z",
                "2026-10-01T00:00:00Z",
                "2026-12-01T00:00:00Z",
            ),
            // It has not begun yet.
            (
                utc("1M", "2031-01-01 00:00:00"),
                "2026-11-27T00:00:00Z",
                "2031-01-01T00:00:00Z",
                "2031-02-01T00:00:00Z",
            ),
        ] {
            let expected = (from.to_owned(), until.to_owned());
            assert_eq!(period(&of, moment), expected, "{of:?}");
            assert!(at(until).since(at(from)) <= of.length.longest() + Duration::from_secs(3600));
        }
    }

    #[test]
    fn wrong_zones_and_times_are_told_with_their_mend() {
        let what = |of| calendar_of(&of).unwrap_err();
        assert_eq!(
            what(window("1d", "2022-01-01 00:00:00", "Europe/Berln")).0,
            "there is no time zone \"Europe/Berln\""
        );
        let (what, mend) = what(window("1d", "01.01.2022", "UTC"));
        assert_eq!(what, "startTime \"01.01.2022\" is no date and time");
        assert!(mend.contains("2026-01-31 00:00:00"));
    }
}
