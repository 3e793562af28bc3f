//! One record with a field of every kind, and checks in one line.

use airtable_formula::{
    CompileError, Context, Date, FieldDef, FieldKind, Formula, Limits, Row, Schema, Timestamp, Value,
};

pub(crate) struct Sample {
    pub(crate) fields: Vec<(&'static str, FieldKind, Value<'static>)>,
}

/// Fields of every kind, some filled, some empty.
pub(crate) fn sample() -> Sample {
    let day = |text| Value::Date(Date::parse_cell(text).expect("the sample's dates are dates"));
    let texts = |texts: &[&'static str]| Value::Array(texts.iter().copied().map(Value::from).collect());
    Sample {
        fields: vec![
            ("Name", FieldKind::Text, "Ada".into()),
            ("Empty", FieldKind::Text, Value::Blank),
            ("Price", FieldKind::Number, 9.99.into()),
            ("Zero", FieldKind::Number, 0.0.into()),
            ("Done", FieldKind::Checkbox, true.into()),
            ("Open", FieldKind::Checkbox, Value::Blank),
            ("Day", FieldKind::Date, day("2024-01-15")),
            ("Time", FieldKind::DateTime, day("2024-01-15T14:30:45.123Z")),
            ("No date", FieldKind::Date, Value::Blank),
            ("Tags", FieldKind::Array, texts(&["red", "green"])),
            ("One", FieldKind::Array, Value::Array(vec![5.0.into()])),
            ("Numbers", FieldKind::Array, Value::Array(vec![3.0.into(), 1.0.into(), 2.0.into()])),
            ("Dates", FieldKind::Array, Value::Array(vec![day("2024-03-01"), day("2024-02-01")])),
            ("Nothing", FieldKind::Array, Value::Array(Vec::new())),
            ("Broken", FieldKind::Any, Value::Error(airtable_formula::ErrorKind::Raised)),
            ("Emoji", FieldKind::Text, "a😀é".into()),
            ("odd } name", FieldKind::Number, 7.0.into()),
            ("FALSE", FieldKind::Text, "a field".into()),
        ],
    }
}

impl Sample {
    pub(crate) fn schema(&self) -> Schema {
        let fields = self.fields.iter().enumerate();
        Schema::new(
            fields.map(|(index, (name, kind, _))| FieldDef::new(format!("fld{index:014}"), *name, *kind)),
        )
    }
}

impl Row for Sample {
    fn field(&self, index: usize) -> Value<'_> {
        self.fields[index].2.borrowed()
    }

    fn record_id(&self) -> &str {
        "recAAAAAAAAAAAAA1"
    }

    fn created_time(&self) -> Timestamp {
        "2023-09-08T16:05:09Z".parse().expect("a time stamp")
    }

    fn last_modified_time(&self, fields: Option<&[usize]>) -> Option<Timestamp> {
        match fields {
            None => Some("2024-01-15T14:30:45Z".parse().expect("a time stamp")),
            Some([0]) => Some("2024-01-02T03:04:05Z".parse().expect("a time stamp")),
            Some(_) => None,
        }
    }
}

pub(crate) fn context() -> Context {
    Context::new("2024-05-17T09:08:07Z".parse().expect("a time stamp"))
}

pub(crate) fn compile(formula: &str) -> Result<Formula, CompileError> {
    Formula::compile(formula, &sample().schema(), &Limits::default())
}

/// The value in a short form: texts in quotes, errors as `error`, NaN as `NaN`.
pub(crate) fn eval(formula: &str) -> String {
    let sample = sample();
    match Formula::compile(formula, &sample.schema(), &Limits::default()) {
        Ok(compiled) => show(&compiled.evaluate(&sample, &context())),
        Err(error) => format!("refused: {}", error.to_string().lines().next().unwrap_or_default()),
    }
}

fn show(value: &Value<'_>) -> String {
    match value {
        Value::Blank => "blank".to_owned(),
        Value::Text(text) => format!("{text:?}"),
        Value::Number(_) => value.to_string(),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Date(date) => date.to_iso_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Error(_) => "error".to_owned(),
    }
}

/// The formula gives this value.
#[track_caller]
pub(crate) fn check(formula: &str, expected: &str) {
    assert_eq!(eval(formula), expected, "{formula}");
}

#[track_caller]
pub(crate) fn check_all(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .map(|(formula, expected)| (formula, expected, eval(formula)))
        .filter(|(_, expected, got)| **expected != got)
        .map(|(formula, expected, got)| format!("{formula}\n  expected {expected}\n  got      {got}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
