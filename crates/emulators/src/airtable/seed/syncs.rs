//! Sources of CSV data that a seed sets up for its tables.

use serde_json::Value;

use super::Problems;
use super::json::{Node, Object};
use crate::airtable::model::{Sync, Table};

/// Reads `syncs` of a table whose fields are known.
pub(super) fn read(object: &Object<'_, '_>, table: &mut Table, problems: &mut Problems) {
    let mut syncs: Vec<Sync> = Vec::new();
    for at in object.items("syncs", problems) {
        let Some(object) = at.object(problems) else { continue };
        object.only(&["id", "keyFieldId", "deletesMissing"], problems);
        let id = object.required_text("id", problems).unwrap_or_default().to_owned();
        if syncs.iter().any(|other| other.id == id) {
            problems.add(&object.at("id"), format!("\"{id}\" is already the id of another sync"));
        }
        let key = match object.text("keyFieldId", problems) {
            None => table.primary,
            Some(named) => table.field(named).unwrap_or_else(|| {
                problems.add(&object.at("keyFieldId"), format!("the table has no field \"{named}\""));
                table.primary
            }),
        };
        if table.fields.get(key).is_some_and(|field| field.kind.is_computed()) {
            let message = "a computed field does not tell records apart that are yet to come";
            problems.add(&object.at("keyFieldId"), message);
        }
        let deletes_missing = match object.get("deletesMissing").map(|at| (at.node, at.path)) {
            None => true,
            Some((Node::Leaf(Value::Bool(flag)), _)) => *flag,
            Some((_, path)) => {
                problems.add(&path, "must be true or false");
                true
            }
        };
        syncs.push(Sync { id, key, deletes_missing });
    }
    table.syncs = syncs;
}
