//! Monday to Friday, less holidays.

use super::civil::weekday;

/// Days that are not worked although they lie between Monday and Friday.
#[derive(Debug, Default)]
pub(crate) struct Holidays {
    /// Epoch days, sorted, each once, none on a weekend.
    days: Vec<i64>,
}

impl Holidays {
    pub(crate) fn new(mut days: Vec<i64>) -> Self {
        days.retain(|day| !is_weekend(*day));
        days.sort_unstable();
        days.dedup();
        Self { days }
    }

    /// How many lie in `first..=last`.
    fn within(&self, first: i64, last: i64) -> i64 {
        let before = |day: i64| self.days.partition_point(|holiday| *holiday < day);
        before(last + 1).saturating_sub(before(first)) as i64
    }
}

fn is_weekend(day: i64) -> bool {
    matches!(weekday(day), 0 | 6)
}

/// Weekdays from some fixed Monday up to and including `day`.
fn weekdays_until(day: i64) -> i64 {
    let since_monday = day - 4; // 1970-01-05 was a Monday.
    since_monday.div_euclid(7) * 5 + (since_monday.rem_euclid(7) + 1).min(5)
}

/// The weekday of which [`weekdays_until`] says `count`.
fn day_with(count: i64) -> i64 {
    let (weeks, rest) = ((count - 1).div_euclid(5), (count - 1).rem_euclid(5));
    weeks * 7 + rest + 4
}

/// Working days in `first..=last`, both counted.
pub(crate) fn count(first: i64, last: i64, holidays: &Holidays) -> i64 {
    weekdays_until(last) - weekdays_until(first - 1) - holidays.within(first, last)
}

/// The `n`-th working day after `start` (before it, for a negative `n`); `start` itself is not counted.
pub(crate) fn nth(start: i64, n: i64, holidays: &Holidays) -> i64 {
    if n == 0 {
        return start;
    }
    let forward = n > 0;
    // Where it lies without holidays, then further by the holidays passed, until none is new.
    let mut passed = 0;
    loop {
        let day = if forward {
            day_with(weekdays_until(start) + n + passed)
        } else {
            day_with(weekdays_until(start - 1) + 1 + n - passed)
        };
        let now_passed =
            if forward { holidays.within(start + 1, day) } else { holidays.within(day, start - 1) };
        if now_passed == passed {
            return day;
        }
        passed = now_passed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, day by day.
    fn nth_slowly(start: i64, n: i64, holidays: &Holidays) -> i64 {
        let (mut day, mut left) = (start, n);
        while left != 0 {
            day += n.signum();
            if !is_weekend(day) && holidays.within(day, day) == 0 {
                left -= n.signum();
            }
        }
        day
    }

    #[test]
    fn leaping_over_weeks_and_holidays_agrees_with_walking() {
        let holidays =
            Holidays::new(vec![19_000, 19_001, 19_002, 19_003, 19_004, 19_005, 19_006, 19_020, 19_020]);
        for start in 18_980..19_030 {
            for n in -30..30 {
                assert_eq!(nth(start, n, &holidays), nth_slowly(start, n, &holidays), "{start} {n}");
            }
            for last in start..start + 20 {
                let walked =
                    (start..=last).filter(|d| !is_weekend(*d) && holidays.within(*d, *d) == 0).count();
                assert_eq!(count(start, last, &holidays), walked as i64, "{start} {last}");
            }
        }
    }
}
