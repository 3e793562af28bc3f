//! JSON with its paths, so that each problem can be told with its place and reading goes on behind it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Problems;

/// A JSON value. What stands under the key `records` is left unread: it is most of a large seed.
#[derive(Debug)]
pub(crate) enum Node<'a> {
    Leaf(Value),
    Array(Vec<Node<'a>>),
    Object(Vec<(String, Node<'a>)>),
    Unread(&'a RawValue),
}

impl Node<'_> {
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Leaf(value) => value.clone(),
            Self::Array(items) => items.iter().map(Node::to_value).collect(),
            Self::Object(entries) => {
                Value::Object(entries.iter().map(|(key, node)| (key.clone(), node.to_value())).collect())
            }
            Self::Unread(raw) => serde_json::from_str(raw.get()).unwrap_or(Value::Null),
        }
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Leaf(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element()? {
            nodes.push(node);
        }
        Ok(Node::Array(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(key) = entries.next_key::<String>()? {
            let node =
                if key == "records" { Node::Unread(entries.next_value()?) } else { entries.next_value()? };
            nodes.push((key, node));
        }
        Ok(Node::Object(nodes))
    }
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct At<'n, 'a> {
    pub(crate) node: &'n Node<'a>,
    pub(crate) path: String,
}

impl<'n, 'a> At<'n, 'a> {
    pub(crate) fn root(node: &'n Node<'a>) -> Self {
        Self { node, path: String::new() }
    }

    pub(crate) fn object(self, problems: &mut Problems) -> Option<Object<'n, 'a>> {
        match self.node {
            Node::Object(entries) => Some(Object { entries, path: self.path }),
            _ => {
                problems.add(&self.path, "must be an object");
                None
            }
        }
    }

    /// The elements of an array, each with its path.
    pub(crate) fn items(&self, problems: &mut Problems) -> Vec<At<'n, 'a>> {
        match self.node {
            Node::Array(nodes) => nodes
                .iter()
                .enumerate()
                .map(|(index, node)| At { node, path: format!("{}[{index}]", self.path) })
                .collect(),
            _ => {
                problems.add(&self.path, "must be an array");
                Vec::new()
            }
        }
    }

    pub(crate) fn text(&self, problems: &mut Problems) -> Option<&'n str> {
        match self.node {
            Node::Leaf(Value::String(text)) => Some(text),
            _ => {
                problems.add(&self.path, "must be a string");
                None
            }
        }
    }
}

/// An object and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Object<'n, 'a> {
    entries: &'n [(String, Node<'a>)],
    pub(crate) path: String,
}

impl<'n, 'a> Object<'n, 'a> {
    /// A key's path.
    pub(crate) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A value that is there and not null.
    pub(crate) fn get(&self, key: &str) -> Option<At<'n, 'a>> {
        self.get_or_null(key).filter(|at| !matches!(at.node, Node::Leaf(Value::Null)))
    }

    pub(crate) fn get_or_null(&self, key: &str) -> Option<At<'n, 'a>> {
        let (_, node) = self.entries.iter().rev().find(|(name, _)| name == key)?;
        Some(At { node, path: self.at(key) })
    }

    /// The elements under a key; none if it is missing.
    pub(crate) fn items(&self, key: &str, problems: &mut Problems) -> Vec<At<'n, 'a>> {
        self.get(key).map(|at| at.items(problems)).unwrap_or_default()
    }

    pub(crate) fn text(&self, key: &str, problems: &mut Problems) -> Option<&'n str> {
        self.get(key)?.text(problems)
    }

    /// A text that must be there, and not be empty.
    pub(crate) fn required_text(&self, key: &str, problems: &mut Problems) -> Option<&'n str> {
        match self.get(key) {
            Some(at) => at.text(problems).filter(|text| {
                if text.is_empty() {
                    problems.add(&at.path, "must not be empty");
                }
                !text.is_empty()
            }),
            None => {
                problems.add(&self.at(key), "is missing");
                None
            }
        }
    }

    /// An id of its kind, or a fresh one if it is left out.
    pub(crate) fn id<I>(
        &self,
        key: &str,
        what: &str,
        parse: impl Fn(&str) -> Option<I>,
        mint: impl Fn() -> I,
        problems: &mut Problems,
    ) -> I {
        let Some(text) = self.text(key, problems) else { return mint() };
        parse(text).unwrap_or_else(|| {
            problems.add(&self.at(key), format!("\"{text}\" is not {what} and 14 letters or digits"));
            mint()
        })
    }

    /// Tells of keys that nobody reads.
    pub(crate) fn only(&self, known: &[&str], problems: &mut Problems) {
        for (key, _) in self.entries.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            problems.add(&self.at(key), format!("is not known here; known are {}", known.join(", ")));
        }
    }

    /// The entries that are not among these keys.
    pub(crate) fn rest(&self, known: &[&str]) -> Map<String, Value> {
        let rest = self.entries.iter().filter(|(key, _)| !known.contains(&key.as_str()));
        rest.map(|(key, node)| (key.clone(), node.to_value())).collect()
    }
}
