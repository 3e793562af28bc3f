//! Text without a pattern to dates: ISO 8601, then the forms that people write, month before day as in the US.

use super::civil::{Civil, MS_PER_DAY, WeekRule, epoch_day};
use super::locale::Locale;

/// Longest text that is looked at: no date is longer.
const LONGEST: usize = 100;

/// Reads a date in any accepted form; without a zone it is UTC. Milliseconds since 1970.
pub(crate) fn lenient(text: &str) -> Option<i64> {
    iso(text).or_else(|| loose(text))
}

/// Reads ISO 8601: `2024`, `2024-01`, `2024-01-15`, `20240115`, `2024-015`, `2024-W03-1`; then `T` or a space and
/// `14`, `14:30`, `14:30:45.123`, `143045`; then `Z`, `+02:00`, `+0200` or `+02`.
pub(crate) fn iso(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() > LONGEST {
        return None;
    }
    let mut scan = Scan { rest: text.as_bytes() };
    let day = iso_day(&mut scan)?;
    let mut ms = day * MS_PER_DAY;
    if !scan.rest.is_empty() {
        if !scan.eat_any(b"Tt ") {
            return None;
        }
        ms += iso_time(&mut scan)?;
        while scan.eat_any(b" ") {}
        ms -= zone_offset_ms(&mut scan)?;
    }
    scan.rest.is_empty().then_some(ms)
}

fn iso_day(scan: &mut Scan<'_>) -> Option<i64> {
    let year = scan.digits(4)?;
    let dashed = scan.eat_any(b"-");
    if scan.eat_any(b"W") {
        let week = scan.digits(2)?;
        let weekday = match scan.leading_digits() {
            0 if dashed && scan.eat_any(b"-") => scan.digits(1)?,
            0 => 1,
            _ if !dashed => scan.digits(1)?,
            _ => return None,
        };
        let valid = (1..=WeekRule::ISO.weeks_in_year(year)).contains(&week) && (1..=7).contains(&weekday);
        return valid.then(|| WeekRule::ISO.week_start(year, week) + weekday - 1);
    }
    match (scan.leading_digits(), dashed) {
        (3, _) => {
            let day = scan.digits(3)?;
            let start = epoch_day(year, 1, 1);
            (1..=epoch_day(year + 1, 1, 1) - start).contains(&day).then(|| start + day - 1)
        }
        (2, true) => {
            let month = scan.digits(2)?;
            let day = if scan.eat_any(b"-") { scan.digits(2)? } else { 1 };
            Some(Civil::day(year, month, day)?.epoch_day())
        }
        (4, false) => {
            let (month, day) = (scan.digits(2)?, scan.digits(2)?);
            Some(Civil::day(year, month, day)?.epoch_day())
        }
        (0, false) => Some(epoch_day(year, 1, 1)),
        _ => None,
    }
}

fn iso_time(scan: &mut Scan<'_>) -> Option<i64> {
    let hour = scan.digits(2)?;
    let (mut minute, mut second, mut ms) = (0, 0, 0);
    let colons = scan.eat_any(b":");
    if colons || scan.leading_digits() >= 2 {
        minute = scan.digits(2)?;
        if if colons { scan.eat_any(b":") } else { scan.leading_digits() >= 2 } {
            second = scan.digits(2)?;
            if scan.eat_any(b".,") {
                ms = scan.fraction_ms()?;
            }
        }
    }
    clock_ms(hour, minute, second, ms)
}

/// Milliseconds since midnight, if the clock can show this (24:00 is the next midnight).
pub(crate) fn clock_ms(hour: i64, minute: i64, second: i64, ms: i64) -> Option<i64> {
    let total = ((hour * 60 + minute) * 60 + second) * 1000 + ms;
    (minute < 60 && second < 60 && (hour < 24 || total == MS_PER_DAY)).then_some(total)
}

fn zone_offset_ms(scan: &mut Scan<'_>) -> Option<i64> {
    if scan.rest.is_empty() || scan.eat_any(b"Zz") || scan.eat_word("UTC") || scan.eat_word("GMT") {
        return Some(0);
    }
    let sign = match scan.rest.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    scan.rest = &scan.rest[1..];
    let hours = scan.digits(2)?;
    let minutes = if scan.eat_any(b":") || scan.leading_digits() > 0 { scan.digits(2)? } else { 0 };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// A year of two digits lies between 1969 and 2068, one of four is itself.
pub(crate) fn full_year(digits: usize, year: i64) -> Option<i64> {
    match digits {
        2 => Some(if year > 68 { 1900 + year } else { 2000 + year }),
        4 => Some(year),
        _ => None,
    }
}

/// Numbers in the order month, day, year (or year first, if it has four digits), or with a month's name; a clock time
/// with `am` or `pm`; names of days, commas and `th` are passed over. Anything else is no date.
fn loose(text: &str) -> Option<i64> {
    if text.len() > LONGEST {
        return None;
    }
    let mut scan = Scan { rest: text.as_bytes() };
    let mut numbers: Vec<(usize, i64)> = Vec::new();
    let (mut month, mut clock, mut offset) = (None, None, 0);
    while let Some(&next) = scan.rest.first() {
        if next.is_ascii_digit() {
            let length = scan.leading_digits();
            if length > 4 {
                return None;
            }
            let number = scan.digits(length)?;
            if clock.is_none() && (scan.rest.first() == Some(&b':') || scan.meridiem_ahead()) {
                clock = Some(loose_clock(&mut scan, number)?);
            } else if numbers.len() < 3 {
                numbers.push((length, number));
            } else {
                return None;
            }
        } else if next.is_ascii_alphabetic() {
            if clock.is_some() && (scan.eat_word("UTC") || scan.eat_word("GMT") || scan.eat_word("Z")) {
                continue;
            }
            let word = scan.word();
            match word.as_str() {
                "st" | "nd" | "rd" | "th" | "of" | "at" | "t" => {}
                _ if Locale::ENGLISH.weekday_of(&word).is_some_and(|(_, whole)| whole) => {}
                _ => match Locale::ENGLISH.month_of(&word) {
                    Some((found, true)) if month.is_none() => month = Some(found),
                    _ => return None,
                },
            }
        } else if clock.is_some() && matches!(next, b'+' | b'-') {
            offset = zone_offset_ms(&mut scan)?;
        } else if !scan.eat_any(b" \t,/-.") {
            return None;
        }
    }
    let (year, month, day) = match (month, numbers.as_slice()) {
        (None, &[(4, year), (_, month), (_, day)]) => (Some(year), month, day),
        (None, &[(_, month), (_, day), (digits, year)]) => (full_year(digits, year), month, day),
        (Some(month), &[(4, year), (1..=2, day)]) => (Some(year), month, day),
        (Some(month), &[(1..=2, day), (digits, year)]) => (full_year(digits, year), month, day),
        (Some(month), &[(4, year)]) => (Some(year), month, 1),
        _ => return None,
    };
    Some(Civil::day(year?, month, day)?.to_ms() + clock.unwrap_or(0) - offset)
}

/// After the hour: `:30`, `:30:45`, `:30:45.5`, each perhaps with `am` or `pm`.
fn loose_clock(scan: &mut Scan<'_>, mut hour: i64) -> Option<i64> {
    let (mut minute, mut second, mut ms) = (0, 0, 0);
    if scan.eat_any(b":") {
        minute = scan.digits(2)?;
        if scan.eat_any(b":") {
            second = scan.digits(2)?;
            if scan.eat_any(b".") {
                ms = scan.fraction_ms()?;
            }
        }
    }
    if scan.meridiem_ahead() {
        while scan.eat_any(b" ") {}
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if scan.word() == "pm" { 12 } else { 0 };
    }
    clock_ms(hour, minute, second, ms)
}

struct Scan<'s> {
    rest: &'s [u8],
}

impl Scan<'_> {
    fn leading_digits(&self) -> usize {
        self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// Exactly `count` digits (at most 4), perhaps with more behind them.
    fn digits(&mut self, count: usize) -> Option<i64> {
        if self.leading_digits() < count {
            return None;
        }
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        Some(digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
    }

    /// Digits behind a decimal point, cut to milliseconds.
    fn fraction_ms(&mut self) -> Option<i64> {
        let length = self.leading_digits();
        let ms = (0..3).fold(0, |ms, index| {
            ms * 10
                + self.rest.get(index).filter(|_| index < length).map_or(0, |digit| i64::from(digit - b'0'))
        });
        self.rest = &self.rest[length..];
        (length > 0).then_some(ms)
    }

    fn eat_any(&mut self, bytes: &[u8]) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if bytes.contains(first) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes a whole word, in any case.
    fn eat_word(&mut self, word: &str) -> bool {
        let taken =
            self.letters() == word.len() && self.rest[..word.len()].eq_ignore_ascii_case(word.as_bytes());
        if taken {
            self.rest = &self.rest[word.len()..];
        }
        taken
    }

    fn letters(&self) -> usize {
        self.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count()
    }

    fn word(&mut self) -> String {
        let (word, rest) = self.rest.split_at(self.letters());
        self.rest = rest;
        word.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect()
    }

    fn meridiem_ahead(&self) -> bool {
        let spaces = self.rest.iter().take_while(|byte| **byte == b' ').count();
        let mut ahead = Scan { rest: &self.rest[spaces..] };
        matches!(ahead.word().as_str(), "am" | "pm")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let actual = lenient(text).map(|ms| {
            let mut out = String::new();
            Civil::from_ms(ms).push_iso(&mut out);
            out
        });
        assert_eq!(actual.as_deref(), expected, "{text}");
    }

    #[test]
    fn iso_forms_are_read() {
        for text in ["2024-01-15", "20240115", "2024-015", "2024-W03-1", "2024W031", " 2024-01-15 "] {
            check(text, Some("2024-01-15T00:00:00.000Z"));
        }
        check("2024-01", Some("2024-01-01T00:00:00.000Z"));
        check("2024", Some("2024-01-01T00:00:00.000Z"));
        check("2024-01-15T14:30", Some("2024-01-15T14:30:00.000Z"));
        check("2024-01-15 14:30:45.6789", Some("2024-01-15T14:30:45.678Z"));
        check("2024-01-15T143045Z", Some("2024-01-15T14:30:45.000Z"));
        check("2024-01-15T14:30:00+02:00", Some("2024-01-15T12:30:00.000Z"));
        check("2024-01-15T14:30:00-0530", Some("2024-01-15T20:00:00.000Z"));
        check("2024-01-15T24:00", Some("2024-01-16T00:00:00.000Z"));
    }

    #[test]
    fn american_forms_and_month_names_are_read() {
        check("12/13/21", Some("2021-12-13T00:00:00.000Z"));
        check("1/1/1979", Some("1979-01-01T00:00:00.000Z"));
        check("7/4/70", Some("1970-07-04T00:00:00.000Z"));
        check("02/17/2013 7:31:25", Some("2013-02-17T07:31:25.000Z"));
        check("02/17/2013 7:31 pm", Some("2013-02-17T19:31:00.000Z"));
        check("02/17/2013 12am", Some("2013-02-17T00:00:00.000Z"));
        check("4 Mar 2017 23:00", Some("2017-03-04T23:00:00.000Z"));
        check("Friday, July 4th, 2025 at 3:05 PM", Some("2025-07-04T15:05:00.000Z"));
        check("Sept 2020", Some("2020-09-01T00:00:00.000Z"));
        check("4-Mar-2017", Some("2017-03-04T00:00:00.000Z"));
        check("2024/1/5", Some("2024-01-05T00:00:00.000Z"));
        check("Jul 10 2019 13:00:00 GMT+0200", Some("2019-07-10T11:00:00.000Z"));
        check("Jul 10 2019 13:00:00 +0200", Some("2019-07-10T11:00:00.000Z"));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "x",
            "tomorrow",
            "2024-02-30",
            "2024-13-01",
            "13/13/2021",
            "1/5",
            "1/5/123",
            "2024-01-15T25:00",
            "2024-01-15T10:60",
            "12345",
            "2024-01-15 garbage",
            "1/1/2024 13pm",
            "é",
            "2024-W54-1",
            "March",
        ] {
            check(text, None);
        }
    }
}
