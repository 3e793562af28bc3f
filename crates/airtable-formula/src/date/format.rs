//! Dates to text, by the tokens of Moment.js.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::Date;
use super::civil::{Civil, WeekRule, push_year};
use super::locale::Locale;

/// The format of `DATETIME_FORMAT` without one.
pub(crate) const DEFAULT: &str = "YYYY-MM-DDTHH:mm:ssZ";

/// A piece of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'f> {
    Token(&'f str),
    Literal(&'f str),
}

/// Splits a format: the longest token wins, from left to right; `[text]` and `\token` are literal, and so is every
/// other character.
pub(crate) struct Pieces<'f>(pub(crate) &'f str);

impl<'f> Iterator for Pieces<'f> {
    type Item = Piece<'f>;

    fn next(&mut self) -> Option<Piece<'f>> {
        let rest = self.0;
        let first = rest.chars().next()?;
        let token = token_length(rest);
        let (piece, length) = if token > 0 {
            (Piece::Token(&rest[..token]), token)
        } else if let Some(inside) = bracketed(rest) {
            (Piece::Literal(inside), inside.len() + 2)
        } else if first == '\\' {
            let escaped = token_length(&rest[1..]);
            (Piece::Literal(&rest[1..1 + escaped]), 1 + escaped)
        } else {
            (Piece::Literal(&rest[..first.len_utf8()]), first.len_utf8())
        };
        self.0 = &rest[length..];
        Some(piece)
    }
}

/// The text in brackets that the format begins with: up to the last `]` before the next `[`.
fn bracketed(format: &str) -> Option<&str> {
    let inside = format.strip_prefix('[')?;
    let reach = inside.find('[').unwrap_or(inside.len());
    inside[..reach].rfind(']').map(|end| &inside[..end])
}

/// Length of the token that the format begins with; 0 if it begins with none.
fn token_length(format: &str) -> usize {
    const TOKENS: [&str; 66] = [
        "Hmmss", "Hmm", "HH", "H", "hmmss", "hmm", "hh", "h", "MMMM", "MMM", "MM", "Mo", "M", "DDDD", "DDDo",
        "DDD", "DD", "Do", "D", "dddd", "ddd", "dd", "do", "d", "YYYYYY", "YYYYY", "YYYY", "YY", "Y", "Qo",
        "Q", "wo", "ww", "w", "Wo", "WW", "W", "ggggg", "gggg", "gg", "GGGGG", "GGGG", "GG", "kk", "k", "mm",
        "m", "ss", "s", "ZZ", "Z", "zz", "z", "LTS", "LT", "LLLL", "LLL", "LL", "L", "llll", "lll", "ll",
        "l", "yyyy", "yy", "y",
    ];
    match format.as_bytes().first() {
        Some(b'e' | b'E' | b'a' | b'A' | b'x' | b'X') => 1,
        Some(b'S') => format.bytes().take(9).take_while(|byte| *byte == b'S').count(),
        Some(first) if !first.is_ascii_alphabetic() => 0,
        _ => TOKENS.iter().find(|token| format.starts_with(**token)).map_or(0, |token| token.len()),
    }
}

/// Replaces tokens such as `LL` by the formats they stand for.
pub(crate) fn expand(format: &str, locale: Locale) -> String {
    // The formats of all locales are free of such tokens, so one pass is enough.
    map_tokens(format, |token| match token.as_bytes()[0] {
        b'L' | b'l' => locale.long_format(token).unwrap_or_else(|| token.to_owned()),
        _ => token.to_owned(),
    })
}

/// The same format with other tokens; what is literal stays as it is written.
pub(crate) fn map_tokens(format: &str, replace: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(format.len());
    let mut pieces = Pieces(format);
    loop {
        let before = pieces.0;
        match pieces.next() {
            Some(Piece::Token(token)) => out.push_str(&replace(token)),
            Some(Piece::Literal(_)) => out.push_str(&before[..before.len() - pieces.0.len()]),
            None => return out,
        }
    }
}

/// Writes a date in its zone and locale. The text is at most some 40 times as long as the format.
pub(crate) fn format(date: &Date, pattern: &str) -> String {
    let pattern = expand(pattern, date.locale);
    let view = View::new(date, &pattern);
    let mut out = String::with_capacity(pattern.len() + 16);
    for piece in Pieces(&pattern) {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Token(token) => view.push(&mut out, token),
        }
    }
    out
}

/// A date as its zone's clocks show it.
struct View<'d> {
    date: &'d Date,
    format: &'d str,
    civil: Civil,
    offset_minutes: i64,
    abbreviation: String,
}

impl<'d> View<'d> {
    fn new(date: &'d Date, format: &'d str) -> Self {
        let info = date.zone.as_ref().map(|zone: &TimeZone| zone.to_offset_info(date.timestamp()));
        let offset_seconds = info.as_ref().map_or(0, |info| i64::from(info.offset().seconds()));
        Self {
            date,
            format,
            civil: Civil::from_ms(date.ms + offset_seconds * 1000),
            offset_minutes: offset_seconds / 60,
            abbreviation: info.map_or("UTC".to_owned(), |info| info.abbreviation().to_owned()),
        }
    }

    fn push(&self, out: &mut String, token: &str) {
        let Civil { year, month, day, hour, minute, second, millisecond } = self.civil;
        let locale = self.date.locale;
        let weekday = self.civil.weekday();
        let hour12 = (hour + 11) % 12 + 1;
        // Only some tokens want weeks, and they take some counting.
        let week = || self.civil.week(locale.week());
        let iso_week = || self.civil.week(WeekRule::ISO);
        let number = |out: &mut String, number: i64, width: usize| {
            write!(out, "{number:0width$}").expect("writing to a String cannot fail");
        };
        match token {
            "YYYYYY" => write!(out, "{}{:06}", if year < 0 { '-' } else { '+' }, year.abs())
                .expect("writing to a String cannot fail"),
            "YYYYY" => number(out, year, 5),
            "YYYY" | "yyyy" => push_year(out, year),
            "YY" | "yy" => number(out, year.rem_euclid(100), 2),
            "Y" | "y" => number(out, year, 0),
            "Q" => number(out, self.civil.quarter(), 0),
            "Qo" => out.push_str(&locale.ordinal(self.civil.quarter(), "Q")),
            "M" => number(out, month, 0),
            "MM" => number(out, month, 2),
            "Mo" => out.push_str(&locale.ordinal(month, "M")),
            "MMM" => out.push_str(locale.month_short(month, self.format)),
            "MMMM" => out.push_str(locale.month(month, self.format)),
            "D" => number(out, day, 0),
            "DD" => number(out, day, 2),
            "Do" => out.push_str(&locale.ordinal(day, "D")),
            "DDD" => number(out, self.civil.day_of_year(), 0),
            "DDDD" => number(out, self.civil.day_of_year(), 3),
            "DDDo" => out.push_str(&locale.ordinal(self.civil.day_of_year(), "DDD")),
            "d" => number(out, weekday, 0),
            "do" => out.push_str(&locale.ordinal(weekday, "d")),
            "dd" => out.push_str(locale.weekday_min(weekday)),
            "ddd" => out.push_str(locale.weekday_short(weekday)),
            "dddd" => out.push_str(locale.weekday(weekday)),
            "e" => number(out, (weekday + 7 - locale.week().first_weekday) % 7, 0),
            "E" => number(out, (weekday + 6) % 7 + 1, 0),
            "w" => number(out, week().0, 0),
            "ww" => number(out, week().0, 2),
            "wo" => out.push_str(&locale.ordinal(week().0, "w")),
            "W" => number(out, iso_week().0, 0),
            "WW" => number(out, iso_week().0, 2),
            "Wo" => out.push_str(&locale.ordinal(iso_week().0, "W")),
            "gg" => number(out, week().1.rem_euclid(100), 2),
            "gggg" => push_year(out, week().1),
            "ggggg" => number(out, week().1, 5),
            "GG" => number(out, iso_week().1.rem_euclid(100), 2),
            "GGGG" => push_year(out, iso_week().1),
            "GGGGG" => number(out, iso_week().1, 5),
            "A" => out.push_str(locale.meridiem(hour, minute, false)),
            "a" => out.push_str(locale.meridiem(hour, minute, true)),
            "H" => number(out, hour, 0),
            "HH" => number(out, hour, 2),
            "h" => number(out, hour12, 0),
            "hh" => number(out, hour12, 2),
            "k" => number(out, if hour == 0 { 24 } else { hour }, 0),
            "kk" => number(out, if hour == 0 { 24 } else { hour }, 2),
            "Hmm" => number(out, hour * 100 + minute, 3),
            "Hmmss" => number(out, (hour * 100 + minute) * 100 + second, 5),
            "hmm" => number(out, hour12 * 100 + minute, 3),
            "hmmss" => number(out, (hour12 * 100 + minute) * 100 + second, 5),
            "m" => number(out, minute, 0),
            "mm" => number(out, minute, 2),
            "s" => number(out, second, 0),
            "ss" => number(out, second, 2),
            "S" => number(out, millisecond / 100, 0),
            "SS" => number(out, millisecond / 10, 2),
            "X" => number(out, self.date.ms.div_euclid(1000), 0),
            "x" => number(out, self.date.ms, 0),
            "Z" | "ZZ" => {
                let (sign, minutes) = if self.offset_minutes < 0 {
                    ('-', -self.offset_minutes)
                } else {
                    ('+', self.offset_minutes)
                };
                let colon = if token == "Z" { ":" } else { "" };
                write!(out, "{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
                    .expect("writing to a String cannot fail");
            }
            "z" | "zz" => out.push_str(&self.abbreviation),
            fraction if fraction.starts_with('S') => {
                number(out, millisecond, 3);
                out.extend(std::iter::repeat_n('0', fraction.len() - 3));
            }
            other => out.push_str(other),
        }
    }
}
