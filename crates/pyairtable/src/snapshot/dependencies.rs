//! What a masked field shows through: formulas, lookups, rollups, links and whatever else is made of it, over any number of
//! links.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::rules::{How, Place};
use super::structure::{Field, Structure};

/// Fields that show something of a masked one, themselves included, over any number of steps.
pub(super) fn tainted(structure: &Structure, masked: &HashMap<Place, How>) -> HashSet<Place> {
    let mut shown_in: HashMap<Place, Vec<Place>> = HashMap::new();
    for place in structure.places() {
        for source in sources(structure, place) {
            shown_in.entry(source).or_default().push(place);
        }
    }
    let is_hidden = |(place, how): (&Place, &How)| (*how != How::Keep).then_some(*place);
    let mut waiting: Vec<Place> = masked.iter().filter_map(is_hidden).collect();
    let mut tainted: HashSet<Place> = waiting.iter().copied().collect();
    while let Some(place) = waiting.pop() {
        for &shows in shown_in.get(&place).into_iter().flatten() {
            if tainted.insert(shows) {
                waiting.push(shows);
            }
        }
    }
    tainted
}

/// Why a mask of a field cannot be seen in the emulator.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Clear {
    /// It shows these, which are as they were.
    Of(Vec<Place>),
    /// It is computed from no field: when a record was created, say.
    ByItself,
}

/// Where the emulator has what a field shows.
enum Shown {
    /// It is written down, cell by cell, and masked there.
    Cells,
    Nothing,
    Fields(Vec<Place>),
    /// No mask changes it: how many records a link leads to, or what no field has anything to do with.
    Bare(Option<Place>),
}

/// Whether a field shows what it did, over any number of steps, whatever its own mask is. `None`: it does not.
pub(super) fn in_clear(
    structure: &Structure,
    place: Place,
    is_masked: impl Fn(&Field) -> bool,
    is_cut: impl Fn(&Field) -> bool,
) -> Option<Clear> {
    let mut waiting = match shown(structure, place, &is_cut) {
        Shown::Cells | Shown::Nothing => return None,
        Shown::Bare(None) => return Some(Clear::ByItself),
        Shown::Bare(Some(link)) => return Some(Clear::Of(vec![link])),
        Shown::Fields(fields) => fields,
    };
    let (mut seen, mut clear) = (HashSet::new(), Vec::new());
    while let Some(place) = waiting.pop() {
        if !seen.insert(place) {
            continue;
        }
        match shown(structure, place, &is_cut) {
            Shown::Cells if is_masked(structure.field(place)) => {}
            Shown::Cells => clear.push(place),
            Shown::Nothing => {}
            Shown::Fields(fields) => waiting.extend(fields),
            Shown::Bare(link) => clear.push(link.unwrap_or(place)),
        }
    }
    clear.sort_unstable();
    (!clear.is_empty()).then_some(Clear::Of(clear))
}

fn shown(structure: &Structure, place: Place, is_cut: &impl Fn(&Field) -> bool) -> Shown {
    let field = structure.field(place);
    let named = |key: &str| field.option(key).and_then(Value::as_str).and_then(|id| structure.find(id));
    let is_invalid = field.option("isValid") == Some(&Value::Bool(false));
    match field.kind.as_str() {
        "formula" if field.is_as_seeded() => Shown::Cells,
        "formula" | "multipleLookupValues" | "count" if is_invalid => Shown::Nothing,
        "formula" => match sources(structure, place) {
            none if none.is_empty() => Shown::Bare(None),
            fields => Shown::Fields(fields),
        },
        "multipleLookupValues" => Shown::Fields(named("fieldIdInLinkedTable").into_iter().collect()),
        "count" => match named("recordLinkFieldId") {
            Some(link) if !is_cut(structure.field(link)) => Shown::Bare(Some(link)),
            _ => Shown::Nothing,
        },
        // What its records are called; that it leads to them is hidden by nothing else.
        "multipleRecordLinks" if is_cut(field) => Shown::Nothing,
        "multipleRecordLinks" => Shown::Fields(sources(structure, place)),
        _ => Shown::Cells,
    }
}

/// The fields that one is made of. Where the metadata does not say, it may be any of the table.
fn sources(structure: &Structure, place: Place) -> Vec<Place> {
    let field = structure.field(place);
    let whole_table = || {
        (0..structure.tables[place.0].fields.len())
            .map(|other| (place.0, other))
            .filter(|other| *other != place)
            .collect()
    };
    match field.kind.as_str() {
        "formula" => {
            let text = field.option("formula").and_then(Value::as_str).unwrap_or_default();
            let named =
                field.ids("referencedFieldIds").chain(ids_in(text)).filter_map(|id| structure.find(id));
            let mut named: Vec<Place> = named.chain(called(structure, place.0, text)).collect();
            if text.is_empty() && named.is_empty() {
                return whole_table();
            }
            // CREATED_TIME() and the like name no field.
            if text.contains("_TIME") {
                let of_table = structure.tables[place.0].fields.iter().enumerate();
                let times = of_table
                    .filter(|(_, own)| matches!(own.kind.as_str(), "createdTime" | "lastModifiedTime"));
                named.extend(times.map(|(position, _)| (place.0, position)));
            }
            named
        }
        "multipleLookupValues" | "rollup" => {
            let through = ["recordLinkFieldId", "fieldIdInLinkedTable"]
                .map(|key| field.option(key).and_then(Value::as_str));
            let [Some(link), Some(target)] = through else {
                return structure.places().filter(|other| *other != place).collect();
            };
            let named = [link, target].into_iter().chain(field.ids("referencedFieldIds"));
            named.filter_map(|id| structure.find(id)).collect()
        }
        // What a link shows is what the linked record is called.
        "multipleRecordLinks" => {
            let linked = structure.linked(field).map(|table| &structure.tables[table].primary);
            linked.and_then(|primary| structure.find(primary)).into_iter().collect()
        }
        "aiText" => {
            let prompt = field.option("prompt").and_then(Value::as_array).into_iter().flatten();
            let prompt = prompt.filter_map(|part| part.pointer("/field/fieldId").and_then(Value::as_str));
            let named: Vec<Place> =
                field.ids("referencedFieldIds").chain(prompt).filter_map(|id| structure.find(id)).collect();
            if named.is_empty() { whole_table() } else { named }
        }
        "button" => whole_table(),
        _ => Vec::new(),
    }
}

/// Field ids that stand in a formula.
fn ids_in(formula: &str) -> impl Iterator<Item = &str> {
    formula.match_indices("fld").filter_map(|(at, _)| formula.get(at..at + 17))
}

/// Fields of the table whose names stand in a formula: only metadata that nobody serves has them there.
fn called(structure: &Structure, table: usize, formula: &str) -> impl Iterator<Item = Place> {
    let is_named = move |field: &Field| !field.name.is_empty() && formula.contains(&field.name);
    let fields = structure.tables[table].fields.iter().enumerate();
    fields.filter(move |(_, field)| is_named(field)).map(move |(position, _)| (table, position))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Three tables in a row: A links to B, B to C.
    fn structure() -> Structure {
        let id = |n: usize| format!("fld{n:014}");
        let field = |n: usize, kind: &str, options: Value| json!({"id": id(n), "name": format!("F{n}."), "type": kind, "options": options});
        let link = |n: usize, table: &str| field(n, "multipleRecordLinks", json!({"linkedTableId": table}));
        let lookup = |n: usize, kind: &str, link: usize, target: usize| {
            field(n, kind, json!({"recordLinkFieldId": id(link), "fieldIdInLinkedTable": id(target)}))
        };
        let formula =
            |n: usize, text: &str| field(n, "formula", json!({"formula": text, "referencedFieldIds": []}));
        Structure::read(&json!({"tables": [
            {"id": "tblA", "name": "A", "primaryFieldId": id(1), "fields": [
                field(1, "singleLineText", Value::Null), link(2, "tblB"), lookup(3, "multipleLookupValues", 2, 13),
                formula(4, &format!("LEN({{{}}})", id(3))), field(5, "button", Value::Null), field(6, "number", Value::Null),
                field(7, "count", json!({"recordLinkFieldId": id(2)})), formula(8, &format!("{{{}}}", id(6))), formula(9, "RECORD_ID()"),
                formula(10, &format!("{{{}}} * 2", id(7))),
            ]},
            {"id": "tblB", "name": "B", "primaryFieldId": id(11), "fields": [
                field(11, "singleLineText", Value::Null), link(12, "tblC"), lookup(13, "rollup", 12, 22),
                formula(14, &format!("{{{}}} & \"\"", id(12))),
                field(15, "multipleLookupValues", json!({"isValid": false, "recordLinkFieldId": id(12), "fieldIdInLinkedTable": Value::Null})),
            ]},
            {"id": "tblC", "name": "C", "primaryFieldId": id(21), "fields": [
                field(21, "singleLineText", Value::Null), field(22, "number", Value::Null),
                field(23, "aiText", json!({"prompt": ["Say ", {"field": {"fieldId": id(22)}}]})),
                field(24, "rollup", json!({})),
            ]},
        ]}))
        .unwrap()
    }

    fn tainted_by(field: usize) -> Vec<String> {
        let structure = structure();
        let place = structure.find(&format!("fld{field:014}")).unwrap();
        let found = tainted(&structure, &HashMap::from([(place, How::Fake)]));
        let mut names: Vec<_> = found.into_iter().map(|place| structure.field(place).name.clone()).collect();
        names.sort_by_key(|name| name[1..name.len() - 1].parse::<usize>().unwrap());
        names
    }

    #[test]
    fn what_is_masked_is_followed_through_rollups_lookups_and_formulas_of_other_tables() {
        assert_eq!(tainted_by(22), ["F3.", "F4.", "F5.", "F13.", "F15.", "F22.", "F23.", "F24."]);
    }

    #[test]
    fn the_name_of_a_record_is_followed_to_what_links_to_it() {
        assert_eq!(tainted_by(21), ["F3.", "F4.", "F5.", "F12.", "F13.", "F14.", "F15.", "F21.", "F24."]);
        assert_eq!(
            tainted_by(6),
            ["F5.", "F6.", "F8.", "F15.", "F24."],
            "a button, or what is broken, may show anything"
        );
    }

    #[test]
    fn what_a_field_shows_in_clear_is_found_at_the_end_of_all_steps() {
        let structure = structure();
        let place = |field: usize| structure.find(&format!("fld{field:014}")).unwrap();
        let clear = |field: usize, masked: &[usize], cut: &[usize]| {
            let among = |fields: &[usize], field: &Field| {
                fields.iter().any(|own| place(*own) == structure.find(&field.id).unwrap())
            };
            in_clear(&structure, place(field), |field| among(masked, field), |field| among(cut, field))
        };
        let of = |field: usize| Some(Clear::Of(vec![place(field)]));
        assert_eq!(clear(4, &[], &[]), of(13), "a formula over a lookup of a rollup, which is written down");
        assert_eq!(clear(4, &[13], &[]), None);
        assert_eq!(clear(4, &[3, 4], &[]), of(13), "it does not help to mask what is computed");
        assert_eq!((clear(1, &[], &[]), clear(9, &[1, 2, 9], &[])), (None, Some(Clear::ByItself)));
        assert_eq!((clear(14, &[12], &[]), clear(14, &[21], &[])), (of(21), None), "a link shows names");
        assert_eq!((clear(2, &[2], &[]), clear(2, &[], &[2])), (of(11), None));
        for count in [7, 10] {
            assert_eq!((clear(count, &[2, 7], &[]), clear(count, &[], &[2])), (of(2), None), "{count}");
        }
        assert_eq!(clear(15, &[15], &[]), None, "one that is broken shows nothing");
    }

    #[test]
    fn what_is_kept_taints_nothing() {
        assert!(tainted(&structure(), &HashMap::from([((2, 1), How::Keep)])).is_empty());
    }
}
