//! The table of Airtable's functions.

use crate::functions::regex::RegexFunction;
use crate::functions::{array, date, logical, numeric, text};
use crate::schema::ValueType;
use crate::value::{ErrorKind, Value};
use crate::vm::Env;

/// One function of the language.
#[derive(Debug)]
pub(crate) struct Function {
    /// Upper case.
    pub(crate) name: &'static str,
    pub(crate) least: usize,
    /// [`ANY`] for no limit.
    pub(crate) most: usize,
    pub(crate) kind: Kind,
    pub(crate) result: Outcome,
}

/// No upper limit on the number of arguments.
pub(crate) const ANY: usize = usize::MAX;

pub(crate) type Builtin = for<'a> fn(&mut [Value<'a>], &mut Env<'_>) -> Result<Value<'a>, ErrorKind>;

/// How a function is evaluated.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Arguments first. An error among them is the result.
    Eager(Builtin),
    /// As `Eager`; the first two arguments are dates.
    TwoDates(Builtin),
    /// As `Eager`, and the result depends on the time of evaluation.
    Volatile(Builtin),
    /// Reads text by a pattern; parts that the pattern lacks are today's.
    DatetimeParse(Builtin),
    If,
    Switch,
    /// `OR`, for which long lists of alternatives are looked up at once.
    Or(Builtin),
    IsError,
    Regex(RegexFunction),
    RecordId,
    CreatedTime,
    LastModifiedTime,
    /// Airtable has it, this crate does not.
    NotBuilt,
}

/// The type of a function's result.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    Is(ValueType),
    /// Of the second and every second argument from there (`IF`, `SWITCH`).
    Branch,
    /// Date if an argument is a date, or may be; else number.
    Extreme,
}

impl Function {
    /// Looks a name up, in any case.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        let name = name.to_ascii_uppercase();
        FUNCTIONS.binary_search_by(|function| function.name.cmp(&name)).ok().map(|index| &FUNCTIONS[index])
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        FUNCTIONS.iter().map(|function| function.name)
    }

    /// What [`Self::least`] and [`Self::most`] say, in words.
    pub(crate) fn expected(&self) -> String {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        match (self.least, self.most) {
            (0, 0) => "no arguments".to_owned(),
            (least, ANY) => format!("at least {least} argument{}", plural(least)),
            (least, most) if least == most => format!("{least} argument{}", plural(least)),
            (least, most) if least + 1 == most => format!("{least} or {most} arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        }
    }
}

const fn function(name: &'static str, least: usize, most: usize, kind: Kind, result: Outcome) -> Function {
    Function { name, least, most, kind, result }
}

const TEXT: Outcome = Outcome::Is(ValueType::Text);
const NUMBER: Outcome = Outcome::Is(ValueType::Number);
const BOOLEAN: Outcome = Outcome::Is(ValueType::Boolean);
const DATE: Outcome = Outcome::Is(ValueType::Date);
const ARRAY: Outcome = Outcome::Is(ValueType::Array);
const NOTHING: Outcome = Outcome::Is(ValueType::Blank);

use Kind::{Eager, TwoDates, Volatile};

/// Sorted by name.
static FUNCTIONS: [Function; 85] = [
    function("ABS", 1, 1, Eager(numeric::abs), NUMBER),
    function("AND", 1, ANY, Eager(logical::and), BOOLEAN),
    function("ARRAYCOMPACT", 1, 1, Eager(array::compact), ARRAY),
    function("ARRAYFLATTEN", 1, ANY, Eager(array::flatten_all), ARRAY),
    function("ARRAYJOIN", 1, 2, Eager(array::join), TEXT),
    function("ARRAYSLICE", 2, 3, Eager(array::slice), ARRAY),
    function("ARRAYUNIQUE", 1, 1, Eager(array::unique), ARRAY),
    function("AVERAGE", 1, ANY, Eager(numeric::average), NUMBER),
    function("BLANK", 0, 0, Eager(logical::blank), NOTHING),
    function("CEILING", 1, 2, Eager(numeric::ceiling), NUMBER),
    function("CONCATENATE", 1, ANY, Eager(text::concatenate), TEXT),
    function("COUNT", 1, ANY, Eager(numeric::count), NUMBER),
    function("COUNTA", 1, ANY, Eager(numeric::count_a), NUMBER),
    function("COUNTALL", 1, ANY, Eager(numeric::count_all), NUMBER),
    function("CREATED_TIME", 0, 0, Kind::CreatedTime, DATE),
    function("DATEADD", 3, 3, Eager(date::dateadd), DATE),
    function("DATEDIF", 0, ANY, Kind::NotBuilt, NUMBER),
    function("DATESTR", 1, 1, Eager(date::datestr), TEXT),
    function("DATETIME_DIFF", 2, 3, TwoDates(date::datetime_diff), NUMBER),
    function("DATETIME_FORMAT", 1, 2, Eager(date::datetime_format), TEXT),
    function("DATETIME_PARSE", 1, 3, Kind::DatetimeParse(date::datetime_parse), DATE),
    function("DAY", 1, 1, Eager(date::day), NUMBER),
    function("ENCODE_URL_COMPONENT", 1, 1, Eager(text::encode_url_component), TEXT),
    function("ERROR", 0, 1, Eager(logical::error), NOTHING),
    function("EVEN", 1, 1, Eager(numeric::even), NUMBER),
    function("EXP", 1, 1, Eager(numeric::exp), NUMBER),
    function("FALSE", 0, 0, Eager(logical::r#false), BOOLEAN),
    function("FIND", 2, 3, Eager(text::find), NUMBER),
    function("FLOOR", 1, 2, Eager(numeric::floor), NUMBER),
    function("FROMNOW", 1, 1, Volatile(date::from_now), TEXT),
    function("HOUR", 1, 1, Eager(date::hour), NUMBER),
    function("IF", 2, 3, Kind::If, Outcome::Branch),
    function("INT", 1, 1, Eager(numeric::int), NUMBER),
    function("ISERROR", 1, 1, Kind::IsError, BOOLEAN),
    function("IS_AFTER", 2, 3, TwoDates(date::is_after), BOOLEAN),
    function("IS_BEFORE", 2, 3, TwoDates(date::is_before), BOOLEAN),
    function("IS_SAME", 2, 3, TwoDates(date::is_same), BOOLEAN),
    function("LAST_MODIFIED_TIME", 0, ANY, Kind::LastModifiedTime, DATE),
    function("LEFT", 1, 2, Eager(text::left), TEXT),
    function("LEN", 1, 1, Eager(text::len), NUMBER),
    function("LOG", 1, 2, Eager(numeric::log), NUMBER),
    function("LOWER", 1, 1, Eager(text::lower), TEXT),
    function("MAX", 1, ANY, Eager(numeric::max), Outcome::Extreme),
    function("MID", 3, 3, Eager(text::mid), TEXT),
    function("MIN", 1, ANY, Eager(numeric::min), Outcome::Extreme),
    function("MINUTE", 1, 1, Eager(date::minute), NUMBER),
    function("MOD", 2, 2, Eager(numeric::modulo), NUMBER),
    function("MONTH", 1, 1, Eager(date::month), NUMBER),
    function("NOT", 1, 1, Eager(logical::not), BOOLEAN),
    function("NOW", 0, 0, Volatile(date::now), DATE),
    function("ODD", 1, 1, Eager(numeric::odd), NUMBER),
    function("OR", 1, ANY, Kind::Or(logical::or), BOOLEAN),
    function("POWER", 2, 2, Eager(numeric::power), NUMBER),
    function("RECORD_ID", 0, 0, Kind::RecordId, TEXT),
    function("REGEX_EXTRACT", 2, 2, Kind::Regex(RegexFunction::Extract), TEXT),
    function("REGEX_MATCH", 2, 2, Kind::Regex(RegexFunction::Match), BOOLEAN),
    function("REGEX_REPLACE", 3, 3, Kind::Regex(RegexFunction::Replace), TEXT),
    function("REPLACE", 4, 4, Eager(text::replace), TEXT),
    function("REPT", 2, 2, Eager(text::rept), TEXT),
    function("RIGHT", 1, 2, Eager(text::right), TEXT),
    function("ROUND", 1, 2, Eager(numeric::round), NUMBER),
    function("ROUNDDOWN", 2, 2, Eager(numeric::round_down), NUMBER),
    function("ROUNDUP", 2, 2, Eager(numeric::round_up), NUMBER),
    function("SEARCH", 2, 3, Eager(text::search), NUMBER),
    function("SECOND", 1, 1, Eager(date::second), NUMBER),
    function("SET_LOCALE", 2, 2, Eager(date::set_locale), DATE),
    function("SET_TIMEZONE", 2, 2, Eager(date::set_timezone), DATE),
    function("SQRT", 1, 1, Eager(numeric::sqrt), NUMBER),
    function("SUBSTITUTE", 3, 4, Eager(text::substitute), TEXT),
    function("SUM", 1, ANY, Eager(numeric::sum), NUMBER),
    function("SWITCH", 3, ANY, Kind::Switch, Outcome::Branch),
    function("T", 1, 1, Eager(text::t), TEXT),
    function("TIMESTR", 1, 1, Eager(date::timestr), TEXT),
    function("TODAY", 0, 0, Volatile(date::today), DATE),
    function("TONOW", 1, 1, Volatile(date::from_now), TEXT),
    function("TRIM", 1, 1, Eager(text::trim), TEXT),
    function("TRUE", 0, 0, Eager(logical::r#true), BOOLEAN),
    function("UPPER", 1, 1, Eager(text::upper), TEXT),
    function("VALUE", 1, 1, Eager(text::value), NUMBER),
    function("WEEKDAY", 1, 2, Eager(date::weekday), NUMBER),
    function("WEEKNUM", 1, 2, Eager(date::weeknum), NUMBER),
    function("WORKDAY", 2, 3, Eager(date::workday), DATE),
    function("WORKDAY_DIFF", 2, 3, TwoDates(date::workday_diff), NUMBER),
    function("XOR", 1, ANY, Eager(logical::xor), BOOLEAN),
    function("YEAR", 1, 1, Eager(date::year), NUMBER),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_name_is_found() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        for name in Function::names() {
            assert_eq!(Function::find(&name.to_lowercase()).map(|function| function.name), Some(name));
        }
        assert!(Function::find("EXACT").is_none());
    }
}
