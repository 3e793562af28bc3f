//! Writes in two steps: everything a request asks for is planned and checked against the base, then applied at once.
//!
//! A request that is refused has therefore changed nothing. What has to follow a change (webhooks, the file of bases) is up
//! to whoever holds the base's lock, for comments and files of attachments change records as well, without a plan.

use std::collections::HashMap;

use airtable_formula::Timestamp;
use serde_json::{Map, Value, json};

use super::access::{Role, Users};
use super::cell::Cell;
use super::computed::Eval;
use super::errors::AirtableError;
use super::fields::{self, Fault, Resolver, Target, attachment};
use super::files::Attached;
use super::ids::{ChoiceId, RecordId};
use super::links::{self, Stamp};
use super::model::{Base, Choice, Kind, Redefined};
use super::records::Actor;
use super::rows::Record;

/// Colours of new choices, in turn.
pub(crate) const COLORS: [&str; 10] = [
    "blueLight2",
    "cyanLight2",
    "tealLight2",
    "greenLight2",
    "yellowLight2",
    "orangeLight2",
    "redLight2",
    "pinkLight2",
    "purpleLight2",
    "grayLight2",
];

/// Cells to be written, by field.
pub(crate) type Cells = Vec<(usize, Cell)>;

/// What a request changes.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    choices: Vec<(Target, Choice)>,
    creates: Vec<NewRecord>,
    updates: Vec<(usize, u32, Cells)>,
    deletes: Vec<(usize, u32)>,
}

impl Changes {
    /// Attachments that come by their URLs.
    pub(crate) fn attached(&self, base: &Base) -> Vec<Attached> {
        let creates = self.creates.iter().map(|new| (new.table, new.slot, &new.cells));
        let updates = self.updates.iter().map(|(table, slot, cells)| (*table, *slot, cells));
        let mut attached = Vec::new();
        for (table, slot, cells) in creates.chain(updates) {
            let table = &base.tables[table];
            for (field, cell) in cells {
                let new = attachment::attachments(cell).iter().filter(|attachment| attachment.is_new());
                attached.extend(new.filter_map(|attachment| {
                    let (name, url) = (attachment.name().to_owned(), attachment.source()?.to_owned());
                    let field = table.fields[*field].id;
                    Some(Attached { table: table.id, slot, field, id: attachment.id, name, url })
                }));
            }
        }
        attached
    }
}

/// A record to be created, whose slot is already known: the base stays locked until it is.
#[derive(Debug)]
struct NewRecord {
    table: usize,
    slot: u32,
    id: RecordId,
    cells: Cells,
}

/// Plans changes of a base that stays as it is.
pub(crate) struct Planner<'a> {
    base: &'a Base,
    users: &'a Users,
    role: Role,
    typecast: bool,
    now: Timestamp,
    changes: Changes,
    /// Which of the planned updates are of a record, by table and slot.
    updated: HashMap<(usize, u32), Vec<usize>>,
    /// The record whose cells are being read; `None` while it is a new one.
    current: Option<(usize, u32)>,
    /// Records of linked tables by what their primary fields say, made when typecast first needs them.
    by_text: HashMap<usize, HashMap<String, u32>>,
    /// Choices that the plan adds, by name.
    new_choices: HashMap<Target, HashMap<String, u32>>,
    /// How many records the plan creates, by table.
    created: HashMap<usize, u32>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(base: &'a Base, actor: Actor<'a>, typecast: bool) -> Self {
        let Actor { users, role, now, .. } = actor;
        Self {
            base,
            users,
            role,
            typecast,
            now,
            changes: Changes::default(),
            updated: HashMap::new(),
            current: None,
            by_text: HashMap::new(),
            new_choices: HashMap::new(),
            created: HashMap::new(),
        }
    }

    /// Reads the `fields` object of a record; `current` is the slot that it updates.
    pub(crate) fn read(
        &mut self,
        table: usize,
        current: Option<u32>,
        cells: &Map<String, Value>,
    ) -> Result<Cells, AirtableError> {
        let fields = &self.base.tables[table].fields;
        let mut named = Vec::with_capacity(cells.len());
        for (name, value) in cells {
            let index =
                self.base.tables[table].field(name).ok_or_else(|| AirtableError::unknown_field(name))?;
            named.push((index, value));
        }
        self.current = current.map(|slot| (table, slot));
        let mut read = Cells::with_capacity(named.len());
        for (index, value) in named {
            let cell = fields::read(Target { table, field: index }, &fields[index], value, self)
                .map_err(|fault| fault.into_error(&fields[index].name))?;
            match read.iter_mut().find(|(field, _)| *field == index) {
                Some(place) => place.1 = cell, // named twice, by name and by id
                None => read.push((index, cell)),
            }
        }
        Ok(read)
    }

    /// Plans a new record and gives its slot.
    pub(crate) fn create(&mut self, table: usize, cells: Cells) -> u32 {
        let before = self.created.entry(table).or_default();
        let slot = self.base.tables[table].rows.next_slot() + *before;
        *before += 1;
        self.changes.creates.push(NewRecord { table, slot, id: RecordId::mint(), cells });
        slot
    }

    /// Plans an update; with `replace`, fields that are not named are cleared.
    pub(crate) fn update(&mut self, table: usize, slot: u32, mut cells: Cells, replace: bool) {
        if replace {
            for (index, field) in self.base.tables[table].fields.iter().enumerate() {
                if !field.kind.is_computed() && cells.iter().all(|(named, _)| *named != index) {
                    cells.push((index, Cell::Empty));
                }
            }
        }
        self.updated.entry((table, slot)).or_default().push(self.changes.updates.len());
        self.changes.updates.push((table, slot, cells));
    }

    pub(crate) fn delete(&mut self, table: usize, slot: u32) {
        self.changes.deletes.push((table, slot));
    }

    /// New records of a table that are planned so far.
    pub(crate) fn planned(&self, table: usize) -> impl Iterator<Item = (u32, &Cells)> {
        self.changes.creates.iter().filter(move |new| new.table == table).map(|new| (new.slot, &new.cells))
    }

    /// What an update that is planned already makes of a cell; `None` if none names it.
    pub(crate) fn planned_cell(&self, table: usize, slot: u32, field: usize) -> Option<&Cell> {
        let updates = self.updated.get(&(table, slot))?.iter().rev();
        let cells = updates.flat_map(|update| &self.changes.updates[*update].2);
        let mut cells = cells.into_iter();
        cells.find(|(named, _)| *named == field).map(|(_, cell)| cell)
    }

    /// Whether an update of a record is planned already.
    pub(crate) fn is_updated(&self, table: usize, slot: u32) -> bool {
        self.updated.contains_key(&(table, slot))
    }

    pub(crate) fn into_changes(self) -> Changes {
        self.changes
    }

    fn index_texts(&mut self, table: usize) -> &mut HashMap<String, u32> {
        let (base, users, now) = (self.base, self.users, self.now);
        self.by_text.entry(table).or_insert_with(|| {
            let eval = Eval::new(base, users, now);
            let mut by_text = HashMap::new();
            for slot in base.tables[table].rows.by_creation_from(0) {
                by_text.entry(eval.name(table, slot).to_string()).or_insert(slot);
            }
            by_text
        })
    }
}

impl Resolver for Planner<'_> {
    fn typecast(&self) -> bool {
        self.typecast
    }

    fn users(&self) -> &Users {
        self.users
    }

    fn choice(&mut self, target: Target, name: &str) -> Result<u32, Fault> {
        let unknown = || Fault::UnknownChoice(name.to_owned());
        let existing =
            self.base.tables[target.table].fields[target.field].kind.choices().ok_or_else(unknown)?;
        if let Some(index) = existing.find(name) {
            return Ok(index);
        }
        if !self.typecast || self.role < Role::Create {
            return Err(unknown());
        }
        let planned = self.new_choices.entry(target).or_default();
        if let Some(&index) = planned.get(name) {
            return Ok(index);
        }
        let index = existing.list.len() + planned.len();
        planned.insert(name.to_owned(), index as u32);
        let color = Some(COLORS[index % COLORS.len()].to_owned());
        let choice = Choice { id: ChoiceId::mint(), name: name.to_owned(), color };
        self.changes.choices.push((target, choice));
        Ok(index as u32)
    }

    fn linked(&mut self, table: usize, id: RecordId) -> Result<u32, Fault> {
        self.base.tables[table].rows.find(id).ok_or(Fault::NoSuchRow(id))
    }

    fn linked_by_text(&mut self, table: usize, text: &str) -> Result<u32, Fault> {
        if let Some(&slot) = self.index_texts(table).get(text) {
            return Ok(slot);
        }
        let linked = &self.base.tables[table];
        let primary = &linked.fields[linked.primary];
        if primary.kind.is_computed() || matches!(primary.kind, Kind::Links(_)) {
            let (table_name, table_id) = (linked.name.clone(), linked.id.to_string());
            return Err(Fault::NotPermittedToCreate { table_name, table_id });
        }
        let target = Target { table, field: linked.primary };
        let current = self.current.take();
        let cell = fields::read(target, primary, &Value::String(text.to_owned()), self);
        self.current = current;
        let slot = self.create(table, vec![(linked.primary, cell?)]);
        self.index_texts(table).insert(text.to_owned(), slot);
        Ok(slot)
    }

    fn current(&self, target: Target) -> &Cell {
        let record = self
            .current
            .filter(|(table, _)| *table == target.table)
            .and_then(|(table, slot)| self.base.tables[table].rows.get(slot));
        record.map_or(&Cell::Empty, |record| record.cell(target.field))
    }
}

/// Applies planned changes. The base must be as it was when they were planned.
pub(crate) fn commit(base: &mut Base, changes: Changes, stamp: Stamp) {
    for (target, choice) in changes.choices {
        add_choice(base, target, choice);
    }
    let mut cells_to_set = Vec::new();
    for NewRecord { table, slot, id, cells } in changes.creates {
        let mut record = Record::new(id, stamp.now);
        record.created_by = stamp.user;
        if cells.iter().any(|(_, cell)| !cell.is_empty()) {
            record.modified = Some(stamp.now);
            record.modified_by = stamp.user;
        }
        let (linked, stored): (Cells, Cells) =
            cells.into_iter().partition(|(_, cell)| matches!(cell, Cell::Links(_)));
        stored.into_iter().for_each(|(field, cell)| record.set(field, cell));
        record.shrink();
        let given = base.tables[table].rows.insert(record);
        debug_assert_eq!(given, slot, "slots are given in the order of planning");
        cells_to_set.push((table, slot, linked));
    }
    cells_to_set.extend(changes.updates);
    for (table, slot, cells) in cells_to_set {
        for (field, cell) in cells {
            set_cell(base, table, slot, field, cell, stamp);
        }
    }
    for (table, slot) in changes.deletes {
        links::detach(base, table, slot, stamp);
        base.tables[table].rows.remove(slot);
    }
}

fn set_cell(base: &mut Base, table: usize, slot: u32, field: usize, cell: Cell, stamp: Stamp) {
    if base.tables[table].fields[field].kind.link().is_some() {
        links::set(base, table, slot, field, cell.links().to_vec(), stamp);
        return;
    }
    let Some(record) = base.tables[table].rows.get_mut(slot) else { return };
    if *record.cell(field) != cell {
        record.set(field, cell);
        record.edited(field, stamp.user, stamp.now);
    }
}

fn add_choice(base: &mut Base, target: Target, choice: Choice) {
    base.redefined = Redefined::Metadata;
    let field = &mut base.tables[target.table].fields[target.field];
    if let Some(Value::Object(options)) = &mut field.options
        && let Value::Array(list) = options.entry("choices").or_insert_with(|| json!([]))
    {
        list.push(choice.json());
    }
    if let Some(choices) = field.kind.choices_mut() {
        choices.push(choice);
    }
}

impl Choice {
    /// As the metadata has it.
    pub(crate) fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("id".to_owned(), self.id.to_string().into());
        object.insert("name".to_owned(), self.name.clone().into());
        if let Some(color) = &self.color {
            object.insert("color".to_owned(), color.clone().into());
        }
        Value::Object(object)
    }
}
