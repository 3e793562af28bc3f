//! Fields as filters ask about them: one type for each kind, with the questions that it can answer.

use std::fmt;

use jiff::Timestamp;

use super::Filter;
use super::day::When;
use super::expression::Expression;
use crate::date::Date;
use crate::lexer::Operator;
use crate::schema::{FieldKind, Schema};
use crate::suggest;

/// Why a field cannot be asked that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldError {
    /// No field has this name or id; perhaps the other one was meant.
    Unknown { name: String, did_you_mean: Option<String> },
    /// The field is of another kind; `wanted` says in words what it should be.
    Kind { name: String, kind: FieldKind, wanted: &'static str },
    /// A formula cannot name it: its name has several closing braces or ends in a backslash, and its id is no help.
    Unwritable { name: String },
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, did_you_mean } => {
                write!(f, "there is no field \"{name}\"")?;
                match did_you_mean {
                    Some(near) => write!(f, " (did you mean \"{near}\"?)"),
                    None => Ok(()),
                }
            }
            Self::Kind { name, wanted, .. } => write!(f, "the field \"{name}\" is not {wanted}"),
            Self::Unwritable { name } => write!(f, "a formula cannot name the field \"{name}\""),
        }
    }
}

impl std::error::Error for FieldError {}

/// What is known of a field: how a formula names it and what its cells are.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    reference: Expression,
    kind: FieldKind,
}

impl Known {
    /// The field of a name or id. It is named as it was asked for, so that a formula with ids outlives a renaming; a name that
    /// cannot stand in braces gives way to the id.
    fn find(schema: &Schema, wanted: &str) -> Result<Self, FieldError> {
        let Some(index) = schema.find_braced(wanted) else {
            let names = schema.fields().iter().map(|field| field.name.as_str());
            let did_you_mean = suggest::nearest(wanted, names).map(str::to_owned);
            return Err(FieldError::Unknown { name: wanted.to_owned(), did_you_mean });
        };
        let field = &schema.fields()[index];
        let is_writable = |text: &&str| {
            text.matches('}').count() <= 1
                && !text.contains("\\}")
                && !text.ends_with('\\')
                && !text.trim().is_empty()
                && schema.find_braced(text) == Some(index)
        };
        let id_first = wanted.trim() == field.id;
        let [first, second] = if id_first { [&field.id, &field.name] } else { [&field.name, &field.id] };
        let written = [first.as_str(), second].into_iter().find(is_writable);
        let written = written.ok_or_else(|| FieldError::Unwritable { name: field.name.clone() })?;
        Ok(Self { reference: Expression::field(written), kind: field.kind })
    }

    fn of_kind(
        schema: &Schema,
        wanted: &str,
        kinds: &[FieldKind],
        in_words: &'static str,
    ) -> Result<Self, FieldError> {
        let known = Self::find(schema, wanted)?;
        if kinds.contains(&known.kind) || known.kind == FieldKind::Any {
            Ok(known)
        } else {
            Err(FieldError::Kind { name: wanted.to_owned(), kind: known.kind, wanted: in_words })
        }
    }

    /// Whether a cell may hold an error: computed fields may, others do not.
    fn may_fail(&self) -> bool {
        matches!(self.kind, FieldKind::Any | FieldKind::Array)
    }

    /// The condition, false where it fails.
    fn guarded(&self, condition: Expression) -> Filter {
        Filter(if self.may_fail() { or_false(condition) } else { condition })
    }

    fn is_empty(&self) -> Filter {
        self.guarded(self.reference.clone().into_text().equals(Expression::text("")))
    }

    fn is_not_empty(&self) -> Filter {
        self.guarded(self.reference.clone().into_text().binary(Operator::NotEqual, Expression::text("")))
    }
}

/// `IF(ISERROR(x), FALSE(), x)`.
fn or_false(condition: Expression) -> Expression {
    let fails = Expression::call("ISERROR", [condition.clone()]);
    Expression::call("IF", [fails, Expression::boolean(false), condition])
}

/// Conditions on emptiness, which every field has.
macro_rules! emptiness {
    ($type:ty) => {
        impl $type {
            /// The cell is empty: its text form is.
            pub fn is_empty(&self) -> Filter {
                self.0.is_empty()
            }

            /// The cell holds something; an error is not that.
            pub fn is_not_empty(&self) -> Filter {
                self.0.is_not_empty()
            }
        }
    };
}

/// A field of any kind.
#[derive(Debug, Clone, PartialEq)]
pub struct AnyField(Known);

/// A field with numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberField(Known);

/// A field that is ticked or not.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckboxField(Known);

/// A field with dates, with or without time.
#[derive(Debug, Clone, PartialEq)]
pub struct DateField(Known);

/// A field with several values: multiple choices, linked records (by their primary values), lookups.
#[derive(Debug, Clone, PartialEq)]
pub struct ListField(Known);

emptiness!(AnyField);
emptiness!(NumberField);
emptiness!(DateField);
emptiness!(ListField);

/// Fields for [`filter`](crate::filter)s, by name or id. A field of kind [`FieldKind::Any`] can be taken for any kind: cells
/// that hold something else satisfy no condition.
impl Schema {
    /// A field of any kind, for what all fields can be asked.
    pub fn any(&self, name: &str) -> Result<AnyField, FieldError> {
        Known::find(self, name).map(AnyField)
    }

    /// A field with text: also a single choice (its name) or a person (the name that is shown).
    pub fn text(&self, name: &str) -> Result<Text, FieldError> {
        Known::of_kind(self, name, &[FieldKind::Text], "text").map(|known| Text::of(&known))
    }

    /// The text form of a field of any kind: `9.99`, `2024-01-15`, `one, two`.
    pub fn as_text(&self, name: &str) -> Result<Text, FieldError> {
        Known::find(self, name).map(|known| Text::of(&known))
    }

    /// The text forms of several fields, one to a line: for a search through all of them. A cell with an error counts as
    /// empty here.
    pub fn as_lines<S: AsRef<str>>(&self, names: impl IntoIterator<Item = S>) -> Result<Text, FieldError> {
        let line = |name: S| {
            let known = Known::find(self, name.as_ref())?;
            let text = known.reference.clone().into_text();
            Ok(if known.may_fail() {
                let fails = Expression::call("ISERROR", [known.reference]);
                Expression::call("IF", [fails, Expression::text(""), text])
            } else {
                known.reference
            })
        };
        let lines = names.into_iter().map(line).collect::<Result<Vec<_>, FieldError>>()?;
        let joined =
            lines.into_iter().reduce(|all, line| all.joined_with(Expression::text("\n")).joined_with(line));
        // One field alone is not joined with anything, so it is not text yet.
        let value = joined.map_or_else(|| Expression::text(""), Expression::into_text);
        Ok(Text { value, may_fail: false })
    }

    /// A field with numbers.
    pub fn number(&self, name: &str) -> Result<NumberField, FieldError> {
        Known::of_kind(self, name, &[FieldKind::Number], "a number").map(NumberField)
    }

    pub fn checkbox(&self, name: &str) -> Result<CheckboxField, FieldError> {
        Known::of_kind(self, name, &[FieldKind::Checkbox], "a checkbox").map(CheckboxField)
    }

    /// A field with dates, with or without time.
    pub fn date(&self, name: &str) -> Result<DateField, FieldError> {
        Known::of_kind(self, name, &[FieldKind::Date, FieldKind::DateTime], "a date").map(DateField)
    }

    /// A field with several values.
    pub fn list(&self, name: &str) -> Result<ListField, FieldError> {
        Known::of_kind(self, name, &[FieldKind::Array], "a list").map(ListField)
    }
}

/// A text of a record: a field's, or what fields of other kinds are as text.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    value: Expression,
    may_fail: bool,
}

impl Text {
    fn of(known: &Known) -> Self {
        let value = known.reference.clone();
        // Zero, for one, equals the empty text unless it is made text first.
        let value = if known.kind == FieldKind::Text { value } else { value.into_text() };
        Self { value, may_fail: known.may_fail() }
    }

    fn guarded(&self, condition: Expression) -> Filter {
        Filter(if self.may_fail { or_false(condition) } else { condition })
    }

    fn lower(&self) -> Expression {
        Expression::call("LOWER", [self.value.clone()])
    }

    /// There is no text.
    pub fn is_empty(&self) -> Filter {
        self.is("")
    }

    /// There is a text.
    pub fn is_not_empty(&self) -> Filter {
        self.guarded(self.value.clone().binary(Operator::NotEqual, Expression::text("")))
    }

    /// Exactly this text.
    pub fn is(&self, text: &str) -> Filter {
        self.guarded(self.value.clone().equals(Expression::text(text)))
    }

    /// One of these texts, exactly.
    pub fn is_any_of<S: AsRef<str>>(&self, texts: impl IntoIterator<Item = S>) -> Filter {
        Filter::any(texts.into_iter().map(|text| self.is(text.as_ref())))
    }

    /// This text, upper and lower case being the same.
    pub fn is_ignoring_case(&self, text: &str) -> Filter {
        self.guarded(self.lower().equals(Expression::text(&text.to_lowercase())))
    }

    /// This text stands somewhere in it, upper and lower case being the same.
    pub fn contains(&self, text: &str) -> Filter {
        self.guarded(found(Expression::text(&text.to_lowercase()), self.lower()))
    }

    /// This text stands somewhere in it, exactly.
    pub fn contains_exactly(&self, text: &str) -> Filter {
        self.guarded(found(Expression::text(text), self.value.clone()))
    }

    /// It begins with this text, exactly.
    pub fn starts_with(&self, text: &str) -> Filter {
        let place = Expression::call("FIND", [Expression::text(text), self.value.clone()]);
        self.guarded(place.equals(Expression::number(1.0)))
    }

    /// It ends with this text, exactly.
    pub fn ends_with(&self, text: &str) -> Filter {
        // The formula measures the text itself: what counts as a character is its business.
        let length = Expression::call("LEN", [Expression::text(text)]);
        let end = Expression::call("RIGHT", [self.value.clone(), length]);
        self.guarded(end.equals(Expression::text(text)))
    }
}

/// Whether `needle` stands in `haystack`.
fn found(needle: Expression, haystack: Expression) -> Expression {
    Expression::call("FIND", [needle, haystack]).binary(Operator::Greater, Expression::number(0.0))
}

impl NumberField {
    /// `holds` says whether 0 satisfies the condition: then empty cells, which count as 0, must be kept out.
    fn compare(&self, operator: Operator, bound: f64, holds: bool) -> Filter {
        let condition = self.0.reference.clone().binary(operator, Expression::number(bound));
        let condition = self.0.guarded(condition);
        if holds { Filter::all([self.is_not_empty(), condition]) } else { condition }
    }

    pub fn is(&self, x: f64) -> Filter {
        self.compare(Operator::Equal, x, x == 0.0)
    }

    pub fn is_any_of(&self, numbers: impl IntoIterator<Item = f64>) -> Filter {
        Filter::any(numbers.into_iter().map(|x| self.is(x)))
    }

    pub fn less_than(&self, x: f64) -> Filter {
        self.compare(Operator::Less, x, 0.0 < x)
    }

    pub fn at_most(&self, x: f64) -> Filter {
        self.compare(Operator::LessOrEqual, x, 0.0 <= x)
    }

    pub fn more_than(&self, x: f64) -> Filter {
        self.compare(Operator::Greater, x, 0.0 > x)
    }

    pub fn at_least(&self, x: f64) -> Filter {
        self.compare(Operator::GreaterOrEqual, x, 0.0 >= x)
    }

    /// From `least` to `most`, both included.
    pub fn between(&self, least: f64, most: f64) -> Filter {
        Filter::all([self.at_least(least), self.at_most(most)])
    }
}

impl CheckboxField {
    pub fn is_ticked(&self) -> Filter {
        self.0.guarded(self.0.reference.clone().equals(Expression::boolean(true)))
    }

    /// Not ticked is how a checkbox is empty.
    pub fn is_not_ticked(&self) -> Filter {
        self.0.guarded(self.0.reference.clone().equals(Expression::boolean(false)))
    }
}

impl DateField {
    fn bounds(&self, when: &When) -> (Timestamp, Timestamp) {
        when.bounds(self.0.kind == FieldKind::Date)
    }

    fn is_before(&self, instant: Timestamp) -> Expression {
        // The form that every date parser agrees on.
        let text = Expression::text(&Date::at(instant).to_iso_string());
        let instant = Expression::call("DATETIME_PARSE", [text]);
        Expression::call("IS_BEFORE", [self.0.reference.clone(), instant])
    }

    /// Date functions make an error of an empty cell, so they see none.
    fn guarded(&self, condition: Expression) -> Filter {
        if self.0.may_fail() {
            self.0.guarded(condition)
        } else {
            Filter(condition.otherwise_false(self.0.reference.clone()))
        }
    }

    /// Within the day, or at the instant.
    pub fn is(&self, when: impl Into<When>) -> Filter {
        let (first, end) = self.bounds(&when.into());
        self.guarded(Expression::call("AND", [self.is_before(first).not(), self.is_before(end)]))
    }

    /// Before the day begins, or before the instant.
    pub fn before(&self, when: impl Into<When>) -> Filter {
        self.guarded(self.is_before(self.bounds(&when.into()).0))
    }

    /// After the day has ended, or after the instant.
    pub fn after(&self, when: impl Into<When>) -> Filter {
        self.guarded(self.is_before(self.bounds(&when.into()).1).not())
    }

    pub fn on_or_before(&self, when: impl Into<When>) -> Filter {
        self.guarded(self.is_before(self.bounds(&when.into()).1))
    }

    pub fn on_or_after(&self, when: impl Into<When>) -> Filter {
        self.guarded(self.is_before(self.bounds(&when.into()).0).not())
    }

    /// From the beginning of `first` to the end of `last`.
    pub fn between(&self, first: impl Into<When>, last: impl Into<When>) -> Filter {
        let (start, end) = (self.bounds(&first.into()).0, self.bounds(&last.into()).1);
        self.guarded(Expression::call("AND", [self.is_before(start).not(), self.is_before(end)]))
    }
}

/// What stands between the values of a list in its text form.
const SEPARATOR: &str = ", ";

/// A list is asked by its text form, since Airtable has no other way; so a value that contains `", "` cannot be told from two
/// values.
impl ListField {
    /// One of its values is this. No value is the empty text.
    pub fn has(&self, value: &str) -> Filter {
        if value.is_empty() {
            return Filter::any([]);
        }
        let fenced = |value: Expression| {
            Expression::text(SEPARATOR).joined_with(value).joined_with(Expression::text(SEPARATOR))
        };
        let stands = |value: &str| {
            let needle = Expression::text(&format!("{SEPARATOR}{value}{SEPARATOR}"));
            found(needle, fenced(self.0.reference.clone()))
        };
        // Names of linked records that contain a comma are put in quotes by some of Airtable's ways to join them.
        let condition = if value.contains(',') {
            Expression::call("OR", [stands(value), stands(&format!("\"{value}\""))])
        } else {
            stands(value)
        };
        self.0.guarded(condition)
    }

    /// At least one of its values is among these.
    pub fn has_any_of<S: AsRef<str>>(&self, values: impl IntoIterator<Item = S>) -> Filter {
        Filter::any(values.into_iter().map(|value| self.has(value.as_ref())))
    }

    /// All of these are among its values.
    pub fn has_all_of<S: AsRef<str>>(&self, values: impl IntoIterator<Item = S>) -> Filter {
        Filter::all(values.into_iter().map(|value| self.has(value.as_ref())))
    }

    /// Exactly these values in this order.
    pub fn is<S: AsRef<str>>(&self, values: impl IntoIterator<Item = S>) -> Filter {
        let values: Vec<S> = values.into_iter().collect();
        let text = values.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(SEPARATOR);
        self.0.guarded(self.0.reference.clone().into_text().equals(Expression::text(&text)))
    }
}
