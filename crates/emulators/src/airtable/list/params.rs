//! The parameters of listing and getting records, from a query string or a JSON body.

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::airtable::body;
use crate::airtable::errors::AirtableError;
use crate::airtable::fields::date;
use crate::airtable::query::Query;
use crate::airtable::render::{Rendering, StringFormat};

/// What a listing asks for.
#[derive(Debug, Clone)]
pub(crate) struct ListParams {
    pub(crate) page_size: usize,
    pub(crate) max_records: Option<usize>,
    pub(crate) offset: Option<String>,
    pub(crate) view: Option<String>,
    /// Field and whether it is descending.
    pub(crate) sort: Vec<(String, bool)>,
    pub(crate) filter: Option<String>,
    pub(crate) fields: Option<Vec<String>>,
    /// `recordMetadata` names `commentCount`.
    pub(crate) comment_counts: bool,
    /// Whether it is told where it is 0.
    pub(crate) comment_count_zero: bool,
    pub(crate) rendering: Rendering,
}

type Checked<T> = Result<T, AirtableError>;

fn invalid() -> AirtableError {
    AirtableError::invalid_request()
}

impl ListParams {
    /// `GET /{base}/{table}?…`
    pub(crate) fn from_query(query: &Query, most: usize) -> Checked<Self> {
        // `limit` is what the oldest clients call it.
        let page_size = match query.scalar("pageSize")? {
            Some(size) => Some(size),
            None => query.scalar("limit")?,
        };
        let sort = query.objects("sort")?.unwrap_or_default();
        let sort = sort.iter().map(|entry| {
            let known = entry.keys().all(|key| key == "field" || key == "direction");
            let field = entry.get("field").filter(|_| known).ok_or_else(invalid)?;
            Ok((field.clone(), descending(entry.get("direction").map(String::as_str))?))
        });
        let metadata = query.list("recordMetadata")?.unwrap_or_default();
        let comment_counts = wants_comment_counts(&metadata)?;
        let text = |name| Ok(query.scalar(name)?.filter(|text| !text.is_empty()).map(str::to_owned));
        Ok(Self {
            page_size: check_page_size(number(page_size)?, most)?,
            max_records: number(query.scalar("maxRecords")?)?.map(check_max_records).transpose()?,
            offset: text("offset")?,
            view: text("view")?,
            sort: sort.collect::<Checked<_>>()?,
            filter: text("filterByFormula")?,
            fields: query.list("fields")?,
            comment_counts,
            comment_count_zero: false,
            rendering: rendering_from_query(query)?,
        })
    }

    /// `POST /{base}/{table}/listRecords`: all in the body, but time zone and locale in the query string, where the
    /// live service looks for them.
    pub(crate) fn from_body(query: &Query, body: &Map<String, Value>, most: usize) -> Checked<Self> {
        const KNOWN: [&str; 14] = [
            "pageSize",
            "maxRecords",
            "offset",
            "view",
            "sort",
            "filterByFormula",
            "fields",
            "cellFormat",
            "returnFieldsByFieldId",
            "recordMetadata",
            "includeDateDependencyMetadata",
            "timeZone",
            "userLocale",
            "method", // airtable.js sends it along
        ];
        body::only(body, &KNOWN)?;
        let text = |name: &str| match body.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(_) => Err(invalid()),
        };
        let count = |name: &str| match body.get(name) {
            None => Ok(None),
            Some(value) => whole(value).map(Some).ok_or_else(invalid),
        };
        let list = |name: &str| match body.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => {
                let texts = items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(invalid));
                texts.collect::<Checked<Vec<_>>>().map(Some)
            }
            Some(_) => Err(invalid()),
        };
        let sort = match body.get("sort") {
            None => Vec::new(),
            Some(Value::Array(entries)) => entries.iter().map(sort_entry).collect::<Checked<_>>()?,
            Some(_) => return Err(invalid()),
        };
        let comment_counts = wants_comment_counts(&list("recordMetadata")?.unwrap_or_default())?;
        let rendering = Rendering {
            by_field_id: body::flag(body, "returnFieldsByFieldId")?,
            strings: strings(text("cellFormat")?.as_deref(), query)?,
            fields: None,
            link_objects: body::flag(body, "includeDateDependencyMetadata")?,
        };
        Ok(Self {
            page_size: check_page_size(count("pageSize")?, most)?,
            max_records: count("maxRecords")?.map(check_max_records).transpose()?,
            offset: text("offset")?,
            view: text("view")?,
            sort,
            filter: text("filterByFormula")?,
            comment_counts,
            comment_count_zero: false,
            fields: list("fields")?.filter(|fields| !fields.is_empty()),
            rendering,
        })
    }
}

/// What `GET` of one record takes.
pub(crate) fn rendering_from_query(query: &Query) -> Checked<Rendering> {
    Ok(Rendering {
        by_field_id: flag(query.scalar("returnFieldsByFieldId")?)?,
        strings: strings(query.scalar("cellFormat")?, query)?,
        fields: None,
        link_objects: flag(query.scalar("includeDateDependencyMetadata")?)?,
    })
}

fn sort_entry(entry: &Value) -> Checked<(String, bool)> {
    let entry = entry.as_object().ok_or_else(invalid)?;
    let known = entry.keys().all(|key| key == "field" || key == "direction");
    let field = entry.get("field").and_then(Value::as_str).filter(|_| known).ok_or_else(invalid)?;
    let direction = match entry.get("direction") {
        None => None,
        Some(direction) => Some(direction.as_str().ok_or_else(invalid)?),
    };
    Ok((field.to_owned(), descending(direction)?))
}

fn descending(direction: Option<&str>) -> Checked<bool> {
    match direction {
        None | Some("asc") => Ok(false),
        Some("desc") => Ok(true),
        Some(_) => Err(invalid()),
    }
}

fn flag(text: Option<&str>) -> Checked<bool> {
    match text {
        None | Some("" | "false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(invalid()),
    }
}

/// JSON does not tell `10.0` from `10`.
fn whole(value: &Value) -> Option<usize> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && *number >= 0.0)?;
    Some(number as usize) // The cast saturates.
}

fn number(text: Option<&str>) -> Checked<Option<usize>> {
    text.map(|text| text.parse().map_err(|_| invalid())).transpose()
}

/// As many records on a page as the limit allows, unless fewer are asked for.
fn check_page_size(size: Option<usize>, most: usize) -> Checked<usize> {
    let size = size.unwrap_or(most);
    if (1..=most).contains(&size) { Ok(size) } else { Err(invalid()) }
}

fn check_max_records(count: usize) -> Checked<usize> {
    if count >= 1 { Ok(count) } else { Err(invalid()) }
}

/// There is no other metadata to ask for.
fn wants_comment_counts(names: &[String]) -> Checked<bool> {
    if names.iter().all(|name| name == "commentCount") { Ok(!names.is_empty()) } else { Err(invalid()) }
}

/// `cellFormat=string` needs to know for whom: a time zone and a locale.
fn strings(cell_format: Option<&str>, query: &Query) -> Checked<Option<StringFormat>> {
    match cell_format {
        None | Some("json") => return Ok(None),
        Some("string") => {}
        Some(_) => return Err(invalid()),
    }
    let given = |name| Ok::<_, AirtableError>(query.scalar(name)?.filter(|text| !text.is_empty()));
    let (Some(zone), Some(locale)) = (given("timeZone")?, given("userLocale")?) else {
        let reason = "cellFormat \"string\" needs the parameters timeZone and userLocale";
        return Err(AirtableError::invalid_request_because(reason));
    };
    let zone = date::parse_zone(zone).map_err(|()| invalid())?.unwrap_or(TimeZone::UTC);
    Ok(Some(StringFormat { zone, locale: locale.to_owned() }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn get(raw: &str) -> Checked<ListParams> {
        ListParams::from_query(&Query::parse(raw), 100)
    }

    fn post(raw: &str, body: Value) -> Checked<ListParams> {
        ListParams::from_body(&Query::parse(raw), body.as_object().unwrap(), 100)
    }

    #[test]
    fn both_forms_mean_the_same() {
        let raw = "pageSize=7&maxRecords=20&view=Grid&fields[]=A&fields[]=B&sort[0][field]=A&sort[0][direction]=desc\
                   &filterByFormula=%7BA%7D%3D1&returnFieldsByFieldId=1&recordMetadata[]=commentCount&offset=";
        let body = json!({
            "pageSize": 7, "maxRecords": 20, "view": "Grid", "fields": ["A", "B"], "offset": "",
            "sort": [{"field": "A", "direction": "desc"}], "filterByFormula": "{A}=1",
            "returnFieldsByFieldId": true, "recordMetadata": ["commentCount"], "method": "post", "timeZone": "utc",
        });
        assert_eq!(format!("{:?}", get(raw).unwrap()), format!("{:?}", post("", body).unwrap()));
    }

    #[test]
    fn what_is_out_of_range_or_of_the_wrong_type_is_refused() {
        for raw in [
            "pageSize=101",
            "pageSize=0",
            "pageSize=x",
            "pageSize=-1",
            "maxRecords=0",
            "maxRecords=1.5",
            "returnFieldsByFieldId=maybe",
            "sort[0][direction]=asc",
            "sort[0][field]=A&sort[0][direction]=up",
            "cellFormat=xml",
            "cellFormat=string",
            "cellFormat=string&timeZone=utc",
            "cellFormat=string&timeZone=UTC&userLocale=en-gb",
            "recordMetadata[]=likes",
            "fields=Name",
        ] {
            assert_eq!(get(raw).unwrap_err().status(), 422, "{raw}");
        }
        for body in [
            json!({"pageSize": 101}),
            json!({"pageSize": "10"}),
            json!({"pageSize": 10.5}),
            json!({"pageSize": -1}),
            json!({"maxRecords": 0.0}),
            json!({"offset": null}),
            json!({"fields": "A"}),
            json!({"fields": [1]}),
            json!({"sort": [{"direction": "asc"}]}),
            json!({"returnFieldsByFieldId": 1}),
            json!({"limit": 5}),
        ] {
            assert_eq!(post("", body.clone()).unwrap_err().status(), 422, "{body}");
        }
    }

    #[test]
    fn defaults_and_the_legacy_name_of_page_size() {
        let params = get("").unwrap();
        assert_eq!((params.page_size, params.max_records, params.fields), (100, None, None));
        assert_eq!(get("limit=3").unwrap().page_size, 3);
        assert_eq!(post("", json!({"pageSize": 3.0})).unwrap().page_size, 3);
        assert!(get("timeZone=Europe/Berlin&userLocale=de").unwrap().rendering.strings.is_none());
        assert!(
            post("timeZone=utc&userLocale=de", json!({"cellFormat": "string"}))
                .unwrap()
                .rendering
                .strings
                .is_some()
        );
    }
}
