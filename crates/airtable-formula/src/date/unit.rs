//! Units of time, and arithmetic in them as Moment.js does it.

use super::Date;
use super::civil::{Civil, MS_PER_DAY};
use crate::value::ErrorKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Unit {
    /// `M` is months, `m` minutes; full names go in any case, singular or plural.
    pub(crate) fn parse(name: &str) -> Result<Self, ErrorKind> {
        Ok(match name.trim() {
            "M" => Self::Month,
            "m" => Self::Minute,
            // In Moment these are other things (day of the month, ISO week).
            "D" | "W" => return Err(ErrorKind::Date),
            other => match other.to_ascii_lowercase().as_str() {
                "milliseconds" | "millisecond" | "ms" => Self::Millisecond,
                "seconds" | "second" | "s" => Self::Second,
                "minutes" | "minute" => Self::Minute,
                "hours" | "hour" | "h" => Self::Hour,
                "days" | "day" | "d" => Self::Day,
                "weeks" | "week" | "w" => Self::Week,
                "months" | "month" => Self::Month,
                "quarters" | "quarter" | "q" => Self::Quarter,
                "years" | "year" | "y" => Self::Year,
                _ => return Err(ErrorKind::Date),
            },
        })
    }

    fn fixed_ms(self) -> Option<i64> {
        match self {
            Self::Millisecond => Some(1),
            Self::Second => Some(1000),
            Self::Minute => Some(60_000),
            Self::Hour => Some(3_600_000),
            Self::Day => Some(MS_PER_DAY),
            Self::Week => Some(7 * MS_PER_DAY),
            Self::Month | Self::Quarter | Self::Year => None,
        }
    }

    fn months(self) -> f64 {
        match self {
            Self::Year => 12.0,
            Self::Quarter => 3.0,
            _ => 1.0,
        }
    }
}

/// `date` later by `amount` units. Fractions count below the day; days and months are rounded.
pub(crate) fn add(date: &Date, amount: f64, unit: Unit) -> Result<Date, ErrorKind> {
    match unit.fixed_ms() {
        Some(ms) if ms < MS_PER_DAY => Date::from_ms_f64(date.as_millisecond() as f64 + amount * ms as f64),
        Some(ms) => {
            let days = round_away(amount * (ms / MS_PER_DAY) as f64);
            Date::from_ms_f64(date.as_millisecond() as f64 + days * MS_PER_DAY as f64)
        }
        None => {
            let months = round_away(amount * unit.months());
            // More would leave the years a date can have; the bound also keeps the arithmetic from overflowing.
            if months.is_nan() || months.abs() > 12.0 * 20_000.0 {
                return Err(ErrorKind::Date);
            }
            Date::from_ms(date.civil().plus_months(months as i64).to_ms())
        }
    }
}

fn round_away(x: f64) -> f64 {
    if x < 0.0 { -(-x).round() } else { x.round() }
}

/// `later - earlier` in units, with a fraction; calendar months count from the day of the month.
pub(crate) fn difference(later: &Date, earlier: &Date, unit: Unit) -> f64 {
    match unit.fixed_ms() {
        Some(ms) => (later.as_millisecond() - earlier.as_millisecond()) as f64 / ms as f64,
        None => months_between(later.civil(), earlier.civil()) / unit.months(),
    }
}

/// Months from `b` to `a`: whole ones, and the rest as a share of the month it falls in.
fn months_between(a: Civil, b: Civil) -> f64 {
    if a.day < b.day {
        // The other way round the anchor never lands beyond a month's end.
        return -months_between(b, a);
    }
    let whole = (b.year - a.year) * 12 + (b.month - a.month);
    let anchor = a.plus_months(whole).to_ms();
    let rest = (b.to_ms() - anchor) as f64;
    let share = if rest < 0.0 {
        rest / (anchor - a.plus_months(whole - 1).to_ms()) as f64
    } else {
        rest / (a.plus_months(whole + 1).to_ms() - anchor) as f64
    };
    -(whole as f64 + share)
}

/// The instant at which the unit around `date` begins (weeks on Sunday), in milliseconds.
pub(crate) fn start_of(date: &Date, unit: Unit) -> i64 {
    let civil = date.civil();
    let first_of =
        |month| Civil { month, day: 1, hour: 0, minute: 0, second: 0, millisecond: 0, ..civil }.to_ms();
    match unit {
        Unit::Week => (civil.epoch_day() - civil.weekday()) * MS_PER_DAY,
        Unit::Month => first_of(civil.month),
        Unit::Quarter => first_of(civil.quarter() * 3 - 2),
        Unit::Year => first_of(1),
        fixed => {
            let ms = fixed.fixed_ms().expect("weeks, months, quarters and years are handled above");
            date.as_millisecond().div_euclid(ms) * ms
        }
    }
}
