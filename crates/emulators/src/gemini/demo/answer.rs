//! Carrying out a query, and saying what came of it. Every number is one that a tool gave.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::agent::{Age, Agent, Plan, say};
use super::belt::{Role, Slot};
use super::csv;
use super::figures::Numbers;
use super::filter::{Condition, Test, formula, in_words};
use super::query::{Goal, Metric, Query};
use super::schema::{FieldKind, Table, list, text};

/// Records in one answer, unless the question says how many.
const LIMIT: usize = 20;

/// Fields of each record, unless the question names some.
const MOST_FIELDS: usize = 5;

impl Agent<'_> {
    /// The answer to a query.
    pub(super) fn carry_out(&self, query: &Query) -> Plan<String> {
        if !query.troubles.is_empty() {
            return say(self.not_understood(query));
        }
        match query.goal {
            Goal::Numbers => self.numbers(query),
            Goal::Records => self.records(query),
        }
    }

    /// What was understood, and what the table offers.
    fn not_understood(&self, query: &Query) -> String {
        let mut text = format!("{}.", query.troubles.join(", and "));
        let _ = write!(
            text,
            " I understood that you ask about records of {}{}.",
            query.table.name,
            in_words(&query.conditions)
        );
        text.push_str(&offer(&query.table));
        text
    }

    fn numbers(&self, query: &Query) -> Plan<String> {
        let Some(tool) = self.belt.get(Role::Aggregate) else { return self.count_by_list(query) };
        let counts = query.metrics.is_empty();
        let labels: Vec<String> =
            if counts { vec!["count".to_owned()] } else { query.metrics.iter().map(Metric::label).collect() };
        let groups: Vec<String> = query.groups.iter().map(|group| group.label()).collect();
        let mut given = self.place(&query.table);
        if !counts || tool.requires(Slot::Metrics) {
            given.push((Slot::Metrics, json!(labels)));
        }
        if !groups.is_empty() {
            given.push((Slot::GroupBy, json!(groups)));
        }
        given.extend(formula(&query.conditions).map(|formula| (Slot::Filter, json!(formula))));
        let thought =
            format!("Now I can ask for the numbers: {} of {}.", labels.join(", "), query.table.name);
        let result = self.call(tool, tool.arguments(given), Age::Fresh, &thought)?;
        let numbers = Numbers::read(&result, &labels, &groups);
        let Some(numbers) = numbers else {
            // A tool with another shape of result: its own words are better than none.
            return Ok(format!("{}{}: {}", query.table.name, in_words(&query.conditions), plain(&result)));
        };
        Ok(numbers.say(query, counts))
    }

    /// Without a tool that counts, all pages are read.
    fn count_by_list(&self, query: &Query) -> Plan<String> {
        if !query.metrics.is_empty() || !query.groups.is_empty() {
            return say("I have no tool that adds up or groups, only one that lists; I can count records.");
        }
        let tool = self.tool(Role::ListRecords)?;
        let mut cursor: Option<Value> = None;
        let mut count = 0;
        const MOST_PAGES: usize = 30;
        for _ in 0..MOST_PAGES {
            let mut given = self.place(&query.table);
            given.extend(formula(&query.conditions).map(|formula| (Slot::Filter, json!(formula))));
            given.push((Slot::Fields, json!([query.table.primary])));
            given.extend(cursor.clone().map(|cursor| (Slot::Cursor, cursor)));
            let result = self.call(
                tool,
                tool.arguments(given),
                Age::Fresh,
                "I count by reading all pages of the list.",
            )?;
            let page = Page::read(&result);
            count += page.records.len();
            cursor = page.cursor;
            if cursor.is_none() {
                let text = counted(&query.table, count as u64, query) + ".";
                // A list that ends at a round number, and does not say that this is all, may have been cut.
                let says_all = ["complete", "total"].iter().any(|name| result.get(*name).is_some());
                let may_be_cut = !says_all && count > 0 && count % 50 == 0;
                let doubt = may_be_cut.then(|| "the list ends there; there may be more".to_owned());
                return Ok(with_notes(text, query, doubt.as_slice()));
            }
        }
        say(format!(
            "There are more than {count} records in {}{}.",
            query.table.name,
            in_words(&query.conditions)
        ))
    }

    fn records(&self, query: &Query) -> Plan<String> {
        let tool = self.tool(Role::ListRecords)?;
        // Of the largest there may be several.
        let of_extremes = query.limit == Some(1) && !query.sort.is_empty();
        let limit = if of_extremes { LIMIT } else { query.limit.unwrap_or(LIMIT) };
        let fields = self.fields_to_show(query);
        let mut given = self.place(&query.table);
        let mut conditions = query.conditions.clone();
        if of_extremes {
            // Empty cells would come first where the smallest do.
            let of = |(field, _): &(String, bool)| query.table.field(field).cloned();
            let filled = query.sort.first().and_then(of);
            conditions.extend(filled.map(|field| Condition { field, test: Test::Empty, negated: true }));
        }
        let filter = formula(&conditions);
        given.extend(filter.clone().map(|formula| (Slot::Filter, json!(formula))));
        if !query.sort.is_empty() {
            let key = |(field, descending): &(String, bool)| {
                if *descending { format!("-{field}") } else { field.clone() }
            };
            given.push((Slot::Sort, json!(query.sort.iter().map(key).collect::<Vec<_>>())));
        }
        given.push((Slot::Limit, json!(limit)));
        given.push((Slot::Fields, json!(fields)));
        let mut calls = vec![(tool, tool.arguments(given))];
        // How many there are in all, at the same time.
        let count_tool = self.belt.get(Role::Aggregate).filter(|tool| !tool.requires(Slot::GroupBy));
        if let Some(count) = count_tool {
            let mut given = self.place(&query.table);
            given.extend(filter.map(|formula| (Slot::Filter, json!(formula))));
            if count.requires(Slot::Metrics) {
                given.push((Slot::Metrics, json!(["count"])));
            }
            calls.push((count, count.arguments(given)));
        }
        let thought = format!("I list the records of {} and count them at the same time.", query.table.name);
        // The list may be corrected; the count is of no use without it.
        let mut results = self.together(calls.clone(), Age::Fresh, &thought)?.into_iter();
        let listed = match results.next() {
            Some(Ok(result)) => result,
            _ => self.call(tool, calls.swap_remove(0).1, Age::Fresh, &thought)?,
        };
        let counted = results.next().and_then(Result::ok);
        let mut page = Page::read(&listed);
        if of_extremes {
            return Ok(extremes(query, &mut page, &fields));
        }
        let total = counted
            .as_ref()
            .and_then(|result| Numbers::read(result, &["count".to_owned()], &[])?.rows)
            .or(page.total)
            .or((page.cursor.is_none() && page.records.len() < limit).then_some(page.records.len() as u64));
        if page.records.is_empty() {
            let where_ = in_words(&query.conditions);
            return Ok(with_notes(
                format!("There are no records in {}{where_}.", query.table.name),
                query,
                &[],
            ));
        }
        if let ([record], true) = (page.records.as_slice(), total == Some(1) && query.shown.is_empty()) {
            return self.one(query, record);
        }
        let shown = page.records.len();
        let mut text = match total {
            Some(total) if total as usize > shown => {
                format!("{shown} of {total} records in {}{}", query.table.name, in_words(&query.conditions))
            }
            Some(total) => format!("{}{}", counted_in(&query.table, total), in_words(&query.conditions)),
            None => format!(
                "The first {shown} records in {}{} (there are more)",
                query.table.name,
                in_words(&query.conditions)
            ),
        };
        for (field, descending) in &query.sort {
            let _ = write!(text, ", {} {field} first", if *descending { "largest" } else { "smallest" });
        }
        text.push(':');
        for record in &page.records {
            text.push_str("\n- ");
            text.push_str(&line(record, &query.table, &fields));
        }
        Ok(with_notes(text, query, &[]))
    }

    /// One record is shown with all its cells.
    fn one(&self, query: &Query, record: &Value) -> Plan<String> {
        let id = record["id"].as_str().unwrap_or_default();
        let whole = match self.belt.get(Role::GetRecord) {
            Some(get) if !id.is_empty() => {
                let mut given = self.place(&query.table);
                given.push((Slot::RecordId, json!(id)));
                let result =
                    self.call(get, get.arguments(given), Age::Fresh, "There is one; I read all of it.")?;
                result.get("record").cloned().unwrap_or(result)
            }
            _ => record.clone(),
        };
        Ok(with_notes(whole_record(&whole, &query.table), query, &[]))
    }

    /// The primary field, what the question names, and some more.
    fn fields_to_show(&self, query: &Query) -> Vec<String> {
        let mut fields = vec![query.table.primary.clone()];
        let mut add = |name: &String| {
            if !fields.contains(name) {
                fields.push(name.clone());
            }
        };
        query.shown.iter().for_each(&mut add);
        query.sort.iter().for_each(|(field, _)| add(field));
        query.conditions.iter().for_each(|condition| add(&condition.field.name));
        if query.shown.is_empty() {
            let plain = |kind: FieldKind| {
                !matches!(kind, FieldKind::Attachment | FieldKind::Other | FieldKind::Computed)
            };
            for field in query.table.fields.iter().filter(|field| plain(field.kind)) {
                if fields.len() >= MOST_FIELDS {
                    break;
                }
                if !fields.contains(&field.name) {
                    fields.push(field.name.clone());
                }
            }
        }
        fields
    }
}

/// The first record, and those that share its value.
fn extremes(query: &Query, page: &mut Page, fields: &[String]) -> String {
    let Some((field, descending)) = query.sort.first() else { return String::new() };
    let value = |record: &Value| cells(record).get(field).cloned();
    page.records.retain(|record| value(record).is_some_and(|value| !value.is_null()));
    let Some(best) = page.records.first().and_then(value) else {
        return format!("No record in {}{} has a {field}.", query.table.name, in_words(&query.conditions));
    };
    page.records.retain(|record| value(record).as_ref() == Some(&best));
    let which = if *descending { "Largest" } else { "Smallest" };
    let mut text =
        format!("{which} {field} in {}{}: {}", query.table.name, in_words(&query.conditions), shown(&best));
    for record in &page.records {
        text.push_str("\n- ");
        text.push_str(&line(record, &query.table, fields));
    }
    with_notes(text, query, &[])
}

/// A record of which everything is shown.
pub(super) fn whole_record(record: &Value, table: &Table) -> String {
    let cells = cells(record);
    let name = cells.get(&table.primary).map(shown).unwrap_or_else(|| "(without a name)".to_owned());
    let mut text = format!("{name} ({}):", table.name);
    for (field, value) in &cells {
        if *field != table.primary {
            let _ = write!(text, "\n- {field}: {}", shown(value));
        }
    }
    text
}

/// The table's fields and choices, as far as they help to ask again.
pub(super) fn offer(table: &Table) -> String {
    let mut text = format!("\nFields of {}: ", table.name);
    let fields: Vec<String> = table
        .fields
        .iter()
        .take(30)
        .map(|field| {
            let choices: Vec<&str> = field.choices.iter().take(8).map(String::as_str).collect();
            if choices.is_empty() {
                field.name.clone()
            } else {
                format!("{} ({})", field.name, choices.join(", "))
            }
        })
        .collect();
    text.push_str(&fields.join(", "));
    text.push('.');
    text
}

/// One line of a list: the name, and the other fields.
fn line(record: &Value, table: &Table, fields: &[String]) -> String {
    let cells = cells(record);
    let mut text = cells.get(&table.primary).map(shown).unwrap_or_else(|| "(without a name)".to_owned());
    let others: Vec<String> = fields
        .iter()
        .filter(|field| **field != table.primary)
        .filter_map(|field| Some(format!("{field}: {}", shown(cells.get(field)?))))
        .collect();
    if !others.is_empty() {
        let _ = write!(text, " ({})", others.join("; "));
    }
    text
}

/// Cells of a record, whether they stand under `fields` or beside the id.
fn cells(record: &Value) -> Map<String, Value> {
    match (record.get("fields").and_then(Value::as_object), record.as_object()) {
        (Some(fields), _) => fields.clone(),
        (None, Some(flat)) => flat
            .iter()
            .filter(|(name, value)| *name != "id" && *name != "createdTime" && *value != "")
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        (None, None) => Map::new(),
    }
}

/// A page of a list.
pub(super) struct Page {
    pub(super) records: Vec<Value>,
    pub(super) cursor: Option<Value>,
    pub(super) total: Option<u64>,
}

impl Page {
    pub(super) fn read(result: &Value) -> Self {
        if let Value::String(text) = result {
            let records = csv::rows(text).unwrap_or_default().into_iter().map(Value::Object).collect();
            // "… repeat the call with cursor "X""
            let cursor = text.split_once("cursor \"").and_then(|(_, rest)| rest.split_once('"'));
            return Self { records, cursor: cursor.map(|(cursor, _)| json!(cursor)), total: None };
        }
        let records = list(result, &["records", "rows", "items", "results"]).cloned().collect();
        let cursor = ["next_cursor", "nextCursor", "cursor", "offset"]
            .iter()
            .find_map(|name| result.get(*name))
            .filter(|cursor| cursor.as_str().is_some_and(|text| !text.is_empty()))
            .cloned();
        Self { records, cursor, total: result.get("total").and_then(Value::as_u64) }
    }
}

pub(super) fn counted_in(table: &Table, count: u64) -> String {
    match count {
        0 => format!("There are no records in {}", table.name),
        1 => format!("1 record in {}", table.name),
        count => format!("{count} records in {}", table.name),
    }
}

pub(super) fn counted(table: &Table, count: u64, query: &Query) -> String {
    format!("{}{}", counted_in(table, count), in_words(&query.conditions))
}

/// The text, and what was assumed.
pub(super) fn with_notes(mut text: String, query: &Query, more: &[String]) -> String {
    let notes: Vec<String> = query.notes.iter().chain(more).cloned().collect();
    if !notes.is_empty() {
        let _ = write!(text, "\nNote: {}.", notes.join("; "));
    }
    text
}

/// A cell as a person would write it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "(empty)".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.replace(['\n', '\r'], " "),
        Value::Number(number) => {
            let text = number.to_string();
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        }
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            ["name", "filename", "text", "label", "email", "value", "error", "url", "id"]
                .iter()
                .find_map(|name| members.get(*name)?.as_str())
                .map_or_else(|| value.to_string(), str::to_owned)
        }
    }
}

/// A result in an unknown shape.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => text(other, &["message", "summary", "text"]).unwrap_or_else(|| {
            let text = other.to_string();
            let end = text.floor_char_boundary(2000);
            text[..end].to_owned()
        }),
    }
}
