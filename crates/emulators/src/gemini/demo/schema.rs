//! Bases, tables and fields, as the results of tools describe them.

use serde_json::Value;

use super::words::{fold, name_words};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Base {
    pub(super) id: String,
    pub(super) name: String,
}

/// A table as a list of tables shows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TableRef {
    pub(super) id: String,
    pub(super) name: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// What its tools call its base; `None` where they have no such argument.
    pub(super) base: Option<String>,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) primary: String,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    id: Option<String>,
    pub(super) name: String,
    pub(super) kind: FieldKind,
    pub(super) choices: Vec<String>,
    /// Id and name of the table that is linked to.
    pub(super) links_to: Option<(String, String)>,
    pub(super) writable: bool,
    words: Vec<String>,
    /// Of each choice.
    choice_words: Vec<Vec<String>>,
    /// Of the linked table's name.
    linked_words: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldKind {
    Text,
    Number,
    /// 0.5 is 50 %.
    Percent,
    Checkbox,
    Select,
    MultiSelect,
    Date,
    Link,
    /// One collaborator or several.
    Person,
    Attachment,
    /// Formula, rollup, lookup: whatever it is computed to.
    Computed,
    Other,
}

impl Base {
    pub(super) fn all(result: &Value) -> Vec<Self> {
        list(result, &["bases", "databases"])
            .filter_map(|entry| {
                Some(Self { id: text(entry, &["id", "base_id", "baseId"])?, name: text(entry, &["name"])? })
            })
            .collect()
    }
}

impl TableRef {
    pub(super) fn all(result: &Value) -> Vec<Self> {
        list(result, &["tables"])
            .filter_map(|entry| match entry {
                Value::String(name) => Some(Self { id: name.clone(), name: name.clone() }),
                entry => {
                    let name = text(entry, &["name"])?;
                    Some(Self {
                        id: text(entry, &["id", "table_id", "tableId"]).unwrap_or_else(|| name.clone()),
                        name,
                    })
                }
            })
            .collect()
    }
}

impl Table {
    /// `None` if the result lists no fields.
    pub(super) fn read(result: &Value, base: Option<String>, table: &TableRef) -> Option<Self> {
        let inner = result.get("table").filter(|table| table.is_object()).unwrap_or(result);
        let fields: Vec<Field> = list(inner, &["fields", "columns"]).filter_map(Field::read).collect();
        let first = fields.first()?.name.clone();
        let primary = text(inner, &["primary_field", "primaryField", "primary"])
            .or_else(|| {
                let id = text(inner, &["primaryFieldId", "primary_field_id"])?;
                list(inner, &["fields"])
                    .find(|field| field["id"] == id.as_str())
                    .and_then(|field| text(field, &["name"]))
            })
            .filter(|primary| fields.iter().any(|field| field.name == *primary))
            .unwrap_or(first);
        Some(Self { base, id: table.id.clone(), name: table.name.clone(), primary, fields })
    }

    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Field {
    fn read(entry: &Value) -> Option<Self> {
        let name = match entry {
            Value::String(name) => name.clone(),
            entry => text(entry, &["name"])?,
        };
        let api_type = text(entry, &["type", "api_type", "kind"]).unwrap_or_default();
        let options = entry.get("options").filter(|options| options.is_object()).unwrap_or(entry);
        let choices: Vec<String> = list(options, &["choices", "options"])
            .filter_map(|choice| choice.as_str().map(str::to_owned).or_else(|| text(choice, &["name"])))
            .collect();
        let links_to =
            ["links_to", "linked_table", "linkedTable"].iter().find_map(|key| match options.get(*key)? {
                Value::String(name) => Some((name.clone(), name.clone())),
                table => {
                    let name = text(table, &["name"]).unwrap_or_default();
                    Some((text(table, &["id"]).unwrap_or_else(|| name.clone()), name))
                }
            });
        let links_to = links_to.or_else(|| text(options, &["linkedTableId"]).map(|id| (id, String::new())));
        let kind = FieldKind::of(&api_type);
        let writable = ["writable", "editable"]
            .iter()
            .find_map(|key| entry.get(*key)?.as_bool())
            .unwrap_or(!matches!(kind, FieldKind::Computed) && !is_automatic(&api_type));
        let id = text(entry, &["id"]).filter(|id| id.starts_with("fld"));
        Some(Self {
            id,
            words: name_words(&name),
            choice_words: choices.iter().map(|choice| name_words(choice)).collect(),
            linked_words: links_to.as_ref().map(|(_, name)| name_words(name)).unwrap_or_default(),
            name,
            kind,
            choices,
            links_to,
            writable,
        })
    }

    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    /// Each choice with the words of its name.
    pub(super) fn choices_with_words(&self) -> impl Iterator<Item = (&String, &[String])> {
        self.choices.iter().zip(self.choice_words.iter().map(Vec::as_slice))
    }

    pub(super) fn linked_words(&self) -> &[String] {
        &self.linked_words
    }

    /// Gives the linked table the name that belongs to its id.
    pub(super) fn name_linked_table(&mut self, tables: &[TableRef]) {
        if let Some((id, name)) = &mut self.links_to
            && name.is_empty()
            && let Some(linked) = tables.iter().find(|table| table.id == *id)
        {
            name.clone_from(&linked.name);
            self.linked_words = name_words(name);
        }
    }

    pub(super) fn kind_in_words(&self) -> &'static str {
        match self.kind {
            FieldKind::Text => "text",
            FieldKind::Number => "number",
            FieldKind::Percent => "percent",
            FieldKind::Checkbox => "checkbox",
            FieldKind::Select => "one choice",
            FieldKind::MultiSelect => "choices",
            FieldKind::Date => "date",
            FieldKind::Link => "links",
            FieldKind::Person => "people",
            FieldKind::Attachment => "files",
            FieldKind::Computed => "computed",
            FieldKind::Other => "other",
        }
    }

    /// How a formula names it: by its name, so that people can read it; by its id if the name has what braces do not hold.
    pub(super) fn in_formula(&self) -> String {
        match &self.id {
            Some(id) if self.name.contains(['{', '}', '\\']) || self.name.trim() != self.name => {
                format!("{{{id}}}")
            }
            _ => format!("{{{}}}", self.name.replace('}', "\\}")),
        }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self.kind, FieldKind::Number | FieldKind::Percent)
    }

    /// Whether numbers can be computed of it, or may be.
    pub(super) fn may_be_number(&self) -> bool {
        self.is_number() || self.kind == FieldKind::Computed
    }

    pub(super) fn has_choices(&self) -> bool {
        matches!(self.kind, FieldKind::Select | FieldKind::MultiSelect)
    }
}

impl FieldKind {
    /// From Airtable's type, or a word like it.
    fn of(api_type: &str) -> Self {
        let plain: String = fold(api_type).chars().filter(char::is_ascii_alphanumeric).collect();
        match plain.as_str() {
            "singlelinetext" | "multilinetext" | "richtext" | "text" | "string" | "longtext" | "email"
            | "url" | "phonenumber" | "phone" | "barcode" | "aitext" => Self::Text,
            "number" | "currency" | "duration" | "rating" | "autonumber" | "count" | "integer" | "float" => {
                Self::Number
            }
            "percent" => Self::Percent,
            "checkbox" | "boolean" | "bool" => Self::Checkbox,
            "singleselect" | "select" | "enum" => Self::Select,
            "multipleselects" | "multiselect" | "multipleselect" => Self::MultiSelect,
            "date" | "datetime" | "createdtime" | "lastmodifiedtime" => Self::Date,
            "multiplerecordlinks" | "link" | "recordlink" | "singlerecordlink" | "linktoanotherrecord" => {
                Self::Link
            }
            "singlecollaborator"
            | "multiplecollaborators"
            | "createdby"
            | "lastmodifiedby"
            | "collaborator" => Self::Person,
            "multipleattachments" | "attachment" | "attachments" => Self::Attachment,
            "formula" | "rollup" | "multiplelookupvalues" | "lookup" => Self::Computed,
            _ => Self::Other,
        }
    }
}

fn is_automatic(api_type: &str) -> bool {
    ["autoNumber", "count", "createdTime", "lastModifiedTime", "createdBy", "lastModifiedBy", "button"]
        .contains(&api_type)
}

/// The entries of the first list that is there under one of these names, or of the value itself.
pub(super) fn list<'v>(value: &'v Value, names: &[&str]) -> impl Iterator<Item = &'v Value> {
    let found = names.iter().find_map(|name| value.get(*name)?.as_array()).or(value.as_array());
    found.into_iter().flatten()
}

/// The first text that is there under one of these names.
pub(super) fn text(value: &Value, names: &[&str]) -> Option<String> {
    names
        .iter()
        .find_map(|name| value.get(*name)?.as_str())
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_are_read_in_our_shape_and_in_airtables() {
        let table = TableRef { id: "tbl1".to_owned(), name: "T".to_owned() };
        let ours = json!({"name": "T", "primary_field": "Name", "fields": [
            {"name": "Name", "type": "singleLineText"},
            {"name": "State", "type": "singleSelect", "choices": ["a", "b"]},
            {"name": "Owner", "type": "multipleRecordLinks", "links_to": {"id": "tbl2", "name": "People"}},
            {"name": "Sum", "type": "formula", "writable": false}]});
        let airtables = json!({"id": "tbl1", "primaryFieldId": "fld1", "fields": [
            {"id": "fld1", "name": "Name", "type": "singleLineText"},
            {"id": "fld2", "name": "State", "type": "singleSelect", "options": {"choices": [{"name": "a"}, {"name": "b"}]}},
            {"id": "fld3", "name": "Owner", "type": "multipleRecordLinks", "options": {"linkedTableId": "tbl2"}},
            {"id": "fld4", "name": "Sum", "type": "formula"}]});
        for (shape, linked) in [(ours, "People"), (airtables, "")] {
            let read = Table::read(&shape, None, &table).unwrap();
            assert_eq!(read.primary, "Name");
            assert_eq!(read.field("State").unwrap().choices, ["a", "b"]);
            assert_eq!(read.field("Owner").unwrap().links_to, Some(("tbl2".to_owned(), linked.to_owned())));
            assert!(!read.field("Sum").unwrap().writable && read.field("State").unwrap().writable);
        }
    }
}
