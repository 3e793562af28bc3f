//! Which types and options a new field may have. What the values may be is decided where definitions are read.

use serde_json::{Map, Value, json};

use crate::airtable::errors::AirtableError;
use crate::airtable::ids::FieldId;
use crate::airtable::model::{DateFormat, Table};
use crate::airtable::write::COLORS;

const HUES: [&str; 10] =
    ["blue", "cyan", "teal", "green", "yellow", "orange", "red", "pink", "purple", "gray"];
const SHADES: [&str; 4] = ["Light2", "Light1", "Bright", "Dark1"];

/// Types that fields of a base may have, but that nobody can create by the API.
const NOT_CREATABLE: [&str; 13] = [
    "rollup",
    "multipleLookupValues",
    "lookup",
    "count",
    "autoNumber",
    "createdTime",
    "lastModifiedTime",
    "createdBy",
    "lastModifiedBy",
    "button",
    "aiText",
    "externalSyncSource",
    "manualSort",
];

/// Options that must be given, and options that may; `None` for what is no type.
fn known(type_name: &str) -> Option<(&'static [&'static str], &'static [&'static str])> {
    Some(match type_name {
        "singleLineText"
        | "multilineText"
        | "richText"
        | "email"
        | "url"
        | "phoneNumber"
        | "barcode"
        | "multipleAttachments"
        | "singleCollaborator"
        | "multipleCollaborators" => (&[], &[]),
        "number" | "percent" => (&["precision"], &[]),
        "currency" => (&["precision", "symbol"], &[]),
        "duration" => (&["durationFormat"], &[]),
        "rating" => (&["icon", "color", "max"], &[]),
        "checkbox" => (&["icon", "color"], &[]),
        "singleSelect" | "multipleSelects" => (&["choices"], &[]),
        "date" => (&["dateFormat"], &[]),
        "dateTime" => (&["timeZone", "dateFormat", "timeFormat"], &[]),
        "multipleRecordLinks" => (&["linkedTableId"], &["viewIdForRecordSelection"]),
        "formula" => (&["formula"], &[]),
        _ => return None,
    })
}

/// The definition of a new field. `place` is what a refusal calls it.
pub(super) fn field(
    body: &Map<String, Value>,
    name: &str,
    description: Option<String>,
    place: &str,
) -> Result<Value, AirtableError> {
    let type_name = body.get("type").and_then(Value::as_str).ok_or_else(AirtableError::invalid_request)?;
    let Some((required, optional)) = known(type_name) else {
        return Err(match NOT_CREATABLE.contains(&type_name) {
            true => AirtableError::field_type_not_creatable(place, type_name),
            false => AirtableError::invalid_request(),
        });
    };
    let mut field = json!({"id": FieldId::mint().to_string(), "name": name, "type": type_name});
    if let Some(description) = description {
        field["description"] = description.into();
    }
    let refuse = |why: String| AirtableError::bad_field_options(place, &format!("{place}.options{why}"));
    let mut options = match body.get("options") {
        None | Some(Value::Null) if required.is_empty() => return Ok(field),
        None | Some(Value::Null) => return Err(refuse(" is missing".to_owned())),
        Some(Value::Object(options)) => options.clone(),
        Some(_) => return Err(refuse(" is not an object".to_owned())),
    };
    if let Some(missing) = required.iter().find(|key| !options.contains_key(**key)) {
        return Err(refuse(format!(".{missing} is missing")));
    }
    let is_known = |key: &str| required.contains(&key) || optional.contains(&key);
    if let Some(unknown) = options.keys().find(|key| !is_known(key)) {
        return Err(refuse(format!(".{unknown} is not expected")));
    }
    check(type_name, &mut options).map_err(|why| refuse(format!(".{why}")))?;
    if !options.is_empty() {
        field["options"] = Value::Object(options);
    }
    Ok(field)
}

/// The definition of a formula's options after an update: of other types none can be updated.
pub(super) fn changed(type_name: &str, wanted: &Value) -> Result<Value, AirtableError> {
    match (type_name, wanted.as_object()) {
        ("formula", Some(options))
            if options.len() == 1 && options.get("formula").is_some_and(Value::is_string) =>
        {
            Ok(wanted.clone())
        }
        _ => Err(AirtableError::invalid_request()),
    }
}

/// What reading a definition is too lenient for.
fn check(type_name: &str, options: &mut Map<String, Value>) -> Result<(), String> {
    let text = |key: &str| options.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_bright = |color: &str| HUES.iter().any(|hue| color.strip_prefix(hue) == Some("Bright"));
    match type_name {
        "checkbox" | "rating" => {
            let icons: &[&str] = match type_name {
                "checkbox" => &["check", "xCheckbox", "star", "heart", "thumbsUp", "flag", "dot"],
                _ => &["star", "heart", "thumbsUp", "flag", "dot"],
            };
            if !icons.contains(&text("icon").as_str()) {
                return Err("icon is none of the type's".to_owned());
            }
            if !is_bright(&text("color")) {
                return Err("color is none of the type's".to_owned());
            }
            Ok(())
        }
        "currency" if !options["symbol"].is_string() => Err("symbol is not a string".to_owned()),
        "singleSelect" | "multipleSelects" => choices(options),
        "date" => date_format(&options["dateFormat"]),
        "dateTime" => {
            date_format(&options["dateFormat"])?;
            let tokens = match options["timeFormat"].get("name").and_then(Value::as_str) {
                Some("12hour") => "h:mma",
                Some("24hour") => "HH:mm",
                _ => return Err("timeFormat.name is neither 12hour nor 24hour".to_owned()),
            };
            format_matches("timeFormat", &options["timeFormat"], tokens)
        }
        _ => Ok(()),
    }
}

fn date_format(format: &Value) -> Result<(), String> {
    let known = format.get("name").and_then(Value::as_str).and_then(DateFormat::parse);
    let known = known.ok_or_else(|| "dateFormat.name is none of Airtable's".to_owned())?;
    format_matches("dateFormat", format, known.name_and_tokens().1)
}

/// `format` may be given beside `name`, but only as what the name stands for.
fn format_matches(key: &str, format: &Value, tokens: &str) -> Result<(), String> {
    match format.get("format") {
        None => Ok(()),
        Some(given) if given == tokens => Ok(()),
        Some(_) => Err(format!("{key}.format is not that of its name")),
    }
}

/// New choices have a name, perhaps a colour, and no id; one without a colour gets the next in turn.
fn choices(options: &mut Map<String, Value>) -> Result<(), String> {
    let Some(Value::Array(choices)) = options.get_mut("choices") else {
        return Err("choices is not an array".to_owned());
    };
    for (index, choice) in choices.iter_mut().enumerate() {
        let Some(choice) = choice.as_object_mut() else {
            return Err(format!("choices[{index}] is not an object"));
        };
        if let Some(key) = choice.keys().find(|key| !["name", "color"].contains(&key.as_str())) {
            return Err(format!("choices[{index}].{key} is not expected"));
        }
        if choice.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(format!("choices[{index}].name is missing"));
        }
        let color = choice.entry("color").or_insert_with(|| COLORS[index % COLORS.len()].into());
        let is_color = |color: &str| {
            HUES.iter().any(|hue| color.strip_prefix(hue).is_some_and(|shade| SHADES.contains(&shade)))
        };
        if !color.as_str().is_some_and(is_color) {
            return Err(format!("choices[{index}].color is none of Airtable's"));
        }
    }
    Ok(())
}

/// Whether `dateDependencySettings` are in order for a table.
/// Source: <https://airtable.com/developers/web/api/model/date-dependency-settings>.
pub(super) fn are_date_dependencies(settings: &Value, table: &Table) -> bool {
    let Some(settings) = settings.as_object() else { return false };
    let is_field = |value: &Value| {
        value.as_str().is_some_and(|id| table.fields.iter().any(|own| own.id.to_string() == id))
    };
    let is_date = |value: &Value| value.as_str().is_some_and(|day| day.parse::<jiff::civil::Date>().is_ok());
    settings.get("isEnabled").is_some_and(Value::is_boolean)
        && settings.iter().all(|(key, value)| match key.as_str() {
            "isEnabled" | "shouldSkipWeekendsAndHolidays" | "isForwardOnly" => value.is_boolean(),
            "durationFieldId" | "startDateFieldId" | "endDateFieldId" => is_field(value),
            "predecessorFieldId" => value.is_null() || is_field(value),
            "reschedulingMode" => ["flexible", "fixed", "none"].iter().any(|mode| value == mode),
            "holidays" => value.as_array().is_some_and(|days| days.iter().all(is_date)),
            _ => false,
        })
}
