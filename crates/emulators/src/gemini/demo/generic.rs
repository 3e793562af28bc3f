//! Tools that have nothing to do with tables: called if the question has words of their names and everything that they need.

use serde_json::{Map, Value, json};

use super::agent::{Agent, Halt, Plan, first_lines};
use super::answer::plain;
use super::words::{Kind, Token, agreement, is_filler, name_words};
use crate::gemini::prompt::{Declaration, Mode};

impl Agent<'_> {
    /// The plan where no tool of ours was recognised.
    pub(super) fn without_airtable(&self, tokens: &[Token]) -> Plan<String> {
        let results: Vec<String> = self
            .this_turn()
            .map(|exchange| match &exchange.result {
                Ok(value) => format!("{} says: {}", exchange.tool, plain(value)),
                Err(problem) => format!("{} failed: {}", exchange.tool, first_lines(problem)),
            })
            .collect();
        if !results.is_empty() {
            return Ok(results.join("\n"));
        }
        let calling = &self.prompt.calling;
        let may = |tool: &&Declaration| {
            calling.mode != Mode::None && (calling.allowed.is_empty() || calling.allowed.contains(&tool.name))
        };
        let best = self
            .prompt
            .tools
            .iter()
            .filter(may)
            .map(|tool| (fit(tokens, tool), tool))
            .filter(|(score, _)| *score > 0)
            .max_by_key(|(score, _)| *score);
        if let Some((_, tool)) = best
            && let Some(args) = arguments(tokens, tool)
        {
            let thought = format!("The question has words of {}, so I call it.", tool.name);
            return Err(Halt::Call { calls: vec![(tool.name.clone(), args)], thought });
        }
        let tools: Vec<&str> = self.prompt.tools.iter().map(|tool| tool.name.as_str()).collect();
        Ok(if tools.is_empty() {
            "I have no tools in this conversation, so I cannot look anything up.".to_owned()
        } else {
            format!("I do not see which of my tools ({}) could answer that.", tools.join(", "))
        })
    }
}

/// How many words of the tool's name the question has.
fn fit(tokens: &[Token], tool: &Declaration) -> usize {
    let words = name_words(&tool.name.replace('_', " "));
    let has =
        |word: &&String| tokens.iter().any(|token| agreement(&token.norm, word) > 0 && !is_filler(token));
    words.iter().filter(has).count()
}

/// Its required arguments out of the question: numbers in their order, texts from quotes, else from names.
fn arguments(tokens: &[Token], tool: &Declaration) -> Option<Map<String, Value>> {
    let words = name_words(&tool.name.replace('_', " "));
    let mut numbers = tokens.iter().filter_map(|token| match token.kind {
        Kind::Number(number) => Some(number),
        _ => None,
    });
    let mut quoted = tokens.iter().filter(|token| token.kind == Kind::Quoted).map(|token| token.text.clone());
    // "in Paris": words with a capital that are not the first and not the tool's own.
    let mut names: Vec<String> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_name = at > 0
            && token.kind == Kind::Word
            && token.text.starts_with(char::is_uppercase)
            && !words.iter().any(|word| agreement(&token.norm, word) > 0)
            && !token.is("i");
        let continues =
            is_name && at > 1 && tokens[at - 1].text.starts_with(char::is_uppercase) && !names.is_empty();
        match names.last_mut().filter(|_| continues) {
            Some(last) => *last = format!("{last} {}", token.text),
            None if is_name => names.push(token.text.clone()),
            None => {}
        }
    }
    let mut names = names.into_iter();
    let mut args = Map::new();
    let required: Vec<&str> =
        tool.schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, schema) in tool.schema["properties"].as_object().into_iter().flatten() {
        let value = match schema["type"].as_str() {
            Some("integer") => numbers.next().map(|number| json!(number as i64)),
            Some("number") => numbers.next().map(|number| json!(number)),
            Some("boolean") => None,
            _ if schema["enum"].is_array() => schema["enum"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|choice| {
                    choice
                        .as_str()
                        .is_some_and(|choice| tokens.iter().any(|token| token.norm == choice.to_lowercase()))
                })
                .cloned(),
            Some("string") | None => quoted.next().or_else(|| names.next()).map(|text| json!(text)),
            _ => None,
        };
        match value {
            Some(value) => {
                args.insert(name.clone(), value);
            }
            None if required.contains(&name.as_str()) => return None,
            None => {}
        }
    }
    Some(args)
}
