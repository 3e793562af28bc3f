//! What is computed of a group of records.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::Value;

use crate::decimal::Decimal;
use crate::error::ToolError;
use crate::names::{listed, quoted};
use crate::schema::{Field, Shape, Table};

/// One thing to compute.
#[derive(Debug, Clone)]
pub(super) struct Metric {
    /// `count`, `sum(Amount)`: the column's name.
    pub(super) label: String,
    function: Function,
    pub(super) field: Option<Field>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Count,
    Distinct,
    Sum,
    Avg,
    Min,
    Max,
}

/// What a metric has seen of one group so far.
#[derive(Debug, Clone)]
pub(super) enum Tally {
    Count(u64),
    Distinct(HashSet<String>),
    Sum(Decimal, u64),
    Avg(Decimal, u64),
    Extreme { best: Option<Point>, wanted: Ordering },
}

/// A number or a date, which have an order.
#[derive(Debug, Clone)]
pub(super) enum Point {
    Number(Decimal),
    /// ISO text, whose order is that of time.
    Date(String),
}

const FUNCTIONS: &str =
    "count, count(Field), distinct(Field), sum(Field), avg(Field), min(Field), max(Field)";

impl Metric {
    /// Reads `count` or `sum(Field)`.
    pub(super) fn parse(text: &str, table: &Table) -> Result<Self, ToolError> {
        let text = text.trim();
        let (name, argument) = match text.split_once('(') {
            Some((name, rest)) => {
                let (inner, after) = rest.rsplit_once(')').unwrap_or((rest, ""));
                if !after.trim().is_empty() {
                    return Err(ToolError::invalid(format!(
                        "metrics: {} is not one metric: give a list, such as [\"count\", \"sum(Amount)\"]",
                        quoted(text)
                    )));
                }
                (name.trim(), Some(inner.trim()).filter(|inner| !matches!(*inner, "" | "*")))
            }
            None => (text, None),
        };
        let function = match name.to_lowercase().replace([' ', '-'], "_").as_str() {
            "count" | "rows" => Function::Count,
            "distinct" | "unique" | "count_distinct" | "distinct_count" | "count_unique" => {
                Function::Distinct
            }
            "sum" | "total" => Function::Sum,
            "avg" | "average" | "mean" => Function::Avg,
            "min" | "minimum" => Function::Min,
            "max" | "maximum" => Function::Max,
            _ => {
                return Err(ToolError::invalid(format!(
                    "metrics: {} is none. Metrics are {FUNCTIONS}",
                    quoted(text)
                )));
            }
        };
        let field =
            argument.map(|name| table.field(name)).transpose().map_err(|error| error.within("metrics"))?;
        if field.is_none() && function != Function::Count {
            return Err(ToolError::invalid(format!(
                "metrics: {} needs a field, as in {}(Amount)",
                quoted(text),
                function.name()
            )));
        }
        if let Some(field) = field {
            function.check(field, table)?;
        }
        let label = match field {
            Some(field) => format!("{}({})", function.name(), field.name),
            None => function.name().to_owned(),
        };
        Ok(Self { label, function, field: field.cloned() })
    }

    pub(super) fn start(&self) -> Tally {
        match self.function {
            Function::Count => Tally::Count(0),
            Function::Distinct => Tally::Distinct(HashSet::new()),
            Function::Sum => Tally::Sum(Decimal::ZERO, 0),
            Function::Avg => Tally::Avg(Decimal::ZERO, 0),
            Function::Min => Tally::Extreme { best: None, wanted: Ordering::Less },
            Function::Max => Tally::Extreme { best: None, wanted: Ordering::Greater },
        }
    }

    /// Whether empty cells are left out: worth a word to whoever reads the result.
    pub(super) fn skips_empty(&self) -> bool {
        self.field.is_some() && self.function != Function::Sum
    }
}

impl Function {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Distinct => "distinct",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    fn check(self, field: &Field, table: &Table) -> Result<(), ToolError> {
        let is_number = field.shape.is_number() || field.shape == Shape::Unknown;
        let is_date = matches!(field.shape, Shape::Day | Shape::Instant(_));
        let (fits, wanted): (bool, fn(&Field) -> bool) = match self {
            Self::Count | Self::Distinct => return Ok(()),
            Self::Sum => (is_number || field.shape == Shape::Checkbox, |f| f.shape.is_number()),
            Self::Avg => (is_number, |f| f.shape.is_number()),
            Self::Min | Self::Max => (is_number || is_date, |f| {
                f.shape.is_number() || matches!(f.shape, Shape::Day | Shape::Instant(_))
            }),
        };
        if fits {
            return Ok(());
        }
        let candidates = listed(table.fields.iter().filter(|f| wanted(f)).map(|f| f.name.as_str()));
        let candidates = if candidates.is_empty() { "none".to_owned() } else { candidates };
        Err(ToolError::invalid(format!(
            "metrics: {} is a {} field, of which there is no {}. Fields that have one: {candidates}",
            quoted(&field.name),
            field.api_type,
            self.name()
        )))
    }
}

impl Tally {
    /// Takes one record's cell into account; gives how many of its values could not be.
    pub(super) fn add(&mut self, metric: &Metric, cell: Option<&Value>) -> u64 {
        let Some(field) = &metric.field else {
            if let Self::Count(count) = self {
                *count += 1;
            }
            return 0;
        };
        let Some(cell) = cell else { return 0 };
        let values: &[Value] = match cell {
            Value::Array(items) => items,
            one => std::slice::from_ref(one),
        };
        let mut skipped = 0;
        match self {
            Self::Count(count) => *count += 1,
            Self::Distinct(seen) => seen.extend(values.iter().map(|value| identity(field, value))),
            Self::Sum(sum, count) | Self::Avg(sum, count) => {
                for value in values {
                    match number(value) {
                        Some(number) => {
                            *sum = sum.plus(number);
                            *count += 1;
                        }
                        None => skipped += u64::from(!value.is_null()),
                    }
                }
            }
            Self::Extreme { best, wanted } => {
                for value in values {
                    let Some(point) = Point::of(field, value) else {
                        skipped += u64::from(!value.is_null());
                        continue;
                    };
                    if best.as_ref().is_none_or(|best| point.compare(best) == *wanted) {
                        *best = Some(point);
                    }
                }
            }
        }
        skipped
    }

    pub(super) fn to_json(&self, metric: &Metric) -> Value {
        match self.shown(metric) {
            Some(Point::Number(number)) => number.to_json(),
            Some(Point::Date(date)) => Value::from(date),
            None => Value::Null,
        }
    }

    pub(super) fn to_text(&self, metric: &Metric) -> String {
        match self.shown(metric) {
            Some(Point::Number(number)) => number.to_string(),
            Some(Point::Date(date)) => date,
            None => String::new(),
        }
    }

    /// The result, of what Airtable computed with no more digits than it can have.
    fn shown(&self, metric: &Metric) -> Option<Point> {
        let is_computed = metric.field.as_ref().is_some_and(|field| field.is_computed);
        match self.point()? {
            Point::Number(number) if is_computed => Some(Point::Number(number.sure())),
            point => Some(point),
        }
    }

    /// Larger first; what has no value comes last.
    pub(super) fn descending(&self, other: &Self) -> Ordering {
        match (self.point(), other.point()) {
            (Some(a), Some(b)) => b.compare(&a),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }

    fn point(&self) -> Option<Point> {
        match self {
            Self::Count(count) => Some(Point::Number(Decimal::whole(*count))),
            Self::Distinct(seen) => Some(Point::Number(Decimal::whole(seen.len() as u64))),
            Self::Sum(sum, _) => Some(Point::Number(*sum)),
            Self::Avg(_, 0) => None,
            Self::Avg(sum, count) => Some(Point::Number(sum.over(*count))),
            Self::Extreme { best, .. } => best.clone(),
        }
    }
}

impl Point {
    fn of(field: &Field, value: &Value) -> Option<Self> {
        match (&field.shape, value) {
            (Shape::Day | Shape::Instant(_), Value::String(text)) => Some(Self::Date(text.clone())),
            (_, value) => number(value).map(Self::Number),
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.compare(*b),
            (Self::Date(a), Self::Date(b)) => a.cmp(b),
            (Self::Number(_), Self::Date(_)) => Ordering::Less,
            (Self::Date(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

/// A number as what tells values apart: of two that Airtable computed, only what both surely have.
pub(super) fn number_in(field: &Field, number: &serde_json::Number) -> Decimal {
    let number = Decimal::of(number);
    if field.is_computed { number.sure() } else { number }
}

/// A number, or 1 for a ticked checkbox; errors, texts and infinities are none.
fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => Some(Decimal::of(number)),
        Value::Bool(ticked) => Some(Decimal::whole(*ticked)),
        _ => None,
    }
}

/// What makes two values the same one.
fn identity(field: &Field, value: &Value) -> String {
    match (value, value.get("id").and_then(Value::as_str)) {
        (_, Some(id)) => id.to_owned(),
        (Value::Number(number), None) => number_in(field, number).to_string(),
        (other, None) => other.to_string(),
    }
}
