//! Runs test vectors: one JSON object per line with a formula, the cells it sees, and what must come out.

use std::fmt::Write;

use airtable_formula::{Context, Date, FieldDef, FieldKind, Formula, Limits, Row, Schema, Timestamp, Value};
use serde_json::Value as Json;

/// What a file of vectors gave.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) passed: usize,
    /// Each with id, formula, expected and got.
    pub(crate) failures: Vec<String>,
}

pub(crate) fn run(lines: &str) -> Report {
    let mut report = Report::default();
    for (number, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(vector) => match check(&vector) {
                Ok(()) => report.passed += 1,
                Err(failure) => report.failures.push(failure),
            },
            Err(error) => report.failures.push(format!("line {}: {error}", number + 1)),
        }
    }
    report
}

fn check(vector: &Json) -> Result<(), String> {
    let formula = vector["formula"].as_str().unwrap_or_default();
    let expected = &vector["expect"];
    let got = evaluate(vector, formula);
    let passes = match (vector["mode"].as_str(), &got) {
        (Some("parse"), got) => got.is_err(),
        (Some("filter"), Ok(got)) => Some(got.is_truthy()) == expected.as_bool(),
        (Some("value"), Ok(got)) => matches(got, expected),
        _ => false,
    };
    if passes {
        return Ok(());
    }
    let mut failure = format!("{}: {formula}\n", vector["id"].as_str().unwrap_or("?"));
    let got = match got {
        Ok(got) => shown(&got),
        Err(error) => format!("does not compile: {error}"),
    };
    write!(
        failure,
        "  expected {expected} ({})\n  got      {got}",
        vector["mode"].as_str().unwrap_or("no mode")
    )
    .expect("writing to a String cannot fail");
    Err(failure)
}

fn evaluate(vector: &Json, formula: &str) -> Result<Value<'static>, String> {
    let empty = serde_json::Map::new();
    let fields = vector["fields"].as_object().unwrap_or(&empty);
    let schema = Schema::new(fields.iter().enumerate().map(|(index, (name, field))| {
        let id = field["id"].as_str().map_or_else(|| format!("fld{index:014}"), str::to_owned);
        let kind = field["type"].as_str().and_then(FieldKind::of_api_type).unwrap_or(FieldKind::Any);
        FieldDef::new(id, name, kind)
    }));
    let formula =
        Formula::compile(formula, &schema, &Limits::default()).map_err(|error| error.to_string())?;
    let time = |text: &Json| text.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let record = &vector["record"];
    let row = VectorRow {
        values: fields.values().map(cell).collect(),
        id: record["id"].as_str().unwrap_or("rec00000000000000").to_owned(),
        created: time(&record["createdTime"]).unwrap_or(Timestamp::UNIX_EPOCH),
        modified: time(&record["lastModifiedTime"]),
    };
    let context = Context::new(time(&vector["now"]).unwrap_or_else(some_time));
    Ok(formula.evaluate(&row, &context).into_owned())
}

/// For vectors that do not say what time it is.
fn some_time() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("the text is a time stamp")
}

/// A cell value of Airtable's API as a formula sees it.
fn cell(field: &Json) -> Value<'static> {
    let value = &field["value"];
    match field["type"].as_str() {
        Some("date" | "dateTime" | "createdTime" | "lastModifiedTime") => {
            value.as_str().and_then(Date::parse_cell).map_or(Value::Blank, Value::Date)
        }
        Some("checkbox") => {
            if value == &Json::Bool(true) {
                Value::Boolean(true)
            } else {
                Value::Blank
            }
        }
        Some("multipleRecordLinks") if !value.is_null() => plain(&field["linkedNames"]),
        // What is computed may be a date; only its form tells.
        Some("multipleLookupValues" | "rollup" | "formula") => with_dates(plain(value)),
        _ => plain(value),
    }
}

fn with_dates(value: Value<'static>) -> Value<'static> {
    const FORMS: [usize; 2] = ["YYYY-MM-DD".len(), "YYYY-MM-DDTHH:mm:ss.SSSZ".len()];
    match value {
        Value::Text(text) if FORMS.contains(&text.len()) && text.as_bytes()[4] == b'-' => {
            Date::parse_cell(&text).map_or(Value::Text(text), Value::Date)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(with_dates).collect()),
        other => other,
    }
}

fn plain(value: &Json) -> Value<'static> {
    match value {
        Json::Null => Value::Blank,
        Json::Bool(boolean) => Value::Boolean(*boolean),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::from(text.clone()),
        Json::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Json::Object(object) => {
            if object.contains_key("error") {
                return Value::Error(airtable_formula::ErrorKind::Raised);
            }
            match object.get("specialValue").and_then(Json::as_str) {
                Some("Infinity") => return Value::Number(f64::INFINITY),
                Some("-Infinity") => return Value::Number(f64::NEG_INFINITY),
                Some(_) => return Value::Number(f64::NAN),
                None => {}
            }
            let text = |key: &str| object.get(key).and_then(Json::as_str);
            match (
                text("filename"),
                text("url"),
                ["name", "text", "label", "value"].into_iter().find_map(text),
            ) {
                (Some(filename), Some(url), _) => Value::from(format!("{filename} ({url})")),
                (_, _, Some(name)) => Value::from(name.to_owned()),
                _ => Value::Blank,
            }
        }
    }
}

/// As `expect` would have it written.
fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Blank => "null".to_owned(),
        Value::Text(text) => Json::from(&**text).to_string(),
        Value::Number(x) if !x.is_finite() => {
            format!("{{\"specialValue\":\"{x}\"}}").replace("inf", "Infinity")
        }
        Value::Number(_) | Value::Boolean(_) => value.to_string(),
        Value::Date(date) => format!("\"{}\" (a date)", date.to_iso_string()),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(",")),
        Value::Error(kind) => format!("{{\"error\":\"#ERROR!\"}} ({kind})"),
    }
}

fn matches(got: &Value<'_>, expected: &Json) -> bool {
    match (got, expected) {
        (Value::Error(_), expected) => expected.get("error").is_some(),
        (Value::Blank, Json::Null) => true,
        (Value::Blank, Json::String(text)) => text.is_empty(),
        (Value::Text(text), Json::Null) => text.is_empty(),
        (Value::Text(text), Json::String(expected)) => text == expected,
        (Value::Date(date), Json::String(expected)) => {
            Date::parse_cell(expected).is_some_and(|expected| expected.timestamp() == date.timestamp())
        }
        (Value::Boolean(boolean), Json::Bool(expected)) => boolean == expected,
        (Value::Boolean(boolean), Json::Number(expected)) => {
            expected.as_f64() == Some(f64::from(u8::from(*boolean)))
        }
        (Value::Number(number), Json::Bool(expected)) => *number == f64::from(u8::from(*expected)),
        (Value::Number(number), Json::Number(expected)) => {
            let expected = expected.as_f64().unwrap_or(f64::NAN);
            (number - expected).abs() <= 1e-9 * expected.abs() || *number == expected
        }
        (Value::Number(number), Json::Object(expected)) => {
            let name = if number.is_nan() {
                "NaN"
            } else if *number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            };
            !number.is_finite() && expected.get("specialValue").and_then(Json::as_str) == Some(name)
        }
        (Value::Array(items), Json::Array(expected)) => {
            items.len() == expected.len()
                && items.iter().zip(expected).all(|(item, expected)| matches(item, expected))
        }
        _ => false,
    }
}

struct VectorRow {
    values: Vec<Value<'static>>,
    id: String,
    created: Timestamp,
    modified: Option<Timestamp>,
}

impl Row for VectorRow {
    fn field(&self, index: usize) -> Value<'_> {
        self.values[index].borrowed()
    }

    fn record_id(&self) -> &str {
        &self.id
    }

    fn created_time(&self) -> Timestamp {
        self.created
    }

    fn last_modified_time(&self, _fields: Option<&[usize]>) -> Option<Timestamp> {
        self.modified
    }
}
