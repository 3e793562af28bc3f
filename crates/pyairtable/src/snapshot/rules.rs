//! Which fields are masked, and how: `TABLE.FIELD=HOW`.

use std::collections::HashMap;

use super::structure::Structure;

/// What becomes of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Letters and digits without a meaning.
    Hash,
    /// Made-up values of the same kind.
    Fake,
    /// Nothing.
    Blank,
    /// What they are.
    Keep,
}

impl How {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "hash" => Self::Hash,
            "fake" => Self::Fake,
            "blank" => Self::Blank,
            "keep" => Self::Keep,
            _ => return None,
        })
    }
}

/// A field, by the positions of its table and its own.
pub(super) type Place = (usize, usize);

/// What is wrong with one rule, in words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("--mask {rule}: {reason}")]
pub(super) struct RuleError {
    rule: String,
    reason: String,
}

/// Rules as they were given, line by line of a file where they stand in one. `#` begins a comment.
pub(super) fn lines(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned)
}

/// What is done with a field, and whether a rule names the field itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) how: How,
    pub(super) names_it: bool,
}

/// Finds the fields that the rules name. A rule for one field wins over one for many, whatever their order; of two for the
/// same field the later one does. What no rule names is kept, and not in the answer.
pub(super) fn resolve(
    rules: &[String],
    structure: &Structure,
) -> Result<HashMap<Place, Rule>, Vec<RuleError>> {
    let mut found: HashMap<Place, (u8, How)> = HashMap::new();
    let mut errors = Vec::new();
    for rule in rules {
        match read(rule, structure) {
            Ok((rank, how, places)) => {
                for place in places {
                    let known = found.entry(place).or_insert((rank, how));
                    if known.0 <= rank {
                        *known = (rank, how);
                    }
                }
            }
            Err(reason) => errors.push(RuleError { rule: rule.clone(), reason }),
        }
    }
    match errors.is_empty() {
        true => {
            let rule = |(rank, how)| Rule { how, names_it: rank == NAMED };
            Ok(found.into_iter().map(|(place, found)| (place, rule(found))).collect())
        }
        false => Err(errors),
    }
}

/// How closely a rule for one field names it; others do so less.
const NAMED: u8 = 3;

/// How closely it names what it names, what is to be done, and with which fields.
fn read(rule: &str, structure: &Structure) -> Result<(u8, How, Vec<Place>), String> {
    let (named, how) = rule.rsplit_once('=').ok_or("it has the form TABLE.FIELD=HOW")?;
    let (named, how) = (named.trim(), how.trim());
    let how = How::parse(how).ok_or_else(|| format!("\"{how}\" is none of hash, fake, blank, keep"))?;
    if named == "*" || named == "*.*" {
        return Ok((0, how, structure.places().collect()));
    }
    if let Some(field) = named.strip_prefix("*.") {
        let places: Vec<Place> =
            structure.places().filter(|place| structure.field(*place).is_called(field)).collect();
        if places.is_empty() {
            let names = structure.places().map(|place| structure.field(place).name.as_str());
            return Err(format!("no table has a field \"{field}\"{}", meant(field, names)));
        }
        return Ok((1, how, places));
    }
    // Names may have points in them: any table whose name begins the text is tried.
    let mut tables = Vec::new();
    for (position, table) in structure.tables.iter().enumerate() {
        let rest = |name: &str| named.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
        if let Some(field) = rest(&table.id).or_else(|| rest(&table.name)) {
            tables.push((position, field));
        }
    }
    if let Some((table, _)) = tables.iter().find(|(_, field)| *field == "*") {
        let fields = 0..structure.tables[*table].fields.len();
        return Ok((2, how, fields.map(|field| (*table, field)).collect()));
    }
    let is_it = |&(table, field): &(usize, &str)| {
        let fields = &structure.tables[table].fields;
        fields.iter().position(|own| own.is_called(field)).map(|position| (table, position))
    };
    let places: Vec<Place> = tables.iter().filter_map(is_it).collect();
    match (places.as_slice(), tables.first()) {
        ([place], _) => Ok((NAMED, how, vec![*place])),
        ([], Some((table, field))) => {
            let table = &structure.tables[*table];
            let names = table.fields.iter().map(|field| field.name.as_str());
            Err(format!("the table \"{}\" has no field \"{field}\"{}", table.name, meant(field, names)))
        }
        ([], None) => {
            let Some((table, _)) = named.split_once('.') else {
                return Err(
                    "it has the form TABLE.FIELD=HOW; * stands for all tables or all fields".to_owned()
                );
            };
            let names = structure.tables.iter().map(|table| table.name.as_str());
            Err(format!("the base has no table \"{table}\"{}", meant(table, names)))
        }
        _ => Err("it can be read in two ways: name the table by its id".to_owned()),
    }
}

/// `; did you mean "…"?`, if something is called nearly so.
pub(super) fn meant<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> String {
    let wanted = wanted.to_lowercase();
    let near = names
        .map(|name| (distance(&wanted, &name.to_lowercase()), name))
        .min_by_key(|(distance, _)| *distance);
    match near {
        Some((distance, name)) if distance <= wanted.chars().count().max(3) / 2 => {
            format!("; did you mean \"{name}\"?")
        }
        _ => String::new(),
    }
}

/// Letters to be added, removed or replaced to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut before = row[0];
        row[0] = at + 1;
        for (position, own) in other.iter().enumerate() {
            let changed = before + usize::from(*own != letter);
            before = row[position + 1];
            row[position + 1] = changed.min(row[position] + 1).min(before + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn structure() -> Structure {
        Structure::read(&json!({"tables": [
            {"id": "tbl00000000000001", "name": "People", "primaryFieldId": "fld00000000000001", "fields": [
                {"id": "fld00000000000001", "name": "Name", "type": "singleLineText"},
                {"id": "fld00000000000002", "name": "E.mail=x", "type": "email"},
            ]},
            {"id": "tbl00000000000002", "name": "People.old", "primaryFieldId": "fld00000000000003", "fields": [
                {"id": "fld00000000000003", "name": "Name", "type": "singleLineText"},
            ]},
        ]}))
        .unwrap()
    }

    fn resolved(rules: &[&str]) -> Result<Vec<(Place, How)>, String> {
        let rules: Vec<String> = rules.iter().map(ToString::to_string).collect();
        let mut found: Vec<_> = match resolve(&rules, &structure()) {
            Ok(found) => found.into_iter().map(|(place, rule)| (place, rule.how)).collect(),
            Err(errors) => return Err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        };
        found.sort_unstable_by_key(|(place, _)| *place);
        Ok(found)
    }

    #[test]
    fn fields_are_named_by_name_or_id_and_with_points_and_signs_in_their_names() {
        assert_eq!(resolved(&["People.E.mail=x=fake"]).unwrap(), [((0, 1), How::Fake)]);
        assert_eq!(resolved(&["People.old.Name=hash"]).unwrap(), [((1, 0), How::Hash)]);
        assert_eq!(
            resolved(&["tbl00000000000001.fld00000000000001 = blank"]).unwrap(),
            [((0, 0), How::Blank)]
        );
        assert_eq!(resolved(&["*.Name=fake"]).unwrap().len(), 2);
        assert_eq!(resolved(&["People.*=fake"]).unwrap().len(), 2);
        assert_eq!(resolved(&[]).unwrap(), []);
    }

    #[test]
    fn the_closest_rule_wins_whatever_their_order() {
        for rules in [["*=fake", "People.Name=keep"], ["People.Name=keep", "*=fake"]] {
            assert_eq!(
                resolved(&rules).unwrap(),
                [((0, 0), How::Keep), ((0, 1), How::Fake), ((1, 0), How::Fake)]
            );
        }
        assert_eq!(resolved(&["People.Name=keep", "People.Name=hash"]).unwrap(), [((0, 0), How::Hash)]);
    }

    #[test]
    fn what_is_not_there_is_told_with_what_was_meant() {
        for (rule, told) in [
            ("Poeple.Name=fake", "the base has no table \"Poeple\"; did you mean \"People\"?"),
            ("People.Nmae=fake", "the table \"People\" has no field \"Nmae\"; did you mean \"Name\"?"),
            ("*.Naem=fake", "no table has a field \"Naem\"; did you mean \"Name\"?"),
            ("People.Quantity=fake", "the table \"People\" has no field \"Quantity\""),
            ("People.Name=hide", "\"hide\" is none of hash, fake, blank, keep"),
            ("People.Name", "it has the form TABLE.FIELD=HOW"),
            ("Name=fake", "it has the form TABLE.FIELD=HOW; * stands for"),
        ] {
            let error = resolved(&[rule]).unwrap_err();
            assert!(error.starts_with(&format!("--mask {rule}: {told}")), "{error}");
        }
        assert_eq!(resolved(&["a.b=fake", "c=fake"]).unwrap_err().lines().count(), 2, "all at once");
    }

    #[test]
    fn a_file_has_a_rule_on_each_line() {
        assert_eq!(lines("# all\n*=fake\n\n  A.B=keep \r\n").collect::<Vec<_>>(), ["*=fake", "A.B=keep"]);
    }
}
