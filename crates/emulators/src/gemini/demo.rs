//! The demo model: fixed rules instead of a model. It plans over whatever tools were declared, looks up bases, tables and
//! fields before it asks for anything, and says only what a tool has said.

mod about;
mod agent;
mod alone;
mod answer;
mod assign;
mod belt;
mod conditions;
mod csv;
mod dates;
mod figures;
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
use serde_json::Value;

use self::agent::{Agent, Halt, Plan};
use self::belt::Role;
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
        if let Some(text) = self.size_of_tables(&tokens)? {
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

    /// Nothing fits: records that have the words, else what there is.
    fn lost(&self, tokens: &[Token]) -> Plan<String> {
        let base = self.base(tokens)?;
        let tables = self.tables(base.as_ref())?;
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let mut text = "I did not understand which records you mean.".to_owned();
        if let Some(found) = self.records_with(tokens, base.as_ref())? {
            text = format!("I did not understand the question, but there is this: {found}");
        }
        Ok(format!(
            "{text}\nThe tables are {}. Ask for example: how many {} are there? Or: list {}.",
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
