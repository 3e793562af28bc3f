//! The table of languages. Its columns are separated by tabs, the items of a list by `|`:
//!
//! code; first weekday (0 is Sunday) and the day of January that always lies in week 1; ordinals (see [`ordinal_suffix`]); parts of
//! the day, each from which time of the clock on; names of months, then behind `;` those that follow a day, if they differ; short
//! names likewise; names, short names and shortest names of weekdays from Sunday; the formats `LT`, `LTS`, `L`, `LL`, `LLL`,
//! `LLLL`; and `l`, `ll`, `lll`, `llll` where the language has its own.
//!
//! Names and formats are those of Moment.js 2.31 (MIT).

use std::sync::OnceLock;

use crate::date::civil::WeekRule;

const TABLE: &str = include_str!("names.tsv");

/// One language.
pub(super) struct Names {
    pub(super) code: &'static str,
    pub(super) week: WeekRule,
    pub(super) ordinal: &'static str,
    pub(super) meridiem: Vec<PartOfDay>,
    pub(super) months: Forms,
    pub(super) months_short: Forms,
    pub(super) weekdays: [&'static str; 7],
    pub(super) weekdays_short: [&'static str; 7],
    pub(super) weekdays_min: [&'static str; 7],
    pub(super) formats: [&'static str; 6],
    /// Empty where the language has none of its own.
    pub(super) short_formats: [&'static str; 4],
}

/// Names of months.
pub(super) struct Forms {
    pub(super) alone: [&'static str; 12],
    /// For a month that follows a day, where that is another word.
    pub(super) behind_day: Option<[&'static str; 12]>,
}

pub(super) struct PartOfDay {
    /// Hours times 100 plus minutes.
    pub(super) from: i64,
    pub(super) upper: &'static str,
    pub(super) lower: &'static str,
}

/// All languages, English first.
pub(super) fn all() -> &'static [Names] {
    static ALL: OnceLock<Vec<Names>> = OnceLock::new();
    ALL.get_or_init(|| {
        let lines = TABLE.lines().map(|line| read(line).expect("each line of the table is a language"));
        lines.collect()
    })
}

fn read(line: &'static str) -> Option<Names> {
    let columns: [&str; 11] = array(line.split('\t'))?;
    let [code, week, ordinal, meridiem, months, months_short, weekdays, short, min, formats, own] = columns;
    let (first_weekday, january) = week.split_once(' ')?;
    let part = |part: &'static str| {
        let (from, words) = part.split_once(' ')?;
        let (upper, lower) = words.split_once('/')?;
        Some(PartOfDay { from: from.parse().ok()?, upper, lower })
    };
    Some(Names {
        code,
        week: WeekRule { first_weekday: first_weekday.parse().ok()?, january: january.parse().ok()? },
        ordinal,
        meridiem: meridiem.split('|').map(part).collect::<Option<_>>()?,
        months: forms(months)?,
        months_short: forms(months_short)?,
        weekdays: array(weekdays.split('|'))?,
        weekdays_short: array(short.split('|'))?,
        weekdays_min: array(min.split('|'))?,
        formats: array(formats.split('|'))?,
        short_formats: if own.is_empty() { [""; 4] } else { array(own.split('|'))? },
    })
}

fn forms(lists: &'static str) -> Option<Forms> {
    Some(match lists.split_once(';') {
        Some((alone, behind_day)) => {
            Forms { alone: array(alone.split('|'))?, behind_day: Some(array(behind_day.split('|'))?) }
        }
        None => Forms { alone: array(lists.split('|'))?, behind_day: None },
    })
}

fn array<const N: usize>(items: impl Iterator<Item = &'static str>) -> Option<[&'static str; N]> {
    items.collect::<Vec<_>>().try_into().ok()
}

/// What stands behind a number: by a rule with a name; or `#` and a mark for all numbers; or marks for some tokens, as in
/// `M=月,D=日`.
pub(super) fn ordinal_suffix(rule: &'static str, number: i64, token: &str) -> &'static str {
    let (ones, tens) = (number % 10, number % 100);
    match rule {
        "en" => match (ones, tens) {
            (_, 11..=13) => "th",
            (1, _) => "st",
            (2, _) => "nd",
            (3, _) => "rd",
            _ => "th",
        },
        "fr" if token == "D" => {
            if number == 1 {
                "er"
            } else {
                ""
            }
        }
        "fr" | "fr-ca" => match (token, number) {
            ("w" | "W", 1) => "re",
            (_, 1) => "er",
            _ => "e",
        },
        "nl" => {
            if matches!(number, 1 | 8) || number >= 20 {
                "ste"
            } else {
                "de"
            }
        }
        "sv" => match (ones, tens) {
            (_, 10..20) => ":e",
            (1 | 2, _) => ":a",
            _ => ":e",
        },
        "bg" => match (ones, tens) {
            _ if number == 0 => "-ев",
            (_, 0) => "-ен",
            (_, 11..20) => "-ти",
            (1, _) => "-ви",
            (2, _) => "-ри",
            (7 | 8, _) => "-ми",
            _ => "-ти",
        },
        _ => match rule.strip_prefix('#') {
            Some(mark) => mark,
            None => rule
                .split(',')
                .find_map(|one| one.split_once('=').filter(|(of, _)| *of == token))
                .map_or("", |(_, mark)| mark),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_english_comes_first() {
        assert_eq!(all()[0].code, "en");
        assert_eq!(all().len(), TABLE.lines().count());
        assert!(all().iter().all(|names| names.meridiem[0].from == 0));
    }
}
