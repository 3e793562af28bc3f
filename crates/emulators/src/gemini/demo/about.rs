//! Questions about bases, tables and fields themselves, single records by id, and searches.

use serde_json::{Map, Value, json};

use super::agent::{Age, Agent, Plan, first_lines, say};
use super::answer::{self, offer};
use super::belt::{Role, Slot};
use super::schema::{self, Base, TableRef};
use super::subject::subject;
use super::words::{self, Token};

impl Agent<'_> {
    /// Bases, tables, fields, choices.
    pub(super) fn about_schema(&self, tokens: &[Token]) -> Plan<Option<String>> {
        let says = |words: &[&str]| tokens.iter().any(|token| token.is_any(words));
        let asks = says(&[
            "list", "show", "what", "which", "describe", "display", "tell", "my", "all", "explain", "are",
            "name", "names", "give",
        ]);
        let plain =
            |words: &[&str]| tokens.iter().all(|token| words::is_filler(token) || token.is_any(words));
        if says(&["bases", "databases", "base"])
            && asks
            && plain(&[
                "bases",
                "databases",
                "base",
                "airtable",
                "available",
                "names",
                "name",
                "describe",
                "access",
                "reach",
            ])
            && !says(&["tables", "table"])
        {
            return self.list_bases().map(Some);
        }
        if says(&["tables"]) && asks {
            let base = self.base(tokens)?;
            let named = base.as_ref().map(|base| words::name_words(&base.name)).unwrap_or_default();
            let rest = tokens.iter().all(|token| {
                words::is_filler(token)
                    || named.contains(&token.norm)
                    || token.is_any(&[
                        "tables",
                        "available",
                        "bases",
                        "base",
                        "databases",
                        "names",
                        "name",
                        "exist",
                        "describe",
                        "structure",
                    ])
                    || base
                        .as_ref()
                        .is_some_and(|base| token.text == base.id || token.kind == words::Kind::Quoted)
            });
            if rest {
                let tables = self.tables(base.as_ref())?;
                let names: Vec<String> = tables.iter().map(|table| format!("- {}", table.name)).collect();
                let place = base.map_or_else(String::new, |base| format!(" in {}", base.name));
                return Ok(Some(format!(
                    "There {} {} table{}{place}:\n{}",
                    if names.len() == 1 { "is" } else { "are" },
                    names.len(),
                    if names.len() == 1 { "" } else { "s" },
                    names.join("\n")
                )));
            }
        }
        let describes = tokens.first().is_some_and(|token| token.is_any(&["describe", "explain"]))
            || says(&["schema", "structure", "fields", "columns"]) && asks
            || says(&["choices", "options"]);
        if !describes {
            return Ok(None);
        }
        let base = self.base(tokens)?;
        let tables = self.tables(base.as_ref())?;
        let Some(named) = subject(tokens, &tables).main else {
            if says(&["schema", "structure"]) || tokens.first().is_some_and(|token| token.is("describe")) {
                let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
                return Ok(Some(format!(
                    "The tables are {}. Ask me to describe one of them.",
                    names.join(", ")
                )));
            }
            if says(&["choices", "options"]) {
                return self.choices(tokens, base.as_ref(), &tables, &tables);
            }
            return Ok(None);
        };
        let wanted = [tables[named.table].clone()];
        if says(&["choices", "options"]) {
            return self.choices(tokens, base.as_ref(), &tables, &wanted);
        }
        let Some(table) = self.described(base.as_ref(), &tables, &wanted)?.into_iter().next() else {
            return Ok(None);
        };
        let lines: Vec<String> = table
            .fields
            .iter()
            .map(|field| {
                let mut line = format!("- {}: {}", field.name, field.kind_in_words());
                if !field.choices.is_empty() {
                    line.push_str(&format!(" ({})", field.choices.join(", ")));
                }
                if let Some((_, linked)) = field.links_to.as_ref().filter(|(_, name)| !name.is_empty()) {
                    line.push_str(&format!(" to {linked}"));
                }
                line
            })
            .collect();
        Ok(Some(format!(
            "{} has {} fields, and its records are called by {}:\n{}",
            table.name,
            table.fields.len(),
            table.primary,
            lines.join("\n")
        )))
    }

    fn choices(
        &self,
        tokens: &[Token],
        base: Option<&Base>,
        all: &[TableRef],
        wanted: &[TableRef],
    ) -> Plan<Option<String>> {
        let described = self.described(base, all, wanted)?;
        let mut lines = Vec::new();
        for table in &described {
            for field in table.fields.iter().filter(|field| !field.choices.is_empty()) {
                if (0..tokens.len()).any(|at| words::name_at(tokens, at, field.words()).is_some()) {
                    lines.push(format!("{} in {}: {}.", field.name, table.name, field.choices.join(", ")));
                }
            }
        }
        if lines.is_empty() {
            return Ok(described
                .first()
                .filter(|_| described.len() == 1)
                .map(|table| offer(table).trim().to_owned()));
        }
        Ok(Some(lines.join("\n")))
    }

    fn list_bases(&self) -> Plan<String> {
        let tool = self.tool(Role::ListBases)?;
        let result = self.call(tool, Map::new(), Age::Any, "I look at which bases there are.")?;
        let bases = Base::all(&result);
        if bases.is_empty() {
            return Ok("I reach no base.".to_owned());
        }
        let lines: Vec<String> = bases.iter().map(|base| format!("- {} ({})", base.name, base.id)).collect();
        Ok(format!(
            "There {} {} base{}:\n{}",
            if lines.len() == 1 { "is" } else { "are" },
            lines.len(),
            if lines.len() == 1 { "" } else { "s" },
            lines.join("\n")
        ))
    }

    /// "how many records are in each table"
    pub(super) fn size_of_tables(&self, tokens: &[Token]) -> Plan<Option<String>> {
        let each = tokens.windows(2).any(|two| {
            two[0].is_any(&["each", "per", "every", "all"]) && two[1].is_any(&["table", "tables"])
        });
        let counts =
            tokens.iter().any(|token| token.is_any(&["many", "count", "number", "size", "large", "big"]));
        let Some(tool) = self.belt.get(Role::Aggregate).filter(|_| each && counts) else { return Ok(None) };
        let base = self.base(tokens)?;
        let tables = self.tables(base.as_ref())?;
        let calls = tables
            .iter()
            .map(|table| {
                let mut given = vec![(Slot::Table, json!(table.name))];
                given.extend(base.as_ref().map(|base| (Slot::Base, json!(base.id))));
                if tool.requires(Slot::Metrics) {
                    given.push((Slot::Metrics, json!(["count"])));
                }
                (tool, tool.arguments(given))
            })
            .collect();
        let results = self.together(calls, Age::Fresh, "I count the records of every table at once.")?;
        let lines = tables.iter().zip(results).map(|(table, result)| {
            let count = result.as_ref().ok().and_then(|result| {
                result.get("rows").or(result.pointer("/totals/count")).or(result.get("count"))?.as_u64()
            });
            match (count, result) {
                (Some(count), _) => format!("- {}: {count}", table.name),
                (None, Ok(result)) => format!("- {}: {}", table.name, answer::plain(&result)),
                (None, Err(problem)) => format!("- {}: {}", table.name, first_lines(&problem)),
            }
        });
        Ok(Some(format!("Records by table:\n{}", lines.collect::<Vec<_>>().join("\n"))))
    }

    /// "show me rec…"
    pub(super) fn by_id(&self, tokens: &[Token]) -> Plan<Option<String>> {
        let id = tokens
            .iter()
            .find(|token| token.text.len() == 17 && token.text.starts_with("rec"))
            .map(|token| token.text.clone());
        let (Some(id), Some(get)) = (id, self.belt.get(Role::GetRecord)) else { return Ok(None) };
        let base = self.base(tokens)?;
        let tables = self.tables(base.as_ref())?;
        let wanted: Vec<TableRef> = match subject(tokens, &tables).main {
            Some(named) => vec![tables[named.table].clone()],
            None => tables.clone(),
        };
        let described = self.described(base.as_ref(), &tables, &wanted)?;
        let calls = described
            .iter()
            .map(|table| {
                let mut given = self.place(table);
                given.push((Slot::RecordId, json!(id)));
                (get, get.arguments(given))
            })
            .collect();
        let results = self.together(calls, Age::Fresh, "I read that record.")?;
        for (result, table) in results.iter().zip(&described) {
            if let Ok(result) = result {
                return Ok(Some(answer::whole_record(result.get("record").unwrap_or(result), table)));
            }
        }
        let problem = results.into_iter().find_map(Result::err).unwrap_or_default();
        say(format!("I could not read {id}: {}", first_lines(&problem)))
    }

    /// "search for X", "find anything about X"
    pub(super) fn search(&self, tokens: &[Token]) -> Plan<Option<String>> {
        let searches = |token: &Token| token.is_any(&["search", "mentioning", "mention", "mentions"]);
        let starts = tokens.iter().position(searches).or_else(|| {
            let finds =
                tokens.iter().take(3).any(|token| token.is_any(&["find", "look", "anything", "everything"]));
            tokens.iter().position(|token| token.is("about")).filter(|_| finds)
        });
        self.search_behind(tokens, starts)
    }

    /// "find X", where nothing else is understood of it
    pub(super) fn find(&self, tokens: &[Token]) -> Plan<Option<String>> {
        let starts = tokens.iter().position(|token| token.is_any(&["find", "locate", "look"]));
        self.search_behind(tokens, starts)
    }

    /// Searches for the words behind this one.
    fn search_behind(&self, tokens: &[Token], at: Option<usize>) -> Plan<Option<String>> {
        let (Some(tool), Some(at)) = (self.belt.get(Role::Search), at) else { return Ok(None) };
        let rest: Vec<&Token> = tokens[at + 1..].iter().collect();
        let quoted: Vec<&str> = rest
            .iter()
            .filter(|token| token.kind == words::Kind::Quoted)
            .map(|token| token.text.as_str())
            .collect();
        let base = self.base(tokens)?;
        let tables = self.tables(base.as_ref())?;
        let named = subject(tokens, &tables).main;
        let in_name =
            |at: usize| named.as_ref().is_some_and(|named| (named.at..named.at + named.length).contains(&at));
        let words: Vec<&str> = if quoted.is_empty() {
            (at + 1..tokens.len())
                .filter(|place| !in_name(*place) && !words::is_filler(&tokens[*place]))
                .map(|place| tokens[place].text.as_str())
                .collect()
        } else {
            quoted
        };
        if words.is_empty() {
            return say("What do you want me to search for? For example: search for \"budget\".");
        }
        let query = words.join(" ");
        let mut given = vec![(Slot::Query, json!(query))];
        given.extend(base.as_ref().map(|base| (Slot::Base, json!(base.id))));
        given.extend(named.map(|named| (Slot::Table, json!(tables[named.table].name))));
        let result = self.call(tool, tool.arguments(given), Age::Fresh, "I search for these words.")?;
        let matches: Vec<&Value> = schema::list(&result, &["matches", "results", "records"]).collect();
        if matches.is_empty() {
            return Ok(Some(format!("No record has \"{query}\".")));
        }
        let lines: Vec<String> = matches
            .iter()
            .take(30)
            .map(|entry| {
                let name =
                    schema::text(entry, &["name", "title"]).unwrap_or_else(|| "(without a name)".to_owned());
                let table = schema::text(entry, &["table", "table_name"])
                    .map(|table| format!(" ({table})"))
                    .unwrap_or_default();
                format!("- {name}{table}")
            })
            .collect();
        let more = if result.get("complete") == Some(&Value::Bool(false)) || matches.len() > 30 {
            "; there are more"
        } else {
            ""
        };
        Ok(Some(format!(
            "{} record{} with \"{query}\"{more}:\n{}",
            lines.len(),
            if lines.len() == 1 { "" } else { "s" },
            lines.join("\n")
        )))
    }

    /// A few records that have the unknown words of a question that begins with a capital.
    pub(super) fn records_with(&self, tokens: &[Token], base: Option<&Base>) -> Plan<Option<String>> {
        const MOST: usize = 10;
        let Some(tool) = self.belt.get(Role::Search).filter(|tool| !tool.requires(Slot::Table)) else {
            return Ok(None);
        };
        let names = tokens.iter().enumerate().filter(|(at, token)| {
            token.kind == words::Kind::Quoted
                || *at > 0 && token.text.starts_with(char::is_uppercase) && !words::is_filler(token)
        });
        let first = names.clone().map(|(at, _)| at).next();
        let Some(first) = first else { return Ok(None) };
        // "Customer portal": the words behind the capital belong to it.
        let end = (first + 1..tokens.len())
            .find(|at| words::is_filler(&tokens[*at]) || tokens[*at].kind == words::Kind::Quoted)
            .unwrap_or(tokens.len());
        let words: Vec<&str> = tokens[first..end].iter().map(|token| token.text.as_str()).collect();
        let query = words.join(" ");
        let mut given = vec![(Slot::Query, json!(query))];
        given.extend(base.map(|base| (Slot::Base, json!(base.id))));
        let thought = "I do not see which table is meant, so I look for the name.";
        let result = self.together(vec![(tool, tool.arguments(given))], Age::Fresh, thought)?;
        let Some(Ok(result)) = result.into_iter().next() else { return Ok(None) };
        let is_called = |entry: &&Value| {
            let name = words::name_words(&schema::text(entry, &["name", "title"]).unwrap_or_default());
            words::name_words(&query).iter().all(|word| name.contains(word))
        };
        let found: Vec<&Value> = schema::list(&result, &["matches", "results"]).filter(is_called).collect();
        if found.is_empty() || found.len() > MOST {
            return Ok(None);
        }
        let lines = found.iter().map(|entry| {
            let name = schema::text(entry, &["name", "title"]).unwrap_or_default();
            let table = schema::text(entry, &["table", "table_name"]).unwrap_or_default();
            format!("\n- {name} ({table})")
        });
        Ok(Some(lines.collect()))
    }
}
