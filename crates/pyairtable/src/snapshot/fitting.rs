//! Makes a structure one that the emulator takes. What it cannot compute it serves as it was; what it does not know is left
//! out, and told.

use emulators::airtable::Seed;
use serde_json::{Value, json};

use super::structure::Structure;

/// More repairs than any base needs; each takes away a reason for another.
const MOST_REPAIRS: usize = 2000;

/// What was changed, in words.
pub(super) fn fit(structure: &mut Structure, base: &Value) -> Result<Vec<String>, String> {
    let mut told = Vec::new();
    for _ in 0..MOST_REPAIRS {
        let tables = (0..structure.tables.len()).map(|table| Value::Object(structure.entry(table)));
        let mut base = base.clone();
        base["tables"] = tables.collect();
        let seed = json!({"bases": [base]}).to_string();
        let Err(error) = Seed::from_json(seed.as_bytes()) else { return Ok(told) };
        let problem = error.problems().first().ok_or_else(|| error.to_string())?;
        let repaired = repair(structure, &problem.path, &problem.message);
        told.extend(repaired.ok_or_else(|| format!("{}: {}", problem.path, problem.message))?);
    }
    Err("it has too much that the emulator does not know".to_owned())
}

/// `None`: nothing can be done about it.
fn repair(structure: &mut Structure, path: &str, problem: &str) -> Option<Option<String>> {
    let place = numbers(path);
    let (&table, &item) = (place.get(1)?, place.get(2)?);
    let name = structure.tables.get(table)?.name.clone();
    if path.contains(".fields[") {
        let own = structure.tables[table].fields.get_mut(item)?;
        if own.kind == "formula" && !own.is_as_seeded() {
            own.set_option("asSeeded", true.into());
            return Some(Some(format!("{name}.{} is not computed: {problem}", own.name)));
        }
        // A link may do without its other side.
        if own.kind == "multipleRecordLinks" && path.ends_with("inverseLinkFieldId") {
            own.set_option("inverseLinkFieldId", Value::Null);
            return Some(None);
        }
        let is_primary = structure.tables[table].primary == structure.tables[table].fields[item].id;
        if is_primary || structure.tables[table].fields.len() == 1 {
            return None;
        }
        let gone = structure.remove_field((table, item));
        return Some(Some(format!("{name}.{} ({}) is left out: {problem}", gone.name, gone.kind)));
    }
    if path.contains(".views[") {
        let gone = structure.remove_view(table, item);
        let text = |key: &str| gone[key].as_str().unwrap_or_default();
        return Some(Some(format!(
            "the view {name}.{} ({}) is left out: {problem}",
            text("name"),
            text("type")
        )));
    }
    None
}

/// The numbers in brackets.
fn numbers(path: &str) -> Vec<usize> {
    path.split('[').skip(1).filter_map(|rest| rest.split(']').next()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(fields: Value) -> (Structure, Vec<String>) {
        let mut structure = Structure::read(&json!({"tables": [
            {"id": "tbl00000000000001", "name": "T", "primaryFieldId": "fld00000000000001", "fields": fields, "views": [
                {"id": "viw00000000000001", "name": "V", "type": "grid", "visibleFieldIds": ["fld00000000000002"]},
                {"id": "viw00000000000002", "name": "Known", "type": "list"},
                {"id": "viw00000000000003", "name": "New", "type": "projection"},
            ]},
        ]}))
        .unwrap();
        let base = json!({"id": "app00000000000001", "name": "B"});
        let told = fit(&mut structure, &base).unwrap();
        (structure, told)
    }

    #[test]
    fn what_the_emulator_cannot_compute_stays_as_it_is_and_what_it_does_not_know_is_left_out() {
        let id = |n: usize| format!("fld{n:014}");
        let (structure, told) = fitted(json!([
            {"id": id(1), "name": "Name", "type": "singleLineText"},
            {"id": id(3), "name": "Strange", "type": "formula", "options": {"formula": "SOMETHING_NEW({Name})", "isValid": true}},
            {"id": id(4), "name": "Hologram", "type": "hologram"},
            {"id": id(5), "name": "Elsewhere", "type": "multipleRecordLinks", "options": {"linkedTableId": "tbl00000000000009"}},
            {"id": id(6), "name": "From there", "type": "multipleLookupValues",
             "options": {"recordLinkFieldId": id(5), "fieldIdInLinkedTable": "fld00000000000099", "isValid": true}},
            {"id": id(7), "name": "Fine", "type": "formula", "options": {"formula": "LEN({Name})"}},
        ]));
        let names: Vec<_> = structure.tables[0].fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["Name", "Strange", "Fine"], "{told:?}");
        assert!(
            structure.tables[0].fields[1].is_as_seeded() && !structure.tables[0].fields[2].is_as_seeded()
        );
        assert!(told.iter().any(|told| told.starts_with("T.Strange is not computed: ")), "{told:?}");
        let views = structure.entry(0)["views"].clone();
        assert_eq!((views.as_array().unwrap().len(), &views[0]["name"]), (1, &json!("Known")), "{told:?}");
        for view in ["T.V (grid)", "T.New (projection)"] {
            let start = format!("the view {view} is left out: ");
            assert!(told.iter().any(|told| told.starts_with(&start)), "{start}{told:?}");
        }
        assert!(told.iter().any(|told| told.starts_with("T.Hologram (hologram) is left out: ")), "{told:?}");
    }
}
