//! Scripts: what the model answers, turn by turn, and when.

mod read;
mod reply;
pub(super) mod template;
mod when;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Value, json};

use self::read::{At, Problems};
pub use self::read::{Problem, ScriptError};
use self::reply::ReplyTemplate;
use self::when::When;
use super::errors::GeminiError;
use super::prompt::{Prompt, Role};
use super::reply::Outcome;

/// A checked script.
#[derive(Debug, Clone)]
pub struct Script {
    turns: Vec<Turn>,
    /// Each conversation has its own course through the script; else all share one.
    per_conversation: bool,
    /// Only the next turn is looked at, and must fit; else the first that fits.
    strict: bool,
}

#[derive(Debug, Clone)]
struct Turn {
    name: Option<String>,
    when: When,
    /// How often it answers; `None` is always.
    times: Option<u32>,
    reply: ReplyTemplate,
}

impl Script {
    /// Reads a script; the README shows the format.
    ///
    /// # Errors
    ///
    /// Every problem with its path, such as `turns[0].reply.calls[1].args`.
    pub fn from_json(json: &[u8]) -> Result<Self, ScriptError> {
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        match serde_json::from_slice::<Value>(json) {
            Ok(value) => Self::from_value(&value),
            Err(error) => {
                let problem = Problem { path: String::new(), message: format!("not JSON: {error}") };
                Err(ScriptError { problems: vec![problem] })
            }
        }
    }

    /// The same for JSON that is read already.
    ///
    /// # Errors
    ///
    /// Every problem with its path.
    pub fn from_value(value: &Value) -> Result<Self, ScriptError> {
        let mut problems = Problems::default();
        let script = Self::read(value, &mut problems);
        match script {
            Some(script) if problems.0.is_empty() => Ok(script),
            _ => Err(ScriptError { problems: problems.0 }),
        }
    }

    fn read(value: &Value, problems: &mut Problems) -> Option<Self> {
        let root = At { value, path: String::new() }.object(problems)?;
        root.only(&["turns", "per", "order"], problems);
        let mut word = |key: &str, first: &str, second: &str| match root.get(key) {
            None => Some(false),
            Some(at) => match at.text(problems)? {
                text if text == first => Some(false),
                text if text == second => Some(true),
                _ => at.wrong(&format!("must be {first} or {second}"), problems),
            },
        };
        let per_conversation = word("per", "all", "conversation").unwrap_or_default();
        let strict = word("order", "first_match", "strict").unwrap_or_default();
        let turns = match root.get("turns") {
            Some(at) => at.items(problems),
            None => {
                problems.add("turns", "is missing");
                Vec::new()
            }
        };
        let turns = turns.iter().filter_map(|at| Turn::read(at, problems)).collect();
        Some(Self { turns, per_conversation, strict })
    }
}

impl Turn {
    fn read(at: &At<'_>, problems: &mut Problems) -> Option<Self> {
        let object = at.object(problems)?;
        object.only(&["name", "when", "times", "reply"], problems);
        let times = match object.get("times") {
            None => Some(1),
            Some(At { value: Value::String(word), .. }) if word == "always" => None,
            Some(at) => match at.value.as_u64() {
                Some(times @ 1..=1_000_000) => Some(times as u32),
                _ => at.wrong("must be a number from 1 on, or \"always\"", problems),
            },
        };
        let when = object.get("when").map(|at| When::read(&at, problems)).unwrap_or_default();
        let name = object.get("name").and_then(|at| at.text(problems)).map(str::to_owned);
        let Some(reply) = object.get("reply") else {
            return at.wrong("needs a reply", problems);
        };
        Some(Self { name, when, times, reply: ReplyTemplate::read(&reply, problems)? })
    }
}

/// A script on its way: how often each turn has answered.
#[derive(Debug)]
pub(super) struct Play {
    script: Script,
    used: HashMap<(u64, usize), u32>,
}

impl Play {
    pub(super) fn new(script: Script) -> Self {
        Self { script, used: HashMap::new() }
    }

    /// How often each turn has answered, over all conversations.
    pub(super) fn state(&self) -> Value {
        let turns = self.script.turns.iter().enumerate().map(|(index, turn)| {
            let used: u32 =
                self.used.iter().filter(|((_, at), _)| *at == index).map(|(_, count)| count).sum();
            json!({"turn": index, "name": turn.name, "times": turn.times, "used": used})
        });
        json!({"turns": turns.collect::<Vec<_>>()})
    }

    /// Whether no turn has anything left to say, in the conversation that got furthest.
    pub(super) fn is_used_up(&self) -> bool {
        self.script.turns.iter().enumerate().all(|(index, turn)| {
            turn.times
                .is_some_and(|times| self.used.iter().any(|((_, at), count)| *at == index && *count >= times))
        })
    }

    /// The answer of the turn that applies; an error that says why none does.
    pub(super) fn answer(&mut self, prompt: &Prompt, model: &str, caller: &str) -> Outcome {
        match self.take(prompt, model, caller) {
            Ok(index) => {
                let turn = &self.script.turns[index];
                turn.reply.render(prompt, model).unwrap_or_else(|problem| {
                    Outcome::Error(GeminiError::stuck(format!(
                        "the emulator's script, {}: {problem}",
                        turn.label(index)
                    )))
                })
            }
            Err(problem) => Outcome::Error(GeminiError::stuck(problem)),
        }
    }

    /// The same, where a script that has nothing to say is no error.
    pub(super) fn maybe(&mut self, prompt: &Prompt, model: &str, caller: &str) -> Option<Outcome> {
        self.next(prompt, model, caller).ok()?;
        Some(self.answer(prompt, model, caller))
    }

    fn take(&mut self, prompt: &Prompt, model: &str, caller: &str) -> Result<usize, String> {
        let (course, index) = self.next(prompt, model, caller)?;
        *self.used.entry((course, index)).or_default() += 1;
        Ok(index)
    }

    fn next(&self, prompt: &Prompt, model: &str, caller: &str) -> Result<(u64, usize), String> {
        let course = if self.script.per_conversation { conversation(prompt, caller) } else { 0 };
        let has_left = |index: usize, turn: &Turn| {
            let used = self.used.get(&(course, index)).copied().unwrap_or_default();
            turn.times.is_none_or(|times| used < times)
        };
        let mut left = self.script.turns.iter().enumerate().filter(|(index, turn)| has_left(*index, turn));
        let asked = format!("the user said {:?}", shortened(&prompt.last_user_text()));
        if self.script.strict {
            return match left.next() {
                Some((index, turn)) if turn.when.holds(prompt, model) => Ok((course, index)),
                Some((index, turn)) => Err(format!(
                    "the emulator's script: the next is {}, whose conditions do not hold; {asked}",
                    turn.label(index)
                )),
                None => Err(format!("the emulator's script has run out; {asked}")),
            };
        }
        let mut is_over = true;
        for (index, turn) in left {
            is_over = false;
            if turn.when.holds(prompt, model) {
                return Ok((course, index));
            }
        }
        let why = if is_over { "has run out" } else { "has no turn for this request" };
        Err(format!("the emulator's script {why}; {asked}"))
    }
}

impl Turn {
    fn label(&self, index: usize) -> String {
        match &self.name {
            Some(name) => format!("turns[{index}] ({name})"),
            None => format!("turns[{index}]"),
        }
    }
}

/// Conversations are told apart by their first words, the system instruction, and who calls.
fn conversation(prompt: &Prompt, caller: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    caller.hash(&mut hasher);
    prompt.system.as_ref().map(|system| system.text()).hash(&mut hasher);
    prompt
        .contents
        .iter()
        .find(|content| content.role == Role::User)
        .map(|content| content.said())
        .hash(&mut hasher);
    hasher.finish()
}

fn shortened(text: &str) -> String {
    const MOST_CHARS: usize = 120;
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
