//! The formulas of a base: compiled against their tables, and none of them depending on itself.

use std::collections::HashMap;
use std::sync::Arc;

use airtable_formula::{CompileError, FieldDef, FieldKind, Formula, Limits, Schema, ValueType};
use serde_json::{Map, Value, json};

use super::metadata::RawTable;
use super::{Problems, options};
use crate::airtable::model::{Base, Field, Kind, Table};

/// How many computed fields may stand on each other's shoulders; each takes stack to compute.
const MAX_DEPTH: usize = 100;

/// Compiles every formula and rollup, completes their metadata, and breaks circles.
pub(super) fn formulas(base: &mut Base, raw: &[RawTable<'_, '_>], problems: &mut Problems) {
    for table in &mut base.tables {
        table.schema = Arc::new(schema(table));
    }
    for (table, raw) in raw.iter().enumerate() {
        for (field, raw) in raw.fields.iter().enumerate() {
            let path = raw.object.at("options");
            check_target(base, table, field, &path, problems);
            match base.tables[table].fields[field].kind {
                Kind::Formula(_) => compile_formula(&mut base.tables[table], field, &path, problems),
                Kind::Rollup(_) => compile_rollup(&mut base.tables[table], field, &path, problems),
                Kind::Button(_) => compile_button(&mut base.tables[table], field, &path, problems),
                _ => {}
            }
        }
    }
    for (table, field, circular) in unsettled(base) {
        let why =
            if circular { "depends on itself" } else { "depends on too many other computed fields in a row" };
        problems.add(&raw[table].fields[field].object.path, why);
        invalidate(&mut base.tables[table].fields[field]);
    }
}

/// What formulas of a table can name.
fn schema(table: &Table) -> Schema {
    Schema::new(table.fields.iter().map(|field| {
        let kind = FieldKind::of_api_type(field.kind.type_name()).unwrap_or(FieldKind::Any);
        FieldDef::new(field.id.to_string(), field.name.clone(), kind)
    }))
}

/// A lookup's or rollup's target must be a field of the table that the link leads to.
fn check_target(base: &mut Base, table: usize, field: usize, path: &str, problems: &mut Problems) {
    let (link, target) = match &base.tables[table].fields[field].kind {
        Kind::Lookup { link, target, valid: true } => (*link, *target),
        Kind::Rollup(rollup) if rollup.valid => (rollup.link, rollup.target),
        Kind::Count { link: Some(link) } => {
            if base.tables[table].fields[*link].kind.link().is_none() {
                problems.add(
                    &format!("{path}.recordLinkFieldId"),
                    "names a field that is not multipleRecordLinks",
                );
            }
            return;
        }
        _ => return,
    };
    let Some(linked) = base.tables[table].fields[link].kind.link().map(|link| link.table) else {
        problems.add(&format!("{path}.recordLinkFieldId"), "names a field that is not multipleRecordLinks");
        invalidate(&mut base.tables[table].fields[field]);
        return;
    };
    let named = options_of(&base.tables[table].fields[field])
        .and_then(|options| options.get("fieldIdInLinkedTable"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let found = base.tables[linked].fields.get(target).is_some_and(|field| field.id.to_string() == named);
    if !found {
        problems
            .add(&format!("{path}.fieldIdInLinkedTable"), "names a field that is not in the linked table");
        invalidate(&mut base.tables[table].fields[field]);
        return;
    }
    let result = result_of(&base.tables[linked].fields[target]);
    if let Some(Value::Object(options)) = &mut base.tables[table].fields[field].options {
        options.entry("result").or_insert(result);
    }
}

fn options_of(field: &Field) -> Option<&Map<String, Value>> {
    field.options.as_ref().and_then(Value::as_object)
}

/// `result` of a field that shows another one's cells.
fn result_of(field: &Field) -> Value {
    let own = options_of(field).and_then(|options| options.get("result")).filter(|result| !result.is_null());
    if let Some(result) = own {
        return result.clone();
    }
    match &field.options {
        Some(options) => json!({"type": field.kind.type_name(), "options": options}),
        None => json!({"type": field.kind.type_name()}),
    }
}

fn text_option(field: &Field, key: &str) -> Option<String> {
    Some(options_of(field)?.get(key)?.as_str()?.to_owned())
}

fn says_invalid(field: &Field) -> bool {
    options_of(field).is_some_and(|options| options.get("isValid") == Some(&Value::Bool(false)))
}

fn compile_formula(table: &mut Table, index: usize, path: &str, problems: &mut Problems) {
    let schema = Arc::clone(&table.schema);
    let field = &mut table.fields[index];
    if says_invalid(field) || field.kind.is_stored() {
        return;
    }
    let Some(text) = text_option(field, "formula") else {
        problems.add(&format!("{path}.formula"), "is missing");
        return;
    };
    let compiled = match Formula::compile(&text, &schema, &Limits::default()) {
        Ok(compiled) => Arc::new(compiled),
        Err(error) => {
            problems.add(&format!("{path}.formula"), reason(&error));
            return;
        }
    };
    let used: Vec<_> = compiled.fields().iter().map(|&used| schema.fields()[used].id.clone()).collect();
    if let Some(Value::Object(options)) = &mut field.options {
        options.entry("isValid").or_insert(json!(true));
        options.entry("referencedFieldIds").or_insert(json!(used));
        options.entry("result").or_insert_with(|| result_type(compiled.result_type()));
    }
    if let Kind::Formula(formula) = &mut field.kind {
        formula.compiled = Some(compiled);
    }
}

/// Airtable's metadata does not tell how a rollup aggregates; a seed may, as `formula` over `values`.
fn compile_rollup(table: &mut Table, index: usize, path: &str, problems: &mut Problems) {
    let field = &mut table.fields[index];
    let Some(text) = text_option(field, "formula") else { return };
    let schema = Schema::new([FieldDef::new("", "values", FieldKind::Array)]);
    match Formula::compile(&text, &schema, &Limits::default()) {
        Ok(compiled) => {
            if let Some(Value::Object(options)) = &mut field.options {
                options.remove("formula");
                options.entry("referencedFieldIds").or_insert(json!([]));
                options.entry("result").or_insert_with(|| result_type(compiled.result_type()));
            }
            if let Kind::Rollup(rollup) = &mut field.kind {
                rollup.compiled = rollup.valid.then(|| Arc::new(compiled));
            }
        }
        Err(error) => problems.add(&format!("{path}.formula"), reason(&error)),
    }
}

/// Where a button leads, which Airtable's metadata does not tell either.
fn compile_button(table: &mut Table, index: usize, path: &str, problems: &mut Problems) {
    let schema = Arc::clone(&table.schema);
    let field = &mut table.fields[index];
    let text = text_option(field, "formula");
    if let Some(Value::Object(options)) = &mut field.options {
        options.remove("formula");
        if options.is_empty() {
            field.options = None;
        }
    }
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return };
    match (Formula::compile(&text, &schema, &Limits::default()), &mut field.kind) {
        (Ok(compiled), Kind::Button(button)) => button.url = Some(Arc::new(compiled)),
        (Ok(_), _) => {}
        (Err(error), _) => problems.add(&format!("{path}.formula"), reason(&error)),
    }
}

pub(super) fn reason(error: &CompileError) -> String {
    match error {
        CompileError::NotBuilt { function, .. } => format!("the function {function} is not built yet"),
        error => error.to_string(),
    }
}

/// `result` of a formula that the seed does not tell.
pub(super) fn result_type(value: ValueType) -> Value {
    match value {
        ValueType::Number | ValueType::Boolean => json!({"type": "number", "options": {"precision": 8}}),
        ValueType::Date => options::date_time_result(),
        ValueType::Blank | ValueType::Text | ValueType::Array | ValueType::Any => {
            json!({"type": "singleLineText"})
        }
    }
}

fn invalidate(field: &mut Field) {
    match &mut field.kind {
        Kind::Formula(formula) => formula.compiled = None,
        Kind::Rollup(rollup) => {
            rollup.compiled = None;
            rollup.valid = false;
        }
        Kind::Lookup { valid, .. } => *valid = false,
        Kind::Button(button) => button.url = None,
        _ => {}
    }
}

/// Computed fields that cannot be settled by computing one after the other, and whether that is because they go round
/// in a circle.
fn unsettled(base: &Base) -> Vec<(usize, usize, bool)> {
    type Place = (usize, usize);
    let mut waiting: HashMap<Place, Vec<Place>> = HashMap::new();
    for (table, content) in base.tables.iter().enumerate() {
        for field in 0..content.fields.len() {
            let needs = needs(base, table, field);
            if !needs.is_empty() {
                waiting.insert((table, field), needs);
            }
        }
    }
    for _ in 0..MAX_DEPTH {
        let settled: Vec<Place> = waiting
            .iter()
            .filter(|(_, needs)| needs.iter().all(|need| !waiting.contains_key(need)))
            .map(|(place, _)| *place)
            .collect();
        if settled.is_empty() {
            break;
        }
        settled.iter().for_each(|place| {
            waiting.remove(place);
        });
    }
    let movable = waiting.values().any(|needs| needs.iter().all(|need| !waiting.contains_key(need)));
    let mut places: Vec<_> = waiting.into_keys().collect();
    places.sort_unstable();
    places.into_iter().map(|(table, field)| (table, field, !movable)).collect()
}

/// The fields that one is computed from; a link shows the other table's primary field.
fn needs(base: &Base, table: usize, field: usize) -> Vec<(usize, usize)> {
    let own = &base.tables[table];
    let through = |link: usize, target: usize| {
        let linked = own.fields[link].kind.link().map(|link| (link.table, target));
        linked.into_iter().collect()
    };
    match &own.fields[field].kind {
        Kind::Formula(formula) => match &formula.compiled {
            Some(compiled) => compiled.fields().iter().map(|&used| (table, used)).collect(),
            None => Vec::new(),
        },
        Kind::Button(button) => {
            let used = button.url.iter().flat_map(|url| url.fields());
            used.map(|&used| (table, used)).collect()
        }
        Kind::Links(link) => vec![(link.table, base.tables[link.table].primary)],
        Kind::Lookup { link, target, valid: true } => through(*link, *target),
        Kind::Rollup(rollup) if rollup.compiled.is_some() => through(rollup.link, rollup.target),
        _ => Vec::new(),
    }
}
