//! What a caller wrote for a cell, as Airtable takes it. Wrong values are told before anything is sent.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde_json::{Value, json};

use crate::names::{listed, quoted};
use crate::schema::{Field, Shape};

/// The value in the form that Airtable takes; names of linked records stay names. `null` clears a cell of any type.
pub(super) fn read(field: &Field, value: &Value, typecast: bool) -> Result<Value, String> {
    if field.is_computed {
        return Err(format!("is computed by Airtable ({}) and cannot be written", field.api_type));
    }
    if value.is_null() {
        return Ok(Value::Null);
    }
    let kept = || Ok(value.clone());
    match (&field.shape, value) {
        (Shape::Text, Value::String(_)) => kept(),
        (Shape::Text, Value::Number(_) | Value::Bool(_)) => Ok(Value::String(value.to_string())),
        (Shape::Text, _) => Err("must be a text".to_owned()),
        (Shape::Rating { max }, value) => match number(value).and_then(|number| number.as_i64()) {
            Some(stars) if (0..=*max).contains(&stars) => Ok(json!(stars)),
            _ => Err(format!("must be a whole number from 1 to {max}")),
        },
        (Shape::Number | Shape::Percent | Shape::Duration, value) => match number(value) {
            Some(number) => Ok(Value::Number(number)),
            None if typecast && value.is_string() => kept(),
            None => Err(match field.shape {
                Shape::Percent => "must be a number, as a fraction: 0.25 is 25 %".to_owned(),
                Shape::Duration => "must be a number of seconds".to_owned(),
                _ => "must be a number".to_owned(),
            }),
        },
        (Shape::Checkbox, Value::Bool(_)) => kept(),
        (Shape::Checkbox, Value::String(text)) if matches!(text.as_str(), "true" | "false") => {
            Ok(json!(text == "true"))
        }
        (Shape::Checkbox, Value::String(_)) if typecast => kept(),
        (Shape::Checkbox, _) => Err("must be true or false".to_owned()),
        (Shape::Choice(choices), Value::String(text)) => choice(choices, text, typecast).map(Value::String),
        (Shape::Choice(_), _) => Err("must be the name of one choice".to_owned()),
        (Shape::Choices(choices), value) => {
            let names = texts(value).ok_or("must be a list of choices' names")?;
            names
                .iter()
                .map(|name| choice(choices, name, typecast))
                .collect::<Result<Vec<_>, _>>()
                .map(|c| json!(c))
        }
        (Shape::Day | Shape::Instant(_), Value::String(text)) if typecast || is_date(text) => {
            Ok(json!(text.trim()))
        }
        (Shape::Day, _) => Err("must be a date such as \"2025-12-31\"".to_owned()),
        (Shape::Instant(zone), _) => Err(format!(
            "must be a date and time such as \"2025-12-31T18:00:00Z\", or without offset in {}",
            zone.name
        )),
        (Shape::Links { .. }, value) => {
            let records = many(value, &["id", "name"]).ok_or("must be a list of record ids or names")?;
            Ok(json!(records))
        }
        (Shape::Person, value) => person(value),
        (Shape::People, Value::Array(items)) => {
            items.iter().map(person).collect::<Result<Vec<_>, _>>().map(|p| json!(p))
        }
        (Shape::People, value) => person(value).map(|person| json!([person])),
        (Shape::Files, value) => files(value),
        (Shape::Barcode, Value::String(text)) => Ok(json!({"text": text})),
        (Shape::Barcode, Value::Object(_)) | (Shape::Unknown, _) => kept(),
        (Shape::Barcode, _) => Err("must be a text".to_owned()),
    }
}

/// A number, also one written as plain text.
fn number(value: &Value) -> Option<serde_json::Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => match serde_json::from_str(text.trim()) {
            Ok(Value::Number(number)) => Some(number),
            _ => None,
        },
        _ => None,
    }
}

/// The choice of this name; case may differ if that leaves one. With `typecast` Airtable makes it if there is none.
fn choice(choices: &[String], wanted: &str, typecast: bool) -> Result<String, String> {
    if choices.iter().any(|choice| choice == wanted) || wanted.is_empty() {
        return Ok(wanted.to_owned());
    }
    let lower = wanted.trim().to_lowercase();
    let mut alike = choices.iter().filter(|choice| choice.trim().to_lowercase() == lower);
    match (alike.next(), alike.next()) {
        (Some(one), None) => Ok(one.clone()),
        _ if typecast => Ok(wanted.to_owned()),
        _ => {
            let meant = airtable_formula::nearest(wanted, choices.iter().map(String::as_str))
                .map_or_else(|| ".".to_owned(), |near| format!("; did you mean {}?", quoted(near)));
            Err(format!(
                "there is no choice {}{meant} Choices: {}. To add it as a new choice set typecast",
                quoted(wanted),
                listed(choices.iter().map(String::as_str))
            ))
        }
    }
}

/// ISO, with or without time and offset.
fn is_date(text: &str) -> bool {
    let text = text.trim();
    let is_plain = text.get(..10).is_some_and(|day| day.parse::<Date>().is_ok());
    let normal = text.replacen(' ', "T", 1);
    is_plain
        && (text.len() == 10 || normal.parse::<Timestamp>().is_ok() || normal.parse::<DateTime>().is_ok())
}

/// A list of texts; one text is a list of it.
fn texts(value: &Value) -> Option<Vec<String>> {
    many(value, &["name"])
}

/// A list of texts, or of objects that have a text under one of these names.
fn many(value: &Value, members: &[&str]) -> Option<Vec<String>> {
    let items: &[Value] = match value {
        Value::Array(items) => items,
        one => std::slice::from_ref(one),
    };
    items
        .iter()
        .map(|item| match item {
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Object(object) => {
                members.iter().find_map(|name| object.get(*name)?.as_str()).map(|text| text.trim().to_owned())
            }
            _ => None,
        })
        .collect()
}

fn person(value: &Value) -> Result<Value, String> {
    match value {
        Value::String(text) if text.contains('@') => Ok(json!({"email": text.trim()})),
        Value::String(text) if text.starts_with("usr") && text.len() == 17 => Ok(json!({"id": text})),
        Value::Object(members) if members.contains_key("id") => Ok(json!({"id": members["id"]})),
        Value::Object(members) if members.contains_key("email") => Ok(json!({"email": members["email"]})),
        _ => Err("must be an e-mail address or a user's id".to_owned()),
    }
}

/// Existing attachments by id, new ones by address.
fn files(value: &Value) -> Result<Value, String> {
    let items: &[Value] = match value {
        Value::Array(items) => items,
        one => std::slice::from_ref(one),
    };
    let wrong = "must be a list of {url, filename} for new files, {id} for present ones";
    items
        .iter()
        .map(|item| match item {
            Value::String(url) if url.starts_with("http://") || url.starts_with("https://") => {
                Ok(json!({"url": url}))
            }
            Value::Object(members) if members.contains_key("id") => Ok(json!({"id": members["id"]})),
            Value::Object(members) if members.contains_key("url") => Ok(item.clone()),
            _ => Err(wrong.to_owned()),
        })
        .collect::<Result<Vec<_>, _>>()
        .map(|files| json!(files))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: &str, options: Value) -> Field {
        let table = json!({"tables": [{"id": "tblAAAAAAAAAAAAAA", "name": "T", "primaryFieldId": "f", "views": [],
            "fields": [{"id": "f", "name": "F", "type": kind, "options": options}]}]});
        crate::schema::BaseSchema::new(serde_json::from_value(table).unwrap()).tables[0].fields[0].clone()
    }

    fn state() -> Value {
        json!({"choices": [{"name": "To do"}, {"name": "Done"}, {"name": "done"}]})
    }

    #[track_caller]
    fn good(kind: &str, options: Value, value: Value, expected: Value) {
        assert_eq!(read(&field(kind, options), &value, false), Ok(expected), "{kind} {value}");
    }

    #[track_caller]
    fn bad(kind: &str, options: Value, value: Value, expected: &str) {
        let problem = read(&field(kind, options), &value, false).unwrap_err();
        assert!(problem.contains(expected), "{kind} {value}: {problem}");
    }

    #[test]
    fn values_are_brought_into_airtables_form_where_their_meaning_is_plain() {
        let none = Value::Null;
        good("singleLineText", none.clone(), json!(5), json!("5"));
        good("number", none.clone(), json!("12.50"), json!(12.5));
        good("number", none.clone(), json!(0), json!(0));
        good("checkbox", none.clone(), json!("true"), json!(true));
        good("singleSelect", state(), json!("to DO"), json!("To do"));
        good("singleSelect", state(), json!("done"), json!("done"));
        good("multipleSelects", state(), json!("Done"), json!(["Done"]));
        good("date", none.clone(), json!("2025-02-28"), json!("2025-02-28"));
        good("dateTime", none.clone(), json!("2025-02-28 09:30"), json!("2025-02-28 09:30"));
        good("multipleRecordLinks", none.clone(), json!({"id": "rec1", "name": "A"}), json!(["rec1"]));
        good("multipleRecordLinks", none.clone(), json!(["Ada", {"name": "Bo"}]), json!(["Ada", "Bo"]));
        good("singleCollaborator", none.clone(), json!("a@b.c"), json!({"email": "a@b.c"}));
        good(
            "multipleAttachments",
            none.clone(),
            json!("https://x/y.png"),
            json!([{"url": "https://x/y.png"}]),
        );
        good("barcode", none.clone(), json!("123"), json!({"text": "123"}));
        good("rating", json!({"max": 5}), json!(5), json!(5));
        good("date", none, Value::Null, Value::Null);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_can() {
        let none = Value::Null;
        bad("number", none.clone(), json!("1,000"), "must be a number");
        bad("percent", none.clone(), json!("25%"), "0.25 is 25 %");
        bad("singleSelect", state(), json!("Don"), "did you mean \"Done\"?");
        bad("singleSelect", state(), json!("DONE"), "there is no choice \"DONE\"");
        bad("singleSelect", state(), json!(["Done"]), "one choice");
        bad("date", none.clone(), json!("31.12.2025"), "2025-12-31");
        bad("date", none.clone(), json!("2025-02-30"), "must be a date");
        bad("rating", json!({"max": 5}), json!(6), "from 1 to 5");
        bad("formula", none.clone(), json!(1), "computed by Airtable");
        bad("autoNumber", none.clone(), json!(1), "cannot be written");
        bad("singleCollaborator", none.clone(), json!("Ada"), "e-mail");
        bad("checkbox", none, json!("yes"), "true or false");
    }

    #[test]
    fn with_typecast_airtable_reads_what_we_do_not() {
        for (kind, value) in
            [("number", json!("1,000")), ("date", json!("31.12.2025")), ("checkbox", json!("yes"))]
        {
            assert_eq!(read(&field(kind, Value::Null), &value, true), Ok(value));
        }
        assert_eq!(read(&field("singleSelect", state()), &json!("New"), true), Ok(json!("New")));
    }
}
