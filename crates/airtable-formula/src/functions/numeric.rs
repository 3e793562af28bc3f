//! Numbers. Aggregates look into arrays.

use crate::array::flatten_good;
use crate::coerce::number;
use crate::number::{
    at_decimal, away_from_zero, half_up, parse_plain, positive_zero, to_multiple, without_noise,
};
use crate::value::{ErrorKind, Value};
use crate::vm::Env;

type Arguments<'s, 'a> = &'s mut [Value<'a>];
type Outcome<'a> = Result<Value<'a>, ErrorKind>;

/// The numbers among the elements of all arguments; blanks and texts that are no numbers are passed over.
fn numbers(arguments: &[Value<'_>]) -> Result<Vec<f64>, ErrorKind> {
    Ok(flatten_good(arguments)?
        .into_iter()
        .filter_map(|value| match value {
            Value::Blank | Value::Array(_) | Value::Error(_) => None,
            Value::Text(text) => parse_plain(text),
            other => number(other).ok(),
        })
        .collect())
}

pub(crate) fn sum<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    Ok(Value::Number(positive_zero(numbers(arguments)?.iter().sum())))
}

/// NaN of nothing.
pub(crate) fn average<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let numbers = numbers(arguments)?;
    Ok(Value::Number(numbers.iter().sum::<f64>() / numbers.len() as f64))
}

pub(crate) fn max<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    extreme(arguments, |a, b| a > b)
}

pub(crate) fn min<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    extreme(arguments, |a, b| a < b)
}

/// Of numbers a number, of dates a date, of nothing blank; numbers and dates do not mix.
fn extreme<'a>(arguments: &[Value<'a>], better: fn(f64, f64) -> bool) -> Outcome<'a> {
    let elements = flatten_good(arguments)?;
    let dates = elements.iter().filter_map(|value| match value {
        Value::Date(date) => Some(date),
        _ => None,
    });
    let instant = |date: &crate::Date| date.as_millisecond() as f64;
    let best_date = dates.reduce(|best, date| if better(instant(date), instant(best)) { date } else { best });
    if let Some(best) = best_date {
        let is_number = |value: &&Value<'_>| match value {
            Value::Number(_) | Value::Boolean(_) => true,
            Value::Text(text) => parse_plain(text).is_some(),
            _ => false,
        };
        return if elements.iter().any(is_number) {
            Err(ErrorKind::Type)
        } else {
            Ok(Value::Date(best.clone()))
        };
    }
    let numbers = numbers(arguments)?;
    let best = numbers.into_iter().reduce(|best, x| if x.is_nan() || better(x, best) { x } else { best });
    Ok(best.map_or(Value::Blank, Value::Number))
}

pub(crate) fn count<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    count_of(arguments, |value| matches!(value, Value::Number(_)))
}

pub(crate) fn count_a<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    count_of(arguments, |value| match value {
        Value::Blank => false,
        Value::Text(text) => !text.is_empty(),
        _ => true,
    })
}

pub(crate) fn count_all<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    count_of(arguments, |_| true)
}

fn count_of<'a>(arguments: &[Value<'a>], is_counted: impl Fn(&Value<'a>) -> bool) -> Outcome<'a> {
    Ok(Value::Number(flatten_good(arguments)?.into_iter().filter(|value| is_counted(value)).count() as f64))
}

fn map<'a>(arguments: &[Value<'_>], function: impl Fn(f64) -> f64) -> Outcome<'a> {
    Ok(Value::Number(positive_zero(function(number(&arguments[0])?))))
}

pub(crate) fn abs<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    map(arguments, f64::abs)
}

pub(crate) fn exp<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    map(arguments, f64::exp)
}

pub(crate) fn int<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    map(arguments, f64::floor)
}

/// NaN of a negative number.
pub(crate) fn sqrt<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    map(arguments, f64::sqrt)
}

pub(crate) fn even<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    map(arguments, |x| {
        let whole = away_from_zero(x);
        if whole % 2.0 == 0.0 { whole } else { whole + x.signum() }
    })
}

pub(crate) fn odd<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    map(arguments, |x| {
        let whole = away_from_zero(x);
        // From zero up to one.
        if whole % 2.0 == 0.0 { whole + if x < 0.0 { -1.0 } else { 1.0 } } else { whole }
    })
}

fn stepped<'a>(arguments: &[Value<'_>], round: fn(f64) -> f64) -> Outcome<'a> {
    let step = arguments.get(1).map_or(Ok(1.0), number)?;
    if step == 0.0 { Err(ErrorKind::Argument) } else { map(arguments, |x| to_multiple(x, step, round)) }
}

pub(crate) fn ceiling<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    stepped(arguments, f64::ceil)
}

pub(crate) fn floor<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    stepped(arguments, f64::floor)
}

fn rounded<'a>(arguments: &[Value<'_>], round: fn(f64) -> f64) -> Outcome<'a> {
    let places = arguments.get(1).map_or(Ok(0.0), number)?;
    map(arguments, |x| at_decimal(x, places, round))
}

pub(crate) fn round<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    rounded(arguments, half_up)
}

pub(crate) fn round_up<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    rounded(arguments, away_from_zero)
}

pub(crate) fn round_down<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    rounded(arguments, f64::trunc)
}

/// An error where there is no logarithm.
pub(crate) fn log<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let x = number(&arguments[0])?;
    let base = arguments.get(1).map_or(Ok(10.0), number)?;
    if x <= 0.0 || base <= 0.0 || base == 1.0 {
        return Err(ErrorKind::Argument);
    }
    Ok(Value::Number(if base == 10.0 {
        x.log10()
    } else if base == 2.0 {
        x.log2()
    } else {
        without_noise(x.ln() / base.ln())
    }))
}

/// The sign is that of the dividend; an error for the divisor 0.
pub(crate) fn modulo<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let divisor = number(&arguments[1])?;
    if divisor == 0.0 { Err(ErrorKind::Argument) } else { map(arguments, |x| x % divisor) }
}

pub(crate) fn power<'a>(arguments: Arguments<'_, 'a>, _: &mut Env<'_>) -> Outcome<'a> {
    let exponent = number(&arguments[1])?;
    map(arguments, |base| base.powf(exponent))
}
