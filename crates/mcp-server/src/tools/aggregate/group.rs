//! By what records are grouped, and the keys that come of it.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::cells::Names;
use crate::error::ToolError;
use crate::names::quoted;
use crate::schema::{Field, Shape, Table};
use crate::tools::aggregate::metric::number_in;

/// One field to group by, dates by a unit.
#[derive(Debug, Clone)]
pub(super) struct Grouping {
    /// `State`, `Due:month`: the column's name.
    pub(super) label: String,
    pub(super) field: Field,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// What a group has in common. Ordered as people order: false, true; numbers; dates; texts; nothing last.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Flag(bool),
    /// A number's shortest text.
    Number(String),
    /// `2024-05-01`, `2024-W18`, `2024-05`, `2024-Q2` or `2024`: text whose order is that of time.
    Date(String),
    Text(String),
    /// A linked record, by id.
    Record(String),
    /// A person, by id; the name is in [`People`].
    Person(String),
    Empty,
}

/// Names of people by their ids.
pub(super) type People = HashMap<String, String>;

impl Grouping {
    /// Reads `Field` or `Field:month`. A field whose name has such an end is itself.
    pub(super) fn parse(text: &str, table: &Table) -> Result<Self, ToolError> {
        let exact = table.field(text);
        let (field, unit) = match (exact, text.rsplit_once(':')) {
            (Ok(field), _) => (field, None),
            (Err(_), Some((name, unit))) if Unit::parse(unit).is_some() => {
                (table.field(name.trim()).map_err(|error| error.within("group_by"))?, Unit::parse(unit))
            }
            (Err(error), _) => {
                let next = "Dates can be grouped as in \"Due:month\" (day, week, month, quarter, year)";
                return Err(error.within("group_by").then(next));
            }
        };
        let is_date = matches!(field.shape, Shape::Day | Shape::Instant(_));
        if unit.is_some() && !is_date {
            return Err(ToolError::invalid(format!(
                "group_by: {} is no date field but {}; group by it without a unit",
                quoted(&field.name),
                field.api_type
            )));
        }
        if field.shape == Shape::Files {
            return Err(ToolError::invalid(format!(
                "group_by: {} has attachments, which form no groups",
                quoted(&field.name)
            )));
        }
        let label = match unit {
            Some(unit) => format!("{}:{}", field.name, unit.name()),
            None => field.name.clone(),
        };
        Ok(Self { label, field: field.clone(), unit: unit.unwrap_or(Unit::Day) })
    }

    /// Whether groups come in the order of their keys rather than of their size.
    pub(super) fn is_ordered(&self) -> bool {
        matches!(self.field.shape, Shape::Day | Shape::Instant(_)) || self.field.shape.is_number()
    }

    /// Something about this grouping that a reader may not expect.
    pub(super) fn note(&self) -> Option<String> {
        let name = quoted(&self.field.name);
        if self.field.is_multiple() {
            return Some(format!(
                "a record with several values in {name} counts in each of their groups, so groups can add up to more than the total"
            ));
        }
        match &self.field.shape {
            Shape::Instant(zone) => Some(format!("days of {name} begin at midnight in {}", zone.name)),
            _ => None,
        }
    }

    /// The keys of a record: one for each value, once; [`Key::Empty`] for none.
    pub(super) fn keys(&self, cell: Option<&Value>, people: &mut People) -> Vec<Key> {
        let values: &[Value] = match cell {
            Some(Value::Array(items)) => items,
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        let mut keys: Vec<Key> = Vec::with_capacity(values.len());
        for value in values {
            let key = self.key(value, people);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            // Airtable leaves out what is not ticked.
            let is_checkbox = self.field.shape == Shape::Checkbox && !self.field.is_lookup;
            keys.push(if is_checkbox { Key::Flag(false) } else { Key::Empty });
        }
        keys
    }

    fn key(&self, value: &Value, people: &mut People) -> Key {
        match (&self.field.shape, value) {
            (_, Value::Null) => Key::Empty,
            (Shape::Links { .. }, Value::String(id)) => Key::Record(id.clone()),
            (Shape::Day | Shape::Instant(_), Value::String(text)) => match self.day(text) {
                Some(day) => Key::Date(self.unit.bucket(day)),
                None => Key::Text(text.clone()),
            },
            (_, Value::Bool(flag)) => Key::Flag(*flag),
            (_, Value::Number(number)) => Key::Number(number_in(&self.field, number).to_string()),
            (_, Value::String(text)) => Key::Text(text.clone()),
            (_, Value::Object(members)) => {
                let text = |name: &str| members.get(name).and_then(Value::as_str);
                match (text("id"), text("name").or_else(|| text("email"))) {
                    (Some(id), name) => {
                        people.insert(id.to_owned(), name.unwrap_or(id).to_owned());
                        Key::Person(id.to_owned())
                    }
                    _ => Key::Text(crate::cells::text(&self.field, value, &Names::new())),
                }
            }
            (_, Value::Array(_)) => Key::Text(value.to_string()),
        }
    }

    /// The day of a cell, in the field's time zone.
    fn day(&self, text: &str) -> Option<Date> {
        match &self.field.shape {
            Shape::Instant(zone) if text.len() > 10 => {
                let instant: Timestamp = text.parse().ok()?;
                Some(zone.zone.to_datetime(instant).date())
            }
            _ => text.get(..10)?.parse().ok(),
        }
    }
}

impl Unit {
    fn parse(text: &str) -> Option<Self> {
        Some(match text.trim().to_lowercase().as_str() {
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "quarter" => Self::Quarter,
            "year" => Self::Year,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    fn bucket(self, day: Date) -> String {
        match self {
            Self::Day => day.to_string(),
            Self::Week => {
                let week = day.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Self::Month => format!("{:04}-{:02}", day.year(), day.month()),
            Self::Quarter => format!("{:04}-Q{}", day.year(), (day.month() + 2) / 3),
            Self::Year => format!("{:04}", day.year()),
        }
    }
}

impl Key {
    pub(super) fn to_json(&self, names: &Names, people: &People) -> Value {
        match self {
            Self::Flag(flag) => Value::Bool(*flag),
            Self::Number(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            Self::Date(text) | Self::Text(text) => Value::from(text.as_str()),
            Self::Record(id) => match names.get(id) {
                Some(name) => json!({"id": id, "name": name}),
                None => json!({"id": id}),
            },
            Self::Person(id) => json!({"id": id, "name": people.get(id)}),
            Self::Empty => Value::Null,
        }
    }

    pub(super) fn to_text(&self, names: &Names, people: &People) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Number(text) | Self::Date(text) | Self::Text(text) => text.clone(),
            Self::Record(id) => names.get(id).unwrap_or(id).clone(),
            Self::Person(id) => people.get(id).unwrap_or(id).clone(),
            Self::Empty => "(empty)".to_owned(),
        }
    }

    /// What orders keys, names known.
    pub(super) fn order(&self, names: &Names, people: &People) -> (u8, f64, String) {
        let text = self.to_text(names, people).to_lowercase();
        match self {
            Self::Flag(flag) => (0, f64::from(u8::from(*flag)), String::new()),
            Self::Number(number) => (1, number.parse().unwrap_or(0.0), String::new()),
            Self::Date(_) => (2, 0.0, text),
            Self::Text(_) | Self::Record(_) | Self::Person(_) => (3, 0.0, text),
            Self::Empty => (4, 0.0, String::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let schema = json!({"tables": [{"id": "tblAAAAAAAAAAAAAA", "name": "T", "primaryFieldId": "f1", "views": [], "fields": [
            {"id": "f1", "name": "Name", "type": "singleLineText"},
            {"id": "f2", "name": "Due", "type": "date"},
            {"id": "f3", "name": "Begin", "type": "dateTime", "options": {"timeZone": "Asia/Tokyo"}},
            {"id": "f4", "name": "Odd:month", "type": "number"},
            {"id": "f5", "name": "Done", "type": "checkbox"},
            {"id": "f6", "name": "Tags", "type": "multipleSelects"},
        ]}]});
        crate::schema::BaseSchema::new(serde_json::from_value(schema).unwrap()).tables.remove(0)
    }

    #[track_caller]
    fn check(grouping: &str, cell: Option<Value>, expected: &[&str]) {
        let grouping = Grouping::parse(grouping, &table()).unwrap();
        let keys = grouping.keys(cell.as_ref(), &mut People::new());
        let texts: Vec<String> = keys.iter().map(|key| key.to_text(&Names::new(), &People::new())).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn dates_fall_into_their_units_in_the_fields_own_time_zone() {
        check("Due", Some(json!("2024-12-30")), &["2024-12-30"]);
        check("Due:week", Some(json!("2024-12-30")), &["2025-W01"]);
        check("due : month", Some(json!("2024-12-30")), &["2024-12"]);
        check("Due:quarter", Some(json!("2024-12-30")), &["2024-Q4"]);
        check("Due:year", Some(json!("2024-12-30")), &["2024"]);
        check("Begin:day", Some(json!("2024-01-31T20:00:00.000Z")), &["2024-02-01"]);
        check("Odd:month", Some(json!(3)), &["3"]);
    }

    #[test]
    fn several_values_are_several_groups_each_once_and_none_is_one() {
        check("Tags", Some(json!(["a", "b", "a"])), &["a", "b"]);
        check("Tags", None, &["(empty)"]);
        check("Done", None, &["false"]);
        check("Done", Some(json!(true)), &["true"]);
    }

    #[test]
    fn what_cannot_be_grouped_so_is_refused() {
        assert!(Grouping::parse("Name:month", &table()).unwrap_err().message.contains("no date field"));
        assert!(Grouping::parse("Duo:month", &table()).unwrap_err().message.contains("did you mean \"Due\""));
        assert!(Grouping::parse("Due:fortnight", &table()).unwrap_err().message.contains("Due:month"));
    }
}
