//! What of a write's changes a hook is told, in the shape of payloads.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::changes::{Cells, ChangedCells, ChangedRecord, ChangedTable, Changes, Fate, FieldShape, cell};
use super::specification::{Included, RecordScope, Specification};
use crate::airtable::computed::Eval;
use crate::airtable::fields::date;
use crate::airtable::ids::{FieldId, ViewId};
use crate::airtable::render;

impl Changes<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.destroyed_tables.is_empty()
    }

    /// The part of a payload that a hook is told; `None`: nothing of it concerns the hook.
    pub(super) fn told(&self, specification: &Specification) -> Option<Map<String, Value>> {
        let (mut changed, mut created) = (Map::new(), Map::new());
        for (index, id, table) in self.tables.iter().filter(|(_, id, _)| specification.covers(*id)) {
            match &table.created {
                Some(metadata) => {
                    if specification.wants_data_type("tableMetadata") && specification.wants_change("add") {
                        created.insert(id.to_string(), table.as_created(metadata));
                    }
                }
                None => {
                    let told = self.told_of(*index, table, specification);
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
        if specification.wants_data_type("tableMetadata") && specification.wants_change("remove") {
            let covered = self.destroyed_tables.iter().filter(|id| specification.covers(**id));
            let destroyed: Vec<_> = covered.map(ToString::to_string).collect();
            if !destroyed.is_empty() {
                told.insert("destroyedTableIds".to_owned(), destroyed.into());
            }
        }
        (!told.is_empty()).then_some(told)
    }

    fn told_of(
        &self,
        index: usize,
        table: &ChangedTable,
        specification: &Specification,
    ) -> Map<String, Value> {
        let mut told = Map::new();
        if specification.wants_data_type("tableData") {
            let records = self.records(index, table, specification);
            match specification.scope {
                RecordScope::View(_, view) if !records.is_empty() => {
                    told.insert("changedViewsById".to_owned(), json!({view.to_string(): records}));
                }
                _ => told.extend(records),
            }
        }
        if specification.wants_data_type("tableFields") {
            table.fields(specification, &mut told);
        }
        if specification.wants_data_type("tableMetadata")
            && specification.wants_change("update")
            && let Some([before, after]) = &table.metadata
        {
            let json = |(name, description): &(String, Option<String>)| json!({"name": name, "description": description});
            told.insert(
                "changedMetadata".to_owned(),
                json!({"current": json(after), "previous": json(before)}),
            );
        }
        told
    }

    fn records(
        &self,
        index: usize,
        table: &ChangedTable,
        specification: &Specification,
    ) -> Map<String, Value> {
        let (mut created, mut changed, mut destroyed) = (Map::new(), Map::new(), Vec::new());
        for record in &table.records {
            let whole;
            let seen = match &record.fate {
                // What enters a view or leaves it comes or goes for those who watch the view.
                Fate::Changed(cells) => match self.in_view(index, record.slot, specification) {
                    (true, true) => Seen::Changed(cells),
                    (false, true) => {
                        whole = render::payload_cells(&self.is, index, record.slot);
                        Seen::Created(&whole)
                    }
                    (true, false) => Seen::Destroyed,
                    (false, false) => continue,
                },
                Fate::Created(cells) if self.in_view(index, record.slot, specification).1 => {
                    Seen::Created(cells)
                }
                Fate::Destroyed if self.in_view(index, record.slot, specification).0 => Seen::Destroyed,
                _ => continue,
            };
            match seen {
                Seen::Created(cells) if specification.wants_change("add") => {
                    if let Some(told) = self.created_record(index, record, cells, specification) {
                        created.insert(record.id.to_string(), told);
                    }
                }
                Seen::Destroyed if specification.wants_change("remove") => {
                    destroyed.push(record.id.to_string())
                }
                Seen::Changed(cells) if specification.wants_change("update") => {
                    if let Some(told) = self.changed_record(index, record.slot, cells, specification) {
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

    /// Whether a record was and is among those that the hook watches.
    fn in_view(&self, index: usize, slot: u32, specification: &Specification) -> (bool, bool) {
        match specification.scope {
            RecordScope::View(_, view) => {
                (shows(&self.was, index, slot, view), shows(&self.is, index, slot, view))
            }
            _ => (true, true),
        }
    }

    fn created_record(
        &self,
        index: usize,
        record: &ChangedRecord,
        cells: &Cells,
        specification: &Specification,
    ) -> Option<Value> {
        let watched: Map<_, _> = cells
            .iter()
            .map(|(field, value)| (self.field_id(index, *field), value))
            .filter(|(id, _)| specification.watches(*id))
            .map(|(id, value)| (id.to_string(), value.clone()))
            .collect();
        if specification.watched_data.is_some() && watched.is_empty() {
            return None;
        }
        Some(json!({"createdTime": date::iso(record.created), "cellValuesByFieldId": watched}))
    }

    /// `current` has the cells that have changed, `null` where one was cleared.
    fn changed_record(
        &self,
        index: usize,
        slot: u32,
        cells: &ChangedCells,
        specification: &Specification,
    ) -> Option<Value> {
        let (mut current, mut previous) = (Map::new(), Map::new());
        for (field, (was, is)) in cells {
            let id = self.field_id(index, *field);
            if specification.watches(id) {
                current.insert(id.to_string(), is.clone().unwrap_or_default());
                previous.insert(id.to_string(), was.clone().unwrap_or_default());
            }
        }
        if current.is_empty() {
            return None;
        }
        let unchanged: Map<_, _> = self
            .included(index, specification)
            .filter(|(field, _)| !cells.contains_key(field))
            .filter_map(|(field, id)| Some((id.to_string(), cell(&self.is, index, slot, field)?)))
            .collect();
        let mut record = json!({"current": {"cellValuesByFieldId": current}});
        if specification.previous_cells {
            record["previous"] = json!({"cellValuesByFieldId": previous});
        }
        if !unchanged.is_empty() {
            record["unchanged"] = json!({"cellValuesByFieldId": unchanged});
        }
        Some(record)
    }

    fn field_id(&self, table: usize, field: usize) -> FieldId {
        self.is.base.tables[table].fields[field].id
    }

    /// Fields whose cells come along though they have not changed.
    fn included(
        &self,
        table: usize,
        specification: &Specification,
    ) -> impl Iterator<Item = (usize, FieldId)> {
        let none = matches!(&specification.included, Included::Only(fields) if fields.is_empty());
        let fields = if none { &[][..] } else { &self.is.base.tables[table].fields[..] };
        let ids = fields.iter().map(|field| field.id).enumerate();
        ids.filter(|(_, id)| specification.includes(*id))
    }
}

/// What a hook sees happen to a record.
enum Seen<'s> {
    Created(&'s BTreeMap<usize, Value>),
    Changed(&'s ChangedCells),
    Destroyed,
}

/// Whether a view of a table has a record; one that is gone has none.
fn shows(eval: &Eval<'_>, table: usize, slot: u32, view: ViewId) -> bool {
    let found = eval.base.tables.get(table).and_then(|table| table.views.iter().find(|own| own.id == view));
    found.is_some_and(|view| view.shows(eval, table, slot))
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
        // A hook that watches some fields hears of those only, and works no more when one of them is gone.
        if specification.wants_change("remove")
            && !self.destroyed_fields.is_empty()
            && specification.watched_schemas.is_none()
        {
            let ids = self.destroyed_fields.iter().map(ToString::to_string);
            told.insert("destroyedFieldIds".to_owned(), ids.collect());
        }
    }
}

impl FieldShape {
    fn json(&self) -> Value {
        json!({"name": self.name, "type": self.kind})
    }
}
