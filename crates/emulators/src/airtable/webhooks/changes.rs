//! What a write has changed: the records, fields and tables that it touched, found by comparing the base with what it
//! was, and from there what is computed from them.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use serde_json::{Map, Value, json};

use super::Source;
use crate::airtable::computed::Eval;
use crate::airtable::fields::date;
use crate::airtable::ids::{FieldId, RecordId, TableId};
use crate::airtable::model::{Base, Field, Table};
use crate::airtable::records::Actor;
use crate::airtable::{render, structure};

/// Records that one write is told to have changed over links, beside those that it touched itself. A base in which
/// everything hangs together would else be computed anew with each write.
const MOST_REACHED: usize = 10_000;

/// A write: the base before and after it, who made it, from where, and when.
pub(crate) struct Transaction<'t> {
    pub(crate) before: &'t Base,
    pub(crate) after: &'t Base,
    pub(crate) actor: Actor<'t>,
    pub(crate) source: Source,
}

/// Cells by the positions of their fields, in the shape of payloads; empty ones are left out.
pub(super) type Cells = BTreeMap<usize, Value>;

/// A cell before and after; `None`: it was empty.
pub(super) type ChangedCells = BTreeMap<usize, (Option<Value>, Option<Value>)>;

/// What became of a record.
pub(super) enum Fate {
    Created(Cells),
    Changed(ChangedCells),
    Destroyed,
}

pub(super) struct ChangedRecord {
    pub(super) slot: u32,
    pub(super) id: RecordId,
    /// Milliseconds since 1970.
    pub(super) created: i64,
    pub(super) fate: Fate,
}

#[derive(Clone, PartialEq)]
pub(super) struct FieldShape {
    pub(super) name: String,
    pub(super) kind: &'static str,
}

#[derive(Default)]
pub(super) struct ChangedTable {
    /// Its name and description, if it is new.
    pub(super) created: Option<(String, Option<String>)>,
    pub(super) records: Vec<ChangedRecord>,
    pub(super) created_fields: Vec<(FieldId, FieldShape)>,
    /// Before, after.
    pub(super) changed_fields: Vec<(FieldId, FieldShape, FieldShape)>,
    pub(super) destroyed_fields: Vec<FieldId>,
    /// Name and description before and after.
    pub(super) metadata: Option<[(String, Option<String>); 2]>,
}

/// All that has changed, by the positions and ids of tables, and what else a hook may want to know.
pub(super) struct Changes<'t> {
    pub(super) was: Eval<'t>,
    pub(super) is: Eval<'t>,
    pub(super) tables: Vec<(usize, TableId, ChangedTable)>,
    pub(super) destroyed_tables: Vec<TableId>,
}

impl<'t> Transaction<'t> {
    /// What each payload of the transaction has.
    pub(super) fn envelope(&self, number: u64) -> Map<String, Value> {
        let mut user = Map::new();
        if let Some(found) = self.actor.users.get(self.actor.user) {
            user.insert("id".to_owned(), found.id.clone().into());
            user.insert("email".to_owned(), found.email.clone().into());
            if let Some(name) = &found.name {
                user.insert("name".to_owned(), name.clone().into());
            }
            user.insert("permissionLevel".to_owned(), self.actor.role.name().into());
        }
        let mut action = json!({"source": self.source.name()});
        if self.source != Source::Sync {
            action["sourceMetadata"] = json!({"user": user});
        }
        Map::from_iter([
            ("timestamp".to_owned(), date::iso(self.actor.now.as_millisecond()).into()),
            ("baseTransactionNumber".to_owned(), number.into()),
            ("payloadFormat".to_owned(), "v0".into()),
            ("actionMetadata".to_owned(), action),
        ])
    }

    pub(super) fn changes(&self) -> Changes<'t> {
        let was = Eval::new(self.before, self.actor.users, self.actor.now).with_urls(self.actor.urls);
        let is = Eval::new(self.after, self.actor.users, self.actor.now).with_urls(self.actor.urls);
        let deletes = self.deletes();
        let mut records = match deletes {
            // A deletion is told as such, and what is left does not stand where it stood.
            true => self.after.tables.iter().map(|_| BTreeMap::new()).collect(),
            false => Search::new(&was, &is).run(),
        };
        let mut tables = Vec::new();
        for (index, table) in self.after.tables.iter().enumerate() {
            let mut earlier = self.before.tables.iter();
            let before = match deletes {
                true => earlier.find(|before| before.id == table.id),
                false => earlier.nth(index),
            };
            let mut changed = match before {
                Some(before) => beside_records(before, table),
                None => ChangedTable {
                    created: Some((table.name.clone(), table.description.clone())),
                    created_fields: table.fields.iter().map(|field| (field.id, shape(field))).collect(),
                    ..ChangedTable::default()
                },
            };
            for (slot, fate) in std::mem::take(&mut records[index]) {
                let old = before.and_then(|table| table.rows.get(slot));
                let Some(record) = table.rows.get(slot).or(old) else { continue };
                changed.records.push(ChangedRecord { slot, id: record.id, created: record.created, fate });
            }
            if !changed.is_empty() {
                tables.push((index, table.id, changed));
            }
        }
        let ids = self.before.tables.iter().map(|table| table.id).filter(|_| deletes);
        let is_gone = |id: &TableId| self.after.tables.iter().all(|table| table.id != *id);
        Changes { was, is, tables, destroyed_tables: ids.filter(is_gone).collect() }
    }

    /// Whether it deletes tables or fields: else all stand where they did, new ones after them.
    fn deletes(&self) -> bool {
        let has_fields_of = |(before, after): (&Table, &Table)| {
            before.fields.are_those_of(&after.fields)
                || begins_with(&after.fields, &before.fields, |field| field.id)
        };
        !(begins_with(&self.after.tables, &self.before.tables, |table| table.id)
            && self.before.tables.iter().zip(&self.after.tables).all(has_fields_of))
    }
}

/// Whether a list has another's items first, by their ids.
fn begins_with<T, I: PartialEq>(all: &[T], first: &[T], id: impl Fn(&T) -> I) -> bool {
    all.len() >= first.len() && all.iter().zip(first).all(|(one, other)| id(one) == id(other))
}

/// A cell in the shape of payloads; `None` if it is empty or was not there yet.
pub(super) fn cell(eval: &Eval<'_>, table: usize, slot: u32, field: usize) -> Option<Value> {
    let own = eval.base.tables.get(table)?;
    own.fields.get(field)?;
    render::payload_cell(eval, table, slot, own.rows.get(slot)?, field)
}

/// Finds the records whose cells have changed.
struct Search<'s, 't> {
    was: &'s Eval<'t>,
    is: &'s Eval<'t>,
    found: Vec<BTreeMap<u32, Fate>>,
    /// Cells that may have changed, and those that were looked at or are waiting.
    queue: VecDeque<(usize, u32, usize)>,
    seen: HashSet<(usize, u32, usize)>,
    /// Records that the write did not touch.
    reached: HashSet<(usize, u32)>,
}

impl<'s, 't> Search<'s, 't> {
    fn new(was: &'s Eval<'t>, is: &'s Eval<'t>) -> Self {
        let found = is.base.tables.iter().map(|_| BTreeMap::new()).collect();
        let (queue, seen, reached) = Default::default();
        Self { was, is, found, queue, seen, reached }
    }

    fn run(mut self) -> Vec<BTreeMap<u32, Fate>> {
        let mut touched = Vec::new();
        for (index, table) in self.is.base.tables.iter().enumerate() {
            let before = self.was.base.tables.get(index).map(|table| &table.rows);
            touched.extend(table.rows.differing(before).into_iter().map(|slot| (index, slot)));
        }
        for &(table, slot) in &touched {
            let old = self.was.base.tables.get(table).and_then(|table| table.rows.get(slot));
            let fate = match (old, self.is.base.tables[table].rows.get(slot)) {
                (None, Some(_)) => Fate::Created(render::payload_cells(self.is, table, slot)),
                (Some(_), None) => Fate::Destroyed,
                _ => continue,
            };
            self.found[table].insert(slot, fate);
        }
        for &(table, slot) in &touched {
            let own = &self.is.base.tables[table];
            let old = self.was.base.tables.get(table).and_then(|table| table.rows.get(slot));
            let (Some(old), Some(new)) = (old, own.rows.get(slot)) else { continue };
            for field in (0..own.fields.len()).filter(|&field| old.cell(field) != new.cell(field)) {
                self.look_at(table, slot, field);
            }
            for &field in self.is.base.dependents.of_edits(table) {
                self.look_at(table, slot, field);
            }
        }
        while let Some((table, slot, field)) = self.queue.pop_front() {
            self.compare(table, slot, field);
        }
        self.found
    }

    fn look_at(&mut self, table: usize, slot: u32, field: usize) {
        // All is known of a record that has come or gone.
        let is_whole = matches!(self.found[table].get(&slot), Some(Fate::Created(_) | Fate::Destroyed));
        if !is_whole && self.seen.insert((table, slot, field)) {
            self.queue.push_back((table, slot, field));
        }
    }

    /// Notes a cell that has changed, and looks at those that are computed from it.
    fn compare(&mut self, table: usize, slot: u32, field: usize) {
        let (was, is) = (cell(self.was, table, slot, field), cell(self.is, table, slot, field));
        let is_told = was != is;
        // Formulas may see more of a value than is shown of it, such as a date's time of day.
        if !is_told && self.was.value(table, slot, field) == self.is.value(table, slot, field) {
            return;
        }
        if is_told
            && let Fate::Changed(cells) =
                self.found[table].entry(slot).or_insert_with(|| Fate::Changed(ChangedCells::new()))
        {
            cells.insert(field, (was, is));
        }
        let base = self.is.base;
        for dependent in base.dependents.of_field(table, field) {
            let Some(link) = dependent.over else {
                self.look_at(table, slot, dependent.field);
                continue;
            };
            for &linking in base.tables[dependent.table].linking_here(base, link, slot) {
                let place = (dependent.table, linking);
                if self.reached.contains(&place) || self.reached.len() < MOST_REACHED {
                    self.reached.insert(place);
                    self.look_at(dependent.table, linking, dependent.field);
                }
            }
        }
    }
}

fn shape(field: &Field) -> FieldShape {
    FieldShape { name: field.name.clone(), kind: field.kind.type_name() }
}

/// What has changed in a table besides its records.
fn beside_records(before: &Table, after: &Table) -> ChangedTable {
    let mut changed = ChangedTable::default();
    if !before.fields.are_those_of(&after.fields) {
        let by_id: HashMap<FieldId, &Field> = before.fields.iter().map(|field| (field.id, field)).collect();
        for field in &after.fields {
            let is = shape(field);
            let Some(&old) = by_id.get(&field.id) else {
                changed.created_fields.push((field.id, is));
                continue;
            };
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
        let stays: HashSet<FieldId> = after.fields.iter().map(|field| field.id).collect();
        let ids = before.fields.iter().map(|field| field.id);
        changed.destroyed_fields = ids.filter(|id| !stays.contains(id)).collect();
    }
    let metadata = |table: &Table| (table.name.clone(), table.description.clone());
    if before.name != after.name || before.description != after.description {
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
            && self.destroyed_fields.is_empty()
            && self.metadata.is_none()
    }
}
