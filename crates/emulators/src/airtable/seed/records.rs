//! The records of a seed, read one at a time: a seed may have hundreds of thousands.

mod comments;
mod history;
mod links;

use std::collections::{HashMap, HashSet};

use airtable_formula::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub(super) use self::history::Assumed;
use self::history::Silent;
use self::links::{Place, SeededLinks};
use super::Problems;
use super::files::{NO_ATTACHMENTS, SeededFiles};
use super::json::Node;
use super::metadata::RawTable;
use crate::airtable::access::{User, Users};
use crate::airtable::cell::Cell;
use crate::airtable::fields::{self, Fault, Resolver, Target, attachment, date};
use crate::airtable::ids::{CommentId, RecordId, is_collaborator};
use crate::airtable::model::{Base, Kind};
use crate::airtable::rows::{NOBODY, Record};

/// Reads all records of a base, then the links between them.
pub(super) fn load(
    base: &mut Base,
    raw: &[RawTable<'_, '_>],
    users: &mut Users,
    files: &mut SeededFiles,
    now: Timestamp,
    problems: &mut Problems,
) {
    let mut loader = Loader {
        base,
        users,
        files,
        now,
        problems,
        seen: HashSet::new(),
        comments: HashSet::new(),
        links: HashMap::new(),
        silent: Silent::default(),
    };
    for (table, raw) in raw.iter().enumerate() {
        if let Some(at) = raw.object.get("records") {
            match at.node {
                Node::Unread(records) => loader.table(table, records, &at.path),
                _ => loader.problems.add(&at.path, "must be an array"),
            }
        }
        if let Some(at) = raw.object.get("lastNumber") {
            match at.node {
                Node::Leaf(value) => match number(value) {
                    Some(number) => loader.base.tables[table].rows.raise_last_number(number),
                    None => loader.problems.add(&at.path, NO_NUMBER),
                },
                _ => loader.problems.add(&at.path, NO_NUMBER),
            }
        }
    }
    let (links, silent) = (std::mem::take(&mut loader.links), std::mem::take(&mut loader.silent));
    links::link(base, links, problems);
    history::complete(base, users, &silent);
}

/// Leaves as many for the records that follow: more than there can be.
const MAX_NUMBER: u32 = i32::MAX as u32;

const NO_NUMBER: &str = "must be a whole number from 1 to 2147483647";

/// What an autoNumber field shows.
fn number(value: &Value) -> Option<u32> {
    let number = value.as_u64().and_then(|number| number.try_into().ok());
    number.filter(|number| (1..=MAX_NUMBER).contains(number))
}

struct Loader<'l> {
    base: &'l mut Base,
    users: &'l mut Users,
    files: &'l mut SeededFiles,
    now: Timestamp,
    problems: &'l mut Problems,
    seen: HashSet<RecordId>,
    /// Comments so far, in the whole base.
    comments: HashSet<CommentId>,
    links: HashMap<Place, SeededLinks>,
    silent: Silent,
}

impl Loader<'_> {
    fn table(&mut self, table: usize, records: &RawValue, path: &str) {
        let Ok(records) = serde_json::from_str::<Vec<&RawValue>>(records.get()) else {
            self.problems.add(path, "must be an array");
            return;
        };
        for (index, record) in records.into_iter().enumerate() {
            let path = format!("{path}[{index}]");
            match serde_json::from_str(record.get()) {
                Ok(Value::Object(record)) => self.record(table, &record, &path),
                _ => self.problems.add(&path, "must be an object"),
            }
        }
    }

    fn record(&mut self, table: usize, object: &Map<String, Value>, path: &str) {
        const KNOWN: [&str; 7] =
            ["id", "createdTime", "fields", "commentCount", "number", "comments", "history"];
        for key in object.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
            self.problems.add(
                &format!("{path}.{key}"),
                "is not known here; known are id, createdTime, fields, number, comments, history",
            );
        }
        let id = match object.get("id") {
            None | Some(Value::Null) => RecordId::mint(),
            Some(id) => id.as_str().and_then(RecordId::parse).unwrap_or_else(|| {
                self.problems.add(&format!("{path}.id"), format!("{id} is not rec and 14 letters or digits"));
                RecordId::mint()
            }),
        };
        if !self.seen.insert(id) {
            self.problems.add(&format!("{path}.id"), format!("{id} is already the id of another record"));
            return;
        }
        let created = match object.get("createdTime") {
            None | Some(Value::Null) => self.now.as_second() * 1000,
            Some(time) => time.as_str().and_then(|text| date::iso_instant(text, None)).unwrap_or_else(|| {
                self.problems
                    .add(&format!("{path}.createdTime"), format!("{time} is not an ISO date and time"));
                0
            }),
        };
        let mut record = Record::new(id, created);
        let slot = self.base.tables[table].rows.next_slot();
        match object.get("fields") {
            None | Some(Value::Null) => {}
            Some(Value::Object(cells)) => {
                for (name, value) in cells.iter().filter(|(_, value)| !value.is_null()) {
                    self.cell(table, slot, &mut record, name, value, path);
                }
            }
            Some(_) => self.problems.add(&format!("{path}.fields"), "must be an object"),
        }
        match object.get("number") {
            None | Some(Value::Null) => {}
            Some(value) => match number(value) {
                Some(number) => record.number = number,
                None => self.problems.add(&format!("{path}.number"), NO_NUMBER),
            },
        }
        self.read_comments(&mut record, object.get("comments"), path);
        self.history((table, slot), &mut record, object.get("history"), path);
        record.shrink();
        self.base.tables[table].rows.insert(record);
    }

    fn cell(&mut self, table: usize, slot: u32, record: &mut Record, name: &str, value: &Value, path: &str) {
        let path = || format!("{path}.fields[{name:?}]");
        let Some(field) = self.base.tables[table].field(name) else {
            self.problems.add(&path(), "the table has no such field");
            return;
        };
        let target = Target { table, field };
        match &self.base.tables[table].fields[field].kind {
            Kind::Links(_) => match linked_ids(value) {
                Some(ids) => self.links.entry((table, field)).or_default().push((slot, ids, path())),
                None => self.problems.add(&path(), "must be an array of record ids"),
            },
            Kind::Attachments => {
                let items = value.as_array();
                let list =
                    items.and_then(|items| items.iter().map(|item| self.files.attachment(item)).collect());
                match list {
                    Some(list) => record.set(field, attachment::cell(list)),
                    None => self.problems.add(&path(), NO_ATTACHMENTS),
                }
            }
            Kind::AutoNumber => match number(value) {
                Some(number) => record.number = number,
                None => self.problems.add(&path(), NO_NUMBER),
            },
            Kind::CreatedBy => record.created_by = self.collaborator(value, &path()),
            Kind::LastModifiedBy => record.modified_by = self.collaborator(value, &path()),
            Kind::LastModifiedTime { fields, .. } => {
                match (value.as_str().and_then(|text| date::iso_instant(text, None)), fields) {
                    (Some(millis), None) => record.modified = Some(millis),
                    (Some(millis), Some(fields)) => {
                        history::edited_by(record, &self.base.tables[table], fields, millis);
                    }
                    (None, _) => self.problems.add(&path(), "must be an ISO date and time"),
                }
            }
            kind if kind.is_computed() && kind.is_stored() => record.set(field, json(value)),
            kind if kind.is_computed() => {}
            kind => {
                if matches!(kind, Kind::Collaborator | Kind::Collaborators) {
                    self.introduce(value);
                }
                let field_ref = &self.base.tables[table].fields[field];
                let mut resolver = SeedResolver { base: self.base, users: self.users };
                match fields::read(target, field_ref, value, &mut resolver) {
                    Ok(cell) => record.set(field, cell),
                    Err(fault) => {
                        self.problems.add(&path(), describe(&fault, field_ref.kind.type_name(), value))
                    }
                }
            }
        }
    }

    /// Makes collaborators known that a cell describes in full, and `users` does not have.
    fn introduce(&mut self, value: &Value) {
        let people = match value {
            Value::Array(people) => people.as_slice(),
            one => std::slice::from_ref(one),
        };
        for person in people {
            let text = |key: &str| person.get(key).and_then(Value::as_str).map(str::to_owned);
            let Some(id) = text("id").filter(|id| is_collaborator(id)) else { continue };
            if self.users.by_id(&id).is_none() {
                self.users.0.push(User { id, email: text("email"), name: text("name") });
            }
        }
    }

    fn collaborator(&mut self, value: &Value, path: &str) -> u32 {
        self.introduce(value);
        match fields::people::read_one(value, self.users, false) {
            Ok(Cell::User(user)) => user,
            _ => {
                self.problems.add(path, "must be an object with the id or email of a user");
                NOBODY
            }
        }
    }
}

struct SeedResolver<'r> {
    base: &'r Base,
    users: &'r Users,
}

impl Resolver for SeedResolver<'_> {
    fn typecast(&self) -> bool {
        false
    }

    fn users(&self) -> &Users {
        self.users
    }

    fn choice(&mut self, target: Target, name: &str) -> Result<u32, Fault> {
        let choices = self.base.tables[target.table].fields[target.field].kind.choices();
        choices.and_then(|choices| choices.find(name)).ok_or_else(|| Fault::UnknownChoice(name.to_owned()))
    }

    fn linked(&mut self, _table: usize, id: RecordId) -> Result<u32, Fault> {
        Err(Fault::NoSuchRow(id)) // links are resolved when all records are there
    }

    fn linked_by_text(&mut self, _table: usize, _text: &str) -> Result<u32, Fault> {
        Err(Fault::Refused)
    }

    fn current(&self, _target: Target) -> &Cell {
        &Cell::Empty
    }
}

fn describe(fault: &Fault, type_name: &str, value: &Value) -> String {
    match fault {
        Fault::UnknownChoice(name) => format!("\"{name}\" is not among the field's choices"),
        _ => {
            let mut shown = value.to_string();
            if let Some((cut, _)) = shown.char_indices().nth(60) {
                shown.truncate(cut);
                shown.push('…');
            }
            format!("{shown} is no value of a {type_name} field")
        }
    }
}

fn json(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Empty,
        value => Cell::Json(Box::new(value.clone())),
    }
}

fn linked_ids(value: &Value) -> Option<Vec<RecordId>> {
    value.as_array()?.iter().map(|id| id.as_str().and_then(RecordId::parse)).collect()
}
