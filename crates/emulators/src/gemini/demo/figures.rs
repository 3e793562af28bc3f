//! What a tool has computed, read out of its result and put into words.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::answer::{counted, shown, with_notes};
use super::csv;
use super::filter::in_words;
use super::query::{Metric, Query};
use super::schema::list;

/// Groups in one answer.
const MOST_GROUPS: usize = 60;

/// What a group has in common, by label; its numbers, by label.
type Grouped = (Map<String, Value>, Map<String, Value>);

/// What a tool has computed.
pub(super) struct Numbers {
    pub(super) rows: Option<u64>,
    totals: Map<String, Value>,
    groups: Vec<Grouped>,
    notes: Vec<String>,
    is_complete: bool,
}

impl Numbers {
    pub(super) fn read(result: &Value, labels: &[String], groups: &[String]) -> Option<Self> {
        if let Value::String(text) = result {
            return Self::from_text(text, labels, groups);
        }
        let object = result.as_object()?;
        let totals = ["totals", "total", "metrics", "overall"]
            .iter()
            .find_map(|name| object.get(*name)?.as_object())
            .cloned()
            .unwrap_or_else(|| {
                labels.iter().filter_map(|label| Some((label.clone(), object.get(label)?.clone()))).collect()
            });
        let count = totals.get("count").or(object.get("count"));
        let rows = object.get("rows").or(count).and_then(Value::as_u64);
        let read_group = |entry: &Value| -> Option<Grouped> {
            let flat = entry.as_object()?;
            let part = |name: &str, wanted: &[String]| -> Map<String, Value> {
                match flat.get(name).and_then(Value::as_object) {
                    Some(inner) => inner.clone(),
                    None => wanted
                        .iter()
                        .filter_map(|label| Some((label.clone(), flat.get(label)?.clone())))
                        .collect(),
                }
            };
            Some((part("group", groups), part("metrics", labels)))
        };
        let groups: Vec<_> = list(result, &["groups"]).filter_map(read_group).collect();
        if rows.is_none() && totals.is_empty() && groups.is_empty() {
            return None;
        }
        let notes = list(&result["notes"], &[]).filter_map(Value::as_str).map(str::to_owned).collect();
        Some(Self {
            rows,
            totals,
            groups,
            notes,
            is_complete: object.get("complete") != Some(&Value::Bool(false)),
        })
    }

    /// `"Tasks" (240 records, all pages read): count = 240`, or lines of groups and `Overall: count = 240`.
    fn from_text(text: &str, labels: &[String], groups: &[String]) -> Option<Self> {
        let number = |label: &String| {
            let (_, rest) = text.rsplit_once(&format!("{label} = "))?;
            let end = rest.find([',', '\n']).unwrap_or(rest.len());
            Some((label.clone(), serde_json::from_str(&rest[..end]).unwrap_or_else(|_| json!(rest[..end]))))
        };
        let totals: Map<String, Value> = labels.iter().filter_map(number).collect();
        let rows = text.split_once('(').and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
        let split = |row: &Map<String, Value>, wanted: &[String]| -> Map<String, Value> {
            wanted.iter().filter_map(|label| Some((label.clone(), row.get(label)?.clone()))).collect()
        };
        let table = csv::rows(text).unwrap_or_default();
        let groups: Vec<_> = table.iter().map(|row| (split(row, groups), split(row, labels))).collect();
        (!totals.is_empty()).then(|| Self {
            rows,
            totals,
            groups,
            notes: Vec::new(),
            is_complete: !text.contains("only the first"),
        })
    }

    pub(super) fn say(&self, query: &Query, counts: bool) -> String {
        let where_ = in_words(&query.conditions);
        let table = &query.table.name;
        let mut text = String::new();
        let total = |metric: &Metric| self.totals.get(&metric.label()).map_or("none".to_owned(), shown);
        if query.groups.is_empty() {
            if counts {
                let count =
                    self.totals.get("count").and_then(Value::as_u64).or(self.rows).unwrap_or_default();
                text = counted(&query.table, count, query);
            } else {
                let parts: Vec<String> = query
                    .metrics
                    .iter()
                    .map(|metric| format!("{}: {}", metric.in_words(), total(metric)))
                    .collect();
                match (query.metrics.as_slice(), parts.as_slice()) {
                    ([metric], _) => {
                        let _ = write!(text, "{} in {table}{where_}: {}", metric.in_words(), total(metric));
                    }
                    (_, parts) => {
                        let _ = write!(text, "In {table}{where_}: {}", parts.join("; "));
                    }
                }
                if let Some(rows) = self.rows {
                    let _ = write!(text, " ({rows} record{})", if rows == 1 { "" } else { "s" });
                }
            }
            text.push('.');
        } else {
            let by: Vec<String> = query.groups.iter().map(|group| group.in_words()).collect();
            let what = match query.metrics.as_slice() {
                [] => "Records".to_owned(),
                metrics => metrics.iter().map(Metric::in_words).collect::<Vec<_>>().join(" and "),
            };
            let _ = write!(text, "{what} in {table}{where_}, by {}", by.join(" and "));
            let mut groups: Vec<&Grouped> = self.groups.iter().collect();
            if let Some(largest) = query.extreme {
                groups = self.extremes(query, largest);
                let _ = write!(text, ", the {}", if largest { "most" } else { "least" });
            } else if let Some(rows) = self.rows {
                let _ = write!(
                    text,
                    " ({rows} record{} in {} group{})",
                    if rows == 1 { "" } else { "s" },
                    groups.len(),
                    if groups.len() == 1 { "" } else { "s" }
                );
            }
            if groups.is_empty() {
                text.push_str(": there are none.");
            } else {
                text.push(':');
            }
            let most = query.limit.unwrap_or(MOST_GROUPS);
            for (keys, numbers) in groups.iter().take(most) {
                let _ = write!(text, "\n- {}: {}", key(keys, query), self.group_numbers(numbers, query));
            }
            if groups.len() > most {
                let _ = write!(text, "\n(and {} more)", groups.len() - most);
            }
        }
        let mut notes = self.notes.clone();
        if !self.is_complete {
            notes.push("the tool did not read everything, so these numbers are too small".to_owned());
        }
        with_notes(text, query, &notes)
    }

    fn group_numbers(&self, numbers: &Map<String, Value>, query: &Query) -> String {
        match query.metrics.as_slice() {
            [] => numbers.get("count").map_or("?".to_owned(), shown),
            [one] => numbers.get(&one.label()).map_or("none".to_owned(), shown),
            several => several
                .iter()
                .map(|metric| {
                    format!(
                        "{} {}",
                        metric.in_words(),
                        numbers.get(&metric.label()).map_or("none".to_owned(), shown)
                    )
                })
                .collect::<Vec<_>>()
                .join(", "),
        }
    }

    /// The groups with the largest or smallest number, all of them if several share it; groups without a key are nobody.
    fn extremes(&self, query: &Query, largest: bool) -> Vec<&Grouped> {
        let label = query.metrics.first().map_or("count".to_owned(), Metric::label);
        let number = |group: &Grouped| {
            let value = group.1.get(&label)?;
            value.as_f64().or_else(|| value.as_str()?.parse().ok())
        };
        let is_named = |group: &Grouped| group.0.values().any(|key| !key.is_null() && key != "(empty)");
        let candidates: Vec<_> =
            self.groups.iter().filter(|group| is_named(group) && number(group).is_some()).collect();
        let best = candidates.iter().filter_map(|group| number(group)).reduce(if largest {
            f64::max
        } else {
            f64::min
        });
        candidates.into_iter().filter(|group| number(group) == best).collect()
    }
}

/// What a group has in common.
fn key(keys: &Map<String, Value>, query: &Query) -> String {
    let parts: Vec<String> = query
        .groups
        .iter()
        .map(|group| match keys.get(&group.label()).or_else(|| keys.get(&group.field)) {
            None | Some(Value::Null) => "(empty)".to_owned(),
            Some(Value::Bool(true)) => format!("{} checked", group.field),
            Some(Value::Bool(false)) => format!("{} not checked", group.field),
            Some(value) => shown(value),
        })
        .collect();
    parts.join(", ")
}
