//! Values that are taken out of the request: `{{result.0.records.0.id}}`, `{{result.list_bases.bases.0.id}}`, `{{user}}`.

use serde_json::{Map, Value};

use crate::gemini::prompt::Prompt;

/// Fills the templates of all texts in a value. A text that is one template and nothing else becomes what it stands for,
/// with its type.
///
/// # Errors
///
/// A template that stands for nothing, in words.
pub(super) fn fill(value: &Value, prompt: &Prompt) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => match single(text) {
            Some(path) => look_up(path, prompt)?,
            None => Value::String(fill_text(text, prompt)?),
        },
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fill(item, prompt)).collect::<Result<_, _>>()?)
        }
        Value::Object(entries) => {
            let mut out = Map::new();
            for (key, item) in entries {
                out.insert(key.clone(), fill(item, prompt)?);
            }
            Value::Object(out)
        }
        other => other.clone(),
    })
}

/// The same for a text, which stays one.
pub(super) fn fill_text(text: &str, prompt: &Prompt) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((path, after)) = after.split_once("}}") else { break };
        out.push_str(before);
        match look_up(path.trim(), prompt)? {
            Value::String(text) => out.push_str(&text),
            other => out.push_str(&other.to_string()),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The path of a text that is exactly one template.
fn single(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{")).then(|| inner.trim())
}

fn look_up(path: &str, prompt: &Prompt) -> Result<Value, String> {
    let mut steps = path.split('.');
    match steps.next() {
        Some("user") => Ok(prompt.last_user_text().into()),
        Some("result") => {
            let which = steps.next().unwrap_or("0");
            let mut value = result(which, prompt)
                .ok_or_else(|| format!("{{{{{path}}}}}: the last turn has no tool result \"{which}\""))?;
            for step in steps {
                value =
                    child(value, step).ok_or_else(|| format!("{{{{{path}}}}}: there is no \"{step}\""))?;
            }
            Ok(value)
        }
        _ => Err(format!("{{{{{path}}}}} is no template: they begin with result or user")),
    }
}

/// A tool result of the last turn by its position or by the tool's name.
fn result(which: &str, prompt: &Prompt) -> Option<Value> {
    let last = prompt.contents.last()?;
    let position: Option<usize> = which.parse().ok();
    let (_, _, response) = last
        .responses()
        .enumerate()
        .find(|(index, (_, name, _))| position.map_or(*name == which, |wanted| wanted == *index))?
        .1;
    Some(content(response))
}

/// What a response is about: `output` or `result` if it has such a key alone, else all of it.
pub(in crate::gemini) fn content(response: &Map<String, Value>) -> Value {
    for key in ["output", "result"] {
        if let (Some(value), 1) = (response.get(key), response.len()) {
            return value.clone();
        }
    }
    Value::Object(response.clone())
}

/// One step down; a text that holds JSON is read.
fn child(value: Value, step: &str) -> Option<Value> {
    let value = match value {
        Value::String(text) => serde_json::from_str(&text).ok()?,
        other => other,
    };
    match value {
        Value::Array(mut items) => {
            let index: usize = step.parse().ok()?;
            (index < items.len()).then(|| items.swap_remove(index))
        }
        Value::Object(mut entries) => entries.remove(step),
        _ => None,
    }
}

/// Whether every template in a text can be understood, without a request.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((path, after)) = after.split_once("}}") else { break };
        let first = path.trim().split('.').next().unwrap_or_default();
        if !["user", "result"].contains(&first) {
            return Err(format!("{{{{{path}}}}} is no template: they begin with result or user"));
        }
        rest = after;
    }
    Ok(())
}
