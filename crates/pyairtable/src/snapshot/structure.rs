//! The structure of a base, as Airtable's metadata tells it, and the part of it that a seed takes.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::rules::Place;

pub(super) struct Structure {
    pub(super) tables: Vec<Table>,
    /// By the id of a field.
    index: HashMap<String, Place>,
}

pub(super) struct Table {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) primary: String,
    pub(super) fields: Vec<Field>,
    /// What else of it a seed takes: description, settings.
    rest: Map<String, Value>,
    views: Vec<Value>,
}

pub(super) struct Field {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) description: Option<Value>,
    /// `None`: there are none, which is not the same as null.
    pub(super) options: Option<Value>,
}

impl Structure {
    /// Reads `{"tables": […]}`; the error says what is not as Airtable's metadata is.
    pub(super) fn read(metadata: &Value) -> Result<Self, String> {
        let tables = metadata.get("tables").and_then(Value::as_array).ok_or("no list of tables")?;
        let tables = tables.iter().map(Table::read).collect::<Result<Vec<_>, _>>()?;
        let mut structure = Self { tables, index: HashMap::new() };
        structure.reindex();
        Ok(structure)
    }

    fn reindex(&mut self) {
        let places = self.tables.iter().enumerate().flat_map(|(position, table)| {
            table.fields.iter().enumerate().map(move |(field, own)| (own.id.clone(), (position, field)))
        });
        self.index = places.collect();
    }

    /// All fields.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let tables = self.tables.iter().enumerate();
        tables.flat_map(|(table, own)| (0..own.fields.len()).map(move |field| (table, field)))
    }

    pub(super) fn field(&self, place: Place) -> &Field {
        &self.tables[place.0].fields[place.1]
    }

    /// Where a field is, in whichever table.
    pub(super) fn find(&self, field: &str) -> Option<Place> {
        self.index.get(field).copied()
    }

    pub(super) fn table(&self, id: &str) -> Option<usize> {
        self.tables.iter().position(|table| table.id == id)
    }

    /// The table that a link field leads to.
    pub(super) fn linked(&self, link: &Field) -> Option<usize> {
        self.table(link.option("linkedTableId")?.as_str()?)
    }

    /// Keeps the tables at these positions and those that they link to, over any number of links: a link cannot be without
    /// its other end.
    pub(super) fn keep_with_linked(&mut self, wanted: &HashSet<String>) {
        let mut kept: HashSet<usize> =
            (0..self.tables.len()).filter(|table| wanted.contains(&self.tables[*table].id)).collect();
        let mut waiting: Vec<usize> = kept.iter().copied().collect();
        while let Some(table) = waiting.pop() {
            for linked in self.tables[table].fields.iter().filter_map(|field| self.linked(field)) {
                if kept.insert(linked) {
                    waiting.push(linked);
                }
            }
        }
        let mut position = 0..;
        self.tables.retain(|_| position.next().is_some_and(|position| kept.contains(&position)));
        self.reindex();
    }

    /// Leaves out a field, or a view.
    pub(super) fn remove_field(&mut self, place: Place) -> Field {
        let field = self.tables[place.0].fields.remove(place.1);
        self.reindex();
        field
    }

    pub(super) fn remove_view(&mut self, table: usize, view: usize) -> Value {
        self.tables[table].views.remove(view)
    }

    /// The entry of a table in a seed, without records.
    pub(super) fn entry(&self, table: usize) -> Map<String, Value> {
        let table = &self.tables[table];
        let mut entry = Map::new();
        entry.insert("id".to_owned(), table.id.clone().into());
        entry.insert("name".to_owned(), table.name.clone().into());
        entry.extend(table.rest.clone());
        entry.insert("primaryFieldId".to_owned(), table.primary.clone().into());
        entry.insert("fields".to_owned(), table.fields.iter().map(Field::entry).collect());
        entry.insert("views".to_owned(), table.views.clone().into());
        entry
    }

    /// Who a personal view belongs to.
    pub(super) fn forget_owners_of_views(&mut self) {
        for view in self.tables.iter_mut().flat_map(|table| &mut table.views) {
            if let Some(view) = view.as_object_mut() {
                view.shift_remove("personalForUserId");
            }
        }
    }
}

impl Table {
    fn read(table: &Value) -> Result<Self, String> {
        let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
        let (id, name) =
            (text("id").ok_or("a table without an id")?, text("name").ok_or("a table without a name")?);
        let fields = table.get("fields").and_then(Value::as_array);
        let fields = fields.into_iter().flatten().map(Field::read).collect::<Result<Vec<_>, _>>()?;
        let first = fields.first().map(|field| field.id.clone()).ok_or("a table without fields")?;
        let rest = ["description", "dateDependencySettings"];
        let rest = rest.into_iter().filter_map(|key| {
            let value = table.get(key).filter(|value| !value.is_null())?;
            Some((key.to_owned(), value.clone()))
        });
        let views = table.get("views").and_then(Value::as_array).into_iter().flatten();
        Ok(Self {
            primary: text("primaryFieldId").unwrap_or(first),
            rest: rest.collect(),
            views: views.filter_map(view).collect(),
            id,
            name,
            fields,
        })
    }
}

/// A view with what a seed takes of it.
fn view(view: &Value) -> Option<Value> {
    let mut entry = json!({"id": view.get("id")?, "name": view.get("name")?, "type": view.get("type")?});
    for key in ["visibleFieldIds", "personalForUserId"] {
        if let Some(value) = view.get(key).filter(|value| !value.is_null()) {
            entry[key] = value.clone();
        }
    }
    Some(entry)
}

impl Field {
    fn read(field: &Value) -> Result<Self, String> {
        let text = |key: &str| field.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            id: text("id").ok_or("a field without an id")?,
            name: text("name").ok_or("a field without a name")?,
            kind: text("type").ok_or("a field without a type")?,
            description: field.get("description").filter(|value| !value.is_null()).cloned(),
            options: field.get("options").cloned(),
        })
    }

    /// Whether this is its name or its id.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.id == name || self.name == name
    }

    pub(super) fn option(&self, key: &str) -> Option<&Value> {
        self.options.as_ref()?.get(key).filter(|value| !value.is_null())
    }

    /// The ids in a list among the options; none if there is no such list.
    pub(super) fn ids(&self, key: &str) -> impl Iterator<Item = &str> {
        self.option(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    pub(super) fn set_option(&mut self, key: &str, value: Value) {
        if let Value::Object(options) = self.options.get_or_insert_with(|| json!({})) {
            options.insert(key.to_owned(), value);
        }
    }

    /// Whether a formula's cells are kept instead of being computed.
    pub(super) fn is_as_seeded(&self) -> bool {
        self.option("asSeeded") == Some(&Value::Bool(true))
    }

    fn entry(&self) -> Value {
        let mut entry = json!({"id": self.id, "name": self.name, "type": self.kind});
        if let Some(description) = &self.description {
            entry["description"] = description.clone();
        }
        if let Some(options) = &self.options {
            entry["options"] = options.clone();
        }
        entry
    }
}
