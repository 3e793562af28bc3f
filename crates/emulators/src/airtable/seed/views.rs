//! Views of a seed: what they are called, and which records they show in which order.

use std::sync::Arc;

use airtable_formula::{Formula, Limits};

use super::Problems;
use super::compile::reason;
use super::fields::RawField;
use super::json::{At, Node, Object};
use super::metadata::RawTable;
use crate::airtable::ids::{FieldId, ViewId};
use crate::airtable::list::sort::SortKey;
use crate::airtable::model::{Base, Table, View};

/// `type` of a view.
const TYPES: [&str; 8] = ["grid", "form", "calendar", "gallery", "kanban", "timeline", "block", "list"];

/// The views of a table, which gets one if the seed has none. What they show is read when formulas can be.
pub(super) fn read(
    table: &Object<'_, '_>,
    fields: &[RawField<'_, '_>],
    problems: &mut Problems,
) -> Vec<View> {
    let mut views = Vec::new();
    for at in table.items("views", problems) {
        let Some(object) = at.object(problems) else { continue };
        const KNOWN: [&str; 7] =
            ["id", "name", "type", "visibleFieldIds", "filterByFormula", "sort", "personalForUserId"];
        object.only(&KNOWN, problems);
        let id = object.id("id", "viw", ViewId::parse, ViewId::mint, problems);
        let name = object.required_text("name", problems).unwrap_or_default().to_owned();
        let kind = object.text("type", problems).unwrap_or("grid").to_owned();
        if !TYPES.contains(&kind.as_str()) {
            problems.add(&object.at("type"), format!("\"{kind}\" is none of {}", TYPES.join(", ")));
        }
        let visible_field_ids = object.get("visibleFieldIds").map(|at| {
            let ids = at.items(problems);
            let field = |at: &At<'_, '_>| {
                let text = at.text(problems)?;
                let id = FieldId::parse(text).filter(|id| fields.iter().any(|field| field.id == *id));
                if id.is_none() {
                    problems.add(&at.path, format!("the table has no field \"{text}\""));
                }
                id
            };
            ids.iter().filter_map(field).collect()
        });
        let extra = object.rest(&KNOWN[..6]);
        views.push(View { id, name, kind, visible_field_ids, filter: None, sort: Vec::new(), extra });
    }
    if views.is_empty() {
        views.push(View {
            id: ViewId::mint(),
            name: "Grid view".to_owned(),
            kind: "grid".to_owned(),
            visible_field_ids: None,
            filter: None,
            sort: Vec::new(),
            extra: Default::default(),
        });
    }
    views
}

/// Reads which records views show, and in which order. The fields' formulas must have been compiled.
pub(super) fn compile(base: &mut Base, raw: &[RawTable<'_, '_>], problems: &mut Problems) {
    for (table, raw) in base.tables.iter_mut().zip(raw) {
        let Some(at) = raw.object.get("views").filter(|at| matches!(at.node, Node::Array(_))) else {
            continue;
        };
        let items = at.items(problems).into_iter().filter(|at| matches!(at.node, Node::Object(_)));
        for (position, at) in items.enumerate() {
            let Some(object) = at.object(problems) else { continue };
            let filter = filter(table, &object, problems);
            let sort = sort(table, &object, problems);
            let view = &mut table.views[position];
            (view.filter, view.sort) = (filter, sort);
        }
    }
}

fn filter(table: &Table, view: &Object<'_, '_>, problems: &mut Problems) -> Option<Arc<Formula>> {
    let text = view.text("filterByFormula", problems).filter(|text| !text.trim().is_empty())?;
    match Formula::compile(text, &table.schema, &Limits::default()) {
        Ok(formula) => Some(Arc::new(formula)),
        Err(error) => {
            problems.add(&view.at("filterByFormula"), reason(&error));
            None
        }
    }
}

fn sort(table: &Table, view: &Object<'_, '_>, problems: &mut Problems) -> Vec<SortKey> {
    let mut keys = Vec::new();
    for at in view.items("sort", problems) {
        let Some(key) = at.object(problems) else { continue };
        key.only(&["field", "direction"], problems);
        let descending = match key.text("direction", problems) {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => {
                problems.add(&key.at("direction"), format!("\"{other}\" is neither asc nor desc"));
                continue;
            }
        };
        let Some(name) = key.required_text("field", problems) else { continue };
        match table.field(name) {
            Some(field) => keys.push(SortKey { field, descending }),
            None => problems.add(&key.at("field"), format!("the table has no field \"{name}\"")),
        }
    }
    keys
}
