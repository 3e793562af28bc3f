//! The simplest model: it says what the user said.

use serde_json::{Value, json};

use super::instance::instance;
use super::markers;
use super::prompt::{Declaration, Mode, Prompt};
use super::reply::{FunctionCall, Piece, Reply};

pub(super) fn answer(prompt: &Prompt) -> Reply {
    let text = markers::strip(&prompt.last_user_text());
    if let Some(call) = forced_call(prompt, &text) {
        return Reply { pieces: vec![Piece::Call(call)], ..Reply::default() };
    }
    let thought = Piece::Thought(vec!["Repeating what the user said.".to_owned()]);
    let text = Piece::Text(chunked(&in_mode(prompt, &text)));
    Reply { pieces: vec![thought, text], ..Reply::default() }
}

/// An answer in the form that was asked for: a text as it is, or JSON that fits the schema and says the text.
pub(super) fn in_mode(prompt: &Prompt, text: &str) -> String {
    match (&prompt.generation.schema, prompt.generation.json) {
        (Some(schema), true) => instance(schema, text).to_string(),
        // `text/x.enum`: one of the words, bare.
        (Some(schema), false) => match instance(schema, text) {
            Value::String(word) => word,
            other => other.to_string(),
        },
        (None, true) if serde_json::from_str::<Value>(text).is_ok() => text.to_owned(),
        (None, true) => json!({"answer": text}).to_string(),
        (None, false) => text.to_owned(),
    }
}

/// Mode ANY: a call must be made, whatever the text says.
pub(super) fn forced_call(prompt: &Prompt, text: &str) -> Option<FunctionCall> {
    if prompt.calling.mode != Mode::Any {
        return None;
    }
    let allowed = &prompt.calling.allowed;
    let may = |tool: &&Declaration| allowed.is_empty() || allowed.contains(&tool.name);
    let tool = prompt.tools.iter().find(may)?;
    let args = match instance(&tool.schema, text) {
        args @ Value::Object(_) => args,
        _ => json!({}),
    };
    Some(FunctionCall { id: Default::default(), name: tool.name.clone(), args })
}

/// A text in the pieces that a stream brings it in: some words each.
pub(super) fn chunked(text: &str) -> Vec<String> {
    const LEAST_BYTES: usize = 24;
    let mut chunks = vec![String::new()];
    for word in text.split_inclusive(char::is_whitespace) {
        match chunks.last_mut() {
            Some(last) if last.len() < LEAST_BYTES => last.push_str(word),
            _ => chunks.push(word.to_owned()),
        }
    }
    chunks
}
