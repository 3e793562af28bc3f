//! Names, orders and ordinals of a language, as Moment.js has them.

use std::fmt;

use super::civil::WeekRule;
use super::format::map_tokens;

/// A language of `SET_LOCALE`; English for codes that are not built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Locale(&'static Names);

impl fmt::Debug for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.codes[0])
    }
}

#[derive(PartialEq, Eq)]
struct Names {
    codes: &'static [&'static str],
    months: [&'static str; 12],
    months_short: [&'static str; 12],
    weekdays: [&'static str; 7],
    weekdays_short: [&'static str; 7],
    weekdays_min: [&'static str; 7],
    /// `LT`, `LTS`, `L`, `LL`, `LLL`, `LLLL`.
    formats: [&'static str; 6],
    ordinal: Ordinal,
    week: WeekRule,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ordinal {
    English,
    /// The same mark behind each number.
    Mark(&'static str),
    French,
    /// As French, but for days of the month: `10e`.
    FrenchElsewhere,
    Dutch,
}

/// Weeks from Sunday, that of 1 January the first.
const SUNDAY: WeekRule = WeekRule { first_weekday: 0, january: 1 };

impl Default for Locale {
    fn default() -> Self {
        Self::ENGLISH
    }
}

impl Locale {
    pub(crate) const ENGLISH: Self = Self(&ENGLISH);

    /// Codes are matched without case; a region that is not built gives its language (`de-at`: `de`).
    pub(crate) fn named(code: &str) -> Self {
        let code = code.trim().to_ascii_lowercase().replace('_', "-");
        let find = |code: &str| ALL.iter().find(|names| names.codes.contains(&code));
        let language = code.split('-').next().unwrap_or_default();
        find(&code).or_else(|| find(language)).map_or(Self::ENGLISH, Self)
    }

    /// `month` from 1.
    pub(crate) fn month(self, month: i64) -> &'static str {
        self.0.months[month as usize - 1]
    }

    /// `format` is the whole format: Spanish and Dutch write no point between dashes.
    pub(crate) fn month_short(self, month: i64, format: &str) -> &'static str {
        let name = self.0.months_short[month as usize - 1];
        let plain = matches!(self.0.codes[0], "es" | "nl") && format.contains("-MMM-");
        if plain { name.trim_end_matches('.') } else { name }
    }

    /// `weekday` from Sunday, 0.
    pub(crate) fn weekday(self, weekday: i64) -> &'static str {
        self.0.weekdays[weekday as usize]
    }

    pub(crate) fn weekday_short(self, weekday: i64) -> &'static str {
        self.0.weekdays_short[weekday as usize]
    }

    pub(crate) fn weekday_min(self, weekday: i64) -> &'static str {
        self.0.weekdays_min[weekday as usize]
    }

    pub(crate) fn week(self) -> WeekRule {
        self.0.week
    }

    /// The format that a token such as `LL` stands for; `ll` is the same with short names and no leading zeros.
    pub(crate) fn long_format(self, token: &str) -> Option<String> {
        const TOKENS: [&str; 6] = ["LT", "LTS", "L", "LL", "LLL", "LLLL"];
        let find =
            |token: &str| TOKENS.iter().position(|known| *known == token).map(|index| self.0.formats[index]);
        if let Some(format) = find(token) {
            return Some(format.to_owned());
        }
        let format = token.starts_with('l').then(|| find(&token.to_ascii_uppercase())).flatten()?;
        Some(map_tokens(format, |token| match token {
            "MMMM" | "MM" | "DD" | "dddd" => token[1..].to_owned(),
            _ => token.to_owned(),
        }))
    }

    /// The number as an ordinal; `token` is the letter of the format (`M`, `D`, `w`, …).
    pub(crate) fn ordinal(self, number: i64, token: &str) -> String {
        let suffix = match self.0.ordinal {
            Ordinal::Mark(mark) => mark,
            Ordinal::English => match (number % 10, number % 100) {
                (_, 11..=13) => "th",
                (1, _) => "st",
                (2, _) => "nd",
                (3, _) => "rd",
                _ => "th",
            },
            Ordinal::French if token == "D" && number > 1 => "",
            Ordinal::French | Ordinal::FrenchElsewhere => match (token, number) {
                ("w" | "W", 1) => "re",
                (_, 1) => "er",
                _ => "e",
            },
            Ordinal::Dutch if matches!(number, 1 | 8) || number >= 20 => "ste",
            Ordinal::Dutch => "de",
        };
        format!("{number}{suffix}")
    }

    /// The month (from 1) whose name or short name the word begins with, and whether the word is no more than its name,
    /// a beginning of at least three letters, or `sept`.
    pub(crate) fn month_of(self, word: &str) -> Option<(i64, bool)> {
        named(word, &[&self.0.months, &self.0.months_short]).map(|(index, whole)| (index as i64 + 1, whole))
    }

    /// Likewise for the day of the week, from Sunday, 0.
    pub(crate) fn weekday_of(self, word: &str) -> Option<(i64, bool)> {
        named(word, &[&self.0.weekdays, &self.0.weekdays_short, &self.0.weekdays_min])
            .map(|(index, whole)| (index as i64, whole))
    }
}

fn named(word: &str, lists: &[&[&str]]) -> Option<(usize, bool)> {
    let word = word.to_lowercase();
    let word = word.trim_end_matches('.');
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

const ENGLISH: Names = Names {
    codes: &["en", "en-us"],
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    months_short: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    weekdays: ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"],
    weekdays_short: ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"],
    weekdays_min: ["Su", "Mo", "Tu", "We", "Th", "Fr", "Sa"],
    formats: [
        "h:mm A",
        "h:mm:ss A",
        "MM/DD/YYYY",
        "MMMM D, YYYY",
        "MMMM D, YYYY h:mm A",
        "dddd, MMMM D, YYYY h:mm A",
    ],
    ordinal: Ordinal::English,
    week: SUNDAY,
};

/// English names with another order of day and month.
macro_rules! english {
    ($codes:expr, $formats:expr, $week:expr) => {
        Names {
            codes: $codes,
            months: ENGLISH.months,
            months_short: ENGLISH.months_short,
            weekdays: ENGLISH.weekdays,
            weekdays_short: ENGLISH.weekdays_short,
            weekdays_min: ENGLISH.weekdays_min,
            formats: $formats,
            ordinal: Ordinal::English,
            week: $week,
        }
    };
}

/// French with another order of day and month.
macro_rules! french {
    ($codes:expr, $short_date:expr, $ordinal:expr, $week:expr) => {
        Names {
            codes: $codes,
            months: [
                "janvier",
                "février",
                "mars",
                "avril",
                "mai",
                "juin",
                "juillet",
                "août",
                "septembre",
                "octobre",
                "novembre",
                "décembre",
            ],
            months_short: [
                "janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.",
                "déc.",
            ],
            weekdays: ["dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"],
            weekdays_short: ["dim.", "lun.", "mar.", "mer.", "jeu.", "ven.", "sam."],
            weekdays_min: ["di", "lu", "ma", "me", "je", "ve", "sa"],
            formats: [
                "HH:mm",
                "HH:mm:ss",
                $short_date,
                "D MMMM YYYY",
                "D MMMM YYYY HH:mm",
                "dddd D MMMM YYYY HH:mm",
            ],
            ordinal: $ordinal,
            week: $week,
        }
    };
}

static ALL: [Names; 15] = [
    english!(&["en", "en-us"], ENGLISH.formats, SUNDAY),
    english!(
        &["en-gb"],
        ["HH:mm", "HH:mm:ss", "DD/MM/YYYY", "D MMMM YYYY", "D MMMM YYYY HH:mm", "dddd, D MMMM YYYY HH:mm"],
        WeekRule::ISO
    ),
    english!(
        &["en-ie"],
        ["HH:mm", "HH:mm:ss", "DD/MM/YYYY", "D MMMM YYYY", "D MMMM YYYY HH:mm", "dddd D MMMM YYYY HH:mm"],
        WeekRule::ISO
    ),
    english!(
        &["en-au"],
        [
            "h:mm A",
            "h:mm:ss A",
            "DD/MM/YYYY",
            "D MMMM YYYY",
            "D MMMM YYYY h:mm A",
            "dddd, D MMMM YYYY h:mm A"
        ],
        WeekRule { first_weekday: 0, january: 4 }
    ),
    english!(
        &["en-nz"],
        [
            "h:mm A",
            "h:mm:ss A",
            "DD/MM/YYYY",
            "D MMMM YYYY",
            "D MMMM YYYY h:mm A",
            "dddd, D MMMM YYYY h:mm A"
        ],
        WeekRule::ISO
    ),
    english!(
        &["en-ca"],
        [
            "h:mm A",
            "h:mm:ss A",
            "YYYY-MM-DD",
            "MMMM D, YYYY",
            "MMMM D, YYYY h:mm A",
            "dddd, MMMM D, YYYY h:mm A"
        ],
        SUNDAY
    ),
    Names {
        codes: &["de"],
        months: [
            "Januar",
            "Februar",
            "März",
            "April",
            "Mai",
            "Juni",
            "Juli",
            "August",
            "September",
            "Oktober",
            "November",
            "Dezember",
        ],
        months_short: [
            "Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sep.", "Okt.", "Nov.", "Dez.",
        ],
        weekdays: ["Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag"],
        weekdays_short: ["So.", "Mo.", "Di.", "Mi.", "Do.", "Fr.", "Sa."],
        weekdays_min: ["So", "Mo", "Di", "Mi", "Do", "Fr", "Sa"],
        formats: [
            "HH:mm",
            "HH:mm:ss",
            "DD.MM.YYYY",
            "D. MMMM YYYY",
            "D. MMMM YYYY HH:mm",
            "dddd, D. MMMM YYYY HH:mm",
        ],
        ordinal: Ordinal::Mark("."),
        week: WeekRule::ISO,
    },
    Names {
        codes: &["es"],
        months: [
            "enero",
            "febrero",
            "marzo",
            "abril",
            "mayo",
            "junio",
            "julio",
            "agosto",
            "septiembre",
            "octubre",
            "noviembre",
            "diciembre",
        ],
        months_short: [
            "ene.", "feb.", "mar.", "abr.", "may.", "jun.", "jul.", "ago.", "sep.", "oct.", "nov.", "dic.",
        ],
        weekdays: ["domingo", "lunes", "martes", "miércoles", "jueves", "viernes", "sábado"],
        weekdays_short: ["dom.", "lun.", "mar.", "mié.", "jue.", "vie.", "sáb."],
        weekdays_min: ["do", "lu", "ma", "mi", "ju", "vi", "sá"],
        formats: [
            "H:mm",
            "H:mm:ss",
            "DD/MM/YYYY",
            "D [de] MMMM [de] YYYY",
            "D [de] MMMM [de] YYYY H:mm",
            "dddd, D [de] MMMM [de] YYYY H:mm",
        ],
        ordinal: Ordinal::Mark("º"),
        week: WeekRule::ISO,
    },
    french!(&["fr"], "DD/MM/YYYY", Ordinal::French, WeekRule::ISO),
    french!(&["fr-ca"], "YYYY-MM-DD", Ordinal::FrenchElsewhere, SUNDAY),
    french!(&["fr-ch"], "DD.MM.YYYY", Ordinal::FrenchElsewhere, WeekRule::ISO),
    Names {
        codes: &["it"],
        months: [
            "gennaio",
            "febbraio",
            "marzo",
            "aprile",
            "maggio",
            "giugno",
            "luglio",
            "agosto",
            "settembre",
            "ottobre",
            "novembre",
            "dicembre",
        ],
        months_short: ["gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic"],
        weekdays: ["domenica", "lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato"],
        weekdays_short: ["dom", "lun", "mar", "mer", "gio", "ven", "sab"],
        weekdays_min: ["do", "lu", "ma", "me", "gi", "ve", "sa"],
        formats: [
            "HH:mm",
            "HH:mm:ss",
            "DD/MM/YYYY",
            "D MMMM YYYY",
            "D MMMM YYYY HH:mm",
            "dddd D MMMM YYYY HH:mm",
        ],
        ordinal: Ordinal::Mark("º"),
        week: WeekRule::ISO,
    },
    Names {
        codes: &["nl"],
        months: [
            "januari",
            "februari",
            "maart",
            "april",
            "mei",
            "juni",
            "juli",
            "augustus",
            "september",
            "oktober",
            "november",
            "december",
        ],
        months_short: [
            "jan.", "feb.", "mrt.", "apr.", "mei", "jun.", "jul.", "aug.", "sep.", "okt.", "nov.", "dec.",
        ],
        weekdays: ["zondag", "maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag"],
        weekdays_short: ["zo.", "ma.", "di.", "wo.", "do.", "vr.", "za."],
        weekdays_min: ["zo", "ma", "di", "wo", "do", "vr", "za"],
        formats: [
            "HH:mm",
            "HH:mm:ss",
            "DD-MM-YYYY",
            "D MMMM YYYY",
            "D MMMM YYYY HH:mm",
            "dddd D MMMM YYYY HH:mm",
        ],
        ordinal: Ordinal::Dutch,
        week: WeekRule::ISO,
    },
    Names {
        codes: &["pt"],
        months: PORTUGUESE_MONTHS,
        months_short: PORTUGUESE_MONTHS_SHORT,
        weekdays: [
            "Domingo",
            "Segunda-feira",
            "Terça-feira",
            "Quarta-feira",
            "Quinta-feira",
            "Sexta-feira",
            "Sábado",
        ],
        weekdays_short: ["Dom", "Seg", "Ter", "Qua", "Qui", "Sex", "Sáb"],
        weekdays_min: ["Do", "2ª", "3ª", "4ª", "5ª", "6ª", "Sá"],
        formats: [
            "HH:mm",
            "HH:mm:ss",
            "DD/MM/YYYY",
            "D [de] MMMM [de] YYYY",
            "D [de] MMMM [de] YYYY HH:mm",
            "dddd, D [de] MMMM [de] YYYY HH:mm",
        ],
        ordinal: Ordinal::Mark("º"),
        week: WeekRule::ISO,
    },
    Names {
        codes: &["pt-br"],
        months: PORTUGUESE_MONTHS,
        months_short: PORTUGUESE_MONTHS_SHORT,
        weekdays: [
            "domingo",
            "segunda-feira",
            "terça-feira",
            "quarta-feira",
            "quinta-feira",
            "sexta-feira",
            "sábado",
        ],
        weekdays_short: ["dom", "seg", "ter", "qua", "qui", "sex", "sáb"],
        weekdays_min: ["do", "2ª", "3ª", "4ª", "5ª", "6ª", "sá"],
        formats: [
            "HH:mm",
            "HH:mm:ss",
            "DD/MM/YYYY",
            "D [de] MMMM [de] YYYY",
            "D [de] MMMM [de] YYYY [às] HH:mm",
            "dddd, D [de] MMMM [de] YYYY [às] HH:mm",
        ],
        ordinal: Ordinal::Mark("º"),
        week: SUNDAY,
    },
];

const PORTUGUESE_MONTHS: [&str; 12] = [
    "janeiro",
    "fevereiro",
    "março",
    "abril",
    "maio",
    "junho",
    "julho",
    "agosto",
    "setembro",
    "outubro",
    "novembro",
    "dezembro",
];

const PORTUGUESE_MONTHS_SHORT: [&str; 12] =
    ["jan", "fev", "mar", "abr", "mai", "jun", "jul", "ago", "set", "out", "nov", "dez"];
