//! Bases that nobody has seen before: tables, fields, choices and records with made-up names, and the truth about them.
//!
//! A seed gives the same base again. What a test expects is computed here from the same records, never asked of the system.

mod condition;
mod draw;
mod truth;
mod words;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};

pub(crate) use condition::Condition;
pub(crate) use truth::{Metric, Number};
pub(crate) use words::Style;

use super::number_from_environment;
use words::Words;

/// A generated base.
pub(crate) struct World {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) tables: Vec<Table>,
}

pub(crate) struct Table {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The first is the primary field, a text that no two records share.
    pub(crate) fields: Vec<Field>,
    pub(crate) view: String,
    pub(crate) rows: Vec<Row>,
}

pub(crate) struct Field {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// What a field holds. Places of numbers are decimal places.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Title,
    Note,
    Email,
    Number {
        places: u8,
    },
    Money {
        symbol: &'static str,
    },
    Percent,
    Stars {
        most: u8,
    },
    Check,
    Choice(Vec<String>),
    Choices(Vec<String>),
    Day,
    Instant,
    /// Records of another table, by its place among the tables; `inverse` is the field there.
    Link {
        to: usize,
        single: bool,
        inverse: String,
    },
    /// The other side of a link.
    Back {
        from: usize,
        link: String,
    },
    /// How many records the link (by its place among the fields) holds.
    LinkCount {
        link: usize,
    },
    /// A formula: twice the number (by its place among the fields).
    Twice {
        of: usize,
        places: u8,
    },
}

pub(crate) struct Row {
    pub(crate) id: String,
    /// One for each field, blank for computed ones.
    pub(crate) cells: Vec<Cell>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Blank,
    Text(String),
    Number(Number),
    Ticked,
    Choice(usize),
    Choices(Vec<usize>),
    /// As Airtable writes it.
    Date(String),
    /// Rows of the linked table.
    Links(Vec<usize>),
}

/// How large a base is drawn.
pub(crate) struct Size {
    /// Records of the first table; more than 100 are several pages.
    pub(crate) records: std::ops::Range<usize>,
    /// Records of each other table.
    pub(crate) others: std::ops::Range<usize>,
}

impl Size {
    pub(crate) const PAGES: Self = Self { records: 230..380, others: 7..25 };
    pub(crate) const SMALL: Self = Self { records: 12..30, others: 4..8 };
}

/// A seed that `PYAIRTABLE_WORLD_SEED` repeats, and that is printed for it.
pub(crate) fn seed() -> u64 {
    let seed = number_from_environment("PYAIRTABLE_WORLD_SEED", rand::rng().random::<u32>().into());
    println!("PYAIRTABLE_WORLD_SEED={seed} repeats this base");
    seed
}

impl World {
    pub(crate) fn new(seed: u64, style: Style, size: &Size) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut words = Words::new(style);
        draw::base(&mut rng, &mut words, size)
    }

    /// The base as the emulator's seed has it.
    pub(crate) fn json(&self) -> Value {
        let tables: Vec<Value> = self
            .tables
            .iter()
            .map(|table| {
                let fields: Vec<Value> = table.fields.iter().map(|field| self.field_json(table, field)).collect();
                let rows = table.rows.iter().enumerate();
                let records: Vec<Value> = rows
                    .map(|(at, row)| {
                        let created = format!("2024-01-01T00:{:02}:{:02}.000Z", at / 60, at % 60);
                        json!({"id": row.id, "createdTime": created, "fields": self.cells_json(table, row)})
                    })
                    .collect();
                json!({
                    "id": table.id, "name": table.name, "primaryFieldId": table.fields[0].id, "fields": fields,
                    "views": [{"id": table.view, "name": "Grid", "type": "grid"}], "records": records,
                })
            })
            .collect();
        json!({"id": self.id, "name": self.name, "permissionLevel": "create", "tables": tables})
    }

    /// Every name and id in it that no other base has: what must not show where the base is out of reach.
    pub(crate) fn marks(&self) -> Vec<&str> {
        let mut marks = vec![self.id.as_str(), self.name.as_str()];
        for table in &self.tables {
            marks.extend([table.id.as_str(), table.name.as_str()]);
            for field in &table.fields {
                marks.extend([field.id.as_str(), field.name.as_str()]);
                if let Kind::Choice(names) | Kind::Choices(names) = &field.kind {
                    marks.extend(names.iter().map(String::as_str));
                }
            }
            for row in &table.rows {
                marks.extend([row.id.as_str(), row.title()]);
            }
        }
        marks
    }

    fn field_json(&self, table: &Table, field: &Field) -> Value {
        let choices = |names: &[String]| json!({"choices": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()});
        let number = |places: &u8| json!({"precision": places});
        let (kind, options) = match &field.kind {
            Kind::Title => ("singleLineText", Value::Null),
            Kind::Note => ("multilineText", Value::Null),
            Kind::Email => ("email", Value::Null),
            Kind::Number { places } => ("number", number(places)),
            Kind::Money { symbol } => ("currency", json!({"precision": 2, "symbol": symbol})),
            Kind::Percent => ("percent", json!({"precision": 1})),
            Kind::Stars { most } => ("rating", json!({"icon": "star", "color": "yellowBright", "max": most})),
            Kind::Check => ("checkbox", json!({"icon": "check", "color": "greenBright"})),
            Kind::Choice(names) => ("singleSelect", choices(names)),
            Kind::Choices(names) => ("multipleSelects", choices(names)),
            Kind::Day => ("date", json!({"dateFormat": {"name": "iso"}})),
            Kind::Instant => (
                "dateTime",
                json!({"timeZone": "utc", "dateFormat": {"name": "iso"}, "timeFormat": {"name": "24hour"}}),
            ),
            Kind::Link { to, single, inverse } => (
                "multipleRecordLinks",
                json!({"linkedTableId": self.tables[*to].id, "prefersSingleRecordLink": single, "inverseLinkFieldId": inverse}),
            ),
            Kind::Back { from, link } => (
                "multipleRecordLinks",
                json!({"linkedTableId": self.tables[*from].id, "inverseLinkFieldId": link}),
            ),
            Kind::LinkCount { link } => {
                ("count", json!({"isValid": true, "recordLinkFieldId": table.fields[*link].id}))
            }
            Kind::Twice { of, places } => {
                let of = &table.fields[*of].id;
                let result = json!({"type": "number", "options": number(places)});
                (
                    "formula",
                    json!({"formula": format!("{{{of}}}*2"), "isValid": true, "referencedFieldIds": [of], "result": result}),
                )
            }
        };
        let mut shown = json!({"id": field.id, "name": field.name, "type": kind});
        if !options.is_null() {
            shown["options"] = options;
        }
        shown
    }

    /// Cells that can be written, by field name.
    pub(crate) fn cells_json(&self, table: &Table, row: &Row) -> Map<String, Value> {
        let cells = table.fields.iter().zip(&row.cells);
        let shown = cells.filter_map(|(field, cell)| {
            let value = match (cell, &field.kind) {
                (Cell::Text(text) | Cell::Date(text), _) => json!(text),
                (Cell::Number(number), _) => number.json(),
                (Cell::Ticked, _) => json!(true),
                (Cell::Choice(at), Kind::Choice(names)) => json!(names[*at]),
                (Cell::Choices(ats), Kind::Choices(names)) => {
                    json!(ats.iter().map(|at| &names[*at]).collect::<Vec<_>>())
                }
                (Cell::Links(rows), Kind::Link { to, .. }) => {
                    json!(rows.iter().map(|row| &self.tables[*to].rows[*row].id).collect::<Vec<_>>())
                }
                _ => return None,
            };
            Some((field.name.clone(), value))
        });
        shown.collect()
    }
}

impl Table {
    /// Places of the fields for which this holds.
    pub(crate) fn places(&self, wanted: impl Fn(&Kind) -> bool) -> Vec<usize> {
        (0..self.fields.len()).filter(|at| wanted(&self.fields[*at].kind)).collect()
    }

    pub(crate) fn numbers(&self) -> Vec<usize> {
        self.places(Kind::is_number)
    }

    pub(crate) fn title(&self) -> &str {
        &self.fields[0].name
    }
}

impl Kind {
    /// Whether it can be added up.
    pub(crate) fn is_number(&self) -> bool {
        matches!(
            self,
            Self::Number { .. }
                | Self::Money { .. }
                | Self::Percent
                | Self::Stars { .. }
                | Self::LinkCount { .. }
                | Self::Twice { .. }
        )
    }
}

impl Row {
    pub(crate) fn title(&self) -> &str {
        match &self.cells[0] {
            Cell::Text(text) => text,
            other => panic!("the primary field is a text, not {other:?}"),
        }
    }
}
