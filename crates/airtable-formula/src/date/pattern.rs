//! Text to dates by a pattern, as forgivingly as Moment.js: each token takes the next thing in the text that looks like
//! it, whatever stands before.

use super::civil::{Civil, MS_PER_DAY, WeekRule, epoch_day};
use super::format::{Piece, Pieces, expand};
use super::locale::Locale;
use super::parse::clock_ms;

/// Longest text and pattern that are looked at, in bytes.
const LONGEST: usize = 1000;

/// Reads `text`; milliseconds since 1970, or `None` if it is no date by this pattern. Parts larger than the largest one in
/// the pattern are those of `now`, which is asked for only then.
pub(crate) fn parse(text: &str, pattern: &str, locale: Locale, now: impl FnOnce() -> Civil) -> Option<i64> {
    // Each token may look through the whole text.
    if text.len() > LONGEST || pattern.len() > LONGEST {
        return None;
    }
    let pattern = expand(pattern, locale);
    let mut parts = Parts::default();
    let mut rest = text;
    let mut anything = false;
    for piece in Pieces(&pattern) {
        match piece {
            Piece::Literal(literal) => {
                if let Some(at) = rest.find(literal) {
                    rest = &rest[at + literal.len()..];
                }
            }
            Piece::Token(token) => {
                if let Some((found, after)) = find(rest, token, locale) {
                    parts.set(token, found, locale)?;
                    rest = after;
                    anything = true;
                }
            }
        }
    }
    if anything { parts.resolve(locale, now) } else { None }
}

/// What was read; nothing is checked yet.
#[derive(Debug, Default)]
struct Parts {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    weekday: Option<i64>,
    /// Year, week and (from 0 on the first day of the week) day of weeks in the locale's sense and in ISO's.
    local_week: WeekParts,
    iso_week: WeekParts,
    hour: Option<i64>,
    minute: Option<i64>,
    second: Option<i64>,
    millisecond: Option<i64>,
    afternoon: Option<bool>,
    offset_minutes: Option<i64>,
    unix_ms: Option<i64>,
}

#[derive(Debug, Default)]
struct WeekParts {
    year: Option<i64>,
    week: Option<i64>,
    day: Option<i64>,
}

impl WeekParts {
    fn any(&self) -> bool {
        self.year.or(self.week).or(self.day).is_some()
    }
}

/// The first stretch of `text` that a token takes, and what comes behind it.
fn find<'t>(text: &'t str, token: &str, locale: Locale) -> Option<(&'t str, &'t str)> {
    let digits = |least: usize, most: usize| {
        stretch(text, |c| c.is_ascii_digit(), |run| (run.len() >= least).then(|| run.len().min(most)))
    };
    match token {
        "YYYY" | "yyyy" | "gggg" | "GGGG" => digits(1, 4),
        "YYYYY" | "YYYYYY" | "ggggg" | "GGGGG" | "Y" | "y" => digits(1, 6),
        "DDD" => digits(1, 3),
        "DDDD" => digits(3, 3),
        "Q" | "d" | "e" | "E" => digits(1, 1),
        "X" | "x" => timestamp(text, token == "X"),
        "Hmm" | "hmm" => digits(3, 4),
        "Hmmss" | "hmmss" => digits(5, 6),
        "MMM" | "MMMM" | "dd" | "ddd" | "dddd" => {
            if let Some(found) = locale.find_name(text, token.starts_with('M')) {
                return Some(found);
            }
            stretch(text, |c| c.is_alphabetic() || matches!(c, '\'' | '-' | 'ª'), |run| Some(run.len()))
        }
        "a" | "A" => {
            if let Some((afternoon, after)) = locale.find_meridiem(text) {
                return Some((if afternoon { "p" } else { "a" }, after));
            }
            let start = text.find(['a', 'A', 'p', 'P'])?;
            let length = text[start..].trim_start_matches(['a', 'A', 'p', 'P']).len();
            let marked = &text[start..][..text[start..].len() - length];
            let after = &text[start + marked.len()..];
            Some((&marked[..1], after.trim_start_matches(['.', 'm', 'M'])))
        }
        "Z" | "ZZ" => {
            let start = text.find(['Z', 'z', '+', '-'])?;
            let found = &text[start..];
            if found.starts_with(['Z', 'z']) {
                return Some((&found[..1], &found[1..]));
            }
            let length =
                1 + found[1..].bytes().take(5).take_while(|b| b.is_ascii_digit() || *b == b':').count();
            (length >= 5).then(|| found.split_at(length))
        }
        token if token.starts_with('S') => digits(1, if token.len() > 3 { 9 } else { 3 }),
        "z" | "zz" => None,
        // Numbers of one or two digits, perhaps with an ordinal mark, which is passed over as anything else is.
        _ => digits(1, 2),
    }
}

/// The first whole number, perhaps with a sign; and perhaps with thousandths.
fn timestamp(text: &str, thousandths: bool) -> Option<(&str, &str)> {
    let digits =
        |from: usize| text.len() - text[from..].trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let first = text.find(|c: char| c.is_ascii_digit())?;
    let start = if text[..first].ends_with(['-', '+']) { first - 1 } else { first };
    let mut end = digits(first);
    if thousandths && text[end..].starts_with('.') {
        let fraction = digits(end + 1).min(end + 4);
        end = if fraction > end + 1 { fraction } else { end };
    }
    Some((&text[start..end], &text[end..]))
}

/// The first run of characters that satisfy `is_part` of which `length` wants something.
fn stretch(
    text: &str,
    is_part: impl Fn(char) -> bool,
    length: impl Fn(&str) -> Option<usize>,
) -> Option<(&str, &str)> {
    let mut rest = text;
    loop {
        rest = &rest[rest.find(&is_part)?..];
        let run = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        if let Some(length) = length(run) {
            return Some(rest.split_at(length));
        }
        rest = &rest[run.len()..];
    }
}

impl Parts {
    /// `None` where Moment calls the whole date invalid (a month's name that is none).
    fn set(&mut self, token: &str, found: &str, locale: Locale) -> Option<()> {
        let number = || found.parse::<i64>().ok();
        match token {
            "YY" | "yy" => self.year = two_digit_year(number()?),
            "YYYY" | "yyyy" if found.len() == 2 => self.year = two_digit_year(number()?),
            "YYYY" | "yyyy" | "YYYYY" | "YYYYYY" | "Y" | "y" => self.year = number(),
            "M" | "MM" | "Mo" => self.month = number(),
            "MMM" | "MMMM" => self.month = Some(locale.month_of(found)?.0),
            "Q" | "Qo" => self.month = number().map(|quarter| quarter * 3 - 2),
            "D" | "DD" | "Do" => self.day = number(),
            "DDD" | "DDDD" | "DDDo" => self.day_of_year = number(),
            "dd" | "ddd" | "dddd" => self.weekday = Some(locale.weekday_of(found)?.0),
            "d" | "do" => self.weekday = number(),
            "e" => self.local_week.day = number(),
            "E" => self.iso_week.day = Some(number()? - 1),
            "w" | "ww" | "wo" => self.local_week.week = number(),
            "W" | "WW" | "Wo" => self.iso_week.week = number(),
            "gg" => self.local_week.year = two_digit_year(number()?),
            "gggg" | "ggggg" => self.local_week.year = number(),
            "GG" => self.iso_week.year = two_digit_year(number()?),
            "GGGG" | "GGGGG" => self.iso_week.year = number(),
            "H" | "HH" | "h" | "hh" => self.hour = number(),
            "k" | "kk" => self.hour = number().map(|hour| if hour == 24 { 0 } else { hour }),
            "Hmm" | "hmm" => {
                self.hour = number().map(|clock| clock / 100);
                self.minute = number().map(|clock| clock % 100);
            }
            "Hmmss" | "hmmss" => {
                self.hour = number().map(|clock| clock / 10_000);
                self.minute = number().map(|clock| clock / 100 % 100);
                self.second = number().map(|clock| clock % 100);
            }
            "m" | "mm" => self.minute = number(),
            "s" | "ss" => self.second = number(),
            "a" | "A" => self.afternoon = Some(found.eq_ignore_ascii_case("p")),
            "Z" | "ZZ" => self.offset_minutes = Some(offset_minutes(found)?),
            "X" => self.unix_ms = Some((found.parse::<f64>().ok()? * 1000.0) as i64), // The cast saturates.
            "x" => self.unix_ms = Some(found.parse::<f64>().ok()? as i64),
            _ => self.millisecond = Some((format!("0.{found}").parse::<f64>().ok()? * 1000.0) as i64),
        }
        Some(())
    }

    fn resolve(self, locale: Locale, now: impl FnOnce() -> Civil) -> Option<i64> {
        if let Some(ms) = self.unix_ms {
            return Some(ms);
        }
        let day = self.epoch_day(locale, now)?;
        let written_weekday = super::civil::weekday(day);
        if self.weekday.is_some_and(|weekday| weekday != written_weekday) {
            return None;
        }
        let hour = match (self.hour.unwrap_or(0), self.afternoon) {
            (hour, Some(true)) if hour < 12 => hour + 12,
            (12, Some(false)) => 0,
            (hour, _) => hour,
        };
        let (minute, second) = (self.minute.unwrap_or(0), self.second.unwrap_or(0));
        let clock = clock_ms(hour, minute, second, self.millisecond.unwrap_or(0))?;
        Some(day * MS_PER_DAY + clock - self.offset_minutes.unwrap_or(0) * 60_000)
    }

    fn epoch_day(&self, locale: Locale, now: impl FnOnce() -> Civil) -> Option<i64> {
        if self.day.is_none() && self.month.is_none() {
            if self.iso_week.any() {
                return week_day(&self.iso_week, WeekRule::ISO, self.year, Some(1), now);
            }
            if self.local_week.any() || (self.weekday.is_some() && self.day_of_year.is_none()) {
                let rule = locale.week();
                let by_name = self.weekday.map(|weekday| (weekday + 7 - rule.first_weekday) % 7);
                let WeekParts { year, week, day } = self.local_week;
                let parts = WeekParts { year, week, day: day.or(by_name) };
                return week_day(&parts, rule, self.year, None, now);
            }
        }
        if let Some(day_of_year) = self.day_of_year {
            let year = self.year.unwrap_or_else(|| now().year);
            let start = epoch_day(year, 1, 1);
            let days = epoch_day(year + 1, 1, 1) - start;
            return (1..=days).contains(&day_of_year).then(|| start + day_of_year - 1);
        }
        let (year, month, day) = match (self.year, self.month, self.day) {
            (Some(year), month, day) => (year, month.unwrap_or(1), day.unwrap_or(1)),
            (None, Some(month), day) => (now().year, month, day.unwrap_or(1)),
            (None, None, Some(day)) => {
                let now = now();
                (now.year, now.month, day)
            }
            (None, None, None) => {
                let now = now();
                (now.year, now.month, now.day)
            }
        };
        Some(Civil::day(year, month, day)?.epoch_day())
    }
}

/// A day by its week; without a default, the week that is left out is the current one.
fn week_day(
    parts: &WeekParts,
    rule: WeekRule,
    year: Option<i64>,
    default_week: Option<i64>,
    now: impl FnOnce() -> Civil,
) -> Option<i64> {
    let (week, week_year) = match (parts.week.or(default_week), parts.year.or(year)) {
        (Some(week), Some(year)) => (week, year),
        (week, year) => {
            let (now_week, now_year) = now().week(rule);
            (week.unwrap_or(now_week), year.unwrap_or(now_year))
        }
    };
    let day = parts.day.unwrap_or(0);
    let valid = (1..=rule.weeks_in_year(week_year)).contains(&week) && (0..=6).contains(&day);
    valid.then(|| rule.week_start(week_year, week) + day)
}

fn two_digit_year(year: i64) -> Option<i64> {
    Some(if year > 68 { 1900 + year } else { 2000 + year })
}

fn offset_minutes(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let digits: String = text[1..].chars().filter(char::is_ascii_digit).collect();
    let number: i64 = digits.parse().ok()?;
    let minutes = number / 100 * 60 + number % 100;
    Some(if text.starts_with('-') { -minutes } else { minutes })
}
