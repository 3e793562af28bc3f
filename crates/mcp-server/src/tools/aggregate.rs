//! Numbers over whole tables: read completely here, so that no model counts rows.

mod group;
mod metric;

use std::collections::{BTreeSet, HashMap, HashSet};

use airtable_api::calls::PAGE;
use airtable_api::wire::ListRecords;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use crate::arguments::Arguments;
use crate::cells::Names;
use crate::context::{Context, Output, Place};
use crate::error::{Code, ToolError};
use crate::gateway::Record;
use crate::links;
use crate::names::quoted;
use crate::render::{self, Format, TEXT_LIMIT};
use crate::tools::bases::counted;
use crate::tools::list::{Selection, cut};
use group::{Grouping, Key, People};
use metric::{Metric, Tally};

/// Most groups of a structured result.
const MOST_GROUPS: usize = 5000;

/// Most linked records that groups are named after.
const MOST_NAMES: usize = 2000;

/// Longest text of a group's key; the whole stands in the structured result.
const LONGEST_KEY: usize = 500;

/// More of them would be no summary.
const MOST_METRICS: usize = 20;
const MOST_GROUPINGS: usize = 4;

/// Everything that was computed.
struct Tallies {
    rows: u64,
    totals: Vec<Tally>,
    groups: IndexMap<Vec<Key>, Vec<Tally>>,
    people: People,
    /// Values that a metric could not take, by metric.
    skipped: Vec<u64>,
}

pub(super) async fn aggregate_records(context: &Context, arguments: &Arguments) -> Result<Output, ToolError> {
    let place = context.place(arguments).await?;
    let table = place.table();
    let mut metrics: Vec<Metric> = match arguments.texts("metrics").unwrap_or_default()[..] {
        [] => vec![Metric::parse("count", table)?],
        ref texts => texts.iter().map(|text| Metric::parse(text, table)).collect::<Result<_, _>>()?,
    };
    let mut groupings: Vec<Grouping> = arguments
        .texts("group_by")
        .unwrap_or_default()
        .iter()
        .map(|text| Grouping::parse(text, table))
        .collect::<Result<_, _>>()?;
    // The same by two names, or twice, is one: twice it would be every pair of values of a record.
    let mut seen = HashSet::new();
    metrics.retain(|metric| seen.insert(metric.label.clone()));
    seen.clear();
    groupings.retain(|grouping| seen.insert(grouping.label.clone()));
    if metrics.len() > MOST_METRICS || groupings.len() > MOST_GROUPINGS {
        return Err(ToolError::invalid(format!(
            "at most {MOST_METRICS} metrics and {MOST_GROUPINGS} fields to group by in one call"
        )));
    }
    let selection = Selection::of(table, arguments)?;
    let mut tallies = read(context, &place, selection.ask, &metrics, &groupings).await?;
    let mut notes = selection.notes;
    let names = names_of(context, &place, &groupings, &tallies, &mut notes).await?;
    sort(&mut tallies, &groupings, &names);
    notes.extend(notes_of(&metrics, &groupings, &tallies));
    Ok(answer(&place, &metrics, &groupings, &tallies, &names, notes, Format::of(arguments.text("format"))))
}

/// Reads all pages, with the cells that are needed and no others.
async fn read(
    context: &Context,
    place: &Place,
    ask: ListRecords,
    metrics: &[Metric],
    groupings: &[Grouping],
) -> Result<Tallies, ToolError> {
    let table = place.table();
    let of_metrics = metrics.iter().filter_map(|metric| metric.field.as_ref());
    let needed: BTreeSet<&str> = of_metrics
        .chain(groupings.iter().map(|grouping| &grouping.field))
        .map(|field| field.name.as_str())
        .collect();
    let mut fields: Vec<String> = needed.into_iter().map(str::to_owned).collect();
    if fields.is_empty() {
        // No field at all means all of them; one is the least that can be asked for.
        fields.extend(table.primary().map(|primary| primary.name.clone()));
    }
    let mut ask = ListRecords { fields, page_size: Some(PAGE), sort: Vec::new(), ..ask };
    let start = || metrics.iter().map(Metric::start).collect::<Vec<_>>();
    let mut tallies = Tallies {
        rows: 0,
        totals: start(),
        groups: IndexMap::new(),
        people: People::new(),
        skipped: vec![0; metrics.len()],
    };
    let mut pages = 0;
    loop {
        let page = context.asker.list(&place.base, &table.id, &ask).await.map_err(|error| match error.code {
            Code::DeadlineExceeded => ToolError::new(
                Code::DeadlineExceeded,
                format!(
                    "the table is too large to be read in the time there is: {} were read, so there is no result. Narrow it \
                     with filter",
                    counted(tallies.rows as usize, "record")
                ),
            ),
            _ => error,
        })?;
        for record in &page.records {
            tallies.add(record, metrics, groupings, &start);
        }
        pages += 1;
        ask.offset = page.offset.filter(|offset| !offset.is_empty());
        if ask.offset.is_none() {
            return Ok(tallies);
        }
        context
            .progress
            .report(pages, None, format!("{} read", counted(tallies.rows as usize, "record")))
            .await;
    }
}

impl Tallies {
    fn add(
        &mut self,
        record: &Record,
        metrics: &[Metric],
        groupings: &[Grouping],
        start: &impl Fn() -> Vec<Tally>,
    ) {
        self.rows += 1;
        let cell = |metric: &Metric| metric.field.as_ref().and_then(|field| record.fields.get(&field.name));
        for (at, metric) in metrics.iter().enumerate() {
            self.skipped[at] += self.totals[at].add(metric, cell(metric));
        }
        if groupings.is_empty() {
            return;
        }
        let mut keys: Vec<Vec<Key>> = vec![Vec::new()];
        for grouping in groupings {
            let values = grouping.keys(record.fields.get(&grouping.field.name), &mut self.people);
            keys = keys
                .into_iter()
                .flat_map(|key| {
                    values.iter().map(move |value| {
                        let mut key = key.clone();
                        key.push(value.clone());
                        key
                    })
                })
                .collect();
        }
        for key in keys {
            let group = self.groups.entry(key).or_insert_with(start);
            for (tally, metric) in group.iter_mut().zip(metrics) {
                tally.add(metric, cell(metric));
            }
        }
    }
}

/// Names of the linked records that groups are about.
async fn names_of(
    context: &Context,
    place: &Place,
    groupings: &[Grouping],
    tallies: &Tallies,
    notes: &mut Vec<String>,
) -> Result<Names, ToolError> {
    let mut names = Names::new();
    for (at, grouping) in groupings.iter().enumerate() {
        let Some(table) = grouping.field.linked_table() else { continue };
        let ids: BTreeSet<&str> = tallies
            .groups
            .keys()
            .filter_map(|key| match &key[at] {
                Key::Record(id) => Some(id.as_str()),
                _ => None,
            })
            .collect();
        if ids.len() > MOST_NAMES {
            notes.push(format!(
                "only {MOST_NAMES} of the {} linked records are named in {}, the others have their ids",
                ids.len(),
                quoted(&grouping.label)
            ));
        }
        let ids: Vec<&str> = ids.into_iter().take(MOST_NAMES).collect();
        names.extend(links::names_of(&context.asker, &place.base, &place.schema, table, &ids).await?);
    }
    Ok(names)
}

/// Dates and numbers in their own order, everything else by the first metric, largest first; empty groups last.
fn sort(tallies: &mut Tallies, groupings: &[Grouping], names: &Names) {
    let by_key = groupings.first().is_some_and(Grouping::is_ordered);
    let people = std::mem::take(&mut tallies.people);
    let order = |key: &[Key]| key.iter().map(|key| key.order(names, &people)).collect::<Vec<_>>();
    let compare_keys =
        |a: &[Key], b: &[Key]| order(a).partial_cmp(&order(b)).unwrap_or(std::cmp::Ordering::Equal);
    tallies.groups.sort_by(|a, a_tallies, b, b_tallies| {
        let empty_last = (a[0] == Key::Empty).cmp(&(b[0] == Key::Empty));
        let by_size = match (by_key, a_tallies.first(), b_tallies.first()) {
            (false, Some(a), Some(b)) => a.descending(b),
            _ => std::cmp::Ordering::Equal,
        };
        empty_last.then(by_size).then_with(|| compare_keys(a, b))
    });
    tallies.people = people;
}

fn notes_of(metrics: &[Metric], groupings: &[Grouping], tallies: &Tallies) -> Vec<String> {
    let mut notes: Vec<String> = groupings.iter().filter_map(Grouping::note).collect();
    if metrics.iter().any(Metric::skips_empty) {
        notes.push("empty cells are left out of count(Field), distinct, avg, min and max".to_owned());
    }
    for (metric, skipped) in metrics.iter().zip(&tallies.skipped).filter(|(_, skipped)| **skipped > 0) {
        notes.push(format!(
            "{}: {} left out, being errors or no numbers",
            metric.label,
            counted(*skipped as usize, "value")
        ));
    }
    notes
}

fn answer(
    place: &Place,
    metrics: &[Metric],
    groupings: &[Grouping],
    tallies: &Tallies,
    names: &Names,
    mut notes: Vec<String>,
    format: Format,
) -> Output {
    let labels: Vec<&str> = metrics.iter().map(|metric| metric.label.as_str()).collect();
    let of = |tallies: &[Tally]| -> Map<String, Value> {
        metrics
            .iter()
            .zip(tallies)
            .map(|(metric, tally)| (metric.label.clone(), tally.to_json(metric)))
            .collect()
    };
    let people = &tallies.people;
    let mut groups: Vec<Value> = tallies
        .groups
        .iter()
        .map(|(key, group_tallies)| {
            let group: Map<String, Value> = groupings
                .iter()
                .zip(key)
                .map(|(grouping, key)| (grouping.label.clone(), key.to_json(names, people)))
                .collect();
            json!({"group": group, "metrics": of(group_tallies)})
        })
        .collect();
    let told_apart = told_apart(names);
    let rows: Vec<Vec<String>> = tallies
        .groups
        .iter()
        .map(|(key, group)| {
            let keys = key.iter().map(|key| cut(key.to_text(&told_apart, &tallies.people), LONGEST_KEY));
            let values = group.iter().zip(metrics).map(|(tally, metric)| tally.to_text(metric));
            keys.chain(values).collect()
        })
        .collect();
    let read = format!("{}, all pages read", counted(tallies.rows as usize, "record"));
    let totals: Vec<String> = metrics
        .iter()
        .zip(&tallies.totals)
        .map(|(metric, tally)| format!("{} = {}", metric.label, or_none(tally.to_text(metric))))
        .collect();
    let mut text = format!("{} ({read})", quoted(&place.table().name));
    if groupings.is_empty() {
        text.push_str(&format!(": {}", totals.join(", ")));
    } else {
        let columns: Vec<&str> =
            groupings.iter().map(|grouping| grouping.label.as_str()).chain(labels.iter().copied()).collect();
        let rendered = render::rows(format, &columns, &rows, |at| groups[at].clone(), TEXT_LIMIT);
        if rendered.rows < rows.len() {
            notes.push(format!("only the first {} of {} groups are shown", rendered.rows, rows.len()));
        }
        text.push_str(&format!(
            ", {}:\n{}\nOverall: {}",
            counted(rows.len(), "group"),
            rendered.text,
            totals.join(", ")
        ));
    }
    let mut structured = json!({"rows": tallies.rows, "totals": of(&tallies.totals), "complete": true});
    if groups.len() > MOST_GROUPS {
        notes.push(format!("the structured result has the first {MOST_GROUPS} of {} groups", groups.len()));
        groups.truncate(MOST_GROUPS);
    }
    structured["groups"] = Value::Array(groups);
    for note in &notes {
        text.push_str(&format!("\nNote: {note}"));
    }
    if !notes.is_empty() {
        structured["notes"] = json!(notes);
    }
    Output::new(text, structured)
}

/// Names, with the id behind those that several records have.
fn told_apart(names: &Names) -> Names {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for name in names.values() {
        *seen.entry(name).or_default() += 1;
    }
    let text = |id: &String, name: &String| match seen[name.as_str()] {
        1 => name.clone(),
        _ => format!("{name} ({id})"),
    };
    names.iter().map(|(id, name)| (id.clone(), text(id, name))).collect()
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}
