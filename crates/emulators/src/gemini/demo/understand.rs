//! From a question to a query: the table is found, the question is read against it, and unknown words are looked up.

use serde_json::{Map, Value, json};

use super::agent::{Age, Agent, Halt, Plan, first_lines, say};
use super::belt::{Role, Slot};
use super::filter::{Condition, Test, literal};
use super::query::{Goal, Phrase, Query};
use super::reading::{Reading, Setting};
use super::schema::{Base, Field, FieldKind, Table, TableRef, list, text};
use super::subject::{Subject, subject};
use super::words::{self, Token, fold, name_at, name_words, tokens};

/// More tables than this are not looked through for a field.
const MOST_TABLES: usize = 12;

/// How far back "and per project?" may refer.
const MOST_TURNS: usize = 4;

impl Agent<'_> {
    /// The query that the last question asks; `None` if it asks nothing about records.
    pub(super) fn understand(&self) -> Plan<Option<Query>> {
        self.understand_at(self.questions.len().saturating_sub(1), MOST_TURNS)
    }

    fn understand_at(&self, index: usize, depth: usize) -> Plan<Option<Query>> {
        let Some(question) = self.questions.get(index) else { return Ok(None) };
        let tokens = tokens(question);
        let base = self.base(&tokens)?;
        let tables = self.tables(base.as_ref())?;
        let subject = subject(&tokens, &tables);
        let earlier = index.checked_sub(1).filter(|_| depth > 0 && refers_back(&tokens, &subject));
        if let Some(earlier) = earlier
            && let Some(before) = self.earlier(earlier, depth - 1)?
            && let Some(query) = self.follow_up(&tokens, before)?
        {
            return Ok(Some(query));
        }
        let Some(table) = self.table_for(&tokens, &subject, base.as_ref(), &tables)? else { return Ok(None) };
        let setting = Setting {
            tokens: &tokens,
            table_mention: subject.main.as_ref().map(|named| (named.at, named.length)),
            group_mention: subject.group,
            today: self.today,
        };
        let query = Reading::new(&setting, &table).read(&setting);
        let query = self.without_base_name(query, base.as_ref());
        self.look_up(query).map(Some)
    }

    /// What an earlier question asked; one that could not be understood is no help.
    fn earlier(&self, index: usize, depth: usize) -> Plan<Option<Query>> {
        match self.understand_at(index, depth) {
            Err(Halt::Say(_)) => Ok(None),
            other => other,
        }
    }

    /// The base's name in a question is no name of a record.
    fn without_base_name(&self, mut query: Query, base: Option<&Base>) -> Query {
        let words = base.map(|base| name_words(&base.name)).unwrap_or_default();
        query.phrases.retain(|phrase| {
            let said = name_words(&phrase.text);
            phrase.quoted
                || said.is_empty()
                || !said.iter().all(|word| words.contains(word))
                || phrase.field.is_some()
        });
        query
    }

    /// The table that is named, else the one whose fields and choices are.
    fn table_for(
        &self,
        tokens: &[Token],
        subject: &Subject,
        base: Option<&Base>,
        tables: &[TableRef],
    ) -> Plan<Option<Table>> {
        if let Some(named) = &subject.main {
            let wanted = [tables[named.table].clone()];
            return Ok(self.described(base, tables, &wanted)?.into_iter().next());
        }
        if tables.len() > MOST_TABLES {
            return Ok(None);
        }
        let described = self.described(base, tables, tables)?;
        let mut best: Option<(usize, &Table)> = None;
        let mut is_tied = false;
        for table in &described {
            let score = hits(tokens, table);
            match best {
                Some((most, _)) if score < most => {}
                Some((most, _)) if score == most => is_tied = true,
                _ => {
                    best = Some((score, table));
                    is_tied = false;
                }
            }
        }
        match best {
            Some((score, table)) if score > 0 && !is_tied => Ok(Some(table.clone())),
            Some((score, _)) if score > 0 => {
                let fitting: Vec<&str> = described
                    .iter()
                    .filter(|table| hits(tokens, table) == score)
                    .map(|table| table.name.as_str())
                    .collect();
                say(format!(
                    "I do not see which table you mean; it could be {}. Please name it.",
                    fitting.join(" or ")
                ))
            }
            _ => Ok(None),
        }
    }

    /// Reads a question as a change of an earlier one.
    fn follow_up(&self, tokens: &[Token], before: Query) -> Plan<Option<Query>> {
        let table = before.table.clone();
        let setting = Setting { tokens, table_mention: None, group_mention: None, today: self.today };
        let new = Reading::new(&setting, &table).read(&setting);
        let says_nothing = new.conditions.is_empty()
            && new.groups.is_empty()
            && new.metrics.is_empty()
            && new.phrases.is_empty()
            && new.sort.is_empty()
            && new.limit.is_none()
            && new.goal == Goal::Records
            && !tokens.iter().any(|token| token.is_any(&["list", "show", "which", "them", "those", "these"]));
        if says_nothing || !new.troubles.is_empty() {
            return Ok(None);
        }
        let new = self.look_up(new)?;
        if !new.troubles.is_empty() {
            return Ok(None);
        }
        let mut merged = before;
        for condition in new.conditions {
            merged.conditions.retain(|old| old.field != condition.field);
            merged.conditions.push(condition);
        }
        let lists = tokens.iter().take(4).any(|token| token.is_any(&["list", "show", "which", "display"]));
        if new.goal == Goal::Numbers {
            merged.goal = Goal::Numbers;
        } else if lists && new.groups.is_empty() {
            merged.goal = Goal::Records;
            merged.groups.clear();
            merged.metrics.clear();
        }
        if !new.groups.is_empty() {
            merged.goal = Goal::Numbers;
            merged.groups = new.groups;
            merged.extreme = new.extreme;
        }
        if !new.metrics.is_empty() {
            merged.metrics = new.metrics;
        }
        if !new.sort.is_empty() {
            merged.sort = new.sort;
        }
        merged.limit = new.limit.or(merged.limit);
        if !new.shown.is_empty() && merged.goal == Goal::Records {
            merged.shown = new.shown;
        }
        merged.notes.extend(new.notes);
        merged.notes.dedup();
        Ok(Some(merged))
    }

    /// Turns unknown words into conditions, where records are called so.
    pub(super) fn look_up(&self, mut query: Query) -> Plan<Query> {
        for phrase in std::mem::take(&mut query.phrases) {
            match self.look_up_one(&query.table, &phrase)? {
                Some((mut condition, note)) => {
                    condition.negated = phrase.negated;
                    query.conditions.push(condition);
                    query.notes.extend(note);
                }
                None => {
                    // "the lead of Annual report": the field is what is asked for, not where to look.
                    let alone = Phrase { field: None, ..phrase.clone() };
                    let found = match &phrase.field {
                        Some(_) => self.look_up_one(&query.table, &alone)?,
                        None => None,
                    };
                    match found {
                        Some((condition, note)) => {
                            query.conditions.push(Condition { negated: phrase.negated, ..condition });
                            query.notes.extend(note);
                            query.shown.extend(phrase.field.filter(|_| query.goal == Goal::Records));
                        }
                        None => match phrase.split.clone() {
                            Some((conditions, rest)) => {
                                query.conditions.extend(conditions);
                                if !rest.is_empty() {
                                    query.phrases.push(Phrase { text: rest, split: None, ..phrase });
                                    query = self.look_up(query)?;
                                }
                            }
                            None => query.troubles.push(format!("I do not know what \"{}\" is", phrase.text)),
                        },
                    }
                }
            }
        }
        Ok(query)
    }

    fn look_up_one(&self, table: &Table, phrase: &Phrase) -> Plan<Option<(Condition, Option<String>)>> {
        let condition = |field: &str, test: Test| {
            table.field(field).map(|field| Condition { field: field.clone(), test, negated: false })
        };
        // A number that nothing explains is no name.
        if !phrase.quoted
            && phrase.text.chars().all(|letter| letter.is_ascii_digit() || ".,-%€$£".contains(letter))
        {
            return Ok(None);
        }
        let Some(search) = self.belt.get(Role::Search) else { return self.by_text(table, phrase) };
        // Beside a link, only the linked table matters; else all of the base, in one call.
        let beside = phrase.field.as_ref().and_then(|name| table.field(name));
        let mut given = vec![(Slot::Query, json!(search_words(phrase)))];
        given.extend(table.base.as_ref().map(|base| (Slot::Base, json!(base))));
        let within = match beside {
            Some(field) => match &field.links_to {
                Some((id, name)) => Some(if name.is_empty() { id.clone() } else { name.clone() }),
                None => Some(table.name.clone()),
            },
            None if search.requires(Slot::Table) => Some(table.name.clone()),
            None => None,
        };
        given.extend(within.clone().map(|table| (Slot::Table, json!(table))));
        let thought = format!(
            "\"{}\" is neither a field nor a choice, so I look for records that are called so.",
            phrase.text
        );
        let result = self.together(vec![(search, search.arguments(given))], Age::Any, &thought)?;
        let result = match result.into_iter().next() {
            Some(Ok(result)) => result,
            Some(Err(problem)) => {
                return say(format!("I could not look for \"{}\": {}", phrase.text, first_lines(&problem)));
            }
            None => return Ok(None),
        };
        let matches: Vec<Match> = list(&result, &["matches", "results", "records"])
            .filter_map(|entry| Match::read(entry, within.as_deref()))
            .collect();
        let is_complete = result.get("complete") != Some(&Value::Bool(false));
        if let Some(field) = beside.filter(|field| field.links_to.is_none()) {
            return Ok(condition(&field.name, Test::Contains(phrase.text.clone()))
                .map(|condition| (condition, None)));
        }

        // Records of linked tables, by their names.
        let links = table
            .fields
            .iter()
            .filter(|field| field.links_to.is_some() && beside.is_none_or(|beside| beside == *field));
        let mut linked: Vec<(&str, Vec<String>)> = Vec::new();
        for field in links {
            let Some((id, name)) = &field.links_to else { continue };
            let named: Vec<String> = matches
                .iter()
                .filter(|found| {
                    (found.table == *name || found.table_id.as_ref() == Some(id))
                        && found.is_called(&phrase.text)
                })
                .map(|found| found.name.clone())
                .collect();
            if !named.is_empty() {
                linked.push((field.name.as_str(), named));
            }
        }
        let own: Vec<&Match> = matches
            .iter()
            .filter(|found| found.table == table.name || found.table_id.as_ref() == Some(&table.id))
            .collect();
        let own_name: Vec<&&Match> = own.iter().filter(|found| found.is_called(&phrase.text)).collect();
        let exact_own = own_name.iter().any(|found| fold(&found.name) == fold(&phrase.text));
        if let Some((field, names)) = linked.first()
            && !exact_own
        {
            let exact: Vec<String> =
                names.iter().filter(|name| fold(name) == fold(&phrase.text)).cloned().collect();
            let mut names = if exact.is_empty() { names.clone() } else { exact };
            names.sort();
            names.dedup();
            let others: Vec<&str> = linked.iter().skip(1).map(|(field, _)| *field).collect();
            let note = (!others.is_empty()).then(|| {
                format!("\"{}\" could also be meant for {}; I took {field}", phrase.text, others.join(", "))
            });
            const MOST_NAMES: usize = 20;
            let test = if is_complete && names.len() <= MOST_NAMES {
                Test::Links(names)
            } else {
                Test::Contains(phrase.text.clone())
            };
            return Ok(condition(field, test).map(|condition| (condition, note)));
        }
        if !own_name.is_empty() {
            let test = if exact_own {
                Test::Equals(phrase.text.clone())
            } else {
                Test::Contains(phrase.text.clone())
            };
            return Ok(condition(&table.primary, test).map(|condition| (condition, None)));
        }
        if own.is_empty() && linked.is_empty() {
            let names = self.by_folded_name(table, phrase, beside)?;
            return Ok(names.and_then(|(field, names)| {
                condition(&field, Test::Links(names)).map(|condition| (condition, None))
            }));
        }
        // Other fields of the table itself: the one in which it was found everywhere.
        let in_all = table
            .fields
            .iter()
            .find(|field| !own.is_empty() && own.iter().all(|found| found.says(&field.name, &phrase.text)));
        Ok(in_all.and_then(|field| {
            let note = format!("I found \"{}\" in {}", phrase.text, field.name);
            condition(&field.name, Test::Contains(phrase.text.clone()))
                .map(|condition| (condition, Some(note)))
        }))
    }

    /// Searches mind accents; people do not. The names of linked records are compared without them, as far as one list goes.
    fn by_folded_name(
        &self,
        table: &Table,
        phrase: &Phrase,
        beside: Option<&Field>,
    ) -> Plan<Option<(String, Vec<String>)>> {
        const MOST_LINKED: usize = 6;
        const MOST_NAMES: u64 = 1000;
        let Some(lister) = self.belt.get(Role::ListRecords) else { return Ok(None) };
        let links: Vec<(&Field, TableRef)> = table
            .fields
            .iter()
            .filter(|field| beside.is_none_or(|beside| beside == *field))
            .filter_map(|field| {
                let (id, name) = field.links_to.clone()?;
                (!name.is_empty()).then_some((field, TableRef { id, name }))
            })
            .take(MOST_LINKED)
            .collect();
        if links.is_empty() {
            return Ok(None);
        }
        let base = table.base.as_ref();
        let calls = links
            .iter()
            .map(|(_, linked)| {
                let mut given = vec![(Slot::Table, json!(linked.name)), (Slot::Limit, json!(MOST_NAMES))];
                given.extend(base.map(|base| (Slot::Base, json!(base))));
                (lister, lister.arguments(given))
            })
            .collect();
        let thought =
            format!("No record has \"{}\" as it is written; I compare names without accents.", phrase.text);
        let results = self.together(calls, Age::Any, &thought)?;
        for ((field, _), result) in links.iter().zip(results) {
            let Ok(result) = result else { continue };
            let page = super::answer::Page::read(&result);
            // Which cell is the name is not known without the table's fields: the first one that is a text is.
            let named = page.records.iter().filter_map(|record| {
                let cells = record.get("fields").unwrap_or(record).as_object()?;
                cells.iter().filter(|(key, _)| *key != "id").find_map(|(_, value)| value.as_str())
            });
            let fits = |name: &&str| {
                let name = name_words(name);
                name_words(&phrase.text).iter().all(|word| name.contains(word))
            };
            let mut names: Vec<String> = named.filter(fits).map(str::to_owned).collect();
            names.sort();
            names.dedup();
            if !names.is_empty() {
                return Ok(Some((field.name.clone(), names)));
            }
        }
        Ok(None)
    }

    /// Without a search, a link or the name is asked for the text itself.
    fn by_text(&self, table: &Table, phrase: &Phrase) -> Plan<Option<(Condition, Option<String>)>> {
        let named = phrase.field.as_ref().and_then(|name| table.field(name));
        let candidates: Vec<&str> = match named {
            Some(field) => vec![field.name.as_str()],
            None => {
                let links = table
                    .fields
                    .iter()
                    .filter(|field| matches!(field.kind, FieldKind::Link | FieldKind::Person));
                links.map(|field| field.name.as_str()).chain([table.primary.as_str()]).collect()
            }
        };
        let list_tool = self.tool(Role::ListRecords)?;
        for name in candidates {
            let Some(field) = table.field(name) else { continue };
            let test = Test::Contains(phrase.text.clone());
            let condition = Condition { field: field.clone(), test, negated: false };
            let formula = super::filter::formula(std::slice::from_ref(&condition)).unwrap_or_default();
            let mut given = self.place(table);
            given.push((Slot::Filter, json!(formula)));
            given.push((Slot::Limit, json!(1)));
            let thought = format!("I look whether {name} has \"{}\".", phrase.text);
            let result = self.call(list_tool, list_tool.arguments(given), Age::Any, &thought)?;
            if list(&result, &["records", "rows", "items"]).next().is_some() {
                return Ok(Some((condition, None)));
            }
        }
        Ok(None)
    }
}

/// A record that was found.
struct Match {
    table: String,
    table_id: Option<String>,
    name: String,
    /// In which words were found, with their values.
    fields: Map<String, Value>,
}

impl Match {
    fn read(entry: &Value, within: Option<&str>) -> Option<Self> {
        let fields = entry.get("fields").and_then(Value::as_object);
        let name = text(entry, &["name", "title"])
            .or_else(|| fields?.values().find_map(Value::as_str).map(str::to_owned))?;
        Some(Self {
            table: text(entry, &["table", "table_name"]).or(within.map(str::to_owned)).unwrap_or_default(),
            table_id: text(entry, &["table_id", "tableId"]),
            name,
            fields: fields.cloned().unwrap_or_default(),
        })
    }

    /// Whether this field has the phrase as it is.
    fn says(&self, field: &str, phrase: &str) -> bool {
        self.fields.get(field).is_some_and(|value| fold(&super::answer::shown(value)).contains(&fold(phrase)))
    }

    /// Whether all of the words stand in its name.
    fn is_called(&self, phrase: &str) -> bool {
        let name = name_words(&self.name);
        name_words(phrase)
            .iter()
            .all(|word| name.iter().any(|part| part == word || part.contains(word.as_str())))
    }
}

/// Quoted words are one phrase.
fn search_words(phrase: &Phrase) -> String {
    let words = phrase.text.replace('"', " ");
    if phrase.quoted && words.contains(' ') { literal(&words) } else { words }
}

/// How many names and choices of a table a question has.
fn hits(tokens: &[Token], table: &Table) -> usize {
    // How well it is said: 2 for each word that is exactly so.
    let score = |words: &[String]| {
        let scores = (0..tokens.len()).filter_map(|at| {
            let (length, score) = name_at(tokens, at, words)?;
            (!tokens[at..at + length].iter().all(words::is_filler)).then_some(score as usize)
        });
        scores.max().unwrap_or_default()
    };
    let says = |words: &[String]| score(words) > 0;
    let fields: usize = table.fields.iter().map(|field| score(field.words())).sum();
    let choices = table
        .fields
        .iter()
        .flat_map(|field| &field.choices)
        .filter(|choice| says(&name_words(choice)))
        .count();
    // Fields say more than choices, which several tables may share.
    3 * fields + choices
}

/// Whether a question goes on from the one before.
fn refers_back(tokens: &[Token], subject: &Subject) -> bool {
    let starts = tokens.first().is_some_and(|token| {
        token.is_any(&["and", "only", "now", "but", "also", "instead", "same", "then", "or"])
    });
    let about = tokens.len() >= 2 && tokens[0].is_any(&["what", "how"]) && tokens[1].is("about");
    let points = tokens.iter().any(|token| token.is_any(&["those", "these", "them", "ones"]));
    starts || about || subject.main.is_none() || (points && subject.main.is_none())
}
