//! One random request, written once for both twins.

use super::answers::Handle;
use crate::support::client::{Call, encode};
use crate::support::seeds::{BASE, PEOPLE, PEOPLE_NAME, TASKS, TASKS_NAME, VIEW};
use http::Method;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Read,
    Write,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Table {
    Tasks,
    People,
}

#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    pub(crate) table: Table,
    pub(crate) call: Call,
    /// Whether the order of the records in the answer means something.
    pub(crate) ordered: bool,
}

impl Table {
    pub(crate) const BOTH: [Self; 2] = [Self::Tasks, Self::People];

    /// The table in a path: by id, by name, in another case, encoded more than needed.
    pub(crate) fn segment(self, rng: &mut StdRng) -> String {
        let (id, name) = match self {
            Self::Tasks => (TASKS, TASKS_NAME),
            Self::People => (PEOPLE, PEOPLE_NAME),
        };
        match rng.random_range(0..6) {
            0..3 => id.to_owned(),
            3 => encode(name).replacen('e', "%65", 1),
            4 => encode(&name.to_lowercase()),
            _ => encode(name),
        }
    }

    pub(crate) fn path(self, rng: &mut StdRng) -> String {
        format!("/v0/{BASE}/{}", self.segment(rng))
    }

    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Tasks => &[
                "Name",
                "Number",
                "Done",
                "State",
                "Tags",
                "People",
                "Twice",
                "Heads",
                "Ages",
                "fldTaNumber000001",
            ],
            Self::People => &["Name", "Age", "Tasks", "Load", "Task names", "fldPeAge000000001"],
        }
    }

    fn number(self) -> &'static str {
        match self {
            Self::Tasks => "Number",
            Self::People => "Age",
        }
    }
}

/// A listing with random options, by GET or POST.
pub(crate) fn list(rng: &mut StdRng, table: Table, known: &[Handle]) -> Operation {
    let mut options: Vec<(&'static str, Value)> = Vec::new();
    let ordered = rng.random_bool(0.8);
    if ordered {
        match rng.random_range(0..3) {
            0 => options.push(("view", json!(VIEW))),
            _ => options.push(("sort", sort(rng, table))),
        }
        if rng.random_bool(0.4) {
            options.push(("pageSize", json!(rng.random_range(1..=100))));
        }
        if rng.random_bool(0.2) {
            options.push(("maxRecords", json!(rng.random_range(1..=60))));
        }
    }
    if rng.random_bool(0.5) {
        options.push(("filterByFormula", json!(formula(rng, table, known))));
    }
    if rng.random_bool(0.4) {
        let fields: Vec<&str> = table.fields().sample(rng, 3).copied().collect();
        options.push(("fields", json!(fields)));
    }
    if rng.random_bool(0.2) {
        options.push(("returnFieldsByFieldId", json!(rng.random_bool(0.7))));
    }
    if rng.random_bool(0.1) {
        options.push(("cellFormat", json!("string")));
        options.push(("timeZone", json!("utc")));
        options.push(("userLocale", json!("en")));
    }
    if rng.random_bool(0.03) {
        options.push(("pageSize", json!(101)));
    }
    let path = table.path(rng);
    let call = if rng.random_bool(0.3) { by_post(path, options) } else { by_get(rng, &path, options) };
    Operation { kind: Kind::Read, table, call, ordered }
}

pub(crate) fn get(rng: &mut StdRng, table: Table, record: Handle) -> Operation {
    let mut target = format!("{}/{}", table.path(rng), record.placeholder());
    match rng.random_range(0..8) {
        0 => target.push_str("?returnFieldsByFieldId=true"),
        1 => target.push_str("?cellFormat=string&timeZone=utc&userLocale=en"),
        2 => target.push('?'),
        _ => {}
    }
    Operation { kind: Kind::Read, table, call: Call::get(target), ordered: true }
}

pub(crate) fn write(
    rng: &mut StdRng,
    table: Table,
    method: Method,
    tail: &str,
    body: Option<Value>,
) -> Operation {
    let mut call = Call::new(method, format!("{}{tail}", table.path(rng)));
    call.body = body;
    Operation { kind: Kind::Write, table, call, ordered: true }
}

fn by_post(path: String, options: Vec<(&'static str, Value)>) -> Call {
    let (in_query, in_body): (Vec<_>, Vec<_>) =
        options.into_iter().partition(|(name, _)| matches!(*name, "timeZone" | "userLocale"));
    let mut target = format!("{path}/listRecords");
    for (index, (name, value)) in in_query.iter().enumerate() {
        target.push(if index == 0 { '?' } else { '&' });
        target.push_str(&format!("{name}={}", encode(value.as_str().unwrap_or_default())));
    }
    let body = in_body.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Call::post(target, Value::Object(body))
}

/// The options as a query, in any order and with any of the encodings that clients use.
fn by_get(rng: &mut StdRng, path: &str, options: Vec<(&'static str, Value)>) -> Call {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in options {
        match (name, value) {
            ("fields", Value::Array(fields)) => {
                let indexed = rng.random_bool(0.3);
                pairs.extend(fields.iter().enumerate().map(|(index, field)| {
                    let key = if indexed { format!("fields[{index}]") } else { "fields[]".to_owned() };
                    (key, field.as_str().unwrap_or_default().to_owned())
                }));
            }
            ("sort", Value::Array(keys)) => {
                for (index, key) in keys.iter().enumerate() {
                    for (part, value) in key.as_object().into_iter().flatten() {
                        pairs.push((
                            format!("sort[{index}][{part}]"),
                            value.as_str().unwrap_or_default().to_owned(),
                        ));
                    }
                }
            }
            (name, Value::String(text)) => pairs.push((name.to_owned(), text)),
            (name, other) => pairs.push((name.to_owned(), other.to_string())),
        }
    }
    if rng.random_bool(0.5) {
        // Lists keep their order among themselves; everything else may stand anywhere.
        pairs.sort_by_key(|(name, _)| name.starts_with("fields[]") || name.starts_with("sort"));
    }
    let plus = rng.random_bool(0.5);
    let query: Vec<String> = pairs
        .iter()
        .map(|(name, value)| {
            let value = encode(value);
            let value = if plus { value.replace("%20", "+") } else { value };
            format!("{}={value}", if plus { encode(name) } else { name.clone() })
        })
        .collect();
    let slash = if rng.random_bool(0.1) { "/" } else { "" };
    Call::get(if query.is_empty() {
        format!("{path}{slash}")
    } else {
        format!("{path}{slash}?{}", query.join("&"))
    })
}

/// One or two random keys, and last the name, which no two rows share.
fn sort(rng: &mut StdRng, table: Table) -> Value {
    let candidates: &[&str] = match table {
        Table::Tasks => &["Number", "Done", "State", "Twice", "Heads"],
        Table::People => &["Age", "Load"],
    };
    let mut keys: Vec<Value> = Vec::new();
    for field in candidates.sample(rng, 2) {
        keys.push(match rng.random_range(0..3) {
            0 => json!({"field": field}),
            1 => json!({"field": field, "direction": "asc"}),
            _ => json!({"direction": "desc", "field": field}),
        });
    }
    keys.push(json!({"field": "Name", "direction": "asc"}));
    Value::Array(keys)
}

fn formula(rng: &mut StdRng, table: Table, known: &[Handle]) -> String {
    let number = table.number();
    match rng.random_range(0..8) {
        0 => format!("{{{number}}}>{}", rng.random_range(0..100)),
        1 => format!("AND({{{number}}}>=20, {{{number}}}<{})", rng.random_range(20..100)),
        2 => format!("FIND('{}', {{Name}})", rng.random_range(0..10)),
        3 => format!("MOD({{{number}}}, 3)={}", rng.random_range(0..3)),
        4 if table == Table::Tasks => "AND({Done}, {State}!='Closed')".to_owned(),
        4 => "{Load}>1".to_owned(),
        5 if table == Table::Tasks => format!("{{Twice}}>{}", rng.random_range(0..200)),
        6 => "{No such field}=1".to_owned(),
        _ => match known.choose(rng) {
            Some(record) => format!("RECORD_ID()='{}'", record.placeholder()),
            None => "TRUE()".to_owned(),
        },
    }
}
