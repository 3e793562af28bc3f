//! Dates. Everything is in UTC; a time zone or locale only shows in `DATETIME_FORMAT`.

use jiff::tz::TimeZone;

use crate::coerce::{self, number};
use crate::date::civil::{Civil, MS_PER_DAY, WeekRule};
use crate::date::locale::Locale;
use crate::date::unit::{self, Unit};
use crate::date::workday::{self, Holidays};
use crate::date::{self, Date, format, humanize, parse, pattern};
use crate::value::{ErrorKind, Value};
use crate::vm::Env;

type Arguments<'s, 'a> = &'s mut [Value<'a>];
type Outcome<'a> = Result<Value<'a>, ErrorKind>;

fn unit_of(arguments: &[Value<'_>], index: usize) -> Result<Option<Unit>, ErrorKind> {
    match arguments.get(index) {
        None | Some(Value::Blank) => Ok(None),
        Some(value) => Unit::parse(&coerce::as_text(value)?).map(Some),
    }
}

fn part<'a>(arguments: &[Value<'_>], part: impl Fn(Civil) -> i64) -> Outcome<'a> {
    Ok(Value::Number(part(date::of(&arguments[0])?.civil()) as f64))
}

pub(crate) fn year<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    part(arguments, |civil| civil.year)
}

pub(crate) fn month<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    part(arguments, |civil| civil.month)
}

pub(crate) fn day<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    part(arguments, |civil| civil.day)
}

pub(crate) fn hour<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    part(arguments, |civil| civil.hour)
}

pub(crate) fn minute<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    part(arguments, |civil| civil.minute)
}

pub(crate) fn second<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    part(arguments, |civil| civil.second)
}

/// `Sunday` (the default) or `Monday`, as a weekday from Sunday, 0.
fn first_weekday(arguments: &[Value<'_>]) -> Result<i64, ErrorKind> {
    let Some(value) = arguments.get(1).filter(|value| **value != Value::Blank) else { return Ok(0) };
    match coerce::as_text(value)?.trim().to_ascii_lowercase().as_str() {
        "sunday" => Ok(0),
        "monday" => Ok(1),
        _ => Err(ErrorKind::Argument),
    }
}

pub(crate) fn weekday<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let first = first_weekday(arguments)?;
    part(arguments, |civil| (civil.weekday() + 7 - first) % 7)
}

/// The week of 1 January is the first; the last days of December may lie in it.
pub(crate) fn weeknum<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let rule = WeekRule { first_weekday: first_weekday(arguments)?, january: 1 };
    part(arguments, |civil| civil.week(rule).0)
}

pub(crate) fn now<'a>(_: Arguments<'_, 'a>, env: &mut Env<'_>) -> Outcome<'a> {
    Ok(Value::Date(Date::at(env.context().now)))
}

pub(crate) fn today<'a>(_: Arguments<'_, 'a>, env: &mut Env<'_>) -> Outcome<'a> {
    let now = Date::at(env.context().now);
    Date::from_ms(unit::start_of(&now, Unit::Day)).map(Value::Date)
}

pub(crate) fn dateadd<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let date = date::of(&arguments[0])?;
    let unit = unit_of(arguments, 2)?.ok_or(ErrorKind::Date)?;
    unit::add(&date, number(&arguments[1])?, unit).map(Value::Date)
}

pub(crate) fn datestr<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let mut out = String::new();
    date::of(&arguments[0])?.civil().push_day(&mut out);
    Ok(Value::from(out))
}

pub(crate) fn timestr<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let Civil { hour, minute, second, .. } = date::of(&arguments[0])?.civil();
    Ok(Value::from(format!("{hour:02}:{minute:02}:{second:02}")))
}

/// The first less the second, in whole units (seconds, if none is named); NaN if one is blank.
pub(crate) fn datetime_diff<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let unit = unit_of(arguments, 2)?.unwrap_or(Unit::Second);
    if arguments[..2].iter().any(|value| *coerce::only_element(value) == Value::Blank) {
        return Ok(Value::Number(f64::NAN));
    }
    let (later, earlier) = (date::of(&arguments[0])?, date::of(&arguments[1])?);
    Ok(Value::Number(unit::difference(&later, &earlier, unit).trunc() + 0.0))
}

pub(crate) fn datetime_format<'a>(arguments: Arguments<'_, 'a>, env: &mut Env<'_>) -> Outcome<'a> {
    let date = date::of(&arguments[0])?;
    let pattern = match arguments.get(1).map(coerce::as_text).transpose()? {
        Some(pattern) if !pattern.is_empty() => pattern,
        _ => format::DEFAULT.into(),
    };
    // Some tokens write ten times their length, and writing one takes longer than copying text does.
    env.meter.spend(300 * pattern.len() as u64)?;
    env.built(format::format(&date, &pattern))
}

/// A date passes as it is. Without a pattern, text is read as every date function reads it.
pub(crate) fn datetime_parse<'a>(arguments: Arguments<'_, 'a>, env: &mut Env<'_>) -> Outcome<'a> {
    let value = coerce::only_element(&arguments[0]);
    match value {
        Value::Date(date) => return Ok(Value::Date(date.clone())),
        Value::Blank | Value::Array(_) => return Err(ErrorKind::Date),
        _ => {}
    }
    let text = coerce::as_text(value)?;
    let ms = match arguments.get(1) {
        None | Some(Value::Blank) => parse::lenient(&text),
        Some(pattern_text) => {
            let pattern_text = coerce::as_text(pattern_text)?;
            let locale = match arguments.get(2) {
                None => Locale::default(),
                Some(code) => Locale::named(&coerce::as_text(code)?),
            };
            // Each token may look through the whole text.
            env.meter.spend((text.len() * pattern_text.len() / 4) as u64)?;
            pattern::parse(&text, &pattern_text, locale, || Date::at(env.context().now).civil())
        }
    };
    Date::from_ms(ms.ok_or(ErrorKind::Date)?).map(Value::Date)
}

pub(crate) fn set_timezone<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let date = date::of(&arguments[0])?;
    let zone: TimeZone =
        date::zones().get(coerce::as_text(&arguments[1])?.trim()).map_err(|_| ErrorKind::Date)?;
    Ok(Value::Date(date.with_zone(zone)))
}

pub(crate) fn set_locale<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let date = date::of(&arguments[0])?;
    Ok(Value::Date(date.with_locale(Locale::named(&coerce::as_text(&arguments[1])?))))
}

/// Compares two dates, both cut to the unit if one is given.
fn compare<'a>(arguments: &[Value<'_>], holds: fn(&i64, &i64) -> bool) -> Outcome<'a> {
    let (a, b) = (date::of(&arguments[0])?, date::of(&arguments[1])?);
    let instant = |date: &Date, unit| match unit {
        Some(unit) => unit::start_of(date, unit),
        None => date.as_millisecond(),
    };
    let unit = unit_of(arguments, 2)?;
    Ok(Value::Boolean(holds(&instant(&a, unit), &instant(&b, unit))))
}

pub(crate) fn is_before<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    compare(arguments, i64::lt)
}

pub(crate) fn is_after<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    compare(arguments, i64::gt)
}

pub(crate) fn is_same<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    compare(arguments, i64::eq)
}

/// The days of the third argument: dates separated by commas, or an array.
fn holidays(arguments: &[Value<'_>], env: &mut Env<'_>) -> Result<Holidays, ErrorKind> {
    let Some(value) = arguments.get(2) else { return Ok(Holidays::default()) };
    env.meter.spend(4 * coerce::weight(value) as u64)?;
    let mut days = Vec::new();
    for value in crate::array::flatten_good(std::slice::from_ref(value))? {
        match value {
            Value::Blank => {}
            Value::Text(text) => {
                for text in text.split(',').map(str::trim).filter(|text| !text.is_empty()) {
                    days.push(parse::lenient(text).ok_or(ErrorKind::Date)?.div_euclid(MS_PER_DAY));
                }
            }
            other => days.push(date::of(other)?.civil().epoch_day()),
        }
    }
    Ok(Holidays::new(days))
}

/// Keeps the time of day.
pub(crate) fn workday<'a>(arguments: Arguments<'_, 'a>, env: &mut Env<'_>) -> Outcome<'a> {
    let start = date::of(&arguments[0])?;
    let days = coerce::integer(&arguments[1])?;
    // More would leave the years that a date can have.
    if days.unsigned_abs() > 10_000_000 {
        return Err(ErrorKind::Date);
    }
    let day = workday::nth(start.civil().epoch_day(), days, &holidays(arguments, env)?);
    Date::from_ms(day * MS_PER_DAY + start.civil().ms_of_day()).map(Value::Date)
}

/// Both ends are counted; negative if the end lies before the start.
pub(crate) fn workday_diff<'a>(arguments: Arguments<'_, 'a>, env: &mut Env<'_>) -> Outcome<'a> {
    let day = |value: &Value<'_>| Ok(date::of(value)?.civil().epoch_day());
    let (start, end) = (day(&arguments[0])?, day(&arguments[1])?);
    let holidays = holidays(arguments, env)?;
    let days = if start <= end {
        workday::count(start, end, &holidays)
    } else {
        -workday::count(end, start, &holidays)
    };
    Ok(Value::Number(days as f64))
}

/// `FROMNOW` and `TONOW`: the same.
pub(crate) fn from_now<'a>(arguments: Arguments<'_, 'a>, env: &mut Env<'_>) -> Outcome<'a> {
    let now = Date::at(env.context().now);
    Ok(Value::from(humanize::distance(&date::of(&arguments[0])?, &now)))
}
