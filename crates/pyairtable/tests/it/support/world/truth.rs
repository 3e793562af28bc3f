//! What is true of the records: numbers in decimal, so that nothing is lost on the way.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value;

use super::{Cell, Condition, Kind, Table, World};

/// A decimal number: `units` of `10^-places`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Number {
    units: i128,
    places: u8,
}

/// What is computed of records. Fields are places among the table's fields.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Metric {
    Count,
    Sum(usize),
    Avg(usize),
    Min(usize),
    Max(usize),
}

/// Some rows of a table.
pub(crate) type Rows = Vec<usize>;

impl Number {
    pub(crate) const ZERO: Self = Self { units: 0, places: 0 };

    pub(crate) fn new(units: i128, places: u8) -> Self {
        let mut number = Self { units, places };
        while number.places > 0 && number.units % 10 == 0 {
            number = Self { units: number.units / 10, places: number.places - 1 };
        }
        number
    }

    /// From what JSON or people write, such as `-12.50`; `None` if that is no plain decimal.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let units = format!("{whole}{fraction}").parse().ok()?;
        Some(Self::new(units, fraction.len().try_into().ok()?))
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        let places = self.places.max(other.places);
        Self::new(self.at(places) + other.at(places), places)
    }

    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.to_string()).expect("a decimal number is JSON")
    }

    pub(crate) fn as_f64(self) -> f64 {
        self.to_string().parse().expect("a decimal number is a number")
    }

    fn at(self, places: u8) -> i128 {
        self.units * 10_i128.pow(u32::from(places - self.places))
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let digits = format!("{:0width$}", self.units.unsigned_abs(), width = usize::from(self.places) + 1);
        let (whole, fraction) = digits.split_at(digits.len() - usize::from(self.places));
        match fraction {
            "" => write!(f, "{sign}{whole}"),
            fraction => write!(f, "{sign}{whole}.{fraction}"),
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let places = self.places.max(other.places);
        self.at(places).cmp(&other.at(places))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl World {
    /// The cell with everything that is computed.
    pub(crate) fn cell(&self, table: &Table, row: usize, field: usize) -> Cell {
        match &table.fields[field].kind {
            Kind::LinkCount { link } => {
                let count = match self.cell(table, row, *link) {
                    Cell::Links(rows) => rows.len(),
                    _ => 0,
                };
                Cell::Number(Number::new(count as i128, 0))
            }
            Kind::Twice { of, .. } => match table.rows[row].cells[*of] {
                Cell::Number(number) => Cell::Number(number.plus(number)),
                // A formula takes a blank for nothing.
                _ => Cell::Number(Number::ZERO),
            },
            Kind::Back { from, link } => {
                let other = &self.tables[*from];
                let field = other.fields.iter().position(|field| field.id == *link).expect("the link exists");
                let rows = (0..other.rows.len()).filter(
                    |at| matches!(&other.rows[*at].cells[field], Cell::Links(rows) if rows.contains(&row)),
                );
                Cell::Links(rows.collect())
            }
            _ => table.rows[row].cells[field].clone(),
        }
    }

    pub(crate) fn rows(&self, table: &Table, condition: &Condition) -> Rows {
        (0..table.rows.len()).filter(|row| condition.holds(self, table, *row)).collect()
    }

    /// The rows by what they have in the field, as a text; those with several values stand in several groups, those with none
    /// in the group `""`.
    pub(crate) fn groups(&self, table: &Table, rows: &Rows, field: usize) -> BTreeMap<String, Rows> {
        let mut groups: BTreeMap<String, Rows> = BTreeMap::new();
        for row in rows {
            for key in self.texts(table, *row, field) {
                groups.entry(key).or_default().push(*row);
            }
        }
        groups
    }

    /// What the metric gives for these rows; `None` for no value at all.
    pub(crate) fn compute(&self, table: &Table, rows: &Rows, metric: Metric) -> Option<f64> {
        let numbers = |field: usize| {
            rows.iter().filter_map(move |row| match self.cell(table, *row, field) {
                Cell::Number(number) => Some(number),
                _ => None,
            })
        };
        let sum = |field: usize| numbers(field).fold(Number::ZERO, Number::plus);
        match metric {
            Metric::Count => Some(rows.len() as f64),
            Metric::Sum(field) => Some(sum(field).as_f64()),
            Metric::Avg(field) => {
                let count = numbers(field).count();
                (count > 0).then(|| sum(field).as_f64() / count as f64)
            }
            Metric::Min(field) => numbers(field).min().map(Number::as_f64),
            Metric::Max(field) => numbers(field).max().map(Number::as_f64),
        }
    }

    /// The values of a cell as people read them; one `""` for none.
    pub(crate) fn texts(&self, table: &Table, row: usize, field: usize) -> Vec<String> {
        let kind = &table.fields[field].kind;
        let linked = |to: usize, rows: &[usize]| -> Vec<String> {
            rows.iter().map(|row| self.tables[to].rows[*row].title().to_owned()).collect()
        };
        let texts = match (self.cell(table, row, field), kind) {
            (Cell::Blank, Kind::Check) => vec!["false".to_owned()],
            (Cell::Ticked, _) => vec!["true".to_owned()],
            (Cell::Blank, _) => Vec::new(),
            (Cell::Text(text) | Cell::Date(text), _) => vec![text],
            (Cell::Number(number), _) => vec![number.to_string()],
            (Cell::Choice(at), Kind::Choice(names)) => vec![names[at].clone()],
            (Cell::Choices(ats), Kind::Choices(names)) => {
                ats.into_iter().map(|at| names[at].clone()).collect()
            }
            (Cell::Links(rows), Kind::Link { to, .. }) => linked(*to, &rows),
            (Cell::Links(rows), Kind::Back { from, .. }) => linked(*from, &rows),
            (cell, kind) => panic!("{cell:?} in {kind:?}"),
        };
        if texts.is_empty() { vec![String::new()] } else { texts }
    }
}

impl Metric {
    /// As the tool takes it.
    pub(crate) fn text(self, table: &Table) -> String {
        let of = |function: &str, field: usize| format!("{function}({})", table.fields[field].name);
        match self {
            Self::Count => "count".to_owned(),
            Self::Sum(field) => of("sum", field),
            Self::Avg(field) => of("avg", field),
            Self::Min(field) => of("min", field),
            Self::Max(field) => of("max", field),
        }
    }
}

#[test]
fn decimal_numbers_add_up_and_print() {
    let number = |text: &str| Number::parse(text).unwrap();
    assert_eq!(number("0.1").plus(number("0.2")).to_string(), "0.3");
    assert_eq!(number("-0.05").plus(number("-2.95")).to_string(), "-3");
    assert_eq!(number("12.50").to_string(), "12.5");
    assert!(number("-3.2") < number("-3.15"));
}
