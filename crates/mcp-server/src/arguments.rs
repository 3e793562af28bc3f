//! What tools take: one list per tool, from which the advertised schema, the reading of a call and its error messages come.

use serde_json::{Map, Value, json};

use crate::error::ToolError;
use crate::names::quoted;

/// One argument of a tool.
pub(crate) struct Argument {
    pub(crate) name: &'static str,
    /// Other names that are taken without being advertised.
    pub(crate) aliases: &'static [&'static str],
    pub(crate) kind: Kind,
    /// Shown to models; empty where the name says it all.
    pub(crate) about: &'static str,
    pub(crate) is_required: bool,
    /// Taken without being advertised: what a model can do without.
    pub(crate) is_hidden: bool,
}

/// The type of an argument.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    OneOf(&'static [&'static str]),
    Integer {
        least: i64,
        most: i64,
    },
    Flag,
    /// A list of texts; a single one is taken for a list of it.
    Texts,
    /// Like `Texts`, each `Field` or `-Field`; also `{field, direction}`.
    Sort,
    /// Like `Texts`, each `sum(Field)`; also `{function, field}`.
    Metrics,
    Object,
    /// A list of objects; a single one is taken for a list of it.
    Objects,
}

/// The arguments of a call, under their primary names.
#[derive(Debug, Default, Clone)]
pub(crate) struct Arguments(Map<String, Value>);

impl Argument {
    pub(crate) const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, aliases: &[], kind, about, is_required: false, is_hidden: false }
    }

    pub(crate) const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    pub(crate) const fn hidden(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    pub(crate) const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The part of JSON Schema that all clients read: a plain `type`, no references, no unions, no formats.
    fn schema(&self) -> Value {
        let mut schema = match self.kind {
            Kind::Text => json!({"type": "string"}),
            Kind::OneOf(values) => json!({"type": "string", "enum": values}),
            Kind::Integer { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
            Kind::Flag => json!({"type": "boolean"}),
            Kind::Texts | Kind::Sort | Kind::Metrics => json!({"type": "array", "items": {"type": "string"}}),
            Kind::Object => json!({"type": "object"}),
            Kind::Objects => json!({"type": "array", "items": {"type": "object"}}),
        };
        if !self.about.is_empty() {
            schema["description"] = json!(self.about);
        }
        schema
    }

    /// The value in its one form. Models write numbers and lists as texts at times; those are understood.
    fn read(&self, value: Value) -> Result<Value, ToolError> {
        let wrong = |what: &str| Err(ToolError::invalid(format!("{} must be {what}", self.name)));
        match (self.kind, value) {
            (Kind::Text, Value::String(text)) => Ok(Value::String(text)),
            (Kind::Text, Value::Number(number)) => Ok(Value::String(number.to_string())),
            (Kind::Text, _) => wrong("a text"),
            (Kind::OneOf(values), Value::String(text)) => {
                match values.iter().find(|value| value.eq_ignore_ascii_case(text.trim())) {
                    Some(value) => Ok(json!(value)),
                    None => wrong(&format!("one of {}", values.join(", "))),
                }
            }
            (Kind::OneOf(values), _) => wrong(&format!("one of {}", values.join(", "))),
            (Kind::Integer { least, most }, value) => {
                let number = match &value {
                    Value::String(text) => text.trim().parse().ok(),
                    Value::Number(number) => number
                        .as_i64()
                        .or_else(|| number.as_f64().filter(|number| number.fract() == 0.0).map(|n| n as i64)),
                    _ => None,
                };
                match number.filter(|number| (least..=most).contains(number)) {
                    Some(number) => Ok(json!(number)),
                    None => wrong(&format!("a whole number from {least} to {most}")),
                }
            }
            (Kind::Flag, Value::Bool(flag)) => Ok(Value::Bool(flag)),
            (Kind::Flag, Value::String(text)) if matches!(text.as_str(), "true" | "false") => {
                Ok(Value::Bool(text == "true"))
            }
            (Kind::Flag, _) => wrong("true or false"),
            (Kind::Object, value) => match parsed(value) {
                Value::Object(members) => Ok(Value::Object(members)),
                _ => wrong("an object of field names and values"),
            },
            (Kind::Objects, value) => match parsed(value) {
                Value::Object(members) => Ok(json!([members])),
                Value::Array(items) if items.iter().all(Value::is_object) => Ok(Value::Array(items)),
                _ => wrong("a list of objects"),
            },
            (kind, value) => {
                let items = match parsed(value) {
                    Value::Array(items) => items,
                    one @ (Value::String(_) | Value::Object(_) | Value::Number(_)) => vec![one],
                    _ => return wrong("a list of texts"),
                };
                let texts: Option<Vec<Value>> = items.into_iter().map(|item| text_of(kind, item)).collect();
                texts.map_or_else(|| wrong("a list of texts"), |texts| Ok(Value::Array(texts)))
            }
        }
    }
}

impl Arguments {
    /// Reads a call's arguments: refuses unknown ones, names what is missing, leaves out what is null.
    pub(crate) fn read(
        tool: &str,
        known: &[Argument],
        given: Option<Map<String, Value>>,
    ) -> Result<Self, ToolError> {
        let mut read = Map::new();
        for (name, value) in given.unwrap_or_default() {
            let argument = known.iter().find(|a| a.name == name || a.aliases.contains(&name.as_str()));
            let Some(argument) = argument else {
                return Err(unknown(tool, known, &name));
            };
            if value.is_null() {
                continue;
            }
            let value = argument.read(value)?;
            if read.insert(argument.name.to_owned(), value).is_some() {
                return Err(ToolError::invalid(format!(
                    "{name} is another name of {}: give one of them",
                    argument.name
                )));
            }
        }
        match known.iter().find(|argument| argument.is_required && !read.contains_key(argument.name)) {
            Some(missing) => Err(ToolError::invalid(format!(
                "the argument {} is missing{}{}",
                missing.name,
                if missing.about.is_empty() { "" } else { ": " },
                missing.about
            ))),
            None => Ok(Self(read)),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(crate) fn texts(&self, name: &str) -> Option<Vec<&str>> {
        Some(self.0.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    pub(crate) fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.0.get(name)?.as_object()
    }

    pub(crate) fn objects(&self, name: &str) -> Option<Vec<&Map<String, Value>>> {
        Some(self.0.get(name)?.as_array()?.iter().filter_map(Value::as_object).collect())
    }

    /// The arguments without some, as one text in which order of names does not matter: what seals are bound to.
    pub(crate) fn fingerprint(&self, without: &[&str]) -> String {
        let members = self.0.iter().filter(|(name, _)| !without.contains(&name.as_str()));
        let mut text = String::new();
        canonical(members, &mut text);
        text
    }
}

/// The advertised schema of these arguments. That no others are taken is left unsaid: it is said where it happens, and
/// every byte here is in each conversation's context.
pub(crate) fn input_schema(arguments: &[Argument]) -> Map<String, Value> {
    let shown = arguments.iter().filter(|argument| !argument.is_hidden);
    let properties: Map<String, Value> =
        shown.map(|argument| (argument.name.to_owned(), argument.schema())).collect();
    let required: Vec<&str> = arguments.iter().filter(|a| a.is_required).map(|a| a.name).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

/// An object as text with its names sorted, at every depth.
fn canonical<'v>(members: impl Iterator<Item = (&'v String, &'v Value)>, text: &mut String) {
    let mut members: Vec<_> = members.collect();
    members.sort_by_key(|(name, _)| *name);
    text.push('{');
    for (name, value) in members {
        text.push_str(&Value::from(name.as_str()).to_string());
        text.push(':');
        canonical_value(value, text);
        text.push(',');
    }
    text.push('}');
}

fn canonical_value(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => canonical(members.iter(), text),
        Value::Array(items) => {
            text.push('[');
            for item in items {
                canonical_value(item, text);
                text.push(',');
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

fn unknown(tool: &str, known: &[Argument], name: &str) -> ToolError {
    let names = known.iter().map(|argument| argument.name);
    let meant = airtable_formula::nearest(name, names.clone())
        .map_or_else(|| ".".to_owned(), |near| format!("; did you mean {near}?"));
    let all: Vec<&str> = names.collect();
    let all = if all.is_empty() { "no arguments".to_owned() } else { all.join(", ") };
    ToolError::invalid(format!("{tool} has no argument {}{meant} It takes: {all}", quoted(name)))
}

/// A list or an object that came as a text of JSON.
fn parsed(value: Value) -> Value {
    match &value {
        Value::String(text) if text.trim_start().starts_with(['[', '{']) => {
            match serde_json::from_str(text) {
                Ok(inner @ (Value::Array(_) | Value::Object(_))) => inner,
                _ => value,
            }
        }
        _ => value,
    }
}

/// One item of a list of texts; `None` if it is none.
fn text_of(kind: Kind, item: Value) -> Option<Value> {
    let member = |name: &str| item.get(name).and_then(Value::as_str);
    match (kind, &item) {
        (_, Value::String(_)) => Some(item),
        (_, Value::Number(number)) => Some(Value::String(number.to_string())),
        (Kind::Sort, Value::Object(_)) => {
            let minus = match member("direction").unwrap_or("asc") {
                "desc" | "descending" => "-",
                _ => "",
            };
            Some(Value::String(format!("{minus}{}", member("field")?)))
        }
        (Kind::Metrics, Value::Object(_)) => {
            let function = member("function").or_else(|| member("metric")).or_else(|| member("op"))?;
            Some(Value::String(match member("field") {
                Some(field) => format!("{function}({field})"),
                None => function.to_owned(),
            }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Argument; 6] = [
        Argument::new("base", Kind::Text, "").or(&["base_id"]),
        Argument::new("table", Kind::Text, "Id or name").required(),
        Argument::new("limit", Kind::Integer { least: 1, most: 1000 }, "").or(&["max_records"]),
        Argument::new("sort", Kind::Sort, ""),
        Argument::new("records", Kind::Objects, ""),
        Argument::new("preview", Kind::Flag, ""),
    ];

    fn read(given: Value) -> Result<Arguments, ToolError> {
        Arguments::read("list_records", &KNOWN, given.as_object().cloned())
    }

    #[test]
    fn other_names_and_other_forms_of_an_argument_are_understood() {
        let arguments = read(json!({
            "base_id": "app1", "table": "T", "max_records": "50", "preview": "true", "sort": {"field": "A", "direction": "desc"},
            "records": "[{\"a\": 1}]",
        }))
        .unwrap();
        assert_eq!(arguments.text("base"), Some("app1"));
        assert_eq!(arguments.integer("limit"), Some(50));
        assert_eq!(arguments.texts("sort"), Some(vec!["-A"]));
        assert!(arguments.flag("preview"));
        assert_eq!(arguments.objects("records").unwrap()[0]["a"], 1);
        assert_eq!(
            read(json!({"table": "T", "sort": ["A", "-B"], "base": null})).unwrap().text("base"),
            None
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        for (given, expected) in [
            (
                json!({"table": "T", "filtre": "x"}),
                r#"list_records has no argument "filtre". It takes: base, table"#,
            ),
            (json!({"table": "T", "limits": 1}), "did you mean limit?"),
            (json!({}), "the argument table is missing: Id or name"),
            (json!({"table": "T", "limit": 0}), "limit must be a whole number from 1 to 1000"),
            (json!({"table": "T", "limit": 1.5}), "limit must be a whole number"),
            (json!({"table": ["T"]}), "table must be a text"),
            (json!({"table": "T", "records": [1]}), "records must be a list of objects"),
            (json!({"table": "T", "base": "a", "base_id": "b"}), "another name of base"),
        ] {
            let error = read(given.clone()).unwrap_err();
            assert!(error.message.contains(expected), "{given}: {error}");
        }
    }

    #[test]
    fn a_fingerprint_does_not_mind_the_order_of_names() {
        let one =
            read(json!({"table": "T", "limit": 5, "preview": true, "records": [{"a": 1, "b": 2}]})).unwrap();
        let two = read(json!({"records": [{"b": 2, "a": 1}], "limit": 5, "table": "T"})).unwrap();
        assert_eq!(one.fingerprint(&["preview"]), two.fingerprint(&["preview"]));
        assert_ne!(one.fingerprint(&[]), two.fingerprint(&[]));
    }
}
