//! Strict reading of JSON: every problem is told with its path, and reading goes on behind it.

use std::fmt;

use serde_json::{Map, Value};

/// How many problems are told one by one.
const MOST: usize = 100;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Where, such as `turns[0].reply.calls[1].args`; empty for the whole.
    pub path: String,
    pub message: String,
}

/// Why a script is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptError {
    pub(super) problems: Vec<Problem>,
}

impl ScriptError {
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the script has {} problem(s):", self.problems.len())?;
        for problem in self.problems.iter().take(MOST) {
            let path = if problem.path.is_empty() { "(script)" } else { &problem.path };
            write!(f, "\n  {path}: {}", problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ScriptError {}

/// Problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    pub(crate) fn add(&mut self, path: &str, message: impl Into<String>) {
        self.0.push(Problem { path: path.to_owned(), message: message.into() });
    }
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct At<'a> {
    pub(crate) value: &'a Value,
    pub(crate) path: String,
}

impl<'a> At<'a> {
    pub(crate) fn object(&self, problems: &mut Problems) -> Option<Object<'a>> {
        match self.value {
            Value::Object(entries) => Some(Object { entries, path: self.path.clone() }),
            _ => self.wrong("must be an object", problems),
        }
    }

    pub(crate) fn items(&self, problems: &mut Problems) -> Vec<At<'a>> {
        let Value::Array(items) = self.value else {
            self.wrong::<()>("must be an array", problems);
            return Vec::new();
        };
        let at = |(index, value)| At { value, path: format!("{}[{index}]", self.path) };
        items.iter().enumerate().map(at).collect()
    }

    pub(crate) fn text(&self, problems: &mut Problems) -> Option<&'a str> {
        match self.value.as_str() {
            Some(text) => Some(text),
            None => self.wrong("must be a string", problems),
        }
    }

    /// A text, or a list of texts.
    pub(crate) fn texts(&self, problems: &mut Problems) -> Option<Vec<String>> {
        if let Value::String(text) = self.value {
            return Some(vec![text.clone()]);
        }
        let Value::Array(_) = self.value else {
            return self.wrong("must be a string or a list of strings", problems);
        };
        let texts = self.items(problems).into_iter().filter_map(|item| item.text(problems));
        // The iterator borrows the problems: collect before anything else.
        Some(texts.map(str::to_owned).collect())
    }

    pub(crate) fn count(&self, problems: &mut Problems) -> Option<u64> {
        match self.value.as_u64() {
            Some(count) => Some(count),
            None => self.wrong("must be a whole number from 0 on", problems),
        }
    }

    pub(crate) fn switch(&self, problems: &mut Problems) -> Option<bool> {
        match self.value.as_bool() {
            Some(switch) => Some(switch),
            None => self.wrong("must be true or false", problems),
        }
    }

    pub(crate) fn wrong<T>(&self, message: &str, problems: &mut Problems) -> Option<T> {
        problems.add(&self.path, message);
        None
    }
}

/// An object and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Object<'a> {
    pub(crate) entries: &'a Map<String, Value>,
    pub(crate) path: String,
}

impl<'a> Object<'a> {
    /// A value that is there, null included.
    pub(crate) fn get(&self, key: &str) -> Option<At<'a>> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        self.entries.get(key).map(|value| At { value, path })
    }

    /// Tells of keys that nobody reads.
    pub(crate) fn only(&self, known: &[&str], problems: &mut Problems) {
        for key in self.entries.keys().filter(|key| !known.contains(&key.as_str())) {
            let path = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            problems.add(&path, format!("is not known here; known are {}", known.join(", ")));
        }
    }

    /// Tells if more than one of these is given.
    pub(crate) fn at_most_one(&self, of: &[&str], problems: &mut Problems) {
        let given: Vec<&str> = of.iter().copied().filter(|key| self.entries.contains_key(*key)).collect();
        if given.len() > 1 {
            problems.add(&self.path, format!("has {}, which exclude each other", given.join(" and ")));
        }
    }
}
