//! What a question asks of a table, once it is understood.

use super::filter::{Condition, Unit};
use super::schema::Table;

/// A question about the records of one table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    pub(super) table: Table,
    pub(super) goal: Goal,
    pub(super) conditions: Vec<Condition>,
    /// Empty means the count, where numbers are asked for.
    pub(super) metrics: Vec<Metric>,
    pub(super) groups: Vec<Group>,
    /// Only the groups with most (true) or least (false) of the first metric.
    pub(super) extreme: Option<bool>,
    /// Field, and whether the largest come first.
    pub(super) sort: Vec<(String, bool)>,
    pub(super) limit: Option<usize>,
    /// Fields that were named without any other use.
    pub(super) shown: Vec<String>,
    /// Words that may be names of records.
    pub(super) phrases: Vec<Phrase>,
    /// What was assumed, to be told.
    pub(super) notes: Vec<String>,
    /// What could not be understood, to be told instead of an answer.
    pub(super) troubles: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    Numbers,
    Records,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Sum,
    Average,
    Min,
    Max,
    Distinct,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metric {
    pub(super) function: Function,
    pub(super) field: String,
}

impl Metric {
    /// As our tools take it, and label it in their results.
    pub(super) fn label(&self) -> String {
        let name = match self.function {
            Function::Sum => "sum",
            Function::Average => "avg",
            Function::Min => "min",
            Function::Max => "max",
            Function::Distinct => "distinct",
        };
        format!("{name}({})", self.field)
    }

    pub(super) fn in_words(&self) -> String {
        let name = match self.function {
            Function::Sum => "Total",
            Function::Average => "Average",
            Function::Min => "Lowest",
            Function::Max => "Highest",
            Function::Distinct => "Number of different values of",
        };
        format!("{name} {}", self.field)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) field: String,
    /// Of dates.
    pub(super) unit: Option<Unit>,
}

impl Group {
    /// As our tools take it, and label it in their results.
    pub(super) fn label(&self) -> String {
        match self.unit {
            Some(unit) => format!("{}:{}", self.field, unit.name()),
            None => self.field.clone(),
        }
    }

    pub(super) fn in_words(&self) -> String {
        match self.unit {
            Some(unit) => format!("{} of {}", unit.name(), self.field),
            None => self.field.clone(),
        }
    }
}

/// Words that no name of the schema explains: perhaps the name of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Phrase {
    pub(super) text: String,
    /// A field that stands beside it.
    pub(super) field: Option<String>,
    pub(super) negated: bool,
    pub(super) quoted: bool,
    /// Choices among the words, and the other words: what it means if no record is called so.
    pub(super) split: Option<(Vec<Condition>, String)>,
}
