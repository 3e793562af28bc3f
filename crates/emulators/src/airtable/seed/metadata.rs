//! Bases, tables and views of a seed, in the shape of Airtable's metadata.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::files::SeededFiles;
use super::json::{At, Object};
use super::{Problems, compile, fields, records, syncs, tokens, views, webhooks};
use crate::airtable::access::Users;
use crate::airtable::dependents::Dependents;
use crate::airtable::ids::{BaseId, TableId};
use crate::airtable::model::{Base, Redefined, Table};
use crate::airtable::webhooks::{ReadHook, Webhooks};
use airtable_formula::{Schema, Timestamp};

/// Where bases lie unless a seed says otherwise.
const WORKSPACE: &str = "wspPyAirtableDemo";

/// What a table has. The last one only travels through.
const TABLE_KEYS: [&str; 10] = [
    "id",
    "name",
    "description",
    "primaryFieldId",
    "fields",
    "views",
    "records",
    "lastNumber",
    "syncs",
    "dateDependencySettings",
];

/// A table whose fields and records are not read yet.
pub(super) struct RawTable<'n, 'a> {
    pub(super) object: Object<'n, 'a>,
    pub(super) id: TableId,
    pub(super) fields: Vec<fields::RawField<'n, 'a>>,
}

pub(super) fn bases(
    root: &Object<'_, '_>,
    users: &mut Users,
    seeded_files: &mut SeededFiles,
    now: Timestamp,
    problems: &mut Problems,
) -> (Vec<Base>, Webhooks) {
    let mut seen = HashSet::new();
    let (mut bases, mut hooks) = (Vec::new(), Vec::new());
    for at in root.items("bases", problems) {
        let path = at.path.clone();
        let Some((base, watching)) = base(at, users, seeded_files, now, problems) else { continue };
        hooks.push((base.id, watching));
        if !seen.insert(base.id) {
            problems.add(&path, format!("{} is already the id of another base", base.id));
        }
        bases.push(base);
    }
    (bases, Webhooks::of_seed(hooks))
}

fn base(
    at: At<'_, '_>,
    users: &mut Users,
    seeded_files: &mut SeededFiles,
    now: Timestamp,
    problems: &mut Problems,
) -> Option<(Base, Vec<ReadHook>)> {
    let object = at.object(problems)?;
    object.only(
        &[
            "id",
            "name",
            "permissionLevel",
            "collaborators",
            "workspaceId",
            "createdTime",
            "tables",
            "webhooks",
        ],
        problems,
    );
    let id = object.id("id", "app", BaseId::parse, BaseId::mint, problems);
    let name = object.required_text("name", problems).unwrap_or_default().to_owned();
    let roles = tokens::roles(&object, users, problems);
    let workspace = object.text("workspaceId", problems).unwrap_or(WORKSPACE).to_owned();
    let created = object.text("createdTime", problems).and_then(|text| {
        let time = text.parse::<Timestamp>();
        if time.is_err() {
            problems.add(
                &object.at("createdTime"),
                format!("\"{text}\" is not a time such as 2024-01-01T00:00:00.000Z"),
            );
        }
        time.ok()
    });
    let created = created.unwrap_or(now).as_millisecond();
    let raw = raw_tables(&object, problems);
    let tables = Vec::with_capacity(raw.len());
    let dependents = Default::default(); // known when formulas are compiled
    let mut base =
        Base { id, name, roles, workspace, created, tables, dependents, redefined: Redefined::Nothing };
    let ids = fields::Ids::new(&raw);
    let mut names = HashSet::new();
    for (index, raw) in raw.iter().enumerate() {
        let mut table = table(raw, index, &ids, problems);
        syncs::read(&raw.object, &mut table, problems);
        if !names.insert(table.name.to_lowercase()) {
            problems
                .add(&raw.object.at("name"), format!("another table is called \"{}\" as well", table.name));
        }
        base.tables.push(table);
    }
    check_unique(&base, &object.path, problems);
    fields::pair_links(&mut base, &raw, problems);
    compile::formulas(&mut base, &raw, problems);
    views::compile(&mut base, &raw, problems);
    base.dependents = Arc::new(Dependents::of(&base));
    records::load(&mut base, &raw, users, seeded_files, now, problems);
    let hooks = webhooks::read(&object, &base, now, problems);
    Some((base, hooks))
}

fn raw_tables<'n, 'a>(base: &Object<'n, 'a>, problems: &mut Problems) -> Vec<RawTable<'n, 'a>> {
    let mut tables = Vec::new();
    for at in base.items("tables", problems) {
        let Some(object) = at.object(problems) else { continue };
        object.only(&TABLE_KEYS, problems);
        let id = object.id("id", "tbl", TableId::parse, TableId::mint, problems);
        let fields = fields::raw_fields(&object, problems);
        if fields.is_empty() {
            problems.add(&object.at("fields"), "a table needs at least one field");
        }
        tables.push(RawTable { object, id, fields });
    }
    tables
}

fn table(raw: &RawTable<'_, '_>, index: usize, ids: &fields::Ids, problems: &mut Problems) -> Table {
    let object = &raw.object;
    let name = object.required_text("name", problems).unwrap_or_default().to_owned();
    let description = object.text("description", problems).map(str::to_owned);
    let primary = match object.text("primaryFieldId", problems) {
        None => 0,
        Some(text) => {
            let found = raw.fields.iter().position(|field| field.id.to_string() == text);
            found.unwrap_or_else(|| {
                problems.add(&object.at("primaryFieldId"), format!("the table has no field \"{text}\""));
                0
            })
        }
    };
    let fields: Vec<_> = raw.fields.iter().map(|field| field.read(index, ids, problems)).collect();
    let mut fields_by_name = HashMap::new();
    // Cells are keyed by the exact name, but Airtable lets no two names differ by case alone.
    let mut names = HashSet::new();
    for (position, (field, raw)) in fields.iter().zip(&raw.fields).enumerate() {
        fields_by_name.insert(field.name.clone(), position);
        if !names.insert(field.name.to_lowercase()) {
            problems
                .add(&raw.object.at("name"), format!("another field is called \"{}\" as well", field.name));
        }
    }
    Table {
        id: raw.id,
        name,
        description,
        primary,
        fields: fields.into(),
        views: views::read(object, &raw.fields, problems),
        rows: Default::default(),
        syncs: Vec::new(),
        backlinks: HashMap::new(),
        schema: Arc::new(Schema::default()),
        extra: object.rest(&TABLE_KEYS[..9]),
        fields_by_name,
    }
}

/// Ids are unique in the whole base.
fn check_unique(base: &Base, path: &str, problems: &mut Problems) {
    let mut seen = HashSet::new();
    let mut check = |id: String, problems: &mut Problems| {
        if !seen.insert(id.clone()) {
            problems.add(path, format!("the id {id} is given to more than one table, field or view"));
        }
    };
    for table in &base.tables {
        check(table.id.to_string(), problems);
        table.fields.iter().for_each(|field| check(field.id.to_string(), problems));
        table.views.iter().for_each(|view| check(view.id.to_string(), problems));
    }
}
