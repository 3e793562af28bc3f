//! The other direction: from a structured filter to the text of a formula.
//!
//! A [`Filter`] is put together from conditions on fields. What a field can be asked depends on its kind, so each kind has a
//! type of its own, found in a [`Schema`](crate::Schema) by name or id:
//!
//! ```
//! use airtable_formula::filter::{Day, Filter};
//! use airtable_formula::{FieldDef, FieldKind, Schema};
//!
//! let schema = Schema::new([
//!     FieldDef::new("fldStatus00000000", "Status", FieldKind::Text),
//!     FieldDef::new("fldAmount00000000", "Amount", FieldKind::Number),
//!     FieldDef::new("fldDue00000000000", "Due", FieldKind::DateTime),
//! ]);
//! let berlin = Day::new(2026, 1, 1).and_then(|day| day.in_zone("Europe/Berlin")).unwrap();
//! let filter = Filter::all([
//!     schema.text("Status")?.is("the \"open\" ones"),
//!     schema.number("Amount")?.more_than(100.0),
//!     schema.date("Due")?.on_or_after(berlin),
//! ]);
//! assert_eq!(
//!     filter.to_string(),
//!     r#"AND({Status}="the \"open\" ones",{Amount}>100,IF({Due},NOT(IS_BEFORE({Due},DATETIME_PARSE("2025-12-31T23:00:00.000Z"))),FALSE()))"#
//! );
//! # Ok::<(), airtable_formula::filter::FieldError>(())
//! ```
//!
//! **What it guarantees.** Any text is only ever text: quotes, backslashes and line breaks are escaped. The formula compiles
//! for the same schema. An empty cell is empty (or the empty text, or not ticked) and nothing else, also where Airtable takes
//! it for 0 or makes an error of it. A condition on a cell that holds an error is false and spoils no other condition (in Airtable an error would
//! make all of it an error). [`Filter::not`] is the exact opposite: what a condition leaves out, it keeps, empty cells
//! included.

mod day;
mod expression;
mod fields;

use std::fmt;

pub use day::{Day, When};
pub use fields::{AnyField, CheckboxField, DateField, FieldError, ListField, NumberField, Text};

use expression::Expression;

/// A condition on a record. It prints as the formula that tests it.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(Expression);

impl Filter {
    /// Every one of these; of none, all records.
    pub fn all(filters: impl IntoIterator<Item = Self>) -> Self {
        Self::combined("AND", true, filters)
    }

    /// At least one of these; of none, no record.
    pub fn any(filters: impl IntoIterator<Item = Self>) -> Self {
        Self::combined("OR", false, filters)
    }

    /// Whatever `filter` leaves out.
    #[expect(clippy::should_implement_trait, reason = "it stands beside `all` and `any`")]
    pub fn not(filter: Self) -> Self {
        Self(filter.0.not())
    }

    /// The records with these ids (`rec…`).
    pub fn record_ids<S: AsRef<str>>(ids: impl IntoIterator<Item = S>) -> Self {
        let is = |id: S| Self(Expression::call("RECORD_ID", []).equals(Expression::text(id.as_ref())));
        Self::any(ids.into_iter().map(is))
    }

    fn combined(function: &'static str, of_none: bool, filters: impl IntoIterator<Item = Self>) -> Self {
        let mut parts: Vec<Expression> = filters.into_iter().map(|filter| filter.0).collect();
        Self(match parts.len() {
            0 => Expression::boolean(of_none),
            1 => parts.remove(0),
            _ => Expression::call(function, parts),
        })
    }
}

/// The formula, without needless spaces.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
