//! Who made and changed a record, and when: what a seed tells of it, and what is taken for granted where it does not.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::Loader;
use crate::airtable::access::Users;
use crate::airtable::fields::date;
use crate::airtable::model::{Base, Table};
use crate::airtable::rows::{NOBODY, Record};

const NO_TIME: &str = "must be an ISO date and time";

/// Records, by table and slot, of which the seed says that there is no such thing (`null`).
#[derive(Debug, Default)]
pub(super) struct Silent {
    creator: HashSet<(usize, u32)>,
    modifier: HashSet<(usize, u32)>,
    modified: HashSet<(usize, u32)>,
}

/// What a record has whose seed is silent about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::airtable::seed) struct Assumed {
    pub(in crate::airtable::seed) modified: Option<i64>,
    pub(in crate::airtable::seed) created_by: u32,
    pub(in crate::airtable::seed) modified_by: u32,
}

impl Assumed {
    /// Somebody made it (the first user), with all the cells that it has.
    pub(in crate::airtable::seed) fn of(record: &Record, users: &Users) -> Self {
        let created_by = if users.0.is_empty() { NOBODY } else { 0 };
        let filled = record.cells().next().map(|_| record.created);
        let edited = record.edits().iter().map(|(_, at)| *at).max();
        Self {
            modified: edited.max(filled),
            created_by,
            modified_by: Self::modifier(record.modified, record.created_by),
        }
    }

    /// Who made it changed it, if anybody did.
    fn modifier(modified: Option<i64>, created_by: u32) -> u32 {
        if modified.is_some() { created_by } else { NOBODY }
    }
}

impl Loader<'_> {
    /// Reads `{createdBy?, modifiedBy?, modifiedTime?, edits?: {"fld…": time}}`; people are named by id or e-mail.
    pub(super) fn history(
        &mut self,
        place: (usize, u32),
        record: &mut Record,
        history: Option<&Value>,
        path: &str,
    ) {
        let path = format!("{path}.history");
        let history = match history {
            None | Some(Value::Null) => return,
            Some(Value::Object(history)) => history,
            Some(_) => return self.problems.add(&path, "must be an object"),
        };
        for (key, value) in history {
            let path = format!("{path}.{key}");
            match (key.as_str(), value) {
                ("createdBy", Value::Null) => {
                    record.created_by = NOBODY;
                    self.silent.creator.insert(place);
                }
                ("createdBy", value) => record.created_by = self.person(value, &path),
                ("modifiedBy", Value::Null) => {
                    record.modified_by = NOBODY;
                    self.silent.modifier.insert(place);
                }
                ("modifiedBy", value) => record.modified_by = self.person(value, &path),
                ("modifiedTime", Value::Null) => {
                    record.modified = None;
                    self.silent.modified.insert(place);
                }
                ("modifiedTime", value) => match time(value) {
                    Some(millis) => record.modified = Some(millis),
                    None => self.problems.add(&path, NO_TIME),
                },
                ("edits", Value::Object(edits)) => self.edits(place.0, record, edits, &path),
                ("edits", _) => self.problems.add(&path, "must be an object"),
                _ => self
                    .problems
                    .add(&path, "is not known here; known are createdBy, modifiedBy, modifiedTime, edits"),
            }
        }
    }

    fn edits(&mut self, table: usize, record: &mut Record, edits: &Map<String, Value>, path: &str) {
        for (name, value) in edits {
            let path = || format!("{path}[{name:?}]");
            match (self.base.tables[table].field(name), time(value)) {
                (Some(field), Some(millis)) => record.set_edit(field, millis),
                (None, _) => self.problems.add(&path(), "the table has no such field"),
                (_, None) => self.problems.add(&path(), NO_TIME),
            }
        }
    }

    /// The position of a user who is named by id or e-mail address.
    pub(super) fn person(&mut self, value: &Value, path: &str) -> u32 {
        let named = value.as_str();
        let found = named.and_then(|name| self.users.by_id(name).or_else(|| self.users.by_email(name)));
        found.unwrap_or_else(|| {
            self.problems.add(path, "must be the id or e-mail address of a user among users");
            NOBODY
        })
    }
}

/// Milliseconds since 1970 of an ISO date and time.
pub(super) fn time(value: &Value) -> Option<i64> {
    value.as_str().and_then(|text| date::iso_instant(text, None))
}

/// Takes what a lastModifiedTime field of some fields shows for the time of their last edits. Several such fields may share
/// some: none of those can have been edited later than the earliest of them says.
pub(super) fn edited_by(record: &mut Record, table: &Table, fields: &[usize], millis: i64) {
    let known = record.edits();
    for &field in fields.iter().filter(|&&field| !table.fields[field].kind.is_computed()) {
        let before = known.iter().find(|(edited, _)| *edited == field).map(|(_, at)| *at);
        record.set_edit(field, before.map_or(millis, |before| before.min(millis)));
    }
}

/// Fills in what the seed is silent about, once all cells are there.
pub(super) fn complete(base: &mut Base, users: &Users, silent: &Silent) {
    for (index, table) in base.tables.iter_mut().enumerate() {
        for slot in 0..table.rows.next_slot() {
            let Some(record) = table.rows.get(slot) else { continue };
            let (mut modified, mut created_by) = (record.modified, record.created_by);
            let mut modified_by = record.modified_by;
            let assumed = Assumed::of(record, users);
            let is_silent = |of: &HashSet<(usize, u32)>| of.contains(&(index, slot));
            if modified.is_none() && !is_silent(&silent.modified) {
                modified = assumed.modified;
            }
            if created_by == NOBODY && !is_silent(&silent.creator) {
                created_by = assumed.created_by;
            }
            if modified_by == NOBODY && !is_silent(&silent.modifier) {
                modified_by = Assumed::modifier(modified, created_by);
            }
            if let Some(record) = table.rows.get_mut(slot) {
                (record.modified, record.created_by, record.modified_by) =
                    (modified, created_by, modified_by);
                record.shrink();
            }
        }
    }
}
