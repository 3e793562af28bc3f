//! What a write has changed: found by comparing the base with what it was, and told in the shape of payloads.

use std::collections::{BTreeMap, BTreeSet};

use airtable_formula::Timestamp;
use serde_json::{Map, Value, json};

use super::specification::{RecordScope, Specification};
use crate::airtable::access::Users;
use crate::airtable::computed::Eval;
use crate::airtable::fields::date;
use crate::airtable::ids::{FieldId, RecordId, TableId};
use crate::airtable::model::{Base, Field, Table};
use crate::airtable::{render, structure};

/// A write: the base before and after it, who made it, and when.
pub(crate) struct Transaction<'t> {
    pub(crate) before: &'t Base,
    pub(crate) after: &'t Base,
    pub(crate) users: &'t Users,
    pub(crate) user: u32,
    pub(crate) now: Timestamp,
}

/// The cells of a record that are not empty, in the shape of payloads.
type Cells = BTreeMap<FieldId, Value>;

/// A record before and after the write; `None`: it was not there.
struct ChangedRecord {
    id: RecordId,
    created: i64,
    before: Option<Cells>,
    after: Option<Cells>,
}

#[derive(Clone, PartialEq)]
struct FieldShape {
    name: String,
    kind: &'static str,
}

#[derive(Default)]
struct ChangedTable {
    /// Its name and description, if it is new.
    created: Option<(String, Option<String>)>,
    records: Vec<ChangedRecord>,
    created_fields: Vec<(FieldId, FieldShape)>,
    /// Before, after.
    changed_fields: Vec<(FieldId, FieldShape, FieldShape)>,
    /// Name and description before and after.
    metadata: Option<[(String, Option<String>); 2]>,
}

/// By table.
pub(super) struct Changes(Vec<(TableId, ChangedTable)>);

impl Transaction<'_> {
    /// What each payload of the transaction has.
    pub(super) fn envelope(&self, number: u64) -> Map<String, Value> {
        let mut user = Map::new();
        if let Some(found) = self.users.get(self.user) {
            user.insert("id".to_owned(), found.id.clone().into());
            user.insert("email".to_owned(), found.email.clone().into());
            if let Some(name) = &found.name {
                user.insert("name".to_owned(), name.clone().into());
            }
            user.insert("permissionLevel".to_owned(), self.after.role.name().into());
        }
        let payload = json!({
            "timestamp": date::iso(self.now.as_millisecond()),
            "baseTransactionNumber": number,
            "payloadFormat": "v0",
            "actionMetadata": {"source": "publicApi", "sourceMetadata": {"user": user}},
        });
        match payload {
            Value::Object(payload) => payload,
            _ => Map::new(),
        }
    }

    pub(super) fn changes(&self) -> Changes {
        let was = Eval::new(self.before, self.users, self.now);
        let is = Eval::new(self.after, self.users, self.now);
        let mut changes = Vec::new();
        for (index, table) in self.after.tables.iter().enumerate() {
            let mut changed = match self.before.tables.get(index) {
                Some(before) => beside_records(before, table),
                None => ChangedTable {
                    created: Some((table.name.clone(), table.description.clone())),
                    created_fields: table.fields.iter().map(|field| (field.id, shape(field))).collect(),
                    ..ChangedTable::default()
                },
            };
            let unchanged = self.before.tables.get(index).map(|before| &before.rows);
            for slot in table.rows.differing(unchanged) {
                let before = unchanged.and_then(|rows| rows.get(slot));
                let after = table.rows.get(slot);
                let Some(record) = after.or(before) else { continue };
                let cells = |eval: &Eval<'_>| render::payload_cells(eval, index, slot);
                let record = ChangedRecord {
                    id: record.id,
                    created: record.created,
                    before: before.map(|_| cells(&was)),
                    after: after.map(|_| cells(&is)),
                };
                if record.before != record.after {
                    changed.records.push(record);
                }
            }
            if !changed.is_empty() {
                changes.push((table.id, changed));
            }
        }
        Changes(changes)
    }
}

fn shape(field: &Field) -> FieldShape {
    FieldShape { name: field.name.clone(), kind: field.kind.type_name() }
}

/// What has changed in a table besides its records.
fn beside_records(before: &Table, after: &Table) -> ChangedTable {
    let mut changed = ChangedTable::default();
    for (index, field) in after.fields.iter().enumerate() {
        let is = shape(field);
        match before.fields.get(index) {
            None => changed.created_fields.push((field.id, is)),
            Some(old) => {
                let was = shape(old);
                // A formula that is only written with other names is the same.
                let formula = |table, field| structure::formula_by_ids(table, field);
                let is_same = match (formula(before, old), formula(after, field)) {
                    (None, None) => old.options == field.options,
                    (was, is) => was == is,
                };
                if was != is || !is_same || old.description != field.description {
                    changed.changed_fields.push((field.id, was, is));
                }
            }
        }
    }
    let metadata = |table: &Table| (table.name.clone(), table.description.clone());
    if metadata(before) != metadata(after) {
        changed.metadata = Some([metadata(before), metadata(after)]);
    }
    changed
}

impl ChangedTable {
    fn is_empty(&self) -> bool {
        self.created.is_none()
            && self.records.is_empty()
            && self.created_fields.is_empty()
            && self.changed_fields.is_empty()
            && self.metadata.is_none()
    }
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The part of a payload that a hook is told; `None`: nothing of it concerns the hook.
    pub(super) fn told(&self, specification: &Specification) -> Option<Map<String, Value>> {
        if !specification.wants_api_changes() {
            return None;
        }
        let (mut changed, mut created) = (Map::new(), Map::new());
        for (id, table) in self.0.iter().filter(|(id, _)| specification.covers(*id)) {
            match &table.created {
                Some(metadata) => {
                    if specification.wants_data_type("tableMetadata") && specification.wants_change("add") {
                        created.insert(id.to_string(), table.as_created(metadata));
                    }
                }
                None => {
                    let told = table.told(specification);
                    if !told.is_empty() {
                        changed.insert(id.to_string(), Value::Object(told));
                    }
                }
            }
        }
        let mut told = Map::new();
        for (key, tables) in [("changedTablesById", changed), ("createdTablesById", created)] {
            if !tables.is_empty() {
                told.insert(key.to_owned(), Value::Object(tables));
            }
        }
        (!told.is_empty()).then_some(told)
    }
}

impl ChangedTable {
    fn as_created(&self, (name, description): &(String, Option<String>)) -> Value {
        let fields: Map<_, _> =
            self.created_fields.iter().map(|(id, shape)| (id.to_string(), shape.json())).collect();
        json!({
            "metadata": {"name": name, "description": description},
            "fieldsById": fields,
            "recordsById": {},
        })
    }

    fn told(&self, specification: &Specification) -> Map<String, Value> {
        let mut told = Map::new();
        if specification.wants_data_type("tableData") {
            let records = self.records(specification);
            match specification.scope {
                RecordScope::View(_, view) if !records.is_empty() => {
                    told.insert("changedViewsById".to_owned(), json!({view.to_string(): records}));
                }
                _ => told.extend(records),
            }
        }
        if specification.wants_data_type("tableFields") {
            self.fields(specification, &mut told);
        }
        if specification.wants_data_type("tableMetadata")
            && specification.wants_change("update")
            && let Some([before, after]) = &self.metadata
        {
            let json = |(name, description): &(String, Option<String>)| json!({"name": name, "description": description});
            told.insert(
                "changedMetadata".to_owned(),
                json!({"current": json(after), "previous": json(before)}),
            );
        }
        told
    }

    fn records(&self, specification: &Specification) -> Map<String, Value> {
        let watched = |field: &FieldId| {
            specification.watched_data.as_ref().is_none_or(|watched| watched.contains(field))
        };
        let (mut created, mut changed, mut destroyed) = (Map::new(), Map::new(), Vec::new());
        for record in &self.records {
            match (&record.before, &record.after) {
                (None, Some(after)) if specification.wants_change("add") => {
                    let cells: Cells = after
                        .iter()
                        .filter(|(field, _)| watched(field))
                        .map(|(f, v)| (*f, v.clone()))
                        .collect();
                    if specification.watched_data.is_some() && cells.is_empty() {
                        continue;
                    }
                    created.insert(
                        record.id.to_string(),
                        json!({"createdTime": date::iso(record.created), "cellValuesByFieldId": by_field(&cells)}),
                    );
                }
                (Some(_), None) if specification.wants_change("remove") => {
                    destroyed.push(record.id.to_string())
                }
                (Some(before), Some(after)) if specification.wants_change("update") => {
                    if let Some(told) = changed_record(before, after, specification, &watched) {
                        changed.insert(record.id.to_string(), told);
                    }
                }
                _ => {}
            }
        }
        let mut told = Map::new();
        for (key, records) in [("createdRecordsById", created), ("changedRecordsById", changed)] {
            if !records.is_empty() {
                told.insert(key.to_owned(), Value::Object(records));
            }
        }
        if !destroyed.is_empty() {
            told.insert("destroyedRecordIds".to_owned(), destroyed.into());
        }
        told
    }

    fn fields(&self, specification: &Specification, told: &mut Map<String, Value>) {
        if specification.wants_change("add")
            && !self.created_fields.is_empty()
            && specification.watched_schemas.is_none()
        {
            let fields = self.created_fields.iter().map(|(id, shape)| (id.to_string(), shape.json()));
            told.insert("createdFieldsById".to_owned(), Value::Object(fields.collect()));
        }
        if specification.wants_change("update") {
            let is_watched = |id: &FieldId| {
                specification.watched_schemas.as_ref().is_none_or(|watched| watched.contains(id))
            };
            let mut fields = Map::new();
            for (id, before, after) in self.changed_fields.iter().filter(|(id, ..)| is_watched(id)) {
                let mut field = json!({"current": after.json()});
                if specification.previous_fields {
                    field["previous"] = before.json();
                }
                fields.insert(id.to_string(), field);
            }
            if !fields.is_empty() {
                told.insert("changedFieldsById".to_owned(), Value::Object(fields));
            }
        }
    }
}

impl FieldShape {
    fn json(&self) -> Value {
        json!({"name": self.name, "type": self.kind})
    }
}

/// `current` has the cells that have changed, `null` where one was cleared.
fn changed_record(
    before: &Cells,
    after: &Cells,
    specification: &Specification,
    watched: &impl Fn(&FieldId) -> bool,
) -> Option<Value> {
    let (mut current, mut previous, mut unchanged) = (Map::new(), Map::new(), Map::new());
    let fields: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for field in fields {
        let (was, is) = (before.get(field), after.get(field));
        if was != is && watched(field) {
            current.insert(field.to_string(), is.cloned().unwrap_or_default());
            previous.insert(field.to_string(), was.cloned().unwrap_or_default());
        } else if was == is && specification.includes(*field) {
            unchanged.insert(field.to_string(), is.cloned().unwrap_or_default());
        }
    }
    if current.is_empty() {
        return None;
    }
    let mut record = json!({"current": {"cellValuesByFieldId": current}});
    if specification.previous_cells {
        record["previous"] = json!({"cellValuesByFieldId": previous});
    }
    if !unchanged.is_empty() {
        record["unchanged"] = json!({"cellValuesByFieldId": unchanged});
    }
    Some(record)
}

fn by_field(cells: &Cells) -> Map<String, Value> {
    cells.iter().map(|(field, value)| (field.to_string(), value.clone())).collect()
}
