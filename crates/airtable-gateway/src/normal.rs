//! One text for all requests that ask for the same thing: parameter order, encodings, defaults and GET or POST do not
//! matter. What is not understood is kept as it is, so that two requests share an answer only if they must get the same.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::call::{Call, Operation};

/// Airtable's default page size.
const DEFAULT_PAGE: u64 = 100;

/// The parameters of a read. Keys that start with `?` hold what is not understood.
type Parameters = BTreeMap<String, Value>;

/// The normal form of a cacheable read, without base and table. `None`: the body cannot be read, so the answer is not
/// shared.
pub(crate) fn normal_form(call: &Call, query: Option<&str>, body: Option<&[u8]>) -> Option<String> {
    let mut parameters = from_query(query.unwrap_or_default());
    if let Some(body) = body {
        let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return None };
        parameters = zones_only(parameters);
        add_body(&mut parameters, body);
    }
    drop_defaults(&mut parameters);
    let record = call.record.as_deref().unwrap_or_default();
    let form = json!([label(call.operation), record, parameters]).to_string();
    let table = call.table.as_ref().map_or("", |table| table.as_str());
    // Bytes that are no UTF-8 were decoded to this character: different ones would look the same.
    let lossless =
        !form.contains(char::REPLACEMENT_CHARACTER) && !table.contains(char::REPLACEMENT_CHARACTER);
    lossless.then_some(form)
}

/// Whether the request asks for a page after the first.
pub(crate) fn has_offset(normal_form: &str) -> bool {
    normal_form.contains(r#""offset":"#)
}

/// Whether the filter depends on the time of asking.
pub(crate) fn is_volatile(normal_form: &str) -> bool {
    let lower = normal_form.to_ascii_lowercase();
    lower.contains(r#""filterbyformula":"#) && (lower.contains("now(") || lower.contains("today("))
}

fn label(operation: Operation) -> &'static str {
    match operation {
        Operation::ListRecords => "list",
        Operation::GetRecord => "record",
        Operation::ListComments => "comments",
        Operation::WhoAmI => "whoami",
        Operation::ListBases => "bases",
        Operation::BaseInfo => "base",
        Operation::Schema => "schema",
        Operation::Views => "views",
        // Not cached, so never asked for.
        _ => "other",
    }
}

/// How a parameter is written.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Switch,
}

fn kind(name: &str) -> Option<Kind> {
    match name {
        "view" | "filterByFormula" | "offset" | "cellFormat" | "timeZone" | "userLocale" => Some(Kind::Text),
        "pageSize" | "maxRecords" => Some(Kind::Number),
        "returnFieldsByFieldId" | "includeDateDependencyMetadata" => Some(Kind::Switch),
        _ => None,
    }
}

fn from_query(query: &str) -> Parameters {
    let mut parameters = Parameters::new();
    let mut lists: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
    let mut sort: BTreeMap<usize, (Option<String>, Option<String>)> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let (name, value) = (name.into_owned(), value.into_owned());
        // The legacy name of airtable.js, which counts in URLs only.
        let single = if name == "limit" { "pageSize" } else { name.as_str() };
        if let Some(kind) = kind(single)
            && !parameters.contains_key(single)
            && let Some(read) = read_text(kind, &value)
        {
            parameters.insert(single.to_owned(), read);
            continue;
        }
        match split_brackets(&name) {
            Some((list @ ("fields" | "recordMetadata" | "include"), index, None)) => {
                lists.entry(list.to_owned()).or_default().push((index.unwrap_or(usize::MAX), value));
            }
            None if name == "include" => lists.entry(name).or_default().push((usize::MAX, value)),
            Some(("sort", Some(index), Some("field"))) if !has(&sort, index, |key| key.0.is_some()) => {
                sort.entry(index).or_default().0 = Some(value);
            }
            Some(("sort", Some(index), Some("direction"))) if !has(&sort, index, |key| key.1.is_some()) => {
                sort.entry(index).or_default().1 = Some(value);
            }
            _ => keep(&mut parameters, &name, Value::String(value)),
        }
    }
    for (name, mut values) in lists {
        values.sort_by_key(|(index, _)| *index);
        let mut values: Vec<String> = values.into_iter().map(|(_, value)| value).collect();
        if name == "include" {
            values.sort_unstable(); // a set
        }
        parameters.insert(name, json!(values));
    }
    let keys: Vec<Value> = sort
        .into_values()
        .map(|(field, direction)| json!([field, direction.unwrap_or_else(|| "asc".to_owned())]))
        .collect();
    if !keys.is_empty() {
        parameters.insert("sort".to_owned(), Value::Array(keys));
    }
    parameters
}

fn has<T>(map: &BTreeMap<usize, T>, index: usize, test: impl Fn(&T) -> bool) -> bool {
    map.get(&index).is_some_and(test)
}

/// `name[]`, `name[3]`, `name[3][key]`.
fn split_brackets(name: &str) -> Option<(&str, Option<usize>, Option<&str>)> {
    let (list, rest) = name.split_once('[')?;
    let (index, rest) = rest.split_once(']')?;
    let index = if index.is_empty() { None } else { Some(index.parse().ok()?) };
    let key = match rest {
        "" => None,
        rest => Some(rest.strip_prefix('[')?.strip_suffix(']')?),
    };
    Some((list, index, key))
}

fn read_text(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Text => Some(json!(text)),
        Kind::Number => text.parse::<u64>().ok().filter(|n| n.to_string() == text).map(|n| json!(n)),
        Kind::Switch => match text {
            "true" | "1" => Some(json!(true)),
            "false" | "0" => Some(json!(false)),
            _ => None,
        },
    }
}

/// Keeps what is not understood.
fn keep(parameters: &mut Parameters, name: &str, value: Value) {
    let kept = parameters.entry(format!("?{name}")).or_insert_with(|| json!([]));
    if let Value::Array(kept) = kept {
        kept.push(value);
    }
}

/// With a body, Airtable reads nothing else from the query.
fn zones_only(query: Parameters) -> Parameters {
    let is_zone = |name: &str| name == "timeZone" || name == "userLocale";
    query
        .into_iter()
        .map(|(name, v)| if is_zone(&name) { (name, v) } else { (format!("?query.{name}"), v) })
        .collect()
}

/// The body of `listRecords`. Airtable reads `timeZone` and `userLocale` from the query even here, and airtable.js sends
/// them in both places; it also sends `method`.
fn add_body(parameters: &mut Parameters, body: Map<String, Value>) {
    for (name, value) in body {
        let is_zone = name == "timeZone" || name == "userLocale";
        if name == "method" || (is_zone && parameters.get(&name) == Some(&value)) {
            continue;
        }
        let fits = match (name.as_str(), &value) {
            _ if is_zone || parameters.contains_key(&name) => false,
            ("fields" | "recordMetadata", Value::Array(items)) => items.iter().all(Value::is_string),
            ("sort", Value::Array(_)) => true,
            (name, value) => match kind(name) {
                Some(Kind::Text) => value.is_string(),
                Some(Kind::Number) => value.is_u64(),
                Some(Kind::Switch) => value.is_boolean(),
                None => false,
            },
        };
        match (fits, name.as_str()) {
            (true, "sort") => match sort_of_body(&value) {
                Some(keys) => {
                    parameters.insert(name, keys);
                }
                None => keep(parameters, "body.sort", value),
            },
            (true, _) => {
                parameters.insert(name, value);
            }
            (false, _) => keep(parameters, &format!("body.{name}"), value),
        }
    }
}

fn sort_of_body(value: &Value) -> Option<Value> {
    let key = |key: &Value| {
        let key = key.as_object()?;
        let known = key.keys().all(|name| name == "field" || name == "direction");
        let direction = key.get("direction").map_or(Some("asc"), Value::as_str)?;
        let field = key.get("field")?.as_str()?;
        known.then(|| json!([field, direction]))
    };
    value.as_array()?.iter().map(key).collect::<Option<Vec<_>>>().map(Value::Array)
}

fn drop_defaults(parameters: &mut Parameters) {
    parameters.retain(|name, value| match (name.as_str(), value) {
        ("pageSize", value) => value.as_u64() != Some(DEFAULT_PAGE),
        ("cellFormat", Value::String(text)) => text != "json",
        ("offset" | "filterByFormula", Value::String(text)) => !text.is_empty(),
        (_, Value::Bool(on)) => *on,
        (_, Value::Array(items)) => !items.is_empty(),
        _ => true,
    });
}

#[cfg(test)]
mod tests {
    use airtable_api::BaseId;

    use super::*;

    fn list(query: &str) -> String {
        normal_form(&Call::about(Operation::ListRecords, None), Some(query), None).unwrap()
    }

    fn post(query: &str, body: &str) -> String {
        normal_form(&Call::about(Operation::ListRecords, None), Some(query), Some(body.as_bytes())).unwrap()
    }

    #[track_caller]
    fn same(forms: &[String]) {
        assert!(forms.windows(2).all(|pair| pair[0] == pair[1]), "{forms:#?}");
    }

    #[track_caller]
    fn all_different(queries: &[&str]) {
        let forms: std::collections::HashSet<String> = queries.iter().map(|query| list(query)).collect();
        assert_eq!(forms.len(), queries.len(), "{forms:#?}");
    }

    #[test]
    fn order_encoding_defaults_and_method_do_not_matter() {
        same(&[
            list(""),
            list("pageSize=100&offset=&cellFormat=json&returnFieldsByFieldId=0"),
            post("", "{}"),
        ]);
        same(&[
            list("view=All+tasks&fields[]=A&fields[]=B%2FC"),
            list("fields%5B0%5D=A&fields%5B1%5D=B/C&view=All%20tasks&pageSize=100"),
            list("fields[1]=B/C&fields[0]=A&view=All tasks"),
            post("", r#"{"fields":["A","B/C"],"view":"All tasks","method":"post"}"#),
        ]);
        same(&[
            list("sort[0][field]=A&sort[0][direction]=asc&sort[1][direction]=desc&sort[1][field]=B"),
            list("sort[1][direction]=desc&sort[1][field]=B&sort[0][field]=A"),
            post("", r#"{"sort":[{"field":"A"},{"direction":"desc","field":"B"}]}"#),
        ]);
        same(&[
            list("timeZone=utc&userLocale=de&cellFormat=string"),
            post(
                "userLocale=de&timeZone=utc",
                r#"{"cellFormat":"string","timeZone":"utc","userLocale":"de"}"#,
            ),
        ]);
        same(&[list("limit=5"), list("pageSize=5"), post("", r#"{"pageSize":5}"#)]);
        same(&[list("returnFieldsByFieldId=1"), list("returnFieldsByFieldId=true")]);
    }

    #[test]
    fn sort_keys_are_ordered_by_number_not_by_text() {
        let keys: Vec<String> = (0..12).map(|n| format!("sort[{n}][field]=F{n}")).collect();
        let mut shuffled = keys.clone();
        shuffled.sort_unstable(); // sort[10] before sort[2]
        same(&[list(&keys.join("&")), list(&shuffled.join("&"))]);
    }

    #[test]
    fn what_may_change_the_answer_makes_another_key() {
        all_different(&[
            "",
            "view=A",
            "view=a",
            "view=A&view=A",
            "view=",
            "fields[]=A&fields[]=B",
            "fields[]=B&fields[]=A",
            "fields=A",
            "sort[0][field]=A",
            "sort[0][field]=A&sort[0][direction]=desc",
            "sort[0][field]=A&sort[0][field]=B",
            "sort[0][direction]=desc",
            "pageSize=10",
            "pageSize=010",
            "pageSize=ten",
            "pageSize=10&limit=10",
            "maxRecords=10",
            "offset=itr/rec",
            "cellFormat=string",
            "returnFieldsByFieldId=yes",
            "returnFieldsByFieldId=true",
            "filterByFormula=1",
            "brandNew=1",
            "brandNew=1&brandNew=2",
            "recordMetadata[]=commentCount",
        ]);
        assert_ne!(post("", r#"{"limit":5}"#), list("limit=5"), "not understood in a body");
        assert_ne!(post("", r#"{"timeZone":"utc"}"#), list("timeZone=utc"), "read from the query only");
        assert_ne!(post("", r#"{"offset":null}"#), list(""));
        assert_ne!(post("view=A", "{}"), list("view=A"), "the query of a POST is not what a GET's is");
    }

    #[test]
    fn a_body_that_is_no_object_is_not_shared() {
        let call = Call::about(Operation::ListRecords, None);
        for body in ["", "[]", "{", "null"] {
            assert_eq!(normal_form(&call, None, Some(body.as_bytes())), None, "{body}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_not_shared() {
        let call = Call::about(Operation::ListRecords, None);
        assert_eq!(normal_form(&call, Some("view=%FF"), None), None);
        let table = Call { table: Some(airtable_api::TableKey::new("T\u{FFFD}")), ..call };
        assert_eq!(normal_form(&table, None, None), None);
    }

    #[test]
    fn operations_and_records_are_kept_apart() {
        let base = BaseId::parse("appAAAAAAAAAAAAAA").ok();
        let record =
            |operation, id: &str| Call { record: Some(id.into()), ..Call::about(operation, base.clone()) };
        let forms = [
            normal_form(&record(Operation::GetRecord, "recA"), None, None),
            normal_form(&record(Operation::GetRecord, "recB"), None, None),
            normal_form(&record(Operation::ListComments, "recA"), None, None),
            normal_form(&Call::about(Operation::Schema, base.clone()), None, None),
        ];
        let distinct: std::collections::HashSet<_> = forms.iter().collect();
        assert_eq!(distinct.len(), forms.len());
        let schema = |query| normal_form(&Call::about(Operation::Schema, base.clone()), Some(query), None);
        assert_eq!(schema("include=visibleFieldIds"), schema("include[]=visibleFieldIds"));
        assert_ne!(schema("include=visibleFieldIds"), schema(""));
    }

    #[test]
    fn pages_and_clocks_are_noticed() {
        assert!(has_offset(&list("offset=itr1/rec2")));
        assert!(!has_offset(&list("offset=&view=x")));
        assert!(is_volatile(&list("filterByFormula=IS_AFTER({Due}, Now())")));
        assert!(!is_volatile(&list("filterByFormula={Due}")));
    }
}
