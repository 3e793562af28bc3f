//! The demo model: fixed rules instead of a model. It plans over whatever tools were declared, looks up bases, tables and
//! fields before it asks for anything, and says only what a tool has said.

mod agent;
mod answer;
mod belt;
mod conditions;
mod csv;
mod dates;
mod filter;
mod generic;
mod memory;
mod numbers;
mod query;
mod reading;
mod schema;
mod subject;
mod understand;
mod words;
mod writes;

use jiff::civil::Date;
use serde_json::{Map, Value, json};

use self::agent::{Agent, Halt, Plan};
use self::answer::offer;
use self::belt::{Role, Slot};
use self::schema::{Base, TableRef};
use self::subject::subject;
use self::words::{Token, tokens};
use super::echo;
use super::prompt::{self, Prompt};
use super::reply::{FunctionCall, Piece, Reply};

#[cfg(test)]
mod tests;

const WHO: &str = "I am PyAirtable's demo model: fixed rules, no AI.";

/// What the model says to a prompt.
pub(super) fn answer(prompt: &Prompt, today: Date) -> Reply {
    let agent = Agent::new(prompt, today);
    let (pieces, thought) = match agent.plan() {
        Err(Halt::Call { calls, thought }) => {
            let calls = calls.into_iter().map(|(name, args)| {
                Piece::Call(FunctionCall { id: Default::default(), name, args: Value::Object(args) })
            });
            (calls.collect(), thought)
        }
        Ok(text) | Err(Halt::Say(text)) => match echo::forced_call(prompt, agent.question()) {
            Some(call) => (vec![Piece::Call(call)], "A call is asked for, so I make one.".to_owned()),
            None => {
                let text = agent.introduced(text);
                let text = echo::in_mode(prompt, &text);
                (vec![Piece::Text(echo::chunked(&text))], "I have what I need for an answer.".to_owned())
            }
        },
    };
    Reply {
        pieces: std::iter::once(Piece::Thought(vec![thought])).chain(pieces).collect(),
        ..Reply::default()
    }
}

impl Agent<'_> {
    fn plan(&self) -> Plan<String> {
        let tokens = tokens(self.question());
        if self.belt.get(Role::ListRecords).is_none()
            && self.belt.get(Role::Aggregate).is_none()
            && self.belt.get(Role::ListBases).is_none()
        {
            return self.without_airtable(&tokens);
        }
        if let Some(text) = self.confirm()? {
            return Ok(text);
        }
        if let Some(text) = courtesy(&tokens) {
            return Ok(text.to_owned());
        }
        if is_small_talk(&tokens) {
            return Ok(self.help());
        }
        if let Some((write, verb)) = writes::ordered(&tokens) {
            return self.write(write, verb);
        }
        if let Some(text) = self.about_schema(&tokens)? {
            return Ok(text);
        }
        if let Some(text) = self.by_id(&tokens)? {
            return Ok(text);
        }
        if let Some(text) = self.search(&tokens)? {
            return Ok(text);
        }
        if let Some(query) = self.understand()? {
            return self.carry_out(&query);
        }
        // "Find late tasks" is a list, and was one above; "find Ada" can only be words to look for.
        match self.find(&tokens)? {
            Some(text) => Ok(text),
            None => self.lost(&tokens),
        }
    }

    /// Bases, tables, fields, choices.
    fn about_schema(&self, tokens: &[Token]) -> Plan<Option<String>> {
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
        let result = self.call(tool, Map::new(), agent::Age::Any, "I look at which bases there are.")?;
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

    /// "show me rec…"
    fn by_id(&self, tokens: &[Token]) -> Plan<Option<String>> {
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
        let results = self.together(calls, agent::Age::Fresh, "I read that record.")?;
        for (result, table) in results.iter().zip(&described) {
            if let Ok(result) = result {
                return Ok(Some(answer::whole_record(result.get("record").unwrap_or(result), table)));
            }
        }
        let problem = results.into_iter().find_map(Result::err).unwrap_or_default();
        agent::say(format!("I could not read {id}: {}", agent::first_lines(&problem)))
    }

    /// "search for X", "find anything about X"
    fn search(&self, tokens: &[Token]) -> Plan<Option<String>> {
        let searches = |token: &Token| token.is_any(&["search", "mentioning", "mention", "mentions"]);
        let starts = tokens.iter().position(searches).or_else(|| {
            let finds =
                tokens.iter().take(3).any(|token| token.is_any(&["find", "look", "anything", "everything"]));
            tokens.iter().position(|token| token.is("about")).filter(|_| finds)
        });
        self.search_behind(tokens, starts)
    }

    /// "find X", where nothing else is understood of it
    fn find(&self, tokens: &[Token]) -> Plan<Option<String>> {
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
            return agent::say("What do you want me to search for? For example: search for \"budget\".");
        }
        let query = words.join(" ");
        let mut given = vec![(Slot::Query, json!(query))];
        given.extend(base.as_ref().map(|base| (Slot::Base, json!(base.id))));
        given.extend(named.map(|named| (Slot::Table, json!(tables[named.table].name))));
        let result =
            self.call(tool, tool.arguments(given), agent::Age::Fresh, "I search for these words.")?;
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

    /// Nothing fits: what there is.
    fn lost(&self, tokens: &[Token]) -> Plan<String> {
        let base = self.base(tokens)?;
        let tables = self.tables(base.as_ref())?;
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        Ok(format!(
            "I did not understand which records you mean. The tables are {}. Ask for example: how many {} are there? Or: list {}.",
            names.join(", "),
            names[0],
            names[names.len() - 1]
        ))
    }

    fn help(&self) -> String {
        let mut can = vec![
            "list bases and tables, and describe a table",
            "list and find records (\"tasks where Status is Done\", \"overdue tasks\", \"top 5 projects by Budget\")",
            "count, add up, average and group (\"how many open tasks does each person have?\")",
        ];
        if self.belt.can_write() {
            can.push("create, change and delete records (\"add a task called X with Priority High\")");
        }
        let lines: Vec<String> = can.iter().map(|what| format!("- {what}")).collect();
        format!("Hello. Ask me about your bases. I can\n{}", lines.join("\n"))
    }

    /// The first answer of a conversation says who speaks.
    fn introduced(&self, text: String) -> String {
        let spoke = self
            .prompt
            .contents
            .iter()
            .any(|content| content.role == prompt::Role::Model && !content.text().is_empty());
        if spoke || self.prompt.generation.json || self.prompt.generation.schema.is_some() {
            return text;
        }
        format!("{text}\n\n{WHO}")
    }
}

/// Thanks, and words that answer a question which nobody asked, or which was answered already.
fn courtesy(tokens: &[Token]) -> Option<&'static str> {
    let only = |words: &[&str]| !tokens.is_empty() && tokens.iter().all(|token| token.is_any(words));
    if only(&[
        "thanks", "thank", "you", "very", "much", "great", "good", "bye", "perfect", "nice", "a", "lot",
    ]) && tokens.iter().any(|token| token.is_any(&["thanks", "thank", "bye", "perfect", "great", "nice"]))
    {
        return Some("You are welcome.");
    }
    if only(&["no", "nope", "cancel", "stop", "don", "t", "do", "not", "never", "mind"])
        && tokens.iter().any(|token| token.is_any(&["no", "nope", "cancel", "stop", "not", "don", "never"]))
    {
        return Some("All right, I leave everything as it is.");
    }
    only(&["yes", "y", "ok", "okay", "sure", "confirm", "go", "ahead", "do", "it"])
        .then_some("There is nothing that waits for your word.")
}

/// Greetings, thanks, and questions about the model itself.
fn is_small_talk(tokens: &[Token]) -> bool {
    const GREETINGS: &[&str] = &[
        "hi",
        "hello",
        "hey",
        "good",
        "morning",
        "evening",
        "afternoon",
        "thanks",
        "thank",
        "you",
        "bye",
        "help",
        "there",
        "who",
        "are",
        "what",
        "can",
        "do",
        "how",
        "does",
        "this",
        "work",
        "test",
        "ping",
        "moin",
        "hallo",
        "your",
        "name",
        "is",
        "s",
        "please",
        "me",
        "i",
        "ask",
        "could",
        "capabilities",
        "it",
        "a",
        "model",
        "which",
        "demo",
        "so",
        "much",
        "very",
    ];
    tokens.is_empty() || tokens.iter().all(|token| token.is_any(GREETINGS) || token.kind == words::Kind::Sign)
}
