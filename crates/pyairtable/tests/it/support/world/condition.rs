//! Conditions on records: as a formula for the system, and as the truth.
//!
//! None depends on what a blank counts for in a comparison of numbers.

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::truth::Number;
use super::{Cell, Kind, Table, World};

#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Always,
    Is {
        field: usize,
        choice: usize,
    },
    Ticked {
        field: usize,
    },
    Above {
        field: usize,
        bound: Number,
    },
    Below {
        field: usize,
        bound: Number,
    },
    /// From this day on. An `AND` would not do: a comparison of a blank with a date is an error, which spoils the whole.
    Since {
        field: usize,
        day: String,
    },
    Blank {
        field: usize,
    },
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl Condition {
    /// Something that some records of the table fulfil, most likely.
    pub(crate) fn draw(rng: &mut StdRng, table: &Table) -> Self {
        match rng.random_range(0..10) {
            0..7 => Self::simple(rng, table),
            7 => Self::All(vec![Self::simple(rng, table), Self::simple(rng, table)]),
            8 => Self::Any(vec![Self::simple(rng, table), Self::simple(rng, table)]),
            _ => Self::Not(Box::new(Self::simple(rng, table))),
        }
    }

    fn simple(rng: &mut StdRng, table: &Table) -> Self {
        let usable = table.places(|kind| {
            matches!(
                kind,
                Kind::Choice(_) | Kind::Check | Kind::Number { .. } | Kind::Money { .. } | Kind::Day
            )
        });
        let field = *usable.choose(rng).expect("every table has a number");
        match &table.fields[field].kind {
            Kind::Choice(names) => Self::Is { field, choice: rng.random_range(0..names.len()) },
            Kind::Check => Self::Ticked { field },
            Kind::Day if rng.random_bool(0.2) => Self::Blank { field },
            Kind::Day => Self::Since { field, day: format!("2025-{:02}-15", rng.random_range(2..12)) },
            _ => {
                let numbers: Vec<Number> = table
                    .rows
                    .iter()
                    .filter_map(|row| match row.cells[field] {
                        Cell::Number(number) if number != Number::ZERO => Some(number),
                        _ => None,
                    })
                    .collect();
                match numbers.choose(rng) {
                    Some(bound) if *bound > Number::ZERO => Self::Above { field, bound: *bound },
                    Some(bound) => Self::Below { field, bound: *bound },
                    None => Self::Always,
                }
            }
        }
    }

    /// As Airtable's formula language has it.
    pub(crate) fn formula(&self, table: &Table) -> String {
        let name = |field: &usize| reference(&table.fields[*field].name);
        let list =
            |parts: &[Self]| parts.iter().map(|part| part.formula(table)).collect::<Vec<_>>().join(", ");
        match self {
            Self::Always => "TRUE()".to_owned(),
            Self::Is { field, choice } => {
                let Kind::Choice(names) = &table.fields[*field].kind else { panic!("no choices") };
                format!("{} = {}", name(field), literal(&names[*choice]))
            }
            Self::Ticked { field } => name(field),
            Self::Above { field, bound } => format!("{} > {bound}", name(field)),
            Self::Below { field, bound } => format!("{} < {bound}", name(field)),
            Self::Since { field, day } => {
                format!("IF({0}, NOT(IS_BEFORE({0}, '{day}')), FALSE())", name(field))
            }
            Self::Blank { field } => format!("{} = BLANK()", name(field)),
            Self::Not(inner) => format!("NOT({})", inner.formula(table)),
            Self::All(parts) => format!("AND({})", list(parts)),
            Self::Any(parts) => format!("OR({})", list(parts)),
        }
    }

    pub(crate) fn holds(&self, world: &World, table: &Table, row: usize) -> bool {
        let cell = |field: &usize| world.cell(table, row, *field);
        match self {
            Self::Always => true,
            Self::Is { field, choice } => cell(field) == Cell::Choice(*choice),
            Self::Ticked { field } => cell(field) == Cell::Ticked,
            Self::Above { field, bound } => matches!(cell(field), Cell::Number(number) if number > *bound),
            Self::Below { field, bound } => matches!(cell(field), Cell::Number(number) if number < *bound),
            Self::Since { field, day } => matches!(cell(field), Cell::Date(date) if date >= *day),
            Self::Blank { field } => cell(field) == Cell::Blank,
            Self::Not(inner) => !inner.holds(world, table, row),
            Self::All(parts) => parts.iter().all(|part| part.holds(world, table, row)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(world, table, row)),
        }
    }
}

/// `{Name}`, with what would end it escaped. Nothing else is, not even the backslash.
fn reference(name: &str) -> String {
    format!("{{{}}}", name.replace('}', "\\}"))
}

fn literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
