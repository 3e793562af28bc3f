//! Creating, changing and deleting records.

use serde_json::{Map, Value, json};

use super::agent::{Age, Agent, Plan, first_lines, say};
use super::answer::{Page, offer, plain, shown};
use super::assign::{set_of, unused};
use super::belt::{Role, Slot, Tool};
use super::filter::{Condition, formula, in_words};
use super::memory::Exchange;
use super::query::Query;
use super::reading::{Reading, Setting};
use super::schema::Table;
use super::subject::subject;
use super::words::{Token, name_at, tokens};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    Create,
    Update,
    Delete,
}

/// Records that are changed in one call.
const MOST: usize = 200;

pub(super) const POLITE: &[&str] = &[
    "please", "can", "could", "would", "will", "you", "now", "then", "and", "i", "want", "to", "like", "d",
    "let", "s",
];

/// What a question orders, by its verb; and where that stands.
pub(super) fn ordered(tokens: &[Token]) -> Option<(Write, usize)> {
    let at = tokens.iter().position(|token| !token.is_any(POLITE))?;
    let verb = &tokens[at];
    let write = if verb.is_any(&["add", "create", "insert", "new", "make", "register", "enter"]) {
        Write::Create
    } else if verb.is_any(&[
        "set", "change", "update", "mark", "rename", "assign", "edit", "modify", "move", "close", "complete",
        "finish", "check", "tick", "clear", "reopen",
    ]) {
        Write::Update
    } else if verb.is_any(&["delete", "remove", "erase", "trash", "drop"]) {
        Write::Delete
    } else {
        return None;
    };
    Some((write, at))
}

impl Agent<'_> {
    pub(super) fn write(&self, write: Write, verb: usize) -> Plan<String> {
        let role = match write {
            Write::Create => Role::Create,
            Write::Update => Role::Update,
            Write::Delete => Role::Delete,
        };
        let tool = self.tool(role)?;
        let tokens = tokens(self.question());
        let base = self.base(&tokens)?;
        let tables = self.tables(base.as_ref())?;
        let named = subject(&tokens, &tables).main;
        // "set Status to Done for …": without its name, the table is the one with such fields.
        let last = self.last_record().filter(|_| says_it(&tokens));
        let of_last = last.as_ref().and_then(|(table, _)| {
            tables.iter().find(|candidate| candidate.name == *table || candidate.id == *table)
        });
        let wanted = match (&named, of_last) {
            (Some(named), _) => vec![tables[named.table].clone()],
            (None, Some(table)) => vec![table.clone()],
            (None, None) => tables.clone(),
        };
        let described = self.described(base.as_ref(), &tables, &wanted)?;
        let earlier = self.earlier_calls().next().map(|(_, table)| table.to_owned());
        let table = match described.as_slice() {
            [one] => one.clone(),
            several => match self.table_of_write(&tokens, several, earlier.as_deref()) {
                Some(table) => table,
                None => {
                    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
                    return say(format!(
                        "I do not see in which table that is to be. There are {}.",
                        names.join(", ")
                    ));
                }
            },
        };
        let place = named.map(|named| (named.at, named.length));
        match write {
            Write::Create => self.create(tool, &table, &tokens, place, verb),
            Write::Update => self.update(tool, &table, &tokens, place, verb),
            Write::Delete => self.delete(tool, &table, &tokens, place, verb),
        }
    }

    /// Calls about records in earlier turns, the latest first: with the table that each was about.
    fn earlier_calls(&self) -> impl Iterator<Item = (&Exchange, &str)> {
        const ABOUT_RECORDS: [Role; 6] =
            [Role::ListRecords, Role::Aggregate, Role::GetRecord, Role::Create, Role::Update, Role::Delete];
        let this_turn = self.this_turn().count();
        self.exchanges[..self.exchanges.len() - this_turn].iter().rev().filter_map(|exchange| {
            let role = self.belt.role_of(&exchange.tool).filter(|role| ABOUT_RECORDS.contains(role))?;
            let (name, _) = self.belt.get(role)?.slot(Slot::Table)?;
            Some((exchange, exchange.args.get(name)?.as_str()?))
        })
    }

    /// What "it" is: the one record that was last made, changed or found; its table and its id.
    fn last_record(&self) -> Option<(String, String)> {
        let (exchange, table) = self.earlier_calls().find(|(exchange, _)| exchange.result.is_ok())?;
        let result = exchange.result.as_ref().ok()?;
        let found: Vec<String> = match result.get("record").and_then(|record| record["id"].as_str()) {
            Some(id) => vec![id.to_owned()],
            None => ids(result),
        };
        match found.as_slice() {
            [one] => Some((table.to_owned(), one.clone())),
            _ => None,
        }
    }

    fn table_of_write(&self, tokens: &[Token], tables: &[Table], earlier: Option<&str>) -> Option<Table> {
        let score = |table: &Table| {
            let fields = table
                .fields
                .iter()
                .filter(|field| (0..tokens.len()).any(|at| name_at(tokens, at, field.words()).is_some()));
            fields.count()
        };
        let best = tables.iter().map(score).max()?;
        let fitting: Vec<&Table> = tables.iter().filter(|table| score(table) == best && best > 0).collect();
        match fitting.as_slice() {
            [one] => Some((*one).clone()),
            several => several
                .iter()
                .find(|table| Some(table.name.as_str()) == earlier)
                .map(|table| (*table).clone()),
        }
    }

    fn create(
        &self,
        tool: Tool<'_>,
        table: &Table,
        tokens: &[Token],
        place: Option<(usize, usize)>,
        verb: usize,
    ) -> Plan<String> {
        let mut used = used_by(tokens, place, verb);
        let mut cells = self.assignments(table, tokens, &mut used)?;
        if !cells.contains_key(&table.primary)
            && let Some(name) = self.name_of_new(tokens, &mut used)
        {
            let primary = table.field(&table.primary);
            let value = primary.map_or(Ok(json!(name)), |primary| self.value_of(primary, &name))?;
            cells.insert(table.primary.clone(), value);
        }
        self.assigned_to(table, tokens, &mut used, &mut cells);
        if let Some(rest) = unused(tokens, &used) {
            return say(format!(
                "I do not know what to do with \"{rest}\", so I have created nothing. Say it as in: with {}.{}",
                example(table),
                offer(table)
            ));
        }
        if cells.is_empty()
            || !cells.contains_key(&table.primary)
                && table.field(&table.primary).is_some_and(|field| field.writable)
        {
            return say(format!(
                "What is the new record in {} to be called? For example: add \"Some name\" to {}, with {}.{}",
                table.name,
                table.name,
                example(table),
                offer(table)
            ));
        }
        let mut given = self.place(table);
        given.push(record_arguments(tool, &cells, None));
        let thought = format!("I have what I need for a new record in {}.", table.name);
        let result = self.change(tool, given, &thought)?;
        let name = cells.get(&table.primary).map(shown).unwrap_or_default();
        let others: Vec<String> = cells
            .iter()
            .filter(|(field, _)| **field != table.primary)
            .map(|(field, value)| format!("{field}: {}", shown(value)))
            .collect();
        let with = if others.is_empty() { String::new() } else { format!(" with {}", others.join(", ")) };
        let id = ids(&result).into_iter().next().map(|id| format!(" ({id})")).unwrap_or_default();
        Ok(format!("Created \"{name}\" in {}{with}{id}.", table.name))
    }

    fn update(
        &self,
        tool: Tool<'_>,
        table: &Table,
        tokens: &[Token],
        place: Option<(usize, usize)>,
        verb: usize,
    ) -> Plan<String> {
        let mut used = used_by(tokens, place, verb);
        let mut cells = set_of(table, tokens, verb, &mut used);
        if cells.is_empty() {
            cells = self.verb_cells(table, tokens, verb, &mut used);
        }
        if cells.is_empty() {
            cells = self.assignments(table, tokens, &mut used)?;
        }
        if cells.is_empty() {
            return say(format!(
                "I do not see what is to be changed. For example: set {} of \"Some name\" to a value.{}",
                table
                    .fields
                    .iter()
                    .find(|field| field.writable && field.name != table.primary)
                    .map_or("a field", |field| field.name.as_str()),
                offer(table)
            ));
        }
        if let Some(field) = cells.keys().filter_map(|name| table.field(name)).find(|field| !field.writable) {
            return say(format!("{} is computed by Airtable and cannot be changed.", field.name));
        }
        let records = self.targets(table, tokens, &used, place)?;
        let mut given = self.place(table);
        match records.as_slice() {
            [(id, _)] if tool.has(Slot::RecordId) && tool.has(Slot::Fields) => {
                given.push((Slot::RecordId, json!(id)));
                given.push((Slot::Fields, Value::Object(cells.clone())));
            }
            records => {
                let rows: Vec<Value> =
                    records.iter().map(|(id, _)| json!({"id": id, "fields": cells})).collect();
                given.push((Slot::Records, json!(rows)));
            }
        }
        let thought = format!("Now I know which records of {} are meant.", table.name);
        self.change(tool, given, &thought)?;
        let set: Vec<String> =
            cells.iter().map(|(field, value)| format!("{field} is now {}", shown(value))).collect();
        Ok(format!("Changed {}: {}.", named(&records, table), set.join(", ")))
    }

    fn delete(
        &self,
        tool: Tool<'_>,
        table: &Table,
        tokens: &[Token],
        place: Option<(usize, usize)>,
        verb: usize,
    ) -> Plan<String> {
        let used = used_by(tokens, place, verb);
        let records = self.targets(table, tokens, &used, place)?;
        let mut given = self.place(table);
        let ids: Vec<&str> = records.iter().map(|(id, _)| id.as_str()).collect();
        if tool.has(Slot::RecordIds) {
            given.push((Slot::RecordIds, json!(ids)));
        } else if let [id] = ids.as_slice() {
            given.push((Slot::RecordId, json!(id)));
        } else {
            return say("I can delete only one record at a time. Please name one.");
        }
        let thought = format!(
            "Now I know which records of {} are meant; the tool will ask before it deletes.",
            table.name
        );
        self.change(tool, given, &thought)?;
        Ok(format!("Deleted {}.", named(&records, table)))
    }

    /// Makes a change, or says why it was not made. A preview that wants a word first is shown.
    fn change(&self, tool: Tool<'_>, given: Vec<(Slot, Value)>, thought: &str) -> Plan<Value> {
        let args = tool.arguments(given);
        let result = self.together(vec![(tool, args)], Age::Fresh, thought)?.pop().unwrap_or(Ok(Value::Null));
        match result {
            Err(problem) => say(format!("Nothing that I know of was changed. {}", first_lines(&problem))),
            Ok(result) if confirmation(&result).is_some() => {
                say(format!("{}\nNothing is changed yet. Reply yes to go ahead.", plain_preview(&result)))
            }
            Ok(result) => Ok(result),
        }
    }

    /// "yes" to a preview: the same call with its token.
    pub(super) fn confirm(&self) -> Plan<Option<String>> {
        let is_yes = {
            let tokens = tokens(self.question());
            tokens.len() <= 3
                && tokens.first().is_some_and(|token| {
                    token.is_any(&["yes", "y", "ok", "okay", "confirm", "sure", "go", "do"])
                })
        };
        let this_turn = self.this_turn().count();
        let before = &self.exchanges[..self.exchanges.len() - this_turn];
        let Some(last) = before.last().filter(|_| is_yes) else { return Ok(None) };
        let Some(token) = last.result.as_ref().ok().and_then(confirmation) else { return Ok(None) };
        let Some(tool) = self.belt.role_of(&last.tool).and_then(|role| self.belt.get(role)) else {
            return Ok(None);
        };
        let Some((name, _)) = tool.slot(Slot::Confirm) else { return Ok(None) };
        let mut args = last.args.clone();
        args.insert(name.to_owned(), token);
        let result =
            self.together(vec![(tool, args)], Age::Fresh, "The user agreed, so I make exactly that change.")?;
        match result.into_iter().next() {
            Some(Ok(result)) => {
                let count = ids(&result).len();
                let what = if count > 0 {
                    format!("Done: {count} record{}.", if count == 1 { "" } else { "s" })
                } else {
                    "Done.".to_owned()
                };
                Ok(Some(what))
            }
            Some(Err(problem)) => say(format!("It could not be done: {}", first_lines(&problem))),
            None => Ok(None),
        }
    }

    /// The records that are meant: by id, by name in quotes, by conditions.
    fn targets(
        &self,
        table: &Table,
        tokens: &[Token],
        used: &[bool],
        place: Option<(usize, usize)>,
    ) -> Plan<Vec<(String, String)>> {
        let ids: Vec<String> = tokens
            .iter()
            .filter(|token| token.text.len() == 17 && token.text.starts_with("rec"))
            .map(|token| token.text.clone())
            .collect();
        if !ids.is_empty() {
            return Ok(ids.into_iter().map(|id| (id.clone(), id)).collect());
        }
        // What is left of the question is read like one: "all tasks where Status is Blocked".
        let rest: Vec<Token> =
            tokens.iter().zip(used).filter(|(_, used)| !**used).map(|(token, _)| token.clone()).collect();
        let setting = Setting { tokens: &rest, table_mention: None, group_mention: None, today: self.today };
        let read: Query = Reading::new(&setting, table).read(&setting);
        // Only where nothing else says which: "delete all tasks that are done" is no "delete that".
        if says_it(tokens)
            && read.conditions.is_empty()
            && read.phrases.is_empty()
            && let Some((_, id)) = self.last_record()
        {
            return Ok(vec![(id.clone(), id)]);
        }
        let by_name = !read.phrases.is_empty();
        // Names are looked up; one that no record has is said to be missing as what it was meant for.
        let query = self.look_up(read.clone())?;
        let mut conditions: Vec<Condition> = query.conditions;
        if !query.troubles.is_empty() {
            for phrase in &read.phrases {
                let Some(primary) = table.field(&table.primary) else { continue };
                let test = super::filter::Test::Equals(phrase.text.clone());
                conditions.push(Condition { field: primary.clone(), test, negated: false });
            }
        }
        let plural = place.is_some_and(|(at, length)| {
            tokens[at..at + length]
                .last()
                .is_some_and(|token| token.norm.ends_with('s') || token.norm == "people")
        });
        let says_all = tokens.iter().any(|token| token.is_any(&["all", "every", "each"])) || plural;
        if conditions.is_empty() && !says_all {
            return say(format!(
                "I do not see which record of {} you mean. Please give its name in quotes.",
                table.name
            ));
        }
        let tool = self.tool(Role::ListRecords)?;
        let mut given = self.place(table);
        given.extend(formula(&conditions).map(|formula| (Slot::Filter, json!(formula))));
        given.push((Slot::Fields, json!([table.primary])));
        given.push((Slot::Limit, json!(MOST)));
        let result =
            self.call(tool, tool.arguments(given), Age::Fresh, "First I find the records that are meant.")?;
        let page = Page::read(&result);
        let records: Vec<(String, String)> = page
            .records
            .iter()
            .filter_map(|record| {
                let name = record["fields"]
                    .get(&table.primary)
                    .or(record.get(&table.primary))
                    .map(shown)
                    .unwrap_or_default();
                Some((record["id"].as_str()?.to_owned(), name))
            })
            .collect();
        if page.cursor.is_some() {
            return say(format!(
                "More than {MOST} records of {}{} are meant, which is more than I change at once.",
                table.name,
                in_words(&conditions)
            ));
        }
        match records.len() {
            0 => say(format!("There are no records in {}{}.", table.name, in_words(&conditions))),
            1 => Ok(records),
            _ if says_all || !by_name => Ok(records),
            count => say(format!(
                "{count} records in {}{} are called so. Say which by its id:\n{}",
                table.name,
                in_words(&conditions),
                records
                    .iter()
                    .take(20)
                    .map(|(id, name)| format!("- {name} ({id})"))
                    .collect::<Vec<_>>()
                    .join("\n")
            )),
        }
    }
}

/// "delete it", "set its Status to Done", "delete that"
fn says_it(tokens: &[Token]) -> bool {
    tokens.iter().any(|token| token.is_any(&["it", "its"]))
        || tokens.last().is_some_and(|token| token.is_any(&["that", "this"]))
}

fn used_by(tokens: &[Token], place: Option<(usize, usize)>, verb: usize) -> Vec<bool> {
    let mut used = vec![false; tokens.len()];
    used[..=verb].fill(true);
    if let Some((at, length)) = place {
        used[at..at + length].fill(true);
    }
    used
}

/// A record as the tool takes it: alone, or in a list.
fn record_arguments(tool: Tool<'_>, cells: &Map<String, Value>, id: Option<&str>) -> (Slot, Value) {
    if !tool.has(Slot::Records) {
        return (Slot::Fields, Value::Object(cells.clone()));
    }
    let items = tool.slot(Slot::Records).map(|(_, schema)| &schema["items"]);
    // Lists of plain objects take cells as they are; those that name `fields` take them under it.
    let is_nested = items.is_some_and(|items| items["properties"].get("fields").is_some());
    let says_so = tool.slot(Slot::Records).is_some_and(|(_, schema)| {
        schema["description"].as_str().is_some_and(|text| text.contains("fields"))
    });
    let mut record =
        if is_nested || says_so { json!({"fields": cells}) } else { Value::Object(cells.clone()) };
    if let Some(id) = id {
        record["id"] = json!(id);
    }
    (Slot::Records, json!([record]))
}

fn example(table: &Table) -> String {
    let field = table.fields.iter().find(|field| field.writable && field.name != table.primary);
    match field {
        Some(field) => match field.choices.first() {
            Some(choice) => format!("{} {choice}", field.name),
            None => format!("{} = …", field.name),
        },
        None => "its fields".to_owned(),
    }
}

fn named(records: &[(String, String)], table: &Table) -> String {
    match records {
        [(id, name)] if id == name => format!("the record {id} in {}", table.name),
        [(_, name)] => format!("\"{name}\" in {}", table.name),
        several => format!("{} records in {}", several.len(), table.name),
    }
}

/// Ids of the records that a result names.
fn ids(result: &Value) -> Vec<String> {
    ["records", "created", "updated", "deleted", "ids", "record_ids"]
        .iter()
        .find_map(|name| result.get(*name)?.as_array())
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.as_str().or(entry["id"].as_str()).map(str::to_owned))
        .collect()
}

/// The token of a preview.
fn confirmation(result: &Value) -> Option<Value> {
    ["confirm", "confirm_token", "confirmation", "token"]
        .iter()
        .find_map(|name| result.get(*name))
        .filter(|token| token.as_str().is_some_and(|token| !token.is_empty()))
        .cloned()
}

fn plain_preview(result: &Value) -> String {
    let without_token = match result {
        Value::Object(object) => {
            let kept = object.iter().filter(|(name, _)| {
                !["confirm", "confirm_token", "confirmation", "token"].contains(&name.as_str())
            });
            Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        other => other.clone(),
    };
    ["summary", "message", "preview"]
        .iter()
        .find_map(|name| without_token.get(*name)?.as_str())
        .map_or_else(|| plain(&without_token), str::to_owned)
}
