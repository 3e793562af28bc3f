//! Dates in questions: "today", "last month", "in March 2026", "before 2026-05-01".

use jiff::civil::Date;

use super::filter::{DateTest, Day, Span, Unit};
use super::words::{Kind, Token};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// A date in the question, and how many pieces it takes.
pub(super) struct Found {
    pub(super) test: DateTest,
    pub(super) length: usize,
}

/// What stands at this place, words like "before" included.
pub(super) fn at(tokens: &[Token], at: usize, today: Date) -> Option<Found> {
    let first = tokens.get(at)?;
    let found = |test: DateTest, length: usize| Some(Found { test, length });
    if first.is_any(&["before", "until", "till", "after", "since", "from"]) {
        let (span, length) = span_at(tokens, at + 1, today)?;
        let (first_day, last_day) = ends(&span, today);
        if first.is("from")
            && let Some((end, more)) =
                word_then_span(tokens, at + 1 + length, &["to", "until", "till"], today)
        {
            return found(DateTest::Between(first_day, ends(&end, today).1), 1 + length + more);
        }
        let test = match first.norm.as_str() {
            "before" => DateTest::Before(first_day),
            "until" | "till" => DateTest::Until(last_day),
            "after" => DateTest::After(last_day),
            _ => DateTest::Since(first_day),
        };
        return found(test, 1 + length);
    }
    if first.is("between") {
        let (start, length) = span_at(tokens, at + 1, today)?;
        let (end, more) = word_then_span(tokens, at + 1 + length, &["and"], today)?;
        return found(DateTest::Between(ends(&start, today).0, ends(&end, today).1), 1 + length + more);
    }
    if let Some((test, length)) = days_at(tokens, at) {
        return found(test, length);
    }
    let skipped = usize::from(first.is_any(&["on", "in", "during", "of", "within", "by"]));
    if skipped == 1
        && let Some((test, length)) = days_at(tokens, at + 1)
    {
        return found(test, length + 1);
    }
    let (span, length) = span_at(tokens, at + skipped, today)?;
    // "by Friday" is until then.
    let test = if first.is("by") { DateTest::Until(ends(&span, today).1) } else { DateTest::In(span) };
    found(test, skipped + length)
}

fn word_then_span(tokens: &[Token], at: usize, words: &[&str], today: Date) -> Option<(Span, usize)> {
    if !tokens.get(at)?.is_any(words) {
        return None;
    }
    span_at(tokens, at + 1, today).map(|(span, length)| (span, length + 1))
}

/// "last 7 days", "next two weeks", "past month".
fn days_at(tokens: &[Token], at: usize) -> Option<(DateTest, usize)> {
    let mut place = at + usize::from(tokens.get(at)?.is("the"));
    let direction = tokens.get(place)?;
    let is_past = direction.is_any(&["last", "past", "previous"]);
    if !is_past && !direction.is_any(&["next", "coming"]) {
        return None;
    }
    place += 1;
    let count = match tokens.get(place)?.kind {
        Kind::Number(count) if count.fract() == 0.0 && (1.0..10_000.0).contains(&count) => count as u32,
        _ => return None,
    };
    let days = match Unit::of(&tokens.get(place + 1)?.norm)? {
        Unit::Day => count,
        Unit::Week => count * 7,
        Unit::Month => count * 30,
        Unit::Quarter => count * 91,
        Unit::Year => count * 365,
    };
    let test = if is_past { DateTest::LastDays(days) } else { DateTest::NextDays(days) };
    Some((test, place + 2 - at))
}

fn span_at(tokens: &[Token], at: usize, today: Date) -> Option<(Span, usize)> {
    let mut place = at;
    if tokens.get(place)?.is("the") {
        place += 1;
    }
    let token = tokens.get(place)?;
    let done = |span: Span, length: usize| Some((span, place - at + length));
    match &token.kind {
        Kind::Day(day) => return done(Span::Day(Day::On(day.clone())), 1),
        Kind::Number(year) if is_year(*year) && !token.text.contains([',', '.', '€', '$', '£', '%']) => {
            return done(Span::Year(*year as i16), 1);
        }
        Kind::Word => {}
        _ => return None,
    }
    let day = |shift: i32| Span::Day(Day::Today(shift));
    match token.norm.as_str() {
        "today" => return done(day(0), 1),
        "yesterday" => return done(day(-1), 1),
        "tomorrow" => return done(day(1), 1),
        _ => {}
    }
    let shift = match token.norm.as_str() {
        "this" | "current" => Some(0),
        "last" | "previous" | "past" => Some(-1),
        "next" | "coming" | "following" => Some(1),
        _ => None,
    };
    if let Some(shift) = shift {
        let unit = tokens.get(place + 1).and_then(|token| Unit::of(&token.norm))?;
        return done(Span::Unit(unit, shift), 2);
    }
    let month = MONTHS
        .iter()
        .position(|month| *month == token.norm || (token.norm.len() == 3 && month.starts_with(&token.norm)));
    // "may" is a word too: as a month it is written so, or has a year.
    let year = tokens.get(place + 1).and_then(|token| match token.kind {
        Kind::Number(year) if is_year(year) => Some(year as i16),
        _ => None,
    });
    let month = month.filter(|_| token.norm != "may" || year.is_some() || token.text == "May")?;
    let length = 1 + usize::from(year.is_some());
    done(Span::Month(format!("{:04}-{:02}", year.unwrap_or(today.year()), month + 1)), length)
}

fn is_year(number: f64) -> bool {
    number.fract() == 0.0 && (1900.0..2200.0).contains(&number)
}

/// The first and the last day of a span.
fn ends(span: &Span, today: Date) -> (Day, Day) {
    let on = |date: Date| Day::On(date.to_string());
    match span {
        Span::Day(day) => (day.clone(), day.clone()),
        Span::Year(year) => (Day::On(format!("{year:04}-01-01")), Day::On(format!("{year:04}-12-31"))),
        Span::Month(month) => match format!("{month}-01").parse::<Date>() {
            Ok(first) => (on(first), on(first.last_of_month())),
            Err(_) => (Day::Today(0), Day::Today(0)),
        },
        Span::Unit(unit, shift) => {
            let first = start_of(*unit, today, *shift);
            let last = start_of(*unit, today, shift + 1).yesterday().unwrap_or(first);
            (on(first), on(last))
        }
    }
}

/// The first day of a unit, so many units from the current one. Weeks begin on Sunday, as in Airtable's formulas.
fn start_of(unit: Unit, today: Date, shift: i32) -> Date {
    let months = |date: Date, count: i32| {
        date.first_of_month().checked_add(jiff::Span::new().months(count)).unwrap_or(date)
    };
    let days = |date: Date, count: i64| date.checked_add(jiff::Span::new().days(count)).unwrap_or(date);
    match unit {
        Unit::Day => days(today, shift.into()),
        Unit::Week => {
            let since_sunday = i64::from(today.weekday().to_sunday_zero_offset());
            days(today, i64::from(shift) * 7 - since_sunday)
        }
        Unit::Month => months(today, shift),
        Unit::Quarter => months(today, 3 * shift - i32::from((today.month() - 1) % 3)),
        Unit::Year => months(today, 12 * shift - i32::from(today.month() - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::tokens;
    use super::*;

    fn date(text: &str) -> Option<(DateTest, usize)> {
        at(&tokens(text), 0, Date::constant(2026, 11, 25)).map(|found| (found.test, found.length))
    }

    #[test]
    fn dates_are_understood() {
        let on = |day: &str| Day::On(day.to_owned());
        for (text, expected, length) in [
            ("today", DateTest::In(Span::Day(Day::Today(0))), 1),
            ("last month", DateTest::In(Span::Unit(Unit::Month, -1)), 2),
            ("in March 2026", DateTest::In(Span::Month("2026-03".to_owned())), 3),
            ("in sep", DateTest::In(Span::Month("2026-09".to_owned())), 2),
            ("in 2024", DateTest::In(Span::Year(2024)), 2),
            ("before 2026-05-01", DateTest::Before(on("2026-05-01")), 2),
            ("after March 2024", DateTest::After(on("2024-03-31")), 3),
            ("since last week", DateTest::Since(on("2026-11-15")), 3),
            ("until the end", DateTest::Before(Day::Today(0)), 0),
            ("in the last 7 days", DateTest::LastDays(7), 5),
            ("between 2024-01-01 and 2024-02-01", DateTest::Between(on("2024-01-01"), on("2024-02-01")), 4),
            ("by tomorrow", DateTest::Until(Day::Today(1)), 2),
        ] {
            let expected = (length > 0).then_some((expected, length));
            assert_eq!(date(text), expected, "{text}");
        }
        assert_eq!(date("may I"), None);
    }
}
