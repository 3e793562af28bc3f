//! Fields and tables that a person deletes in Airtable's own interface, and what becomes of all that refers to them.
//!
//! Links that lead to what is gone turn into text, the names of the records that they led to. Lookups, rollups, counts,
//! formulas and times of edits say that they are not valid. Views do not sort by a field that is gone, and show all records if it was in
//! their filter; a sync whose key it was is no more.

use std::collections::HashSet;

use airtable_formula::Tree;
use serde_json::{Value, json};

use super::{adopt, names_of, read_definition};
use crate::airtable::cell::Cell;
use crate::airtable::computed::Eval;
use crate::airtable::errors::AirtableError;
use crate::airtable::fields::text;
use crate::airtable::ids::FieldId;
use crate::airtable::model::{Base, Redefined, Table};
use crate::airtable::records::Actor;

/// Deletes a table with its records.
pub(super) fn table(base: &mut Base, table: usize, actor: Actor<'_>) -> Result<Value, AirtableError> {
    if base.tables.len() == 1 {
        return Err(AirtableError::invalid_request_because("a base keeps its last table"));
    }
    let id = base.tables[table].id;
    let mut deletion = Deletion::of_fields(base.tables[table].fields.iter().map(|field| field.id));
    let others = base.tables.iter().enumerate().filter(|(other, _)| *other != table);
    let links = others.flat_map(|(other, content)| {
        let fields = content.fields.iter().enumerate();
        let leads_here = move |(_, field): &(usize, &super::Field)| {
            field.kind.link().is_some_and(|link| link.table == table)
        };
        fields.filter(leads_here).map(move |(field, _)| (other, field))
    });
    deletion.texts = links.map(|(table, field)| LinkText::of(base, table, field, actor)).collect();
    let mut definition = deletion.definition(base);
    if let Some(tables) = definition["tables"].as_array_mut() {
        tables.remove(table);
    }
    deletion.carry_out(base, &definition, |_| {})?;
    base.redefined = Redefined::Positions(table);
    Ok(json!({"id": id.to_string(), "deleted": true}))
}

/// Deletes a field with its cells.
pub(super) fn field(
    base: &mut Base,
    table: usize,
    field: FieldId,
    actor: Actor<'_>,
) -> Result<Value, AirtableError> {
    let own = &base.tables[table];
    let found = own.fields.iter().position(|own| own.id == field);
    let position = found.ok_or_else(AirtableError::not_found_or_not_allowed)?;
    if position == own.primary {
        return Err(AirtableError::invalid_request_because("a table keeps its primary field"));
    }
    let mut deletion = Deletion::of_fields([field]);
    if let Some(link) = own.fields[position].kind.link()
        && let Some(inverse) = link.inverse
    {
        deletion.texts.push(LinkText::of(base, link.table, inverse, actor));
    }
    let mut definition = deletion.definition(base);
    if let Some(fields) = definition["tables"][table]["fields"].as_array_mut() {
        fields.remove(position);
    }
    deletion.carry_out(base, &definition, |base| base.tables[table].rows.remove_field(position))?;
    Ok(json!({"id": field.to_string(), "deleted": true}))
}

/// What a deletion does beside what it deletes.
#[derive(Default)]
struct Deletion {
    /// Ids of fields that are no more.
    gone: HashSet<String>,
    /// Link fields that turn into text.
    texts: Vec<LinkText>,
}

/// A link field, and what its cells are as text.
struct LinkText {
    field: FieldId,
    /// By slot.
    cells: Vec<(u32, Cell)>,
}

impl LinkText {
    fn of(base: &Base, table: usize, field: usize, actor: Actor<'_>) -> Self {
        let eval = Eval::new(base, actor.users, actor.now);
        let own = &base.tables[table];
        let link = own.fields[field].kind.link();
        let cell = |slot: u32| {
            let (linked, table) = (own.rows.get(slot)?.cell(field).links(), link?.table);
            let names = linked.iter().map(|&linked| eval.name(table, linked).to_string());
            (!linked.is_empty()).then(|| (slot, Cell::text(&text::join(names))))
        };
        let cells = own.rows.by_creation_from(0).filter_map(cell).collect();
        Self { field: own.fields[field].id, cells }
    }
}

impl Deletion {
    fn of_fields(gone: impl IntoIterator<Item = FieldId>) -> Self {
        Self { gone: gone.into_iter().map(|id| id.to_string()).collect(), texts: Vec::new() }
    }

    fn is_gone(&self, id: &Value) -> bool {
        id.as_str().is_some_and(|id| self.gone.contains(id))
    }

    /// Whether a link field is no more, or none any more.
    fn links_no_more(&self, id: &Value) -> bool {
        self.is_gone(id) || self.texts.iter().any(|text| *id == text.field.to_string())
    }

    /// The base's definition, in which nothing refers to what is gone, but which still has that itself.
    fn definition(&self, base: &Base) -> Value {
        let mut definition = base.to_seed();
        let tables = definition["tables"].as_array_mut();
        for (entry, table) in tables.into_iter().flatten().zip(&base.tables) {
            for field in entry["fields"].as_array_mut().into_iter().flatten() {
                self.mend_field(field, table);
            }
            for view in entry["views"].as_array_mut().into_iter().flatten() {
                self.mend_view(view, table);
            }
            if let Some(syncs) = entry.get_mut("syncs").and_then(Value::as_array_mut) {
                syncs.retain(|sync| !self.is_gone(&sync["keyFieldId"]));
            }
            if let Some(predecessor) = entry.pointer_mut("/dateDependencySettings/predecessorFieldId")
                && self.links_no_more(predecessor)
            {
                *predecessor = Value::Null;
            }
            if let Some(settings) = entry.get("dateDependencySettings").and_then(Value::as_object)
                && settings.values().any(|value| self.is_gone(value))
                && let Some(entry) = entry.as_object_mut()
            {
                entry.shift_remove("dateDependencySettings");
            }
        }
        definition
    }

    fn mend_field(&self, field: &mut Value, table: &Table) {
        if self.texts.iter().any(|text| field["id"] == text.field.to_string()) {
            field["type"] = "singleLineText".into();
            if let Some(field) = field.as_object_mut() {
                field.shift_remove("options");
            }
            return;
        }
        let kind = field["type"].as_str().unwrap_or_default().to_owned();
        let name = field["name"].clone();
        let Some(options) = field.get_mut("options").and_then(Value::as_object_mut) else { return };
        let mut watched = false;
        if let Some(used) = options.get_mut("referencedFieldIds").and_then(Value::as_array_mut) {
            watched = used.iter().any(|id| self.is_gone(id));
            used.retain(|id| !self.is_gone(id));
        }
        let names_gone = |text: Option<&Value>| {
            text.and_then(Value::as_str).is_some_and(|text| self.is_named_in(text, table))
        };
        let broken = match kind.as_str() {
            "multipleLookupValues" | "rollup" | "count" => {
                let (link, target) = (options.get("recordLinkFieldId"), options.get("fieldIdInLinkedTable"));
                let link_is_gone = link.is_some_and(|id| self.links_no_more(id));
                let target_is_gone = target.is_some_and(|id| self.is_gone(id));
                if kind == "multipleLookupValues" && target.is_some_and(|id| self.links_no_more(id)) {
                    options.shift_remove("result"); // what it shows has another type now
                }
                for (key, is_gone) in
                    [("recordLinkFieldId", link_is_gone), ("fieldIdInLinkedTable", target_is_gone)]
                {
                    if is_gone {
                        options.insert(key.to_owned(), Value::Null);
                    }
                }
                link_is_gone || target_is_gone
            }
            // Without fields, it would show the edits of all.
            "lastModifiedTime" => watched && options.get("referencedFieldIds") == Some(&json!([])),
            // Whether it names it cannot be seen in a text that does not parse.
            "formula" => watched || names_gone(options.get("formula")),
            "aiText" => {
                if let Some(prompt) = options.get_mut("prompt").and_then(Value::as_array_mut) {
                    prompt.retain(|part| !self.is_gone(&part["field"]["fieldId"]));
                }
                false
            }
            "button" if names_gone(options.get("formula")) => {
                // It stays a button, one that leads nowhere.
                options.shift_remove("formula");
                options.entry("label").or_insert(name);
                false
            }
            _ => false,
        };
        if broken {
            options.insert("isValid".to_owned(), false.into());
            options.shift_remove("asSeeded");
            if !["count", "lastModifiedTime"].contains(&kind.as_str()) {
                options.insert("result".to_owned(), Value::Null);
            }
        }
    }

    fn mend_view(&self, view: &mut Value, table: &Table) {
        for key in ["visibleFieldIds", "sort"] {
            if let Some(list) = view.get_mut(key).and_then(Value::as_array_mut) {
                list.retain(|item| !self.is_gone(item) && !self.is_gone(&item["field"]));
            }
        }
        let filter = view.get("filterByFormula").and_then(Value::as_str).unwrap_or_default();
        if self.is_named_in(filter, table)
            && let Some(view) = view.as_object_mut()
        {
            view.shift_remove("filterByFormula");
        }
    }

    /// Whether a formula of the table names a field that is gone.
    fn is_named_in(&self, formula: &str, table: &Table) -> bool {
        let Ok(tree) = Tree::parse(formula) else { return false };
        let find = names_of(table);
        tree.field_names().any(|(name, braced)| find(name, braced).is_some_and(|id| self.gone.contains(&id)))
    }

    /// Makes the base what the definition says; `shift` makes the records of the old one fit.
    fn carry_out(
        self,
        base: &mut Base,
        definition: &Value,
        shift: impl FnOnce(&mut Base),
    ) -> Result<(), AirtableError> {
        let changed = read_definition(definition)?;
        adopt(base, changed, |base| {
            shift(base);
            for LinkText { field, cells } in self.texts {
                let tables = base.tables.iter_mut();
                let place = tables.filter_map(|table| {
                    let position = table.fields.iter().position(|own| own.id == field)?;
                    Some((table, position))
                });
                for (table, position) in place {
                    for (slot, cell) in &cells {
                        if let Some(record) = table.rows.get_mut(*slot) {
                            record.set(position, cell.clone());
                        }
                    }
                }
            }
        });
        Ok(())
    }
}
