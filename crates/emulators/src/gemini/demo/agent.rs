//! What the demo model works with: the conversation, the tools, and what they have told so far.
//!
//! The model keeps no state. Each time it is asked, it goes through its plan from the beginning; a call whose result is in the
//! conversation is answered from there, and the first one that is not becomes its answer.

use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::belt::{Belt, Role, Slot, Tool};
use super::memory::{Exchange, exchanges};
use super::schema::{Base, Table, TableRef};
use super::words::{self, Token, name_at, name_words};
use crate::gemini::prompt::{self, Data, Mode, Prompt};

/// Why the plan cannot go on.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Halt {
    /// These calls must be made first.
    Call { calls: Vec<(String, Map<String, Value>)>, thought: String },
    /// This is the answer.
    Say(String),
}

pub(super) type Plan<T> = Result<T, Halt>;

pub(super) fn say<T>(text: impl Into<String>) -> Plan<T> {
    Err(Halt::Say(text.into()))
}

/// How old a result may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Age {
    /// Names and types seldom change within a conversation.
    Any,
    /// Of this turn.
    Fresh,
}

/// More calls than this in one turn lead nowhere.
const MOST_CALLS: usize = 60;

pub(super) struct Agent<'a> {
    pub(super) prompt: &'a Prompt,
    pub(super) belt: Belt<'a>,
    pub(super) exchanges: Vec<Exchange>,
    /// Where this turn begins.
    start: usize,
    /// What the user asked, turn by turn, the last one included.
    pub(super) questions: Vec<String>,
    pub(super) today: Date,
    /// A base that the application names.
    hint: Option<String>,
}

impl<'a> Agent<'a> {
    pub(super) fn new(prompt: &'a Prompt, today: Date) -> Self {
        let asked = |content: &&prompt::Content| content.role == prompt::Role::User && !content.is_response();
        let questions = prompt.contents.iter().filter(asked).map(prompt::Content::said).collect();
        let context: String =
            prompt.last_question().map(|at| context_of(&prompt.contents[at])).unwrap_or_default();
        Self {
            prompt,
            belt: Belt::new(prompt),
            exchanges: exchanges(prompt),
            start: prompt.last_question().unwrap_or_default(),
            questions,
            today: day_in(&context).unwrap_or(today),
            hint: base_in(&context),
        }
    }

    pub(super) fn question(&self) -> &str {
        self.questions.last().map_or("", String::as_str)
    }

    /// Results of this turn, in order.
    pub(super) fn this_turn(&self) -> impl Iterator<Item = &Exchange> {
        self.exchanges.iter().filter(|exchange| exchange.at >= self.start)
    }

    fn known(&self, tool: &str, args: &Map<String, Value>, age: Age) -> Option<&Result<Value, String>> {
        self.exchanges
            .iter()
            .rev()
            .filter(|exchange| age == Age::Any || exchange.at >= self.start)
            .find(|exchange| exchange.tool == tool && exchange.args == *args)
            .map(|exchange| &exchange.result)
    }

    /// Calls several tools at once; the results in the same order.
    pub(super) fn together(
        &self,
        calls: Vec<(Tool<'_>, Map<String, Value>)>,
        age: Age,
        thought: &str,
    ) -> Plan<Vec<Result<Value, String>>> {
        let mut results = Vec::new();
        let mut missing: Vec<(String, Map<String, Value>)> = Vec::new();
        for (tool, args) in calls {
            // A failure of an earlier turn may be over.
            let known = self.known(tool.name(), &args, age).filter(|result| {
                age == Age::Fresh || result.is_ok() || self.known(tool.name(), &args, Age::Fresh).is_some()
            });
            match known {
                Some(result) => results.push(result.clone()),
                None => missing.push((tool.name().to_owned(), args)),
            }
        }
        if missing.is_empty() {
            return Ok(results);
        }
        if self.prompt.calling.mode == Mode::None {
            return say(
                "I may not call any more tools in this turn, and have not got far enough to answer. Please ask again, perhaps for less at once.",
            );
        }
        if self.this_turn().count() + missing.len() > MOST_CALLS {
            return say("This takes more steps than I can make. Please ask for less at once.");
        }
        Err(Halt::Call { calls: missing, thought: thought.to_owned() })
    }

    /// Calls one tool. A mistake that the tool explains is corrected once.
    pub(super) fn call(
        &self,
        tool: Tool<'_>,
        args: Map<String, Value>,
        age: Age,
        thought: &str,
    ) -> Plan<Value> {
        let mut results = self.together(vec![(tool, args.clone())], age, thought)?;
        let problem = match results.pop() {
            Some(Ok(value)) => return Ok(value),
            Some(Err(problem)) => problem,
            None => String::new(),
        };
        if let Some(corrected) = corrected(&args, &problem) {
            let thought =
                format!("The tool {} refused that and says what was meant, so I try once more.", tool.name());
            let mut results = self.together(vec![(tool, corrected)], age, &thought)?;
            if let Some(Ok(value)) = results.pop() {
                return Ok(value);
            }
        }
        say(format!("The tool {} could not do this: {}", tool.name(), first_lines(&problem)))
    }

    /// A tool of this role, or an apology.
    pub(super) fn tool(&self, role: Role) -> Plan<Tool<'a>> {
        match self.belt.get(role) {
            Some(tool) => Ok(tool),
            None => say(format!("I have no tool to {}.", purpose(role))),
        }
    }

    /// The base that a question is about, as the tools call it; `None` where they take none.
    pub(super) fn base(&self, tokens: &[Token]) -> Plan<Option<Base>> {
        let takes_base =
            [Role::ListTables, Role::DescribeTable, Role::ListRecords, Role::Aggregate, Role::Search]
                .iter()
                .filter_map(|role| self.belt.get(*role))
                .any(|tool| tool.has(Slot::Base));
        let Some(list) = self.belt.get(Role::ListBases).filter(|_| takes_base) else { return Ok(None) };
        let result = self.call(list, Map::new(), Age::Any, "First I need to know which bases there are.")?;
        let bases = Base::all(&result);
        match bases.as_slice() {
            [] => return say("I reach no base, so there is nothing that I could look at."),
            [one] => return Ok(Some(one.clone())),
            _ => {}
        }
        if let Some(named) = named_base(&bases, tokens) {
            return Ok(Some(named.clone()));
        }
        let hint = self
            .hint
            .as_ref()
            .and_then(|hint| bases.iter().find(|base| base.id == *hint || base.name == *hint));
        if let Some(base) = hint.or_else(|| self.last_base(&bases)) {
            return Ok(Some(base.clone()));
        }
        self.base_with_table(&bases, tokens)
    }

    /// The base that was last looked into.
    fn last_base<'b>(&self, bases: &'b [Base]) -> Option<&'b Base> {
        self.exchanges
            .iter()
            .rev()
            .filter(|exchange| exchange.at < self.start && exchange.result.is_ok())
            .find_map(|exchange| {
                // One call among others that looked through all bases says nothing.
                let is_one = self.exchanges.iter().filter(|other| other.at == exchange.at).count() == 1;
                let role = self.belt.role_of(&exchange.tool)?;
                let (name, _) = self.belt.get(role)?.slot(Slot::Base)?;
                let wanted = exchange.args.get(name)?.as_str()?;
                bases.iter().find(|base| is_one && (base.id == wanted || base.name == wanted))
            })
    }

    /// The one base that has a table which the question names.
    fn base_with_table(&self, bases: &[Base], tokens: &[Token]) -> Plan<Option<Base>> {
        const MOST: usize = 8;
        let names = || bases.iter().map(|base| format!("- {}", base.name)).collect::<Vec<_>>().join("\n");
        let ask = || {
            say(format!(
                "There are several bases, and I do not see which one you mean:\n{}\nPlease name it.",
                names()
            ))
        };
        let Some(list) = self.belt.get(Role::ListTables).filter(|_| bases.len() <= MOST) else {
            return ask();
        };
        let calls =
            bases.iter().map(|base| (list, list.arguments(vec![(Slot::Base, json!(base.id))]))).collect();
        let results =
            self.together(calls, Age::Any, "There are several bases; I look for the table in each of them.")?;
        let fitting: Vec<&Base> = bases
            .iter()
            .zip(&results)
            .filter(|(_, result)| {
                let tables = result.as_ref().map(TableRef::all).unwrap_or_default();
                !super::subject::table_mentions(tokens, &tables, false).is_empty()
            })
            .map(|(base, _)| base)
            .collect();
        match fitting.as_slice() {
            [one] => Ok(Some((*one).clone())),
            [] => ask(),
            several => say(format!(
                "Several bases have such a table: {}. Please name the base.",
                several.iter().map(|base| base.name.as_str()).collect::<Vec<_>>().join(", ")
            )),
        }
    }

    pub(super) fn tables(&self, base: Option<&Base>) -> Plan<Vec<TableRef>> {
        let list = self.tool(Role::ListTables)?;
        let args = list.arguments(base.map(|base| (Slot::Base, json!(base.id))).into_iter().collect());
        let result = self.call(list, args, Age::Any, "Next I look at which tables it has.")?;
        let tables = TableRef::all(&result);
        if tables.is_empty() {
            return say("This base has no tables that I can see.");
        }
        Ok(tables)
    }

    /// Tables with their fields, all at once.
    pub(super) fn described(
        &self,
        base: Option<&Base>,
        all: &[TableRef],
        wanted: &[TableRef],
    ) -> Plan<Vec<Table>> {
        let base_id = base.map(|base| base.id.clone());
        let mut tables = match self.belt.get(Role::DescribeTable) {
            Some(describe) => {
                let args = |table: &TableRef| {
                    let mut given: Vec<(Slot, Value)> = vec![(Slot::Table, json!(table.name))];
                    given.extend(base.map(|base| (Slot::Base, json!(base.id))));
                    describe.arguments(given)
                };
                let calls = wanted.iter().map(|table| (describe, args(table))).collect();
                let names: Vec<&str> = wanted.iter().map(|table| table.name.as_str()).collect();
                let thought =
                    format!("I need the fields of {} before I can ask for records.", names.join(", "));
                let mut tables = Vec::new();
                for (result, table) in self.together(calls, Age::Any, &thought)?.into_iter().zip(wanted) {
                    match result {
                        Ok(result) => tables.extend(Table::read(&result, base_id.clone(), table)),
                        Err(problem) => {
                            return say(format!(
                                "I cannot read the fields of {}: {}",
                                table.name,
                                first_lines(&problem)
                            ));
                        }
                    }
                }
                tables
            }
            // A list of tables may have their fields with it.
            None => {
                let list = self.tool(Role::ListTables)?;
                let args =
                    list.arguments(base.map(|base| (Slot::Base, json!(base.id))).into_iter().collect());
                let result = self.call(list, args, Age::Any, "Next I look at which tables it has.")?;
                super::schema::list(&result, &["tables"])
                    .zip(TableRef::all(&result))
                    .filter(|(_, table)| wanted.contains(table))
                    .filter_map(|(entry, table)| Table::read(entry, base_id.clone(), &table))
                    .collect()
            }
        };
        if tables.is_empty() {
            return say("I could not read the fields of these tables.");
        }
        for table in &mut tables {
            for field in &mut table.fields {
                field.name_linked_table(all);
            }
        }
        Ok(tables)
    }

    /// Base and table as arguments.
    pub(super) fn place(&self, table: &Table) -> Vec<(Slot, Value)> {
        let mut place = vec![(Slot::Table, json!(table.name))];
        place.extend(table.base.as_ref().map(|base| (Slot::Base, json!(base))));
        place
    }
}

/// The base whose name the question has; whole names before parts of names.
fn named_base<'b>(bases: &'b [Base], tokens: &[Token]) -> Option<&'b Base> {
    let says = |words: &[String]| (0..tokens.len()).any(|at| name_at(tokens, at, words).is_some());
    let by_id = |base: &&Base| tokens.iter().any(|token| token.text == base.id);
    let whole = |base: &&Base| says(&name_words(&base.name));
    let part = |base: &&Base| {
        let words: Vec<String> =
            name_words(&base.name).into_iter().filter(|word| !words::is_filler_word(word)).collect();
        words.iter().any(|word| says(std::slice::from_ref(word)))
    };
    let only = |fits: &dyn Fn(&&Base) -> bool| {
        let mut fitting = bases.iter().filter(fits);
        fitting.next().filter(|_| fitting.next().is_none())
    };
    only(&by_id).or_else(|| only(&whole)).or_else(|| {
        // "in the studio base" names a base; "studio" alone may be anything.
        tokens.iter().any(|token| token.is_any(&["base", "database"])).then(|| only(&part))?
    })
}

/// The arguments with the name that the tool suggests.
fn corrected(args: &Map<String, Value>, problem: &str) -> Option<Map<String, Value>> {
    let (_, rest) = problem.split_once("did you mean \"")?;
    let (meant, _) = rest.split_once('"')?;
    // What is wrong stands in quotes as well.
    let wrong =
        problem.split('"').skip(1).step_by(2).find(|quoted| *quoted != meant && !quoted.is_empty())?;
    let old = Value::Object(args.clone());
    let new = replaced(&old, wrong, meant);
    match new {
        Value::Object(new) if Value::Object(new.clone()) != old => Some(new),
        _ => None,
    }
}

fn replaced(value: &Value, wrong: &str, meant: &str) -> Value {
    match value {
        Value::String(text) if text == wrong => meant.into(),
        Value::String(text) => text.replace(&format!("{{{wrong}}}"), &format!("{{{meant}}}")).into(),
        Value::Array(items) => items.iter().map(|item| replaced(item, wrong, meant)).collect(),
        Value::Object(entries) => Value::Object(
            entries
                .iter()
                .map(|(key, value)| {
                    let key = if key == wrong { meant.to_owned() } else { key.clone() };
                    (key, replaced(value, wrong, meant))
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Errors may show formulas and lists; a person wants the beginning.
pub(super) fn first_lines(text: &str) -> String {
    const MOST: usize = 600;
    let end = text.floor_char_boundary(MOST);
    if end < text.len() { format!("{}…", &text[..end]) } else { text.to_owned() }
}

fn purpose(role: Role) -> &'static str {
    match role {
        Role::ListBases => "list bases",
        Role::ListTables => "list tables",
        Role::DescribeTable => "look at fields",
        Role::ListRecords => "list records",
        Role::Search => "search",
        Role::GetRecord => "read a record",
        Role::Aggregate => "count and add up",
        Role::Create => "create records",
        Role::Update => "change records",
        Role::Upsert => "create or change records",
        Role::Delete => "delete records",
    }
}

/// What an application adds to the user's words, in square brackets.
fn context_of(content: &prompt::Content) -> String {
    let texts = content.parts.iter().filter_map(|part| match &part.data {
        Data::Text(text) if prompt::is_context(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn day_in(context: &str) -> Option<Date> {
    context
        .split(|letter: char| !(letter.is_ascii_digit() || letter == '-'))
        .find_map(|word| (word.len() == 10).then(|| word.parse().ok()).flatten())
}

fn base_in(context: &str) -> Option<String> {
    let (_, rest) = context.split_once("base ")?;
    let base: String = rest.chars().take_while(|letter| letter.is_alphanumeric()).collect();
    base.starts_with("app").then_some(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_tool_corrects_is_replaced_wherever_it_stands() {
        let args = json!({"table": "Tsks", "filter": "{Stat} = \"Stat\"", "fields": ["Stat"]});
        let args = args.as_object().unwrap();
        let new = corrected(args, "there is no table \"Tsks\"; did you mean \"Tasks\"?").unwrap();
        assert_eq!(new["table"], "Tasks");
        let new = corrected(args, "no field \"Stat\". did you mean \"Status\"?").unwrap();
        assert_eq!((&new["filter"], &new["fields"]), (&json!("{Status} = \"Stat\""), &json!(["Status"])));
        assert_eq!(corrected(args, "the table is full"), None);
    }
}
