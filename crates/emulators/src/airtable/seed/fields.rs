//! Fields of a seed: their types and options, and the references between them.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::json::{Node, Object};
use super::metadata::RawTable;
use super::{Problems, options};
use crate::airtable::ids::{FieldId, TableId};
use crate::airtable::model::{Base, Field, Kind, TextKind};

/// A field whose options are not read yet.
pub(super) struct RawField<'n, 'a> {
    pub(super) object: Object<'n, 'a>,
    pub(super) id: FieldId,
}

pub(super) fn raw_fields<'n, 'a>(table: &Object<'n, 'a>, problems: &mut Problems) -> Vec<RawField<'n, 'a>> {
    let mut fields = Vec::new();
    for at in table.items("fields", problems) {
        let Some(object) = at.object(problems) else { continue };
        object.only(&["id", "name", "type", "description", "options"], problems);
        let id = object.id("id", "fld", FieldId::parse, FieldId::mint, problems);
        fields.push(RawField { object, id });
    }
    fields
}

/// Where the tables and fields of a base are, by id.
pub(super) struct Ids {
    tables: HashMap<TableId, usize>,
    fields: Vec<HashMap<FieldId, usize>>,
}

impl Ids {
    pub(super) fn new(raw: &[RawTable<'_, '_>]) -> Self {
        let fields = |table: &RawTable<'_, '_>| {
            table.fields.iter().enumerate().map(|(index, field)| (field.id, index)).collect()
        };
        Self {
            tables: raw.iter().enumerate().map(|(index, table)| (table.id, index)).collect(),
            fields: raw.iter().map(fields).collect(),
        }
    }

    pub(super) fn table(&self, id: &str) -> Option<usize> {
        self.tables.get(&TableId::parse(id)?).copied()
    }

    pub(super) fn field(&self, table: usize, id: &str) -> Option<usize> {
        self.fields.get(table)?.get(&FieldId::parse(id)?).copied()
    }

    /// The position of a field in whichever table has it.
    pub(super) fn field_anywhere(&self, id: &str) -> Option<usize> {
        let id = FieldId::parse(id)?;
        self.fields.iter().find_map(|fields| fields.get(&id).copied())
    }
}

/// What the options of a field are read with.
pub(super) struct Scope<'s> {
    pub(super) table: usize,
    pub(super) ids: &'s Ids,
    /// The path of `options`.
    pub(super) path: String,
}

impl RawField<'_, '_> {
    pub(super) fn read(&self, table: usize, ids: &Ids, problems: &mut Problems) -> Field {
        let object = &self.object;
        let name = object.required_text("name", problems).unwrap_or_default().to_owned();
        let description = object.text("description", problems).map(str::to_owned);
        let options = match object.get("options") {
            None => Map::new(),
            Some(at) => match at.node.to_value() {
                Value::Object(options) => options,
                _ => {
                    problems.add(&at.path, "must be an object");
                    Map::new()
                }
            },
        };
        let scope = Scope { table, ids, path: object.at("options") };
        let (kind, options) = match object.required_text("type", problems) {
            Some(name) => options::read(name, options, &scope, problems).unwrap_or_else(|| {
                problems.add(&object.at("type"), format!("\"{name}\" is no field type of Airtable's"));
                (Kind::Text(TextKind::SingleLine), None)
            }),
            None => (Kind::Text(TextKind::SingleLine), None),
        };
        // manualSort is served with `options: null`.
        let null = matches!(object.get_or_null("options").map(|at| at.node), Some(Node::Leaf(Value::Null)));
        let options = if null && options.is_none() { Some(Value::Null) } else { options };
        Field { id: self.id, name, description, kind, options }
    }
}

/// Makes both fields of a link know each other; one of them may leave it out.
pub(super) fn pair_links(base: &mut Base, raw: &[RawTable<'_, '_>], problems: &mut Problems) {
    let mut claimed = HashSet::new();
    for (table, raw) in raw.iter().enumerate() {
        for (field, raw) in raw.fields.iter().enumerate() {
            let Some(link) = base.tables[table].fields[field].kind.link() else { continue };
            let (linked, Some(inverse)) = (link.table, link.inverse) else { continue };
            let path = || format!("{}.inverseLinkFieldId", raw.object.at("options"));
            let id = base.tables[table].fields[field].id;
            let own_table = table;
            let Some(other) = base.tables[linked].fields[inverse].kind.link_mut() else {
                problems.add(&path(), "names a field that is not multipleRecordLinks");
                continue;
            };
            if other.table != own_table || (linked, inverse) == (table, field) {
                problems.add(&path(), "names a field that does not link back to this table");
                continue;
            }
            if !claimed.insert((linked, inverse)) || other.inverse.is_some_and(|inverse| inverse != field) {
                problems.add(&path(), "names a field that is the inverse of another one");
                continue;
            }
            other.inverse = Some(field);
            if let Some(Value::Object(options)) = &mut base.tables[linked].fields[inverse].options {
                options.entry("inverseLinkFieldId").or_insert_with(|| id.to_string().into());
            }
        }
    }
}
