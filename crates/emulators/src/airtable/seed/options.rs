//! From a field's type and options to what reading and writing its cells needs, with what was left out filled in.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::Problems;
use super::fields::Scope;
use crate::airtable::fields::{date, duration};
use crate::airtable::ids::ChoiceId;
use crate::airtable::model::{
    ButtonKind, Choice, Choices, DateFormat, DateTimeFormat, FormulaKind, Kind, LinkKind, NumberKind,
    ResultFormat, RollupKind, TextKind,
};

/// The kind and the options as served (`None`: the type has none); `None` for a type that is not Airtable's.
pub(super) fn read(
    type_name: &str,
    options: Map<String, Value>,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Option<(Kind, Option<Value>)> {
    let mut options = Options { map: options, path: &scope.path, problems };
    let kind = match type_name {
        "singleLineText" => Kind::Text(TextKind::SingleLine),
        "multilineText" => Kind::Text(TextKind::MultiLine),
        "richText" => Kind::Text(TextKind::Rich),
        "email" => Kind::Text(TextKind::Email),
        "url" => Kind::Text(TextKind::Url),
        "phoneNumber" => Kind::Text(TextKind::Phone),
        "number" | "percent" | "currency" | "duration" | "rating" => {
            Kind::Number(options.number(type_name).unwrap_or(NumberKind::Number { precision: 0 }))
        }
        "checkbox" => {
            options.default("icon", json!("check"));
            options.default("color", json!("greenBright"));
            Kind::Checkbox
        }
        "singleSelect" => Kind::SingleSelect(options.choices()),
        "multipleSelects" => Kind::MultipleSelects(options.choices()),
        "date" => Kind::Date(options.date_format()),
        "dateTime" => Kind::DateTime(options.date_time_format()),
        "multipleAttachments" => {
            options.default("isReversed", json!(false));
            Kind::Attachments
        }
        "multipleRecordLinks" => options.link(scope),
        "singleCollaborator" => Kind::Collaborator,
        "multipleCollaborators" => Kind::Collaborators,
        "barcode" => Kind::Barcode,
        // Compiled when all fields are known; see `compile`.
        "formula" => {
            let as_seeded = options.map.shift_remove("asSeeded");
            let as_seeded = as_seeded.is_some_and(|as_seeded| as_seeded == true);
            Kind::Formula(FormulaKind { compiled: None, as_seeded, format: options.result() })
        }
        "rollup" => options.rollup(scope),
        "multipleLookupValues" => {
            let (link, target, valid) = options.link_and_target(scope, true);
            options.default("isValid", json!(valid));
            Kind::Lookup { link, target, valid }
        }
        "count" => {
            let link = options.own_field("recordLinkFieldId", scope);
            options.default("isValid", json!(link.is_some()));
            Kind::Count { link }
        }
        "autoNumber" => Kind::AutoNumber,
        "createdTime" => {
            options.default("result", date_time_result());
            Kind::CreatedTime(options.result())
        }
        "lastModifiedTime" => {
            let fields = options.referenced_fields(scope);
            let fields = (!fields.is_empty() || options.is_invalid()).then_some(fields);
            options.default("isValid", json!(true));
            options.default("referencedFieldIds", json!([]));
            options.default("result", date_time_result());
            Kind::LastModifiedTime { fields, format: options.result() }
        }
        "createdBy" => Kind::CreatedBy,
        "lastModifiedBy" => Kind::LastModifiedBy,
        "button" => options.button(),
        "aiText" => Kind::Opaque("aiText"),
        "externalSyncSource" => Kind::Opaque("externalSyncSource"),
        "manualSort" => Kind::Opaque("manualSort"),
        _ => return None,
    };
    let served = (!options.map.is_empty()).then_some(Value::Object(options.map));
    Some((kind, served))
}

/// `result` of a formula whose value is a date, in the plainest format.
pub(super) fn date_time_result() -> Value {
    json!({"type": "dateTime", "options": {
        "dateFormat": {"name": "iso", "format": "YYYY-MM-DD"},
        "timeFormat": {"name": "24hour", "format": "HH:mm"},
        "timeZone": "utc",
    }})
}

struct Options<'s, 'p> {
    map: Map<String, Value>,
    path: &'s str,
    problems: &'p mut Problems,
}

impl Options<'_, '_> {
    fn problem(&mut self, key: &str, message: impl Into<String>) {
        self.problems.add(&format!("{}.{key}", self.path), message);
    }

    fn default(&mut self, key: &str, value: Value) {
        self.map.entry(key).or_insert(value);
    }

    fn text(&mut self, key: &str) -> Option<String> {
        match self.map.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => {
                self.problem(key, "must be a string");
                None
            }
        }
    }

    fn integer(&mut self, key: &str, default: u64, range: std::ops::RangeInclusive<u64>) -> u64 {
        self.default(key, json!(default));
        match self.map[key].as_u64().filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                self.problem(
                    key,
                    format!("must be a whole number from {} to {}", range.start(), range.end()),
                );
                default
            }
        }
    }

    fn number(&mut self, type_name: &str) -> Option<NumberKind> {
        Some(match type_name {
            "number" => NumberKind::Number { precision: self.integer("precision", 0, 0..=8) as usize },
            "percent" => NumberKind::Percent { precision: self.integer("precision", 0, 0..=8) as usize },
            "currency" => {
                let precision = self.integer("precision", 2, 0..=7) as usize;
                self.default("symbol", json!("$"));
                NumberKind::Currency { precision, symbol: self.text("symbol").unwrap_or_default() }
            }
            "duration" => {
                self.default("durationFormat", json!("h:mm"));
                let text = self.text("durationFormat").unwrap_or_default();
                let format = duration::parse_format(&text);
                if format.is_none() {
                    self.problem(
                        "durationFormat",
                        format!("\"{text}\" is none of h:mm, h:mm:ss, h:mm:ss.S, .SS, .SSS"),
                    );
                }
                NumberKind::Duration(format?)
            }
            "rating" => {
                self.default("icon", json!("star"));
                self.default("color", json!("yellowBright"));
                NumberKind::Rating { max: self.integer("max", 5, 1..=10) as u32 }
            }
            "count" | "autoNumber" => NumberKind::Number { precision: 0 },
            _ => return None,
        })
    }

    fn choices(&mut self) -> Choices {
        let mut choices = Choices::default();
        let list = match self.map.get("choices") {
            None => Vec::new(),
            Some(Value::Array(list)) => list.clone(),
            Some(_) => {
                self.problem("choices", "must be an array");
                Vec::new()
            }
        };
        let mut ids = HashSet::new();
        for (index, choice) in list.iter().enumerate() {
            let at = format!("choices[{index}]");
            let Some(name) = choice.get("name").and_then(Value::as_str) else {
                self.problem(&at, "must be an object with a name");
                continue;
            };
            let id = match choice.get("id").and_then(Value::as_str) {
                None => ChoiceId::mint(),
                Some(text) => ChoiceId::parse(text).unwrap_or_else(|| {
                    self.problem(
                        &format!("{at}.id"),
                        format!("\"{text}\" is not sel and 14 letters or digits"),
                    );
                    ChoiceId::mint()
                }),
            };
            if !ids.insert(id) {
                self.problem(&format!("{at}.id"), format!("{id} is already the id of another choice"));
            }
            let color = choice.get("color").and_then(Value::as_str).map(str::to_owned);
            if !choices.push(Choice { id, name: name.to_owned(), color }) {
                self.problem(&format!("{at}.name"), format!("another choice is called \"{name}\" as well"));
            }
        }
        let served = choices.list.iter().map(Choice::json).collect();
        self.map.insert("choices".to_owned(), served);
        choices
    }

    fn date_format(&mut self) -> DateFormat {
        let name = match self.map.get("dateFormat") {
            None => "iso".to_owned(),
            Some(format) => format.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        };
        let format = DateFormat::parse(&name).unwrap_or_else(|| {
            self.problem(
                "dateFormat.name",
                format!("\"{name}\" is none of local, friendly, us, european, iso"),
            );
            DateFormat::Iso
        });
        let (name, tokens) = format.name_and_tokens();
        self.map.insert("dateFormat".to_owned(), json!({"name": name, "format": tokens}));
        format
    }

    fn date_time_format(&mut self) -> DateTimeFormat {
        let date = self.date_format();
        let name = match self.map.get("timeFormat") {
            None => "24hour".to_owned(),
            Some(format) => format.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        };
        let twelve_hours = name == "12hour";
        if !twelve_hours && name != "24hour" {
            self.problem("timeFormat.name", format!("\"{name}\" is neither 12hour nor 24hour"));
        }
        let tokens = if twelve_hours { "h:mma" } else { "HH:mm" };
        let name = if twelve_hours { "12hour" } else { "24hour" };
        self.map.insert("timeFormat".to_owned(), json!({"name": name, "format": tokens}));
        self.default("timeZone", json!("utc"));
        let zone_name = self.text("timeZone").unwrap_or_default();
        let zone = date::parse_zone(&zone_name).unwrap_or_else(|()| {
            self.problem("timeZone", format!("\"{zone_name}\" is neither utc, client nor an IANA time zone"));
            None
        });
        DateTimeFormat { date, twelve_hours, zone }
    }

    fn link(&mut self, scope: &Scope<'_>) -> Kind {
        self.default("isReversed", json!(false));
        self.default("prefersSingleRecordLink", json!(false));
        let table = match self.text("linkedTableId") {
            None => {
                self.problem("linkedTableId", "is missing");
                scope.table
            }
            Some(id) => scope.ids.table(&id).unwrap_or_else(|| {
                self.problem("linkedTableId", format!("the base has no table \"{id}\""));
                scope.table
            }),
        };
        let inverse = self.text("inverseLinkFieldId").and_then(|id| {
            let found = scope.ids.field(table, &id);
            if found.is_none() {
                self.problem("inverseLinkFieldId", format!("the linked table has no field \"{id}\""));
            }
            found
        });
        Kind::Links(LinkKind { table, inverse })
    }

    fn is_invalid(&self) -> bool {
        self.map.get("isValid") == Some(&Value::Bool(false))
    }

    /// A field of the same table; `None` is a problem, unless the field says that it is not valid.
    fn own_field(&mut self, key: &str, scope: &Scope<'_>) -> Option<usize> {
        let id = self.text(key);
        let found = id.as_deref().and_then(|id| scope.ids.field(scope.table, id));
        if found.is_none() && !self.is_invalid() {
            self.problem(
                key,
                match id {
                    Some(id) => format!("the table has no field \"{id}\""),
                    None => "is missing".to_owned(),
                },
            );
        }
        found
    }

    /// `recordLinkFieldId` and `fieldIdInLinkedTable`. Which table that is shows only when all fields are read, so the
    /// target is looked up in every table; `compile` checks that it fits.
    fn link_and_target(&mut self, scope: &Scope<'_>, required: bool) -> (usize, usize, bool) {
        if self.is_invalid() || (!required && !self.map.contains_key("recordLinkFieldId")) {
            return (0, 0, false);
        }
        let link = self.own_field("recordLinkFieldId", scope);
        let id = self.text("fieldIdInLinkedTable");
        let target = id.as_deref().and_then(|id| scope.ids.field_anywhere(id));
        if target.is_none() {
            self.problem(
                "fieldIdInLinkedTable",
                match id {
                    Some(id) => format!("the base has no field \"{id}\""),
                    None => "is missing".to_owned(),
                },
            );
        }
        match (link, target) {
            (Some(link), Some(target)) => (link, target, true),
            _ => (0, 0, false),
        }
    }

    fn rollup(&mut self, scope: &Scope<'_>) -> Kind {
        let is_broken = self.is_invalid();
        let (link, target, valid) = self.link_and_target(scope, false);
        if valid {
            self.default("isValid", json!(true));
        }
        Kind::Rollup(RollupKind { link, target, compiled: None, valid, is_broken, format: self.result() })
    }

    /// `label` is not served; `formula` is read when all fields are known.
    fn button(&mut self) -> Kind {
        let label = self.text("label");
        self.map.remove("label");
        self.text("formula");
        Kind::Button(ButtonKind { label, url: None })
    }

    fn referenced_fields(&mut self, scope: &Scope<'_>) -> Vec<usize> {
        let ids = match self.map.get("referencedFieldIds") {
            Some(Value::Array(ids)) => ids.clone(),
            _ => return Vec::new(),
        };
        let mut fields = Vec::new();
        for (index, id) in ids.iter().enumerate() {
            match id.as_str().and_then(|id| scope.ids.field(scope.table, id)) {
                Some(field) => fields.push(field),
                None => self.problem(&format!("referencedFieldIds[{index}]"), "is no field of the table"),
            }
        }
        fields
    }

    /// How `result` says that the values are shown.
    fn result(&mut self) -> ResultFormat {
        let Some(Value::Object(result)) = self.map.get("result") else { return ResultFormat::Plain };
        let type_name = result.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let map = result.get("options").and_then(Value::as_object).cloned().unwrap_or_default();
        let path = format!("{}.result.options", self.path);
        let mut inner = Options { map, path: &path, problems: &mut *self.problems };
        match type_name.as_str() {
            "date" => ResultFormat::Date(inner.date_format()),
            "dateTime" => ResultFormat::DateTime(inner.date_time_format()),
            "checkbox" => ResultFormat::Checkbox,
            other => inner.number(other).map_or(ResultFormat::Plain, ResultFormat::Number),
        }
    }
}
