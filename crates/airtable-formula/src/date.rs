//! Dates: instants with millisecond precision, and their parts in UTC.

pub(crate) mod civil;
pub(crate) mod format;
pub(crate) mod humanize;
pub(crate) mod locale;
pub(crate) mod parse;
pub(crate) mod pattern;
pub(crate) mod unit;
pub(crate) mod workday;

use std::ops::Range;
use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::coerce;
use crate::value::{ErrorKind, Value};
use civil::{Civil, MS_PER_DAY};
use locale::Locale;

/// The instants that can be dates, in milliseconds. `Timestamp` ends a day earlier, but 9999-12-31 is what many write for
/// "never".
const YEARS: Range<i64> =
    civil::epoch_day(-9999, 1, 1) * MS_PER_DAY..civil::epoch_day(10_000, 1, 1) * MS_PER_DAY;

/// A date of a formula: an instant, and how `DATETIME_FORMAT` is to show it.
///
/// Years reach from -9999 to 9999, each whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Date {
    ms: i64,
    /// Set by `SET_TIMEZONE`; no zone is UTC.
    zone: Option<TimeZone>,
    /// Set by `SET_LOCALE`.
    locale: Locale,
    /// The cell of a date field without time: its text form is the day alone.
    day: bool,
}

impl Date {
    /// An instant; what is finer than a millisecond is cut off.
    pub fn at(timestamp: Timestamp) -> Self {
        Self::instant(timestamp.as_millisecond())
    }

    /// A cell value of Airtable's API: `2024-01-15` (a day), or `2024-01-15T14:30:00.000Z` (an instant). `None` if it is
    /// neither.
    pub fn parse_cell(text: &str) -> Option<Self> {
        let ms = parse::iso(text)?;
        let date = Self::from_ms(ms).ok()?;
        Some(if text.len() == "YYYY-MM-DD".len() { Self { day: true, ..date } } else { date })
    }

    /// The instant, or the nearest that a `Timestamp` can be: those lack a day at either end of time.
    pub fn timestamp(&self) -> Timestamp {
        let nearest = if self.ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::from_millisecond(self.ms).unwrap_or(nearest)
    }

    /// Milliseconds since 1970-01-01T00:00Z.
    pub fn as_millisecond(&self) -> i64 {
        self.ms
    }

    /// As Airtable's API shows the result of a formula: `2024-01-15T14:30:00.000Z`.
    pub fn to_iso_string(&self) -> String {
        let mut out = String::new();
        self.civil().push_iso(&mut out);
        out
    }

    pub(crate) fn from_ms(ms: i64) -> Result<Self, ErrorKind> {
        if YEARS.contains(&ms) { Ok(Self::instant(ms)) } else { Err(ErrorKind::Date) }
    }

    /// For computed milliseconds, which may be too many or NaN; fractions are cut off, as JavaScript does.
    pub(crate) fn from_ms_f64(ms: f64) -> Result<Self, ErrorKind> {
        if ms.is_nan() { Err(ErrorKind::Date) } else { Self::from_ms(ms.trunc() as i64) } // The cast saturates.
    }

    fn instant(ms: i64) -> Self {
        Self { ms, zone: None, locale: Locale::default(), day: false }
    }

    /// The parts in UTC, whatever the display zone.
    pub(crate) fn civil(&self) -> Civil {
        Civil::from_ms(self.ms)
    }

    pub(crate) fn with_zone(self, zone: TimeZone) -> Self {
        Self { zone: Some(zone), ..self }
    }

    pub(crate) fn with_locale(self, locale: Locale) -> Self {
        Self { locale, ..self }
    }

    /// The text form: ISO 8601, without time for a day.
    pub(crate) fn push_text(&self, out: &mut String) {
        if self.day { self.civil().push_day(out) } else { self.civil().push_iso(out) }
    }
}

/// The date that a date function sees in its argument: a date, or text that is parsed.
pub(crate) fn of(value: &Value<'_>) -> Result<Date, ErrorKind> {
    match coerce::only_element(value) {
        Value::Date(date) => Ok(date.clone()),
        Value::Text(text) => Date::from_ms(parse::lenient(text).ok_or(ErrorKind::Date)?),
        Value::Error(kind) => Err(*kind),
        Value::Blank | Value::Number(_) | Value::Boolean(_) | Value::Array(_) => Err(ErrorKind::Date),
    }
}

/// The zones that come with the crate: no file of the system is read.
pub(crate) fn zones() -> &'static TimeZoneDatabase {
    static ZONES: OnceLock<TimeZoneDatabase> = OnceLock::new();
    ZONES.get_or_init(TimeZoneDatabase::bundled)
}
