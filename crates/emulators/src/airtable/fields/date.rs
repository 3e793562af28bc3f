//! Dates and times: ISO in and out, free forms with typecast, and the display formats of the metadata.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Fault, unconvertible};
use crate::airtable::cell::Cell;
use crate::airtable::model::{DateFormat, DateTimeFormat};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Reads an ISO date (of an ISO date and time: its day in UTC).
pub(crate) fn read_date(format: DateFormat, value: &Value, typecast: bool) -> Result<Cell, Fault> {
    let text = value.as_str().ok_or_else(|| unconvertible(value, typecast))?;
    let strict = iso_date(text).or_else(|| iso_instant(text, None).map(|millis| utc(millis).date()));
    let date = strict.or_else(|| if typecast { free_form(text, format).map(|(date, _)| date) } else { None });
    date.map(Cell::Date).ok_or_else(|| unconvertible(value, typecast))
}

/// Reads an ISO date and time; without an offset it is in the field's zone.
pub(crate) fn read_date_time(format: &DateTimeFormat, value: &Value, typecast: bool) -> Result<Cell, Fault> {
    let text = value.as_str().ok_or_else(|| unconvertible(value, typecast))?;
    let zone = format.zone.as_ref();
    let free = || {
        let (date, time) = free_form(text, format.date)?;
        millis_in(date.to_datetime(time.unwrap_or(Time::midnight())), zone)
    };
    let millis = iso_instant(text, zone).or_else(|| if typecast { free() } else { None });
    millis.map(Cell::Instant).ok_or_else(|| unconvertible(value, typecast))
}

/// `YYYY-MM-DD` and nothing else.
pub(crate) fn iso_date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    let shape = bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if shape { text.parse().ok() } else { None }
}

/// Milliseconds since 1970 of an ISO date, with or without time, with or without offset.
pub(crate) fn iso_instant(text: &str, zone: Option<&TimeZone>) -> Option<i64> {
    if let Some(date) = iso_date(text) {
        return millis_in(date.to_datetime(Time::midnight()), zone);
    }
    iso_date(text.get(..10)?)?;
    let separator = *text.as_bytes().get(10)?;
    if !matches!(separator, b'T' | b't' | b' ') || text.as_bytes().get(13).is_none_or(|byte| *byte != b':') {
        return None;
    }
    let normal = text.replacen(' ', "T", 1);
    let millis = match normal.parse::<Timestamp>() {
        Ok(instant) => instant.as_millisecond(),
        Err(_) if has_offset(&normal) => return None,
        Err(_) => return millis_in(normal.parse::<DateTime>().ok()?, zone),
    };
    in_range(millis)
}

fn has_offset(text: &str) -> bool {
    text[10..].contains(['Z', 'z', '+', '-', '['])
}

fn millis_in(time: DateTime, zone: Option<&TimeZone>) -> Option<i64> {
    let instant = match zone {
        Some(zone) => zone.to_ambiguous_timestamp(time).compatible().ok()?,
        None => TimeZone::UTC.to_timestamp(time).ok()?,
    };
    in_range(instant.as_millisecond())
}

/// Years 0 to 9999: what an ISO string of four digits can say.
fn in_range(millis: i64) -> Option<i64> {
    (-62_167_219_200_000..=253_402_300_799_999).contains(&millis).then_some(millis)
}

/// What typecast understands beyond ISO: `3/14/2024`, `14.3.2024`, `March 14, 2024`, `14 Mar 2024`, each perhaps
/// followed by `9:26`, `9:26:53` or `9:26pm`.
fn free_form(text: &str, format: DateFormat) -> Option<(Date, Option<Time>)> {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c == ',' || c == 'T')
        .filter(|word| !word.is_empty())
        .collect();
    let (date, used) = numeric_date(words.first()?, format)
        .map(|date| (date, 1))
        .or_else(|| worded_date(words.get(..3)?).map(|date| (date, 3)))?;
    let rest: String = words[used..].concat().to_lowercase();
    if rest.is_empty() {
        return Some((date, None));
    }
    clock_time(&rest).map(|time| (date, Some(time)))
}

fn numeric_date(word: &str, format: DateFormat) -> Option<Date> {
    let separator = word.chars().find(|c| matches!(c, '/' | '.' | '-'))?;
    let parts: Vec<i16> = word.split(separator).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [first, second, third] = parts.try_into().ok()?;
    if first > 31 {
        return Date::new(first, second.try_into().ok()?, third.try_into().ok()?).ok();
    }
    let day_first = format == DateFormat::European || separator == '.' || first > 12;
    let (day, month) = if day_first { (first, second) } else { (second, first) };
    Date::new(full_year(third), month.try_into().ok()?, day.try_into().ok()?).ok()
}

/// `19` is 2019, `69` is 1969, as Moment reads them.
fn full_year(year: i16) -> i16 {
    match year {
        0..=68 => 2000 + year,
        69..=99 => 1900 + year,
        _ => year,
    }
}

fn worded_date(words: &[&str]) -> Option<Date> {
    let month = |word: &str| {
        let word = word.to_lowercase();
        let named =
            |name: &&str| word.len() >= 3 && name.to_lowercase().starts_with(word.trim_end_matches('.'));
        MONTHS.iter().position(named).map(|index| index as i8 + 1)
    };
    let day = |word: &str| {
        let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '.');
        digits.parse::<i8>().ok()
    };
    let [first, second, year] = words else { return None };
    let (month, day) = match month(first) {
        Some(month) => (month, day(second)?),
        None => (month(second)?, day(first)?),
    };
    Date::new(full_year(year.parse().ok()?), month, day).ok()
}

fn clock_time(text: &str) -> Option<Time> {
    let (clock, afternoon) = match (text.strip_suffix("pm"), text.strip_suffix("am")) {
        (Some(clock), _) => (clock, Some(true)),
        (_, Some(clock)) => (clock, Some(false)),
        _ => (text, None),
    };
    let parts: Vec<i8> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (hour, minute, second) = match parts.as_slice() {
        [hour] if afternoon.is_some() => (*hour, 0, 0),
        [hour, minute] => (*hour, *minute, 0),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return None,
    };
    let hour = match afternoon {
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(true) => hour % 12 + 12,
        Some(false) => hour % 12,
        None => hour,
    };
    Time::new(hour, minute, second, 0).ok()
}

/// The UTC calendar time of milliseconds since 1970.
pub(crate) fn utc(millis: i64) -> DateTime {
    local(millis, &TimeZone::UTC)
}

fn local(millis: i64, zone: &TimeZone) -> DateTime {
    zone.to_datetime(Timestamp::from_millisecond(millis).unwrap_or_default())
}

/// `2024-01-15T14:30:00.000Z`
pub(crate) fn iso(millis: i64) -> String {
    let time = utc(millis);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.subsec_nanosecond() / 1_000_000
    )
}

/// `2024-01-15`
pub(crate) fn iso_day(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

/// What `cellFormat=string` shows of a day; `locale` decides for the format `local` only.
pub(crate) fn display_date(format: DateFormat, date: Date, locale: &str) -> String {
    let (year, month, day) = (date.year(), date.month(), date.day());
    let language = locale.split(['-', '_']).next().unwrap_or_default();
    match format {
        DateFormat::Iso => iso_day(date),
        DateFormat::Us => format!("{month}/{day}/{year}"),
        DateFormat::European => format!("{day}/{month}/{year}"),
        DateFormat::Friendly => format!("{} {day}, {year}", MONTHS[(month - 1) as usize]),
        DateFormat::Local if locale.eq_ignore_ascii_case("en-us") || locale.eq_ignore_ascii_case("en") => {
            format!("{month}/{day}/{year}")
        }
        DateFormat::Local => match language {
            "de" | "fi" | "cs" | "pl" | "ru" | "nb" | "da" => format!("{day}.{month}.{year}"),
            "nl" => format!("{day}-{month}-{year}"),
            "ja" | "zh" | "ko" | "hu" => format!("{year}/{month}/{day}"),
            "sv" | "lt" => iso_day(date),
            _ => format!("{day}/{month}/{year}"),
        },
    }
}

/// What `cellFormat=string` shows of an instant: in the field's zone, else in the one that the caller asks for.
pub(crate) fn display_date_time(
    format: &DateTimeFormat,
    millis: i64,
    zone: &TimeZone,
    locale: &str,
) -> String {
    let time = local(millis, format.zone.as_ref().unwrap_or(zone));
    let date = display_date(format.date, time.date(), locale);
    let minute = time.minute();
    if !format.twelve_hours {
        return format!("{date} {:02}:{minute:02}", time.hour());
    }
    let hour = if time.hour() % 12 == 0 { 12 } else { time.hour() % 12 };
    let half = if time.hour() < 12 { "am" } else { "pm" };
    format!("{date} {hour}:{minute:02}{half}")
}

impl DateFormat {
    /// By `dateFormat.name`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Local, Self::Friendly, Self::Us, Self::European, Self::Iso]
            .into_iter()
            .find(|format| format.name_and_tokens().0 == name)
    }

    /// `name` and `format` of the metadata.
    pub(crate) fn name_and_tokens(self) -> (&'static str, &'static str) {
        match self {
            Self::Local => ("local", "l"),
            Self::Friendly => ("friendly", "LL"),
            Self::Us => ("us", "M/D/YYYY"),
            Self::European => ("european", "D/M/YYYY"),
            Self::Iso => ("iso", "YYYY-MM-DD"),
        }
    }
}

/// `utc` and `client` are no zones of their own (`Ok(None)`); an unknown name is an error.
pub(crate) fn parse_zone(name: &str) -> Result<Option<TimeZone>, ()> {
    match name {
        "utc" | "client" => Ok(None),
        "UTC" => Err(()), // the live service wants it in small letters
        name => TimeZone::get(name).map(Some).map_err(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn instant(text: &str) -> Option<String> {
        iso_instant(text, None).map(iso)
    }

    #[test]
    fn instants_keep_milliseconds_and_honour_offsets() {
        for (text, expected) in [
            ("2024-01-15T14:30:00.123Z", "2024-01-15T14:30:00.123Z"),
            ("2024-01-15T14:30:00+02:00", "2024-01-15T12:30:00.000Z"),
            ("2024-01-15T14:30", "2024-01-15T14:30:00.000Z"),
            ("2024-01-15 14:30:05", "2024-01-15T14:30:05.000Z"),
            ("2024-01-15", "2024-01-15T00:00:00.000Z"),
        ] {
            assert_eq!(instant(text).as_deref(), Some(expected), "{text}");
        }
        for bad in
            ["2024-13-01", "2024-01-15T25:00Z", "yesterday", "", "2024-01-15X", "20240115", "2024-01-15T14"]
        {
            assert_eq!(instant(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_time_without_offset_is_read_in_the_fields_zone() {
        let format =
            DateTimeFormat { zone: parse_zone("Europe/Zurich").unwrap(), ..DateTimeFormat::default() };
        let Ok(Cell::Instant(millis)) = read_date_time(&format, &json!("2024-07-15T14:30:00"), false) else {
            panic!()
        };
        assert_eq!(iso(millis), "2024-07-15T12:30:00.000Z");
        let Ok(Cell::Instant(millis)) = read_date_time(&format, &json!("2024-07-15T14:30:00Z"), false) else {
            panic!()
        };
        assert_eq!(iso(millis), "2024-07-15T14:30:00.000Z");
    }

    #[test]
    fn free_forms_are_dates_with_typecast_only() {
        let day = Cell::Date(Date::constant(2024, 3, 14));
        for text in [
            "3/14/2024",
            "14.3.2024",
            "March 14, 2024",
            "14 Mar 2024",
            "14/3/24",
            "2024/3/14",
            "Mar 14th 2024",
        ] {
            assert_eq!(read_date(DateFormat::Us, &json!(text), true), Ok(day.clone()), "{text}");
            assert_eq!(read_date(DateFormat::Us, &json!(text), false), Err(Fault::Refused), "{text}");
        }
        assert_eq!(
            read_date(DateFormat::European, &json!("4/3/2024"), true),
            Ok(Cell::Date(Date::constant(2024, 3, 4)))
        );
        let parsed = read_date_time(&DateTimeFormat::default(), &json!("3/14/2024 9:26pm"), true);
        assert_eq!(parsed, Ok(Cell::Instant(iso_instant("2024-03-14T21:26:00Z", None).unwrap())));
        assert_eq!(
            read_date(DateFormat::Us, &json!("soon"), true),
            Err(Fault::Unparsable("soon".to_owned()))
        );
    }

    #[test]
    fn dates_are_displayed_in_the_format_of_the_field() {
        let date = Date::constant(2024, 3, 4);
        assert_eq!(display_date(DateFormat::Friendly, date, "en-gb"), "March 4, 2024");
        assert_eq!(display_date(DateFormat::Local, date, "en-gb"), "4/3/2024");
        assert_eq!(display_date(DateFormat::Local, date, "en-us"), "3/4/2024");
        let format = DateTimeFormat { date: DateFormat::Iso, twelve_hours: true, zone: None };
        let millis = iso_instant("2024-07-15T00:05:00Z", None).unwrap();
        let zone = TimeZone::get("America/New_York").unwrap();
        assert_eq!(display_date_time(&format, millis, &zone, "en-us"), "2024-07-14 8:05pm");
        assert!(parse_zone("UTC").is_err() && parse_zone("utc") == Ok(None));
    }
}
