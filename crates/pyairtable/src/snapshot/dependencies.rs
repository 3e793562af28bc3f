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

/// Fields that are not masked and are shown by one that the emulator computes anew, over any number of steps. `None`: no
/// mask is needed but those that there are.
pub(super) fn kept_in(
    structure: &Structure,
    place: Place,
    is_masked: impl Fn(&Field) -> bool,
) -> Option<Vec<Place>> {
    let own = structure.field(place);
    if own.kind == "count" {
        let link = own.option("recordLinkFieldId").and_then(Value::as_str).and_then(|id| structure.find(id));
        return link.filter(|link| !is_masked(structure.field(*link))).map(|link| vec![link]);
    }
    let mut waiting = shown_by(structure, place)?;
    // It shows what no mask can change: when a record was created, say.
    let by_itself = waiting.is_empty();
    let (mut seen, mut kept) = (HashSet::new(), Vec::new());
    while let Some(place) = waiting.pop() {
        let field = structure.field(place);
        // A mask does nothing for what is computed; links are not, but show what their records are called.
        let shows = match field.kind.as_str() {
            "multipleRecordLinks" if is_masked(field) => continue,
            "multipleRecordLinks" => Some(sources(structure, place)).filter(|names| !names.is_empty()),
            _ => shown_by(structure, place),
        };
        match shows {
            _ if !seen.insert(place) => {}
            Some(shows) => waiting.extend(shows),
            None if is_masked(field) => {}
            None => kept.push(place),
        }
    }
    kept.sort_unstable();
    (by_itself || !kept.is_empty()).then_some(kept)
}

/// The fields whose values a computed one shows; `None` for what is written down cell by cell.
fn shown_by(structure: &Structure, place: Place) -> Option<Vec<Place>> {
    let field = structure.field(place);
    let target = field.option("fieldIdInLinkedTable").and_then(Value::as_str);
    match field.kind.as_str() {
        "formula" if !field.is_as_seeded() => Some(sources(structure, place)),
        "multipleLookupValues" => Some(target.and_then(|id| structure.find(id)).into_iter().collect()),
        _ => None,
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
            ]},
            {"id": "tblB", "name": "B", "primaryFieldId": id(11), "fields": [
                field(11, "singleLineText", Value::Null), link(12, "tblC"), lookup(13, "rollup", 12, 22),
                formula(14, &format!("{{{}}} & \"\"", id(12))),
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
        assert_eq!(tainted_by(22), ["F3.", "F4.", "F5.", "F13.", "F22.", "F23.", "F24."]);
    }

    #[test]
    fn the_name_of_a_record_is_followed_to_what_links_to_it() {
        assert_eq!(tainted_by(21), ["F3.", "F4.", "F5.", "F12.", "F13.", "F14.", "F21.", "F24."]);
        assert_eq!(tainted_by(6), ["F5.", "F6.", "F8.", "F24."], "a button may show anything of its table");
    }

    #[test]
    fn a_computed_field_shows_what_is_kept_at_the_end_of_all_steps() {
        let structure = structure();
        let place = |field: usize| structure.find(&format!("fld{field:014}")).unwrap();
        let kept = |field: usize, masked: &[usize]| {
            let masked: Vec<Place> = masked.iter().map(|field| place(*field)).collect();
            kept_in(&structure, place(field), |field| masked.contains(&structure.find(&field.id).unwrap()))
        };
        assert_eq!(
            kept(4, &[]),
            Some(vec![place(13)]),
            "a formula over a lookup of a rollup, whose cells are written down"
        );
        assert_eq!(kept(4, &[13]), None);
        assert_eq!(kept(4, &[3, 4]), Some(vec![place(13)]), "it does not help to mask what is computed");
        assert_eq!((kept(7, &[]), kept(7, &[2])), (Some(vec![place(2)]), None), "a count of links");
        assert_eq!(kept(1, &[]), None, "no computed one");
        assert_eq!(kept(9, &[1, 2, 9]), Some(vec![]), "of no field");
        assert_eq!((kept(14, &[]), kept(14, &[21])), (Some(vec![place(21)]), None), "what a link shows");
    }

    #[test]
    fn what_is_kept_taints_nothing() {
        assert!(tainted(&structure(), &HashMap::from([((2, 1), How::Keep)])).is_empty());
    }
}
