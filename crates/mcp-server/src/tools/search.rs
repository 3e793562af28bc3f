//! Words anywhere in a table, or in all tables of a base.

use airtable_api::BaseId;
use airtable_api::calls::PAGE;
use airtable_api::wire::ListRecords;
use airtable_formula::filter::{FieldError, Filter};
use serde_json::{Map, Value, json};

use crate::arguments::Arguments;
use crate::cells::{self, Names};
use crate::context::{Context, Output};
use crate::error::{Code, ToolError};
use crate::gateway::Record;
use crate::links;
use crate::names::{listed, quoted};
use crate::render::{self, Format, TEXT_LIMIT};
use crate::schema::{BaseSchema, Field, Shape, Table};
use crate::tools::bases::counted;

const LIMIT: i64 = 50;
pub(super) const MOST: i64 = 500;

/// More words make no search better.
const WORDS: usize = 10;

/// Characters shown on either side of a hit.
const AROUND: usize = 40;

/// One table's share of the search.
struct Hits<'t> {
    table: &'t Table,
    fields: Vec<&'t Field>,
    records: Vec<Record>,
    names: Names,
    /// There are more than were read.
    has_more: bool,
}

pub(super) async fn search_records(context: &Context, arguments: &Arguments) -> Result<Output, ToolError> {
    let words = words_of(arguments.text("query").unwrap_or_default());
    if words.is_empty() {
        return Err(ToolError::invalid("query has no words; to list everything use list_records"));
    }
    let (base, schema) = context.base(arguments).await?;
    let tables: Vec<&Table> = match arguments.text("table") {
        Some(wanted) => vec![schema.table(wanted)?],
        None => schema.tables.iter().collect(),
    };
    let within = arguments.texts("fields").unwrap_or_default();
    if !within.is_empty() && tables.len() > 1 {
        return Err(ToolError::invalid("fields can be given together with table only"));
    }
    let limit = usize::try_from(arguments.integer("limit").unwrap_or(LIMIT)).unwrap_or(1);

    // Every table is searched, however much the first ones have: what is looked for may be the name of a record of the last,
    // and the others merely link to it.
    let mut hits: Vec<Hits<'_>> = Vec::new();
    for (at, table) in tables.iter().enumerate() {
        let fields: Vec<&Field> = match within[..] {
            [] => table.fields.iter().filter(|field| is_searched(field, &words)).collect(),
            _ => within.iter().map(|name| table.field(name)).collect::<Result<_, _>>()?,
        };
        if fields.is_empty() {
            continue;
        }
        let share = in_table(context, &base, &schema, table, fields, &words, limit).await?;
        hits.push(share);
        context
            .progress
            .report(at + 1, Some(tables.len()), format!("searched {}", quoted(&table.name)))
            .await;
    }
    Ok(answer(&words, &hits, limit, Format::of(arguments.text("format"))))
}

async fn in_table<'t>(
    context: &Context,
    base: &BaseId,
    schema: &BaseSchema,
    table: &'t Table,
    fields: Vec<&'t Field>,
    words: &[String],
    limit: usize,
) -> Result<Hits<'t>, ToolError> {
    let mut wanted: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
    if let Some(primary) = table.primary().filter(|primary| !wanted.contains(&primary.name)) {
        wanted.push(primary.name.clone());
    }
    let mut ask = ListRecords {
        fields: wanted,
        filter_by_formula: Some(filter(table, &fields, words)?.to_string()),
        page_size: Some(PAGE),
        ..ListRecords::default()
    };
    let mut records: Vec<Record> = Vec::new();
    loop {
        let page = context.asker.list(base, &table.id, &ask).await?;
        records.extend(page.records);
        ask.offset = page.offset.filter(|offset| !offset.is_empty());
        if records.len() >= limit || ask.offset.is_none() {
            break;
        }
    }
    let has_more = records.len() > limit || ask.offset.is_some();
    records.truncate(limit);
    let names = match links::names_in(&context.asker, base, schema, &fields, &records).await {
        Ok(linked) => linked.names,
        Err(error) if error.code == Code::Forbidden => Names::new(),
        Err(error) => return Err(error),
    };
    Ok(Hits { table, fields, records, names, has_more })
}

/// Records that are called so come first, then those that have the words elsewhere, each in the order of the tables.
fn answer(words: &[String], hits: &[Hits<'_>], limit: usize, format: Format) -> Output {
    let mut found: Vec<(&Hits<'_>, &Record)> =
        hits.iter().flat_map(|share| share.records.iter().map(move |record| (share, record))).collect();
    found.sort_by_cached_key(|(share, record)| {
        let name = name_of(record, share).to_lowercase();
        !words.iter().all(|word| name.contains(word))
    });
    let is_complete = found.len() <= limit && hits.iter().all(|hits| !hits.has_more);
    found.truncate(limit);
    let count = found.len();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut structured: Vec<Value> = Vec::new();
    for (share, record) in found {
        let matched: Vec<(&Field, String)> = share
            .fields
            .iter()
            .filter_map(|field| Some((*field, snippet(field, record, share, words)?)))
            .collect();
        let name = name_of(record, share);
        let shown: Vec<String> =
            matched.iter().map(|(field, snippet)| format!("{}: {snippet}", field.name)).collect();
        rows.push(vec![share.table.name.clone(), record.id.to_string(), name.clone(), shown.join(" | ")]);
        let fields: Map<String, Value> = matched
            .iter()
            .filter_map(|(field, _)| {
                let cell = record.fields.get(&field.name)?.clone();
                Some((field.name.clone(), cells::structured(field, cell, &share.names)))
            })
            .collect();
        structured.push(json!({
            "table": share.table.name, "table_id": share.table.id, "id": record.id, "name": name, "fields": fields,
        }));
    }
    let json = |at: usize| super::list::fitted(structured[at].clone()).0;
    let rendered = render::rows(format, &["table", "id", "name", "match"], &rows, json, TEXT_LIMIT);
    let is_complete = is_complete && rendered.rows == rows.len();
    let mut text = match (count, is_complete) {
        (0, _) => format!("No record has {}", in_words(words)),
        (_, true) => format!("{} with {}, all there are", counted(count, "record"), in_words(words)),
        (_, false) => format!(
            "the first {} with {}; there are more: add words, name a table, or raise limit",
            counted(rendered.rows, "record"),
            in_words(words)
        ),
    };
    if rendered.rows > 0 {
        text.push_str(":\n");
        text.push_str(&rendered.text);
    }
    text.push_str("\nSearched, ignoring case: ");
    let searched: Vec<String> = hits
        .iter()
        .map(|hits| {
            format!(
                "{} ({})",
                quoted(&hits.table.name),
                listed(hits.fields.iter().map(|field| field.name.as_str()))
            )
        })
        .collect();
    text.push_str(&searched.join("; "));
    let searched: Vec<Value> = hits
        .iter()
        .map(|hits| {
            let fields: Vec<&str> = hits.fields.iter().map(|field| field.name.as_str()).collect();
            json!({"table": hits.table.name, "fields": fields})
        })
        .collect();
    structured.truncate(rendered.rows);
    Output::new(text, json!({"matches": structured, "searched": searched, "complete": is_complete}))
}

/// The record's primary cell.
fn name_of(record: &Record, share: &Hits<'_>) -> String {
    let name = share
        .table
        .primary()
        .and_then(|primary| Some(cells::text(primary, record.fields.get(&primary.name)?, &share.names)));
    super::list::cut(name.unwrap_or_default(), 200)
}

/// The words, or `"phrases in quotes"`, in lower case.
fn words_of(query: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in query.split('"').enumerate() {
        if at % 2 == 1 {
            words.push(part.trim().to_lowercase());
        } else {
            words.extend(part.split_whitespace().map(str::to_lowercase));
        }
    }
    words.retain(|word| !word.is_empty());
    words.truncate(WORDS);
    words
}

/// Text of any kind is searched; numbers and dates are, if a word has a digit.
fn is_searched(field: &Field, words: &[String]) -> bool {
    let has_digit = || words.iter().any(|word| word.contains(|letter: char| letter.is_ascii_digit()));
    match field.shape {
        Shape::Files | Shape::Checkbox => false,
        Shape::Number
        | Shape::Percent
        | Shape::Rating { .. }
        | Shape::Duration
        | Shape::Day
        | Shape::Instant(_) => has_digit(),
        Shape::Unknown => !matches!(field.api_type.as_str(), "button" | "manualSort"),
        _ => true,
    }
}

/// Keeps records in which each word stands in one of the fields; no word is found across two of them.
fn filter(table: &Table, fields: &[&Field], words: &[String]) -> Result<Filter, FieldError> {
    let lines = table.formula.as_lines(fields.iter().map(|field| &field.id))?;
    Ok(Filter::all(words.iter().map(|word| lines.contains(word))))
}

/// The text around the first word that this cell has.
fn snippet(field: &Field, record: &Record, share: &Hits<'_>, words: &[String]) -> Option<String> {
    let text = cells::text(field, record.fields.get(&field.name)?, &share.names);
    let lower = text.to_lowercase();
    let at = words.iter().filter_map(|word| lower.find(word.as_str())).min()?;
    // Lower case can be longer or shorter in bytes; characters are near enough for what is shown.
    let before = lower[..at].chars().count();
    let start = before.saturating_sub(AROUND);
    let shown: String = text.chars().skip(start).take(2 * AROUND + 20).collect();
    let shown = shown.replace(['\n', '\r'], " ");
    let (head, tail) = (
        if start > 0 { "…" } else { "" },
        if text.chars().count() > start + 2 * AROUND + 20 { "…" } else { "" },
    );
    Some(format!("{head}{shown}{tail}"))
}

fn in_words(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_words_and_phrases() {
        assert_eq!(words_of(r#"Ada "New York"  ÖL"#), ["ada", "new york", "öl"]);
        assert_eq!(words_of(r#" "" "#), [""; 0]);
        assert_eq!(words_of("\"open"), ["open"]);
    }
}
