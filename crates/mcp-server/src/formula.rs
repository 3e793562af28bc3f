//! Formulas of callers, checked against the table before anything is sent. (Our own are `airtable_formula::filter`s.)

use airtable_formula::{CompileError, Formula, Limits};
use regex::Regex;
use std::sync::LazyLock;

use crate::error::ToolError;
use crate::names::{self, quoted};
use crate::schema::{Shape, Table};

/// Checks a caller's filter. The error marks the place and names what was probably meant.
///
/// A function that Airtable has and our own implementation lacks is for Airtable to judge.
pub(crate) fn check(filter: &str, table: &Table) -> Result<(), ToolError> {
    match Formula::compile(filter, &table.formula, &Limits::default()) {
        Ok(_) | Err(CompileError::NotBuilt { .. }) => Ok(()),
        Err(error) => {
            let mut text = format!("filter: {error}");
            if matches!(error, CompileError::UnknownFields { .. }) {
                let fields = names::listed(table.fields.iter().map(|field| field.name.as_str()));
                text.push_str(&format!(
                    "\nFields of {}: {fields}. Write them as {{Name}}",
                    quoted(&table.name)
                ));
            }
            Err(ToolError::invalid(text))
        }
    }
}

/// Comparisons with choices that their field does not have: such a filter keeps nothing, and nobody would know why.
pub(crate) fn unknown_choices(filter: &str, table: &Table) -> Vec<String> {
    static COMPARISON: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?:\{([^{}]+)\}|\b(\w+))\s*(?:!=|=)\s*(?:"([^"\\]*)"|'([^'\\]*)')"#)
            .expect("the pattern is right")
    });
    let mut notes = Vec::new();
    for found in COMPARISON.captures_iter(filter) {
        let group = |one: usize, other: usize| found.get(one).or_else(|| found.get(other));
        let (Some(name), Some(value)) = (group(1, 2), group(3, 4)) else { continue };
        let (name, value) = (name.as_str().trim(), value.as_str());
        let field = table.fields.iter().find(|field| field.name == name || field.id == name);
        let Some(field) = field.filter(|field| matches!(field.shape, Shape::Choice(_)) && !field.is_lookup)
        else {
            continue;
        };
        if value.is_empty() || field.choices().iter().any(|choice| choice == value) {
            continue;
        }
        notes.push(
            names::unknown(
                "choice",
                &format!(" of field {}", quoted(&field.name)),
                value,
                field.choices().iter().map(String::as_str),
            )
            .message,
        );
    }
    notes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table() -> Table {
        let schema = json!({"tables": [{"id": "tblAAAAAAAAAAAAAA", "name": "Tasks", "primaryFieldId": "f1", "views": [], "fields": [
            {"id": "f1", "name": "Name", "type": "singleLineText"},
            {"id": "f2", "name": "State", "type": "singleSelect", "options": {"choices": [{"name": "Open"}, {"name": "Done"}]}},
        ]}]});
        crate::schema::BaseSchema::new(serde_json::from_value(schema).unwrap()).tables.remove(0)
    }

    #[test]
    fn a_wrong_filter_is_shown_where_and_what_was_meant() {
        let error = check("AND({Nmae} = 'x')", &table()).unwrap_err();
        assert!(
            error.message.contains(r#"did you mean "Name"?"#) && error.message.contains("^^^^"),
            "{error}"
        );
        assert!(check("{Name} = ", &table()).is_err());
        assert!(check("DATEDIF({Name}, {Name}, 'd')", &table()).is_ok(), "Airtable's to judge");
    }

    #[test]
    fn a_choice_that_is_none_is_noticed_in_a_filter() {
        let notes =
            unknown_choices(r#"OR({State} = "Opne", State='Done', {State}="", {Name}="x")"#, &table());
        assert_eq!(notes.len(), 1);
        assert!(notes[0].contains(r#"did you mean "Open"?"#), "{notes:?}");
    }
}
