//! A base written out as a seed.

use serde_json::{Value, json};

use crate::airtable::fields::date;
use crate::airtable::meta;
use crate::airtable::model::{Base, Kind, Table};

impl Base {
    /// The entry in `bases` of a seed, without records: with all ids, and with what the metadata that Airtable serves leaves
    /// out (how a rollup aggregates, which fields a view shows).
    pub(crate) fn to_seed(&self) -> Value {
        json!({
            "id": self.id.to_string(),
            "name": self.name,
            "permissionLevel": self.role.name(),
            "workspaceId": self.workspace,
            "createdTime": date::iso(self.created),
            "tables": self.tables.iter().map(table).collect::<Vec<_>>(),
        })
    }
}

fn table(table: &Table) -> Value {
    let mut seed = meta::table(table, false);
    for (index, field) in table.fields.iter().enumerate() {
        if let Kind::Rollup(rollup) = &field.kind
            && let Some(formula) = &rollup.compiled
        {
            seed["fields"][index]["options"]["formula"] = formula.to_string().into();
        }
    }
    for (index, view) in table.views.iter().enumerate() {
        if let Some(ids) = &view.visible_field_ids {
            seed["views"][index]["visibleFieldIds"] = ids.iter().map(ToString::to_string).collect();
        }
    }
    seed
}
