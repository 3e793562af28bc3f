//! What date fields are compared with.

use jiff::civil;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::date::zones;

/// A day of the calendar, from midnight to midnight in a time zone. A date field without time knows no zones: there the
/// day is the day.
#[derive(Debug, Clone, PartialEq)]
pub struct Day {
    date: civil::Date,
    zone: TimeZone,
}

impl Day {
    /// A day in UTC; `None` if the calendar has no such day, or its year lies outside 1 to 9998.
    pub fn new(year: i16, month: i8, day: i8) -> Option<Self> {
        let date = civil::Date::new(year, month, day).ok()?;
        (1..=9998).contains(&year).then_some(Self { date, zone: TimeZone::UTC })
    }

    /// A day in UTC from `2024-01-15`.
    pub fn parse(text: &str) -> Option<Self> {
        let date: civil::Date = text.parse().ok()?;
        Self::new(date.year(), date.month(), date.day())
    }

    /// The same day in a zone of the IANA database, such as `Europe/Berlin`; `None` if there is no such zone.
    #[must_use]
    pub fn in_zone(self, name: &str) -> Option<Self> {
        Some(Self { zone: zones().get(name.trim()).ok()?, ..self })
    }

    /// Its first instant, and the first one after it. Where clocks change at midnight, a day begins later or is repeated;
    /// it may have 23 or 25 hours.
    fn bounds(&self, ignore_zone: bool) -> (Timestamp, Timestamp) {
        let zone = if ignore_zone { &TimeZone::UTC } else { &self.zone };
        let start = |date: civil::Date| {
            zone.to_timestamp(date.at(0, 0, 0, 0)).expect("the years of a day keep clear of the ends of time")
        };
        (start(self.date), start(self.date.saturating_add(1.day())))
    }
}

/// A point or stretch of time: a [`Day`] or an instant.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    Day(Day),
    /// Compared in whole milliseconds, which is how Airtable keeps time.
    Instant(Timestamp),
}

impl When {
    /// The first millisecond that belongs to it, and the first one that comes after it.
    pub(super) fn bounds(&self, ignore_zone: bool) -> (Timestamp, Timestamp) {
        match self {
            Self::Day(day) => day.bounds(ignore_zone),
            Self::Instant(instant) => {
                let ms = instant.as_millisecond();
                let at = |ms| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
                (at(ms), at(ms + 1))
            }
        }
    }
}

impl From<Day> for When {
    fn from(day: Day) -> Self {
        Self::Day(day)
    }
}

impl From<Timestamp> for When {
    fn from(instant: Timestamp) -> Self {
        Self::Instant(instant)
    }
}
