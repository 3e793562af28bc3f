//! The calendar: milliseconds to year, month, day, and weeks of the year. Proleptic Gregorian, UTC.

use std::fmt::Write;

pub(crate) const MS_PER_DAY: i64 = 86_400_000;

/// A point of the calendar and the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// 1-12.
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) millisecond: i64,
}

impl Civil {
    /// A day at midnight; `None` if there is no such day.
    pub(crate) fn day(year: i64, month: i64, day: i64) -> Option<Self> {
        ((1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day)).then_some(Self {
            year,
            month,
            day,
            hour: 0,
            minute: 0,
            second: 0,
            millisecond: 0,
        })
    }

    pub(crate) fn from_ms(ms: i64) -> Self {
        let (year, month, day) = civil_of_day(ms.div_euclid(MS_PER_DAY));
        let rest = ms.rem_euclid(MS_PER_DAY);
        Self {
            year,
            month,
            day,
            hour: rest / 3_600_000,
            minute: rest / 60_000 % 60,
            second: rest / 1000 % 60,
            millisecond: rest % 1000,
        }
    }

    pub(crate) fn to_ms(self) -> i64 {
        self.epoch_day() * MS_PER_DAY + self.ms_of_day()
    }

    /// Days since 1970-01-01.
    pub(crate) fn epoch_day(self) -> i64 {
        epoch_day(self.year, self.month, self.day)
    }

    pub(crate) fn ms_of_day(self) -> i64 {
        ((self.hour * 60 + self.minute) * 60 + self.second) * 1000 + self.millisecond
    }

    /// Later by whole months; the day is cut to the month's last.
    pub(crate) fn plus_months(self, months: i64) -> Self {
        let month0 = self.year * 12 + self.month - 1 + months;
        let (year, month) = (month0.div_euclid(12), month0.rem_euclid(12) + 1);
        Self { year, month, day: self.day.min(days_in_month(year, month)), ..self }
    }

    /// 1-366.
    pub(crate) fn day_of_year(self) -> i64 {
        self.epoch_day() - epoch_day(self.year, 1, 1) + 1
    }

    /// 0 (Sunday) to 6.
    pub(crate) fn weekday(self) -> i64 {
        weekday(self.epoch_day())
    }

    pub(crate) fn quarter(self) -> i64 {
        (self.month + 2) / 3
    }

    /// The week and the year it belongs to.
    pub(crate) fn week(self, rule: WeekRule) -> (i64, i64) {
        let week = (self.day_of_year() - rule.first_week_offset(self.year) - 1).div_euclid(7) + 1;
        if week < 1 {
            (week + rule.weeks_in_year(self.year - 1), self.year - 1)
        } else if week > rule.weeks_in_year(self.year) {
            (week - rule.weeks_in_year(self.year), self.year + 1)
        } else {
            (week, self.year)
        }
    }

    pub(crate) fn push_day(self, out: &mut String) {
        push_year(out, self.year);
        write!(out, "-{:02}-{:02}", self.month, self.day).expect("writing to a String cannot fail");
    }

    pub(crate) fn push_iso(self, out: &mut String) {
        self.push_day(out);
        let Self { hour, minute, second, millisecond, .. } = self;
        write!(out, "T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
            .expect("writing to a String cannot fail");
    }
}

/// Four digits; a sign before a year that needs one.
pub(crate) fn push_year(out: &mut String, year: i64) {
    let sign = if year < 0 { "-" } else { "" };
    write!(out, "{sign}{:04}", year.abs()).expect("writing to a String cannot fail");
}

/// Which day begins a week, and which week is the year's first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WeekRule {
    /// 0 is Sunday.
    pub(crate) first_weekday: i64,
    /// The day of January that always lies in week 1.
    pub(crate) january: i64,
}

impl WeekRule {
    pub(crate) const ISO: Self = Self { first_weekday: 1, january: 4 };

    /// Days from 1 January to the start of week 1 (negative if it begins in December).
    fn first_week_offset(self, year: i64) -> i64 {
        let from_week_start =
            (7 + weekday(epoch_day(year, 1, 1) + self.january - 1) - self.first_weekday) % 7;
        self.january - 1 - from_week_start
    }

    pub(crate) fn weeks_in_year(self, year: i64) -> i64 {
        let days = epoch_day(year + 1, 1, 1) - epoch_day(year, 1, 1);
        (days - self.first_week_offset(year) + self.first_week_offset(year + 1)) / 7
    }

    /// The epoch day on which a week begins.
    pub(crate) fn week_start(self, year: i64, week: i64) -> i64 {
        epoch_day(year, 1, 1) + self.first_week_offset(year) + 7 * (week - 1)
    }
}

pub(crate) fn weekday(epoch_day: i64) -> i64 {
    (epoch_day + 4).rem_euclid(7) // 1970-01-01 was a Thursday.
}

pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, counting in eras of 400 years that begin in March.
/// Source: <https://howardhinnant.github.io/date_algorithms.html>
pub(crate) const fn epoch_day(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_of_day(epoch_day: i64) -> (i64, i64, i64) {
    let shifted = epoch_day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted_month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_agrees_with_jiff() {
        for day in (-4_000_000..2_900_000).step_by(97) {
            let (year, month, date) = civil_of_day(day);
            assert_eq!(epoch_day(year, month, date), day);
            let Ok(timestamp) = jiff::Timestamp::from_millisecond(day * MS_PER_DAY) else { continue };
            let expected = jiff::tz::Offset::UTC.to_datetime(timestamp);
            assert_eq!(
                (year, month, date),
                (i64::from(expected.year()), i64::from(expected.month()), i64::from(expected.day()))
            );
            let iso = expected.date().iso_week_date();
            let civil = Civil::from_ms(day * MS_PER_DAY);
            assert_eq!(civil.week(WeekRule::ISO), (i64::from(iso.week()), i64::from(iso.year())));
        }
    }
}
