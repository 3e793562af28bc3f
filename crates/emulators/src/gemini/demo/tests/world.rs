//! A small Airtable in memory with tools like those of our MCP server, for conversations with the demo model.

use std::collections::BTreeMap;

use airtable_formula::{
    Context, Date, FieldDef, FieldKind as Kind, Formula, Limits, Row, Schema, Timestamp, Value as Cell,
};
use serde_json::{Map, Value, json};

use crate::gemini::demo;
use crate::gemini::prompt::Prompt;
use crate::gemini::reply::Piece;

/// The day on which everything happens: a Wednesday.
pub(crate) const TODAY: &str = "2026-11-25";

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) bases: Vec<(String, Vec<WorldTable>)>,
    /// Rows in one page of a list.
    pub(crate) page: usize,
    /// Asks before it deletes or changes, by a token.
    pub(crate) confirms: bool,
    /// Tools have other names and other arguments, and nothing computes.
    pub(crate) foreign: bool,
    /// Results are texts where they are longer than this.
    pub(crate) most_bytes: usize,
    /// Every call that was made.
    pub(crate) calls: Vec<(String, Map<String, Value>)>,
}

#[derive(Debug, Clone)]
pub(crate) struct WorldTable {
    pub(crate) name: String,
    pub(crate) fields: Vec<WorldField>,
    pub(crate) records: Vec<Record>,
}

/// Id, and cells by field.
pub(crate) type Record = (String, Map<String, Value>);

#[derive(Debug, Clone)]
pub(crate) struct WorldField {
    pub(crate) name: String,
    /// Airtable's type.
    pub(crate) kind: &'static str,
    pub(crate) choices: Vec<String>,
    pub(crate) links_to: Option<String>,
}

pub(crate) fn field(name: &str, kind: &'static str) -> WorldField {
    WorldField { name: name.to_owned(), kind, choices: Vec::new(), links_to: None }
}

pub(crate) fn select(name: &str, kind: &'static str, choices: &[&str]) -> WorldField {
    WorldField { choices: choices.iter().map(|choice| (*choice).to_owned()).collect(), ..field(name, kind) }
}

pub(crate) fn link(name: &str, table: &str) -> WorldField {
    WorldField { links_to: Some(table.to_owned()), ..field(name, "multipleRecordLinks") }
}

/// A conversation with the demo model.
pub(crate) struct Talk<'w> {
    pub(crate) world: &'w mut World,
    pub(crate) contents: Vec<Value>,
    /// Steps of the last answer.
    pub(crate) steps: usize,
}

impl World {
    pub(crate) fn new(tables: Vec<WorldTable>) -> Self {
        Self {
            bases: vec![("Main".to_owned(), tables)],
            page: 100,
            confirms: false,
            foreign: false,
            most_bytes: usize::MAX,
            calls: Vec::new(),
        }
    }

    /// The answer to one question in a new conversation.
    pub(crate) fn ask(&mut self, question: &str) -> String {
        Talk { world: self, contents: Vec::new(), steps: 0 }.ask(question)
    }

    pub(crate) fn talk(&mut self) -> Talk<'_> {
        Talk { world: self, contents: Vec::new(), steps: 0 }
    }

    pub(crate) fn table(&self, name: &str) -> &WorldTable {
        self.bases.iter().flat_map(|(_, tables)| tables).find(|table| table.name == name).unwrap()
    }

    fn run(&mut self, tool: &str, args: &Map<String, Value>) -> Result<Value, String> {
        self.calls.push((tool.to_owned(), args.clone()));
        let text = |name: &str| args.get(name).and_then(Value::as_str);
        if tool == "list_bases" {
            let bases =
                self.bases.iter().enumerate().map(|(n, (name, _))| json!({"id": base_id(n), "name": name}));
            return Ok(json!({"bases": bases.collect::<Vec<_>>()}));
        }
        let base = text("base").ok_or("base is missing")?;
        let at = (0..self.bases.len())
            .find(|at| base_id(*at) == base || self.bases[*at].0 == base)
            .ok_or_else(|| format!("there is no base \"{base}\""))?;
        if tool == "list_tables" {
            let table = |table: &WorldTable| json!({"id": format!("tbl{}", table.name), "name": table.name, "fields": table.fields.len()});
            return Ok(
                json!({"base": base, "tables": self.bases[at].1.iter().map(table).collect::<Vec<_>>()}),
            );
        }
        let confirms = self.confirms;
        let page = self.page;
        let tables = &mut self.bases[at].1;
        if tool == "search_records" {
            return search(tables, text("query").unwrap_or_default(), text("table"));
        }
        let wanted = text("table").ok_or("table is missing")?;
        let index = tables.iter().position(|table| table.name == wanted);
        let index = index
            .ok_or_else(|| format!("there is no table \"{wanted}\"; did you mean \"{}\"?", tables[0].name))?;
        match tool {
            "describe_table" => Ok(describe(&tables[index])),
            "list_records" => list(tables, index, args, page),
            "aggregate_records" => aggregate(tables, index, args),
            "get_record" => {
                let id = text("record_id").unwrap_or_default();
                let record = tables[index].records.iter().find(|(record, _)| record == id);
                let (id, cells) = record.ok_or_else(|| format!("there is no record {id}"))?;
                Ok(json!({"record": {"id": id, "fields": shown(&tables[index], cells)}}))
            }
            "create_records" => {
                let table = &mut tables[index];
                let mut made = Vec::new();
                for record in args["records"].as_array().ok_or("records is missing")? {
                    let id = format!("rec{:014}", 9000 + table.records.len());
                    let cells = record["fields"].as_object().ok_or("fields is missing")?.clone();
                    if let Some(unknown) =
                        cells.keys().find(|name| !table.fields.iter().any(|field| field.name == **name))
                    {
                        return Err(format!("there is no field \"{unknown}\""));
                    }
                    table.records.push((id.clone(), cells));
                    made.push(json!({"id": id}));
                }
                Ok(json!({"records": made}))
            }
            "update_records" | "delete_records" => {
                if confirms && text("confirm").is_none() {
                    return Ok(json!({"summary": "1 record would change", "confirm": "tok1"}));
                }
                let table = &mut tables[index];
                if tool == "delete_records" {
                    let ids: Vec<&str> = args["record_ids"]
                        .as_array()
                        .ok_or("no ids")?
                        .iter()
                        .filter_map(Value::as_str)
                        .collect();
                    table.records.retain(|(id, _)| !ids.contains(&id.as_str()));
                    return Ok(json!({"deleted": ids}));
                }
                let changes: Vec<(String, Map<String, Value>)> =
                    match args.get("records").and_then(Value::as_array) {
                        Some(rows) => rows
                            .iter()
                            .map(|row| {
                                (
                                    row["id"].as_str().unwrap().to_owned(),
                                    row["fields"].as_object().unwrap().clone(),
                                )
                            })
                            .collect(),
                        None => vec![(
                            text("record_id").ok_or("no id")?.to_owned(),
                            args["fields"].as_object().ok_or("no fields")?.clone(),
                        )],
                    };
                for (id, cells) in &changes {
                    let record =
                        table.records.iter_mut().find(|(record, _)| record == id).ok_or("no such record")?;
                    record.1.extend(cells.clone());
                }
                Ok(json!({"records": changes.iter().map(|(id, _)| json!({"id": id})).collect::<Vec<_>>()}))
            }
            other => Err(format!("unknown tool {other}")),
        }
    }
}

impl Talk<'_> {
    /// Goes through all steps of one answer. Every call is checked to have a result next time.
    pub(crate) fn ask(&mut self, question: &str) -> String {
        self.contents.push(json!({"role": "user", "parts": [{"text": question}]}));
        for step in 1..=25 {
            self.steps = step;
            let tools = if self.world.foreign { foreign_declarations() } else { declarations() };
            let body = json!({"contents": self.contents, "tools": [{"functionDeclarations": tools}]});
            let prompt = Prompt::read(body.as_object().unwrap()).unwrap();
            let reply = demo::answer(&prompt, TODAY.parse().unwrap());
            let calls: Vec<_> = reply
                .pieces
                .iter()
                .filter_map(|piece| match piece {
                    Piece::Call(call) => Some(call.clone()),
                    _ => None,
                })
                .collect();
            if calls.is_empty() {
                let texts = reply.pieces.iter().filter_map(|piece| match piece {
                    Piece::Text(texts) => Some(texts.concat()),
                    _ => None,
                });
                let text: String = texts.collect();
                self.contents.push(json!({"role": "model", "parts": [{"text": text}]}));
                return text.split("\n\nI am PyAirtable's").next().unwrap().to_owned();
            }
            let parts =
                calls.iter().map(|call| json!({"functionCall": {"name": call.name, "args": call.args}}));
            self.contents.push(json!({"role": "model", "parts": parts.collect::<Vec<_>>()}));
            let results: Vec<Value> = calls
                .iter()
                .map(|call| {
                    let (name, args) = ours(&call.name, call.args.as_object().unwrap());
                    let most_bytes = self.world.most_bytes;
                    let response = match self.world.run(&name, &args) {
                        Ok(value) if self.world.foreign && name == "list_records" => {
                            // No word about whether that is all.
                            json!({"result": value["records"]})
                        }
                        Ok(value) if value.to_string().len() > most_bytes => {
                            json!({"output": as_text(&value)})
                        }
                        Ok(value) => json!({"output": value}),
                        Err(problem) => json!({"error": problem}),
                    };
                    json!({"functionResponse": {"name": call.name, "response": response}})
                })
                .collect();
            self.contents.push(json!({"role": "user", "parts": results}));
        }
        panic!("no answer to {question:?} after 25 steps: {:#?}", self.world.calls);
    }
}

fn base_id(number: usize) -> String {
    format!("app{number:014}")
}

fn describe(table: &WorldTable) -> Value {
    let fields = table.fields.iter().map(|field| {
        let mut entry = json!({"name": field.name, "type": field.kind});
        if !field.choices.is_empty() {
            entry["choices"] = json!(field.choices);
        }
        if let Some(linked) = &field.links_to {
            entry["links_to"] = json!({"id": format!("tbl{linked}"), "name": linked});
        }
        entry
    });
    json!({"id": format!("tbl{}", table.name), "name": table.name, "primary_field": table.fields[0].name, "fields": fields.collect::<Vec<_>>()})
}

/// Cells with links as id and name: here a link's id is its name.
fn shown(table: &WorldTable, cells: &Map<String, Value>) -> Map<String, Value> {
    let shown = |(name, value): (&String, &Value)| {
        let is_link = table.fields.iter().any(|field| field.name == *name && field.links_to.is_some());
        let value = match value.as_array().filter(|_| is_link) {
            Some(names) => names.iter().map(|name| json!({"id": name, "name": name})).collect(),
            None => value.clone(),
        };
        (name.clone(), value)
    };
    cells.iter().map(shown).collect()
}

struct WorldRow<'a> {
    table: &'a WorldTable,
    cells: &'a Map<String, Value>,
}

impl Row for WorldRow<'_> {
    fn field(&self, index: usize) -> Cell<'_> {
        let field = &self.table.fields[index];
        match self.cells.get(&field.name) {
            None => Cell::Blank,
            Some(Value::Bool(flag)) => {
                if *flag {
                    Cell::Boolean(true)
                } else {
                    Cell::Blank
                }
            }
            Some(Value::Number(number)) => Cell::Number(number.as_f64().unwrap()),
            Some(Value::String(text)) if field.kind == "date" => {
                Date::parse_cell(text).map_or(Cell::Blank, Cell::Date)
            }
            Some(Value::String(text)) => Cell::from(text.as_str()),
            Some(Value::Array(items)) => {
                Cell::Array(items.iter().map(|item| Cell::from(item.as_str().unwrap())).collect())
            }
            Some(other) => panic!("{other}"),
        }
    }
    fn record_id(&self) -> &str {
        "rec00000000000000"
    }
    fn created_time(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
    fn last_modified_time(&self, _: Option<&[usize]>) -> Option<Timestamp> {
        None
    }
}

fn filtered<'t>(table: &'t WorldTable, args: &Map<String, Value>) -> Result<Vec<&'t Record>, String> {
    let Some(filter) = args.get("filter").and_then(Value::as_str) else {
        return Ok(table.records.iter().collect());
    };
    let kind = |field: &WorldField| Kind::of_api_type(field.kind).unwrap();
    let schema = Schema::new(
        table
            .fields
            .iter()
            .enumerate()
            .map(|(n, field)| FieldDef::new(format!("fld{n:014}"), field.name.clone(), kind(field))),
    );
    let formula =
        Formula::compile(filter, &schema, &Limits::default()).map_err(|error| format!("filter: {error}"))?;
    let now: Timestamp = format!("{TODAY}T12:00:00Z").parse().unwrap();
    let context = Context::new(now);
    Ok(table
        .records
        .iter()
        .filter(|(_, cells)| formula.keeps(&WorldRow { table, cells }, &context))
        .collect())
}

fn known_field<'t>(table: &'t WorldTable, name: &str) -> Result<&'t WorldField, String> {
    table
        .fields
        .iter()
        .find(|field| field.name == name)
        .ok_or_else(|| format!("there is no field \"{name}\""))
}

fn list(
    tables: &[WorldTable],
    index: usize,
    args: &Map<String, Value>,
    page: usize,
) -> Result<Value, String> {
    let table = &tables[index];
    let mut records = filtered(table, args)?;
    for key in args.get("sort").and_then(Value::as_array).into_iter().flatten().rev() {
        let key = key.as_str().unwrap();
        let (name, descending) = key.strip_prefix('-').map_or((key, false), |name| (name, true));
        known_field(table, name)?;
        let rank = |cells: &Map<String, Value>| match cells.get(name) {
            Some(Value::Number(number)) => (1, number.as_f64().unwrap(), String::new()),
            Some(Value::String(text)) => (1, 0.0, text.clone()),
            _ => (0, 0.0, String::new()),
        };
        records.sort_by(|a, b| {
            let order = rank(&a.1).partial_cmp(&rank(&b.1)).unwrap();
            if descending { order.reverse() } else { order }
        });
    }
    let start = args.get("cursor").and_then(Value::as_str).map_or(0, |cursor| cursor.parse().unwrap());
    let limit = args.get("limit").and_then(Value::as_u64).unwrap_or(page as u64) as usize;
    let fields: Option<Vec<&str>> = args
        .get("fields")
        .and_then(Value::as_array)
        .map(|fields| fields.iter().filter_map(Value::as_str).collect());
    for name in fields.iter().flatten() {
        known_field(table, name)?;
    }
    let wanted = |cells: &Map<String, Value>| -> Map<String, Value> {
        let all = shown(table, cells);
        all.into_iter()
            .filter(|(name, _)| fields.as_ref().is_none_or(|fields| fields.contains(&name.as_str())))
            .collect()
    };
    let end = (start + limit.min(page)).min(records.len());
    let rows: Vec<Value> =
        records[start..end].iter().map(|(id, cells)| json!({"id": id, "fields": wanted(cells)})).collect();
    let mut result = json!({"table": table.name, "records": rows, "complete": end == records.len()});
    if end < records.len() {
        result["next_cursor"] = json!(end.to_string());
    } else {
        result["total"] = json!(records.len());
    }
    Ok(result)
}

fn search(tables: &[WorldTable], query: &str, within: Option<&str>) -> Result<Value, String> {
    let words: Vec<String> = match query.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(phrase) => vec![phrase.to_lowercase()],
        None => query.split_whitespace().map(str::to_lowercase).collect(),
    };
    let mut matches = Vec::new();
    for table in tables.iter().filter(|table| within.is_none_or(|within| table.name == within)) {
        for (id, cells) in &table.records {
            let text = |value: &Value| value.to_string().to_lowercase();
            let all = cells.values().map(text).collect::<Vec<_>>().join("\n");
            if !words.iter().all(|word| all.contains(word.as_str())) {
                continue;
            }
            let hit: Map<String, Value> = cells
                .iter()
                .filter(|(_, value)| words.iter().any(|word| text(value).contains(word.as_str())))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            let name = cells.get(&table.fields[0].name).and_then(Value::as_str).unwrap_or_default();
            matches.push(json!({"table": table.name, "table_id": format!("tbl{}", table.name), "id": id, "name": name, "fields": hit}));
        }
    }
    Ok(json!({"matches": matches, "searched": [], "complete": true}))
}

fn aggregate(tables: &[WorldTable], index: usize, args: &Map<String, Value>) -> Result<Value, String> {
    let table = &tables[index];
    let records = filtered(table, args)?;
    let texts = |name: &str| -> Vec<String> {
        args.get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|text| text.as_str().map(str::to_owned))
            .collect()
    };
    let mut metrics = texts("metrics");
    if metrics.is_empty() {
        metrics.push("count".to_owned());
    }
    let groups = texts("group_by");
    let keys = |cells: &Map<String, Value>, group: &str| -> Result<Vec<Value>, String> {
        let (name, unit) = group.split_once(':').map_or((group, None), |(name, unit)| (name, Some(unit)));
        let field = known_field(table, name)?;
        Ok(match (cells.get(name), unit) {
            (None, _) if field.kind == "checkbox" => vec![json!(false)],
            (None, _) => vec![Value::Null],
            (Some(Value::Array(items)), _) if field.links_to.is_some() => {
                items.iter().map(|item| json!({"id": item, "name": item})).collect()
            }
            (Some(Value::Array(items)), _) => items.clone(),
            (Some(Value::String(day)), Some("month")) => vec![json!(day[..7])],
            (Some(Value::String(day)), Some("year")) => vec![json!(day[..4])],
            (Some(value), _) => vec![value.clone()],
        })
    };
    let compute = |records: &[&Map<String, Value>]| -> Result<Map<String, Value>, String> {
        let mut out = Map::new();
        for metric in &metrics {
            let value = match metric.split_once('(') {
                None => json!(records.len()),
                Some((function, rest)) => {
                    let name = rest.trim_end_matches(')');
                    known_field(table, name)?;
                    let numbers: Vec<f64> =
                        records.iter().filter_map(|cells| cells.get(name)?.as_f64()).collect();
                    let sum: f64 = numbers.iter().sum();
                    match function {
                        "sum" => json!(sum),
                        "avg" if numbers.is_empty() => Value::Null,
                        "avg" => json!(sum / numbers.len() as f64),
                        "min" => json!(numbers.iter().copied().reduce(f64::min)),
                        "max" => json!(numbers.iter().copied().reduce(f64::max)),
                        "distinct" => {
                            let mut seen: Vec<String> = records
                                .iter()
                                .filter_map(|cells| cells.get(name))
                                .flat_map(|value| {
                                    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
                                })
                                .map(|value| value.to_string())
                                .collect();
                            seen.sort();
                            seen.dedup();
                            json!(seen.len())
                        }
                        other => return Err(format!("metrics: \"{other}\" is none")),
                    }
                }
            };
            let whole =
                value.as_f64().filter(|number| number.fract() == 0.0).map(|number| json!(number as i64));
            out.insert(metric.clone(), whole.unwrap_or(value));
        }
        Ok(out)
    };
    let all: Vec<&Map<String, Value>> = records.iter().map(|(_, cells)| cells).collect();
    type Members<'r> = (Map<String, Value>, Vec<&'r Map<String, Value>>);
    let mut by_key: BTreeMap<String, Members<'_>> = BTreeMap::new();
    if !groups.is_empty() {
        for cells in &all {
            let mut combined: Vec<Map<String, Value>> = vec![Map::new()];
            for group in &groups {
                let keys = keys(cells, group)?;
                combined = combined
                    .into_iter()
                    .flat_map(|key| {
                        keys.iter().map(move |value| {
                            let mut key = key.clone();
                            key.insert(group.clone(), value.clone());
                            key
                        })
                    })
                    .collect();
            }
            for key in combined {
                by_key
                    .entry(Value::Object(key.clone()).to_string())
                    .or_insert((key, Vec::new()))
                    .1
                    .push(cells);
            }
        }
    }
    let groups: Vec<Value> = by_key
        .values()
        .map(|(key, cells)| Ok(json!({"group": key, "metrics": compute(cells)?})))
        .collect::<Result<_, String>>()?;
    Ok(json!({"rows": all.len(), "totals": compute(&all)?, "groups": groups, "complete": true}))
}

/// Calls of the foreign tools in our words.
fn ours(name: &str, args: &Map<String, Value>) -> (String, Map<String, Value>) {
    let name = match name {
        "getBases" => "list_bases",
        "getTables" => "list_tables",
        "tableInfo" => "describe_table",
        "queryRows" => "list_records",
        other => other,
    };
    let args = args.iter().map(|(key, value)| {
        let key = match key.as_str() {
            "baseId" => "base",
            "tableIdOrName" => "table",
            "filterByFormula" => "filter",
            "maxRecords" => "limit",
            other => other,
        };
        (key.to_owned(), value.clone())
    });
    (name.to_owned(), args.collect())
}

fn foreign_declarations() -> Value {
    let tool = |name: &str, arguments: &[&str]| {
        let properties: Map<String, Value> =
            arguments.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
        json!({"name": name, "parametersJsonSchema": {"type": "object", "properties": properties}})
    };
    json!([
        tool("getBases", &[]),
        tool("getTables", &["baseId"]),
        tool("tableInfo", &["baseId", "tableIdOrName"]),
        tool("queryRows", &["baseId", "tableIdOrName", "filterByFormula", "maxRecords"]),
    ])
}

/// As our MCP server writes what is too long to be shown exactly.
fn as_text(value: &Value) -> String {
    let csv = |rows: Vec<Vec<String>>| rows.iter().map(|row| row.join(",")).collect::<Vec<_>>().join("\n");
    if let Some(groups) = value["groups"].as_array() {
        let labels = |entry: &Value| -> Vec<String> {
            ["group", "metrics"]
                .iter()
                .flat_map(|part| entry[*part].as_object().unwrap().keys().cloned())
                .collect()
        };
        let cells = |entry: &Value| -> Vec<String> {
            let values = ["group", "metrics"]
                .iter()
                .flat_map(|part| entry[*part].as_object().unwrap().values().cloned());
            values
                .map(|value| {
                    value["name"].as_str().or(value.as_str()).map_or(value.to_string(), str::to_owned)
                })
                .map(|text| if text == "null" { "(empty)".to_owned() } else { text })
                .map(|text| if text.contains(',') { format!("\"{text}\"") } else { text })
                .collect()
        };
        let rows = std::iter::once(labels(&groups[0])).chain(groups.iter().map(cells)).collect();
        let (rows_read, count) = (&value["rows"], &value["totals"]["count"]);
        return format!(
            "\"T\" ({rows_read} records, all pages read), {} groups:\n{}\nOverall: count = {count}",
            groups.len(),
            csv(rows)
        );
    }
    let records = value["records"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut rows = vec![vec!["id".to_owned(), "Task".to_owned()]];
    rows.extend(records.iter().map(|record| {
        vec![record["id"].as_str().unwrap().to_owned(), record["fields"]["Task"].as_str().unwrap().to_owned()]
    }));
    format!("\"T\": {} records, all there are\n{}", records.len(), csv(rows))
}

fn declarations() -> Value {
    let tool = |name: &str, properties: Value| json!({"name": name, "description": "", "parametersJsonSchema": {"type": "object", "properties": properties}});
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": {"type": "string"}});
    let objects = json!({"type": "array", "items": {"type": "object"}, "description": "each {fields}"});
    json!([
        tool("list_bases", json!({})),
        tool("list_tables", json!({"base": text})),
        tool("describe_table", json!({"base": text, "table": text})),
        tool(
            "list_records",
            json!({"base": text, "table": text, "fields": texts, "filter": text, "sort": texts,
            "limit": {"type": "integer"}, "cursor": text})
        ),
        tool("search_records", json!({"base": text, "table": text, "query": text})),
        tool("get_record", json!({"base": text, "table": text, "record_id": text})),
        tool(
            "aggregate_records",
            json!({"base": text, "table": text, "metrics": texts, "group_by": texts, "filter": text})
        ),
        tool("create_records", json!({"base": text, "table": text, "records": objects})),
        tool(
            "update_records",
            json!({"base": text, "table": text, "record_id": text, "fields": {"type": "object"},
            "records": objects, "confirm": text})
        ),
        tool("delete_records", json!({"base": text, "table": text, "record_ids": texts, "confirm": text})),
    ])
}
