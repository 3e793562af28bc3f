//! Conditions on records: as a formula for tools, and in words for people.

use std::fmt::Write as _;

use super::schema::{Field, FieldKind};
use super::words::fold;

/// What must hold of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    pub(super) field: Field,
    pub(super) test: Test,
    pub(super) negated: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    /// Has one of these choices.
    Choices(Vec<String>),
    /// Links to one of the records with these names.
    Links(Vec<String>),
    Checked,
    Empty,
    Compare(Comparison, f64),
    Between(f64, f64),
    Equals(String),
    Contains(String),
    When(DateTest),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Comparison {
    Equal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum DateTest {
    In(Span),
    Before(Day),
    After(Day),
    Since(Day),
    Until(Day),
    /// Both included.
    Between(Day, Day),
    /// Today included.
    LastDays(u32),
    NextDays(u32),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Day {
    /// So many days from today.
    Today(i32),
    /// `2026-03-01`.
    On(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Span {
    Day(Day),
    /// The current one is 0, the last one -1.
    Unit(Unit, i32),
    /// `2026-03`.
    Month(String),
    Year(i16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Unit {
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "day" | "days" | "daily" => Self::Day,
            "week" | "weeks" | "weekly" => Self::Week,
            "month" | "months" | "monthly" => Self::Month,
            "quarter" | "quarters" | "quarterly" => Self::Quarter,
            "year" | "years" | "yearly" => Self::Year,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }
}

/// One formula for all conditions; `None` if there are none.
pub(super) fn formula(conditions: &[Condition]) -> Option<String> {
    let parts: Vec<String> = conditions.iter().map(Condition::formula).collect();
    match parts.len() {
        0 => None,
        _ => Some(joined("AND", parts)),
    }
}

/// All conditions in words: ` where Status is Done and Due is before today`.
pub(super) fn in_words(conditions: &[Condition]) -> String {
    let mut words = String::new();
    for (index, condition) in conditions.iter().enumerate() {
        words.push_str(if index == 0 { " where " } else { " and " });
        let _ = write!(words, "{}", condition.in_words());
    }
    words
}

fn joined(function: &str, mut parts: Vec<String>) -> String {
    match parts.len() {
        1 => parts.remove(0),
        _ => format!("{function}({})", parts.join(", ")),
    }
}

/// A text as a formula's literal.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

impl Condition {
    fn formula(&self) -> String {
        let field = self.field.in_formula();
        if let (Test::Choices(choices), FieldKind::Select, true) = (&self.test, self.field.kind, self.negated)
        {
            let differ = |choice: &String| format!("{field} != {}", literal(choice));
            return joined("AND", choices.iter().map(differ).collect());
        }
        let positive = match &self.test {
            Test::Choices(choices) if self.field.kind == FieldKind::Select => {
                let equal = |choice: &String| format!("{field} = {}", literal(choice));
                joined("OR", choices.iter().map(equal).collect())
            }
            Test::Choices(names) | Test::Links(names) => {
                joined("OR", names.iter().map(|name| has_member(&field, name)).collect())
            }
            Test::Checked => field.clone(),
            Test::Empty => format!("({field} & \"\") = \"\""),
            Test::Compare(comparison, number) => {
                // An empty cell counts as 0, which a person does not mean.
                format!("AND(({field} & \"\") != \"\", {field} {} {number})", comparison.sign())
            }
            Test::Between(least, most) => {
                format!("AND(({field} & \"\") != \"\", {field} >= {least}, {field} <= {most})")
            }
            Test::Equals(text) => format!("LOWER({field} & \"\") = {}", literal(&text.to_lowercase())),
            Test::Contains(text) => {
                format!("FIND({}, LOWER({field} & \"\")) > 0", literal(&text.to_lowercase()))
            }
            Test::When(when) => when.formula(&field),
        };
        if self.negated { format!("NOT({positive})") } else { positive }
    }

    fn in_words(&self) -> String {
        let name = &self.field.name;
        let (is, has, does) = if self.negated {
            ("is not", "does not have", "does not contain")
        } else {
            ("is", "has", "contains")
        };
        match &self.test {
            Test::Choices(names) | Test::Links(names)
                if self.field.kind == FieldKind::Select || names.len() == 1 =>
            {
                format!("{name} {is} {}", listed(names, if self.negated { "nor" } else { "or" }))
            }
            Test::Choices(names) | Test::Links(names) => format!("{name} {has} {}", listed(names, "or")),
            Test::Checked if self.negated => format!("{name} is not checked"),
            Test::Checked => format!("{name} is checked"),
            Test::Empty => format!("{name} {is} empty"),
            Test::Compare(comparison, number) => {
                let not = if self.negated { "not " } else { "" };
                format!("{name} is {not}{} {}", comparison.in_words(), self.shown(*number))
                    .replace("is  ", "is ")
            }
            Test::Between(least, most) => {
                format!("{name} {is} between {} and {}", self.shown(*least), self.shown(*most))
            }
            Test::Equals(text) => format!("{name} {is} \"{text}\""),
            Test::Contains(text) => format!("{name} {does} \"{text}\""),
            Test::When(when) => format!("{name} {is} {}", when.in_words()),
        }
    }

    fn shown(&self, number: f64) -> String {
        if self.field.kind == FieldKind::Percent {
            format!("{} %", number * 100.0)
        } else {
            number.to_string()
        }
    }
}

/// Whether a list in a cell has this member. Cells with several values read as text are joined by `, `; a member that has
/// a comma itself stands in quotes in some of them.
fn has_member(field: &str, name: &str) -> String {
    let one =
        |name: &str| format!("FIND({}, \", \" & {field} & \", \") > 0", literal(&format!(", {name}, ")));
    if name.contains(',') {
        return joined("OR", vec![one(name), one(&format!("\"{name}\""))]);
    }
    one(name)
}

impl Comparison {
    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::Equal => "",
            Self::Less => "less than",
            Self::AtMost => "at most",
            Self::Greater => "more than",
            Self::AtLeast => "at least",
        }
    }
}

impl DateTest {
    fn formula(&self, field: &str) -> String {
        match self {
            Self::In(span) => span.formula(field),
            Self::Before(day) => format!("IS_BEFORE({field}, {})", day.formula()),
            Self::After(day) => format!("IS_AFTER({field}, {})", day.formula()),
            Self::Since(day) => {
                format!("AND(({field} & \"\") != \"\", NOT(IS_BEFORE({field}, {})))", day.formula())
            }
            Self::Until(day) => format!("IS_BEFORE({field}, DATEADD({}, 1, \"days\"))", day.formula()),
            Self::Between(first, last) => format!(
                "AND(({field} & \"\") != \"\", NOT(IS_BEFORE({field}, {})), IS_BEFORE({field}, DATEADD({}, 1, \"days\")))",
                first.formula(),
                last.formula()
            ),
            Self::LastDays(days) => format!(
                "AND(({field} & \"\") != \"\", NOT(IS_BEFORE({field}, DATEADD(TODAY(), -{days}, \"days\"))), \
                 IS_BEFORE({field}, DATEADD(TODAY(), 1, \"days\")))"
            ),
            Self::NextDays(days) => format!(
                "AND(({field} & \"\") != \"\", NOT(IS_BEFORE({field}, TODAY())), \
                 IS_BEFORE({field}, DATEADD(TODAY(), {}, \"days\")))",
                days + 1
            ),
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::In(span) => span.in_words(),
            Self::Before(day) => format!("before {}", day.in_words()),
            Self::After(day) => format!("after {}", day.in_words()),
            Self::Since(day) => format!("{} or later", day.in_words()),
            Self::Until(day) => format!("{} or earlier", day.in_words()),
            Self::Between(first, last) => format!("from {} to {}", first.in_words(), last.in_words()),
            Self::LastDays(days) => format!("in the last {days} days"),
            Self::NextDays(days) => format!("in the next {days} days"),
        }
    }
}

impl Day {
    fn formula(&self) -> String {
        match self {
            Self::Today(0) => "TODAY()".to_owned(),
            Self::Today(days) => format!("DATEADD(TODAY(), {days}, \"days\")"),
            Self::On(day) => format!("DATETIME_PARSE({}, \"YYYY-MM-DD\")", literal(day)),
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Today(0) => "today".to_owned(),
            Self::Today(-1) => "yesterday".to_owned(),
            Self::Today(1) => "tomorrow".to_owned(),
            Self::Today(days) if *days < 0 => format!("{} days ago", -days),
            Self::Today(days) => format!("in {days} days"),
            Self::On(day) => day.clone(),
        }
    }
}

impl Span {
    fn formula(&self, field: &str) -> String {
        match self {
            Self::Day(day) => format!("IS_SAME({field}, {}, \"day\")", day.formula()),
            Self::Unit(unit, 0) => format!("IS_SAME({field}, TODAY(), \"{}\")", unit.name()),
            Self::Unit(unit, shift) => {
                let name = unit.name();
                format!("IS_SAME({field}, DATEADD(TODAY(), {shift}, \"{name}s\"), \"{name}\")")
            }
            Self::Month(month) => format!("DATETIME_FORMAT({field}, \"YYYY-MM\") = {}", literal(month)),
            Self::Year(year) => format!("YEAR({field}) = {year}"),
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Day(day) => day.in_words(),
            Self::Unit(unit, 0) => format!("in this {}", unit.name()),
            Self::Unit(unit, -1) => format!("in the last {}", unit.name()),
            Self::Unit(unit, 1) => format!("in the next {}", unit.name()),
            Self::Unit(unit, shift) if *shift < 0 => format!("{} {}s ago", -shift, unit.name()),
            Self::Unit(unit, shift) => format!("{shift} {}s from now", unit.name()),
            Self::Month(month) => format!("in {month}"),
            Self::Year(year) => format!("in {year}"),
        }
    }
}

/// `A, B or C`
pub(super) fn listed(names: &[String], last: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., end] => format!("{} {last} {end}", rest.join(", ")),
    }
}

/// Choices that say that something is over, in any field.
pub(super) fn is_done_like(choice: &str) -> bool {
    const DONE: [&str; 24] = [
        "done",
        "closed",
        "complete",
        "completed",
        "finished",
        "resolved",
        "fixed",
        "shipped",
        "delivered",
        "archived",
        "cancelled",
        "canceled",
        "rejected",
        "abandoned",
        "solved",
        "paid",
        "won",
        "lost",
        "won t do",
        "wont do",
        "released",
        "published",
        "erledigt",
        "abgeschlossen",
    ];
    let folded: String =
        fold(choice).chars().map(|letter| if letter.is_alphanumeric() { letter } else { ' ' }).collect();
    let plain = folded.split_whitespace().collect::<Vec<_>>().join(" ");
    DONE.contains(&plain.as_str())
}
