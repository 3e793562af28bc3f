//! When a turn of a script applies.

use regex::Regex;
use serde_json::Value;

use super::read::{At, Object, Problems};
use crate::gemini::prompt::{Mode, Prompt, Role};

/// Conditions on a request; all must hold.
#[derive(Debug, Clone, Default)]
pub(super) struct When {
    user: Option<TextMatch>,
    system: Option<TextMatch>,
    model: Option<TextMatch>,
    result: Option<ResultMatch>,
    /// All of these are declared; none at all if empty.
    tools: Option<Vec<String>>,
    step: Option<u64>,
    turn: Option<u64>,
    mode: Option<Mode>,
    /// The request asks for the rest of an answer.
    continuation: Option<bool>,
}

#[derive(Debug, Clone)]
enum TextMatch {
    Contains(String),
    Equals(String),
    Regex(Regex),
}

#[derive(Debug, Clone)]
enum ResultMatch {
    /// The last turn answers no call.
    None,
    Some {
        name: Option<String>,
        content: Option<TextMatch>,
        error: Option<bool>,
    },
}

impl When {
    pub(super) fn read(at: &At<'_>, problems: &mut Problems) -> Self {
        let Some(object) = at.object(problems) else { return Self::default() };
        object.only(
            &["user", "system", "model", "tool_result", "tools", "step", "turn", "mode", "continuation"],
            problems,
        );
        let text = |key: &str, problems: &mut Problems| {
            object.get(key).and_then(|at| TextMatch::read(&at, problems))
        };
        let user = text("user", problems);
        let system = text("system", problems);
        let model = text("model", problems);
        let count = |key: &str, problems: &mut Problems| object.get(key).and_then(|at| at.count(problems));
        Self {
            user,
            system,
            model,
            result: object.get("tool_result").and_then(|at| ResultMatch::read(&at, problems)),
            tools: object.get("tools").and_then(|at| tools(&at, problems)),
            step: count("step", problems),
            turn: count("turn", problems),
            mode: object.get("mode").and_then(|at| mode(&at, problems)),
            continuation: object.get("continuation").and_then(|at| at.switch(problems)),
        }
    }

    pub(super) fn holds(&self, prompt: &Prompt, model: &str) -> bool {
        let says = |wanted: &Option<TextMatch>, text: &dyn Fn() -> String| {
            wanted.as_ref().is_none_or(|wanted| wanted.matches(&text()))
        };
        let system = || prompt.system.as_ref().map(|system| system.text()).unwrap_or_default();
        says(&self.user, &|| prompt.last_user_text())
            && says(&self.system, &system)
            && says(&self.model, &|| model.to_owned())
            && self.result.as_ref().is_none_or(|result| result.matches(prompt))
            && self.tools.as_ref().is_none_or(|names| declared(names, prompt))
            && self.step.is_none_or(|step| step == current_step(prompt))
            && self.turn.is_none_or(|turn| turn == questions(prompt))
            && self.mode.is_none_or(|mode| mode == prompt.calling.mode)
            && self.continuation.is_none_or(|wanted| wanted == prompt.continuation.is_some())
    }
}

/// From 1: how many times the model was asked since the user spoke.
fn current_step(prompt: &Prompt) -> u64 {
    let from = prompt.last_question().unwrap_or(0);
    1 + prompt.contents[from..].iter().filter(|content| content.role == Role::Model).count() as u64
}

/// How many times the user spoke.
fn questions(prompt: &Prompt) -> u64 {
    prompt.contents.iter().filter(|content| content.role == Role::User && !content.is_response()).count()
        as u64
}

fn declared(names: &[String], prompt: &Prompt) -> bool {
    if names.is_empty() {
        return prompt.tools.is_empty();
    }
    names.iter().all(|name| prompt.tools.iter().any(|tool| tool.name == *name))
}

fn tools(at: &At<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    if at.value == &Value::Bool(false) {
        return Some(Vec::new());
    }
    at.texts(problems)
}

fn mode(at: &At<'_>, problems: &mut Problems) -> Option<Mode> {
    match at.text(problems)? {
        "AUTO" => Some(Mode::Auto),
        "ANY" => Some(Mode::Any),
        "NONE" => Some(Mode::None),
        "VALIDATED" => Some(Mode::Validated),
        _ => at.wrong("must be AUTO, ANY, NONE or VALIDATED", problems),
    }
}

impl TextMatch {
    /// A text alone is what must be contained.
    fn read(at: &At<'_>, problems: &mut Problems) -> Option<Self> {
        if let Value::String(text) = at.value {
            return Some(Self::Contains(text.clone()));
        }
        let object = at.object(problems)?;
        object.only(&["contains", "equals", "regex"], problems);
        Self::of(&object, problems).or_else(|| {
            let known = ["contains", "equals", "regex"];
            if !known.iter().any(|key| object.entries.contains_key(*key)) {
                problems.add(&at.path, "must have one of contains, equals, regex");
            }
            None
        })
    }

    fn of(object: &Object<'_>, problems: &mut Problems) -> Option<Self> {
        object.at_most_one(&["contains", "equals", "regex"], problems);
        if let Some(at) = object.get("contains") {
            return at.text(problems).map(|text| Self::Contains(text.to_owned()));
        }
        if let Some(at) = object.get("equals") {
            return at.text(problems).map(|text| Self::Equals(text.to_owned()));
        }
        let at = object.get("regex")?;
        match Regex::new(at.text(problems)?) {
            Ok(regex) => Some(Self::Regex(regex)),
            Err(error) => at.wrong(&format!("is no regular expression: {error}"), problems),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Contains(part) => text.contains(part.as_str()),
            Self::Equals(whole) => text.trim() == whole.trim(),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

impl ResultMatch {
    fn read(at: &At<'_>, problems: &mut Problems) -> Option<Self> {
        match at.value {
            Value::Bool(false) => return Some(Self::None),
            Value::Bool(true) => return Some(Self::Some { name: None, content: None, error: None }),
            _ => {}
        }
        let object = at.object(problems)?;
        object.only(&["name", "contains", "equals", "regex", "error"], problems);
        Some(Self::Some {
            name: object.get("name").and_then(|at| at.text(problems)).map(str::to_owned),
            content: TextMatch::of(&object, problems),
            error: object.get("error").and_then(|at| at.switch(problems)),
        })
    }

    fn matches(&self, prompt: &Prompt) -> bool {
        let last = prompt.contents.last().filter(|content| content.is_response());
        match (self, last) {
            (Self::None, last) => last.is_none(),
            (Self::Some { .. }, None) => false,
            (Self::Some { name, content, error }, Some(last)) => {
                last.responses().any(|(_, called, response)| {
                    name.as_ref().is_none_or(|name| name == called)
                        && error.is_none_or(|error| error == response.contains_key("error"))
                        && content.as_ref().is_none_or(|content| {
                            content.matches(&serde_json::to_string(response).unwrap_or_default())
                        })
                })
            }
        }
    }
}
