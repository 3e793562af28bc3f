//! Distances in words, with the thresholds of Moment.js.

use super::Date;
use super::civil::MS_PER_DAY;

/// The distance between two dates, without "ago" or "in": `25 days`, `a month`, `2 years`.
pub(crate) fn distance(a: &Date, b: &Date) -> String {
    let (earlier, later) = if a.as_millisecond() <= b.as_millisecond() { (a, b) } else { (b, a) };
    let (from, to) = (earlier.civil(), later.civil());
    let mut months = (to.year - from.year) * 12 + to.month - from.month;
    if from.plus_months(months).to_ms() > later.as_millisecond() {
        months -= 1;
    }
    let rest = (later.as_millisecond() - from.plus_months(months).to_ms()) as f64;
    // 400 years are 146,097 days and 4,800 months.
    let month_days = (months as f64 * 146_097.0 / 4800.0).round();
    let months = months as f64 + rest / MS_PER_DAY as f64 * 4800.0 / 146_097.0;
    // Whole days and the rest apart, so that halves stay halves.
    let in_units = |per_day: f64| (month_days * per_day + rest / (MS_PER_DAY as f64 / per_day)).round();
    let [seconds, minutes, hours, days] = [86_400.0, 1440.0, 24.0, 1.0].map(in_units);
    let (years, months) = ((months / 12.0).round(), months.round());
    if seconds < 45.0 {
        "a few seconds".to_owned()
    } else if minutes <= 1.0 {
        "a minute".to_owned()
    } else if minutes < 45.0 {
        format!("{minutes} minutes")
    } else if hours <= 1.0 {
        "an hour".to_owned()
    } else if hours < 22.0 {
        format!("{hours} hours")
    } else if days <= 1.0 {
        "a day".to_owned()
    } else if days < 26.0 {
        format!("{days} days")
    } else if months <= 1.0 {
        "a month".to_owned()
    } else if months < 11.0 {
        format!("{months} months")
    } else if years <= 1.0 {
        "a year".to_owned()
    } else {
        format!("{years} years")
    }
}
