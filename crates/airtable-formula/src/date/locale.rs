//! Names, orders and ordinals of a language, as Moment.js has them.

mod names;

use std::fmt;

use super::civil::WeekRule;
use super::format::map_tokens;
use names::{Forms, Names};

/// A language of `SET_LOCALE`; English for codes that are not known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Locale(u8);

impl Default for Locale {
    fn default() -> Self {
        Self::ENGLISH
    }
}

impl fmt::Debug for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.names().code)
    }
}

impl Locale {
    /// The first of the table.
    pub(crate) const ENGLISH: Self = Self(0);

    /// Codes are matched without case; a region that is not known gives its language (`de-at`: `de`).
    pub(crate) fn named(code: &str) -> Self {
        let code = code.trim().to_ascii_lowercase().replace('_', "-");
        let find = |code: &str| names::all().iter().position(|names| names.code == code);
        let language = code.split('-').next().unwrap_or_default();
        // Norwegian is Bokmål unless Nynorsk is asked for, and Chinese is what is written in Beijing.
        let usual = match language {
            "no" => "nb",
            "zh" => "zh-cn",
            other => other,
        };
        let found = find(&code).or_else(|| find(usual)).unwrap_or(0);
        Self(u8::try_from(found).expect("there are fewer than 256 languages"))
    }

    fn names(self) -> &'static Names {
        &names::all()[usize::from(self.0)]
    }

    /// `month` from 1; `format` is the whole format, since some languages inflect a month that follows a day.
    pub(crate) fn month(self, month: i64, format: &str) -> &'static str {
        self.form(&self.names().months, format)[month as usize - 1]
    }

    /// Likewise. Spanish and Dutch write no point between dashes.
    pub(crate) fn month_short(self, month: i64, format: &str) -> &'static str {
        let name = self.form(&self.names().months_short, format)[month as usize - 1];
        let plain = matches!(self.names().code, "es" | "nl") && format.contains("-MMM-");
        if plain { name.trim_end_matches('.') } else { name }
    }

    fn form<'n>(self, forms: &'n Forms, format: &str) -> &'n [&'static str; 12] {
        match &forms.behind_day {
            Some(inflected) if month_follows_day(format, self.names().code == "cs") => inflected,
            _ => &forms.alone,
        }
    }

    /// `weekday` from Sunday, 0.
    pub(crate) fn weekday(self, weekday: i64) -> &'static str {
        self.names().weekdays[weekday as usize]
    }

    pub(crate) fn weekday_short(self, weekday: i64) -> &'static str {
        self.names().weekdays_short[weekday as usize]
    }

    pub(crate) fn weekday_min(self, weekday: i64) -> &'static str {
        self.names().weekdays_min[weekday as usize]
    }

    pub(crate) fn week(self) -> WeekRule {
        self.names().week
    }

    /// The part of the day, such as `AM` or `am`.
    pub(crate) fn meridiem(self, hour: i64, minute: i64, lower: bool) -> &'static str {
        let clock = hour * 100 + minute;
        let parts = &self.names().meridiem;
        let part = parts.iter().rev().find(|part| part.from <= clock).unwrap_or(&parts[0]);
        if lower { part.lower } else { part.upper }
    }

    /// The format that a token such as `LL` stands for; `ll` is the same with short names and no leading zeros, unless the
    /// language has one of its own.
    pub(crate) fn long_format(self, token: &str) -> Option<String> {
        const LONG: [&str; 6] = ["LT", "LTS", "L", "LL", "LLL", "LLLL"];
        const SHORT: [&str; 4] = ["l", "ll", "lll", "llll"];
        let place = |tokens: &[&str], token: &str| tokens.iter().position(|known| *known == token);
        let names = self.names();
        if let Some(index) = place(&LONG, token) {
            return Some(names.formats[index].to_owned());
        }
        let own = names.short_formats.get(place(&SHORT, token)?).filter(|own| !own.is_empty());
        if let Some(own) = own {
            return Some((*own).to_owned());
        }
        let long = names.formats[place(&LONG, &token.to_ascii_uppercase())?];
        Some(map_tokens(long, |token| match token {
            "MMMM" | "MM" | "DD" | "dddd" => token[1..].to_owned(),
            _ => token.to_owned(),
        }))
    }

    /// The number as an ordinal; `token` is what the format has without its `o` (`M`, `D`, `w`, …).
    pub(crate) fn ordinal(self, number: i64, token: &str) -> String {
        format!("{number}{}", names::ordinal_suffix(self.names().ordinal, number, token))
    }

    /// Where the text first has a name (of a month, or else of a weekday) that is not made of letters alone, such as `12月` or
    /// `tháng 12`; and what comes behind it. `None` for languages whose names are words, which need no list to be found.
    pub(crate) fn find_name(self, text: &str, of_month: bool) -> Option<(&str, &str)> {
        let names = self.names();
        let lists: [&[&str]; 3] = if of_month {
            [&names.months.alone, &names.months_short.alone, &[]]
        } else {
            [&names.weekdays, &names.weekdays_short, &names.weekdays_min]
        };
        let all = || lists.iter().copied().flatten().copied();
        if all().all(|name| name.chars().all(|c| c.is_alphabetic() || matches!(c, '.' | '-' | '\'' | 'ª'))) {
            return None;
        }
        text.char_indices().find_map(|(at, _)| {
            let begins = |name: &&str| starts_ignoring_case(&text[at..], name);
            let longest = all().filter(begins).max_by_key(|name| name.len())?;
            let end = at
                + text[at..]
                    .char_indices()
                    .nth(longest.chars().count())
                    .map_or(text.len() - at, |(end, _)| end);
            Some((&text[at..end], &text[end..]))
        })
    }

    /// Where the text first has a part of the day in words of the language's own; whether it lies after noon, and what comes
    /// behind it.
    pub(crate) fn find_meridiem(self, text: &str) -> Option<(bool, &str)> {
        text.char_indices().find_map(|(at, _)| {
            let rest = &text[at..];
            let parts = self.names().meridiem.iter();
            let mut words = parts.flat_map(|part| [(part.from, part.upper), (part.from, part.lower)]);
            words.find_map(|(from, word)| Some((from >= 1200, rest.strip_prefix(word)?)))
        })
    }

    /// The month (from 1) whose name or short name the word begins with, and whether the word is no more than its name,
    /// a beginning of at least three letters, or `sept`.
    pub(crate) fn month_of(self, word: &str) -> Option<(i64, bool)> {
        let Names { months, months_short, .. } = self.names();
        let inflected = [months.behind_day.as_ref(), months_short.behind_day.as_ref()];
        let mut lists: Vec<&[&str]> = vec![&months.alone, &months_short.alone];
        lists.extend(inflected.into_iter().flatten().map(|list| list.as_slice()));
        named(word, &lists).map(|(index, whole)| (index as i64 + 1, whole))
    }

    /// Likewise for the day of the week, from Sunday, 0.
    pub(crate) fn weekday_of(self, word: &str) -> Option<(i64, bool)> {
        let Names { weekdays, weekdays_short, weekdays_min, .. } = self.names();
        named(word, &[weekdays, weekdays_short, weekdays_min]).map(|(index, whole)| (index as i64, whole))
    }
}

/// Whether the format names a month behind a day of the month: `D MMMM`, `Do [of] MMM`. Czech dates have a point: `D. MMMM`.
fn month_follows_day(format: &str, czech: bool) -> bool {
    format.match_indices('D').any(|(index, _)| {
        let mut rest = &format[index + 1..];
        let mark = |c: char| matches!(c, 'o' | 'D') || (czech && c == '.');
        rest = rest.strip_prefix(mark).unwrap_or(rest);
        if czech {
            rest = rest.strip_prefix(mark).unwrap_or(rest);
        }
        let mut between = false;
        loop {
            if let Some(after) = rest.strip_prefix(char::is_whitespace) {
                rest = after;
            } else if let Some((_, after)) = rest
                .strip_prefix('[')
                .and_then(|inside| inside.split_once(']'))
                .filter(|(inside, _)| !inside.contains('['))
            {
                rest = after;
            } else {
                return between && rest.starts_with(if czech { "MMMM" } else { "MMM" });
            }
            between = true;
        }
    })
}

fn starts_ignoring_case(text: &str, name: &str) -> bool {
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    let head: String = text.chars().take(name.chars().count()).collect();
    lower(&head) == lower(name)
}

fn named(word: &str, lists: &[&[&str]]) -> Option<(usize, bool)> {
    let word = word.to_lowercase();
    let word = word.trim_end_matches('.');
    // A name that is the whole word comes before one that it only begins with: 12月 is not 1月.
    let exact = |names: &&[&str]| {
        let at = names.iter().position(|name| name.to_lowercase().trim_end_matches('.') == word)?;
        Some((at, true))
    };
    if let Some(found) = lists.iter().find_map(exact) {
        return Some(found);
    }
    lists.iter().find_map(|names| {
        names.iter().enumerate().find_map(|(index, name)| {
            let name = name.to_lowercase();
            let name = name.trim_end_matches('.');
            word.starts_with(name).then(|| {
                let longest = lists[0][index].to_lowercase();
                (index, longest.starts_with(word))
            })
        })
    })
}
