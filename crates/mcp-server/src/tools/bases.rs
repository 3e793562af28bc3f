//! What is there: bases, tables, fields.

use serde_json::{Map, Value, json};

use crate::arguments::Arguments;
use crate::context::{Context, Output};
use crate::error::ToolError;
use crate::names::quoted;
use crate::render::{self, Format, TEXT_LIMIT};
use crate::schema::{BaseSchema, Field, Table};

/// Most choices of a field that are listed.
const CHOICES: usize = 100;

pub(super) async fn list_bases(context: &Context) -> Result<Output, ToolError> {
    let bases = context.asker.bases().await?;
    let rows: Vec<Vec<String>> = bases
        .iter()
        .map(|base| vec![base.id.to_string(), base.name.clone(), base.permission_level.clone()])
        .collect();
    let structured: Vec<Value> = bases
        .iter()
        .map(|base| json!({"id": base.id, "name": base.name, "permission": base.permission_level}))
        .collect();
    let text = match &bases[..] {
        [] => "This API key reaches no base.".to_owned(),
        bases => table_text(&counted(bases.len(), "base"), &["id", "name", "permission"], &rows),
    };
    Ok(Output::new(text, json!({"bases": structured})))
}

pub(super) async fn list_tables(context: &Context, arguments: &Arguments) -> Result<Output, ToolError> {
    let (base, schema) = context.base(arguments).await?;
    let primary = |table: &Table| table.primary().map(|field| field.name.clone()).unwrap_or_default();
    let rows: Vec<Vec<String>> = schema
        .tables
        .iter()
        .map(|table| {
            let about = table.description.clone().unwrap_or_default();
            vec![table.id.clone(), table.name.clone(), table.fields.len().to_string(), primary(table), about]
        })
        .collect();
    let structured: Vec<Value> = schema
        .tables
        .iter()
        .map(|table| {
            let mut line = json!({
                "id": table.id, "name": table.name, "primary_field": primary(table),
                "fields": table.fields.len(), "views": table.views.len(),
            });
            if let Some(about) = &table.description {
                line["description"] = json!(about);
            }
            line
        })
        .collect();
    let head = format!("{} in base {base}", counted(schema.tables.len(), "table"));
    let text = table_text(&head, &["id", "name", "fields", "primary field", "description"], &rows);
    Ok(Output::new(text, json!({"base": base, "tables": structured})))
}

pub(super) async fn describe_table(context: &Context, arguments: &Arguments) -> Result<Output, ToolError> {
    let place = context.place(arguments).await?;
    let table = place.table();
    let lines: Vec<String> = table.fields.iter().map(|field| line_of(field, table, &place.schema)).collect();
    let primary = table.primary().map(|field| field.name.as_str()).unwrap_or_default();
    let head = format!(
        "Table {} ({}) of base {}, {}; primary field {}",
        quoted(&table.name),
        table.id,
        place.base,
        counted(table.fields.len(), "field"),
        quoted(primary)
    );
    let mut text = format!("{head}:\n{}", lines.join("\n"));
    let views: Vec<String> =
        table.views.iter().map(|view| format!("{} ({})", quoted(&view.name), view.kind)).collect();
    if !views.is_empty() {
        text.push_str(&format!("\nViews: {}", views.join(", ")));
    }
    let fields: Vec<Value> = table.fields.iter().map(|field| field_of(field, &place.schema)).collect();
    let views: Vec<Value> =
        table.views.iter().map(|view| json!({"id": view.id, "name": view.name, "type": view.kind})).collect();
    let mut structured = json!({
        "base": place.base, "id": table.id, "name": table.name, "primary_field": primary, "fields": fields, "views": views,
    });
    if let Some(about) = &table.description {
        structured["description"] = json!(about);
    }
    Ok(Output::new(text, structured))
}

/// `- "State": singleSelect: "Open", "Done"`, with what else there is to know.
fn line_of(field: &Field, table: &Table, schema: &BaseSchema) -> String {
    let mut line = format!("- {}: {}", quoted(&field.name), field.summary(schema));
    if field.is_computed {
        line.push_str(", computed");
    }
    if let Some(formula) = &field.formula {
        line.push_str(&format!(" = {}", with_names(formula, table)));
    }
    if let Some(about) = &field.description {
        line.push_str(&format!(" ({})", about.replace(['\n', '\r'], " ")));
    }
    line
}

/// A formula with fields by their names; Airtable tells it with their ids.
fn with_names(formula: &str, table: &Table) -> String {
    table.fields.iter().fold(formula.to_owned(), |text, field| text.replace(&field.id, &field.name))
}

fn field_of(field: &Field, schema: &BaseSchema) -> Value {
    let mut line = Map::new();
    line.insert("id".to_owned(), json!(field.id));
    line.insert("name".to_owned(), json!(field.name));
    line.insert("type".to_owned(), json!(field.api_type));
    line.insert("writable".to_owned(), json!(!field.is_computed));
    if !field.choices().is_empty() {
        line.insert("choices".to_owned(), json!(field.choices().iter().take(CHOICES).collect::<Vec<_>>()));
    }
    if let Some(table) = field.linked_table() {
        let name = schema.table_by_id(table).map(|table| table.name.as_str());
        line.insert("links_to".to_owned(), json!({"id": table, "name": name.unwrap_or_default()}));
    }
    if let Some(formula) = &field.formula {
        line.insert("formula".to_owned(), json!(formula));
    }
    if let Some(about) = &field.description {
        line.insert("description".to_owned(), json!(about));
    }
    Value::Object(line)
}

fn table_text(head: &str, columns: &[&str], rows: &[Vec<String>]) -> String {
    let rendered = render::rows(Format::Csv, columns, rows, |_| Value::Null, TEXT_LIMIT);
    let cut = match rows.len() - rendered.rows {
        0 => String::new(),
        more => format!("\nand {more} more"),
    };
    format!("{head}:\n{}{cut}", rendered.text)
}

/// `1 base`, `2 bases`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
