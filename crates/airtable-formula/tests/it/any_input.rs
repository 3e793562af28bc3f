//! What must hold for any bytes. The fuzzer looks for bytes for which it does not; those that it found interesting are
//! tested each time.

use airtable_formula::filter::Filter;
use airtable_formula::{
    Context, Date, ErrorKind, FieldDef, FieldKind, Formula, Limits, Row, Schema, Timestamp, Tree, Value,
};

struct Record<'t> {
    text: &'t str,
}

impl Row for Record<'_> {
    fn field(&self, index: usize) -> Value<'_> {
        match index {
            0 => "Ada".into(),
            1 => 9.99.into(),
            2 => true.into(),
            3 => Date::parse_cell("2024-01-15").map_or(Value::Blank, Value::Date),
            4 => Date::parse_cell("2024-01-15T14:30:45.123Z").map_or(Value::Blank, Value::Date),
            5 => Value::Array(vec!["red".into(), Value::Blank, 3.0.into()]),
            6 => Value::Error(ErrorKind::Raised),
            7 => self.text.into(),
            _ => Value::Blank,
        }
    }

    fn record_id(&self) -> &str {
        "recAAAAAAAAAAAAA1"
    }

    fn created_time(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn last_modified_time(&self, _: Option<&[usize]>) -> Option<Timestamp> {
        None
    }
}

fn schema() -> Schema {
    let fields = [
        ("Name", FieldKind::Text),
        ("Price", FieldKind::Number),
        ("Done", FieldKind::Checkbox),
        ("Day", FieldKind::Date),
        ("Time", FieldKind::DateTime),
        ("Tags", FieldKind::Array),
        ("Broken", FieldKind::Any),
        ("X", FieldKind::Text),
        ("Empty", FieldKind::Any),
    ];
    let numbered = fields.into_iter().enumerate();
    Schema::new(numbered.map(|(index, (name, kind))| FieldDef::new(format!("fld{index:014}"), name, kind)))
}

/// The input up to the first byte 0xFF is a formula, the rest is what its field `X` holds.
pub(crate) fn check(input: &[u8]) {
    let at = input.iter().position(|byte| *byte == 0xFF).unwrap_or(input.len());
    let (formula, text) = (String::from_utf8_lossy(&input[..at]), &input[(at + 1).min(input.len())..]);
    let text = String::from_utf8_lossy(text);
    let (schema, limits, row) = (schema(), Limits::default(), Record { text: &text });
    let context = Context::new(Timestamp::UNIX_EPOCH);
    let value = |formula: &str| {
        let compiled = Formula::compile(formula, &schema, &limits).expect("it compiles");
        compiled.evaluate(&row, &context).into_owned()
    };

    match Formula::compile(&formula, &schema, &limits) {
        Err(error) => {
            let shown = error.to_string();
            assert!(!shown.is_empty() && shown.len() < 20_000 && !error.api_message().is_empty());
        }
        Ok(compiled) => {
            let result = compiled.evaluate(&row, &context);
            assert_eq!(compiled.keeps(&row, &context), result.is_truthy());
            let printed = compiled.to_string();
            let again = Tree::parse(&printed).expect("what is printed is a formula");
            assert_eq!(&again, compiled.tree());
            assert_eq!(again.to_string(), printed);
            // A compiled formula gives what its text gives (Debug, since NaN is not itself).
            assert_eq!(format!("{result:?}"), format!("{:?}", value(&printed)));
        }
    }

    // Whatever stands in a text, a filter's literal is that text.
    if text.len() < 10_000 {
        let filter: Filter = schema.text("X").expect("a text field").is(&text);
        assert_eq!(value(&filter.to_string()), Value::Boolean(true), "{filter}");
        for filter in [schema.as_text("X"), schema.as_lines(["Broken", "X", "Tags"])] {
            assert_eq!(value(&filter.expect("a field").contains(&text).to_string()), Value::Boolean(true));
        }
    }
}
