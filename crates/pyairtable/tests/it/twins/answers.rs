//! Compares the answers of two twins, whose ids differ: ids that mean the same record share a handle.

use crate::support::client::Call;
use serde_json::Value;
use std::collections::HashMap;

/// A record of both twins. Operations name records by handle, written as an id of this shape.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Handle(usize);

const HANDLE: &str = "recHND";
const ID_LENGTH: usize = 17;

#[derive(Default)]
pub(crate) struct Pairs {
    ids: Vec<[String; 2]>,
    by_direct: HashMap<String, Handle>,
    by_gateway: HashMap<String, Handle>,
}

impl Handle {
    /// Stands for the record in an operation's target or body, until it is sent.
    pub(crate) fn placeholder(self) -> String {
        format!("{HANDLE}{:011}", self.0)
    }
}

impl Pairs {
    pub(crate) fn for_direct(&self, call: &Call) -> Call {
        self.filled(call, 0)
    }

    pub(crate) fn for_gateway(&self, call: &Call) -> Call {
        self.filled(call, 1)
    }

    pub(crate) fn of_direct(&self, id: &str) -> Option<Handle> {
        self.by_direct.get(id).copied()
    }

    fn filled(&self, call: &Call, side: usize) -> Call {
        let body = call.body.as_ref().map(|body| {
            serde_json::from_str(&self.fill(&body.to_string(), side)).expect("ids do not break JSON")
        });
        Call { target: self.fill(&call.target, side), body, ..call.clone() }
    }

    fn fill(&self, text: &str, side: usize) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(HANDLE) {
            let (before, found) = rest.split_at(start);
            let (placeholder, after) = found.split_at(ID_LENGTH);
            let index: usize = placeholder[HANDLE.len()..].parse().expect("a placeholder ends in its number");
            filled.push_str(before);
            filled.push_str(&self.ids[index][side]);
            rest = after;
        }
        filled.push_str(rest);
        filled
    }

    /// Compares and learns: unknown ids in the same place become a pair. Gives the new handles in order of appearance.
    pub(crate) fn compare(
        &mut self,
        direct: &Value,
        gateway: &Value,
        ordered: bool,
    ) -> Result<Vec<Handle>, String> {
        let known = self.ids.len();
        if ordered {
            self.walk(direct, gateway, "$")?;
        } else {
            self.walk(&self.sorted(direct, 0), &self.sorted(gateway, 1), "$")?;
        }
        Ok((known..self.ids.len()).map(Handle).collect())
    }

    /// A listing without view or sort has no order of its own: put it in the order of the handles.
    fn sorted(&self, listing: &Value, side: usize) -> Value {
        let mut listing = listing.clone();
        if let Some(records) = listing.get_mut("records").and_then(Value::as_array_mut) {
            let known = if side == 0 { &self.by_direct } else { &self.by_gateway };
            records.sort_by_key(|record| {
                record["id"].as_str().and_then(|id| known.get(id)).map(|handle| handle.0)
            });
        }
        listing
    }

    fn walk(&mut self, direct: &Value, gateway: &Value, path: &str) -> Result<(), String> {
        match (direct, gateway) {
            (Value::Object(left), Value::Object(right)) => {
                let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
                if keys(left) != keys(right) {
                    return Err(format!("{path}: keys {:?} and {:?}", keys(left), keys(right)));
                }
                for (key, value) in left {
                    let inner = format!("{path}.{key}");
                    if key == "createdTime" || key == "offset" {
                        same_shape(value, &right[key], &inner)?;
                    } else {
                        self.walk(value, &right[key], &inner)?;
                    }
                }
                Ok(())
            }
            (Value::Array(left), Value::Array(right)) => {
                if left.len() != right.len() {
                    return Err(format!("{path}: {} and {} elements", left.len(), right.len()));
                }
                left.iter()
                    .zip(right)
                    .enumerate()
                    .try_for_each(|(index, (l, r))| self.walk(l, r, &format!("{path}[{index}]")))
            }
            (Value::String(left), Value::String(right)) => self.texts(left, right, path),
            _ if direct == gateway => Ok(()),
            _ => Err(format!("{path}: {direct} and {gateway}")),
        }
    }

    fn texts(&mut self, left: &str, right: &str, path: &str) -> Result<(), String> {
        if is_record_id(left) && is_record_id(right) {
            return self.meet(left, right, path);
        }
        let (left, right) = (self.with_handles(left, 0), self.with_handles(right, 1));
        if left == right { Ok(()) } else { Err(format!("{path}: {left:?} and {right:?}")) }
    }

    fn meet(&mut self, left: &str, right: &str, path: &str) -> Result<(), String> {
        match (self.by_direct.get(left), self.by_gateway.get(right)) {
            (None, None) => {
                let handle = Handle(self.ids.len());
                self.ids.push([left.to_owned(), right.to_owned()]);
                self.by_direct.insert(left.to_owned(), handle);
                self.by_gateway.insert(right.to_owned(), handle);
                Ok(())
            }
            (Some(a), Some(b)) if a == b => Ok(()),
            (a, b) => Err(format!("{path}: record {left} ({a:?}) and record {right} ({b:?})")),
        }
    }

    /// Ids inside a text (error messages) are compared by what they mean.
    fn with_handles(&self, text: &str, side: usize) -> String {
        let known = if side == 0 { &self.by_direct } else { &self.by_gateway };
        text.split_inclusive(|character: char| !character.is_ascii_alphanumeric())
            .map(|word| {
                let id = word.trim_end_matches(|character: char| !character.is_ascii_alphanumeric());
                known
                    .get(id)
                    .map_or_else(|| word.to_owned(), |handle| word.replacen(id, &handle.placeholder(), 1))
            })
            .collect()
    }
}

fn is_record_id(text: &str) -> bool {
    text.len() == ID_LENGTH
        && text.starts_with("rec")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Times and offsets differ by nature; their form must not.
fn same_shape(left: &Value, right: &Value, path: &str) -> Result<(), String> {
    match (left.as_str(), right.as_str()) {
        (Some(l), Some(r)) if l.len() == r.len() => Ok(()),
        _ => Err(format!("{path}: {left} and {right}")),
    }
}
