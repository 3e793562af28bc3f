//! From the cells of Airtable's API to those of a seed, masked where they are to be.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::mask::Masker;
use super::masks::{Masks, People};
use super::rules::How;
use super::structure::{Field, Structure};

/// How the cells of one field become those of a seed.
pub(super) struct Column {
    id: String,
    kind: String,
    how: How,
    is_tainted: bool,
    /// A formula's cells are kept.
    is_as_seeded: bool,
    /// A link whose cells are emptied.
    is_cut: bool,
    /// The position of the table that a link leads to.
    linked: Option<usize>,
    /// What a choice is called in the seed; `None`: it is left out.
    choices: HashMap<String, Option<String>>,
    /// Choices that cells have and the metadata did not: somebody has made them since.
    new_choices: Vec<String>,
    /// The most that a rating may be.
    most: u64,
    is_inverted: bool,
}

/// What is written of all tables.
pub(super) struct Shared<'s> {
    pub(super) masker: &'s mut Masker,
    pub(super) people: &'s mut People,
    /// The ids of the records of each table.
    pub(super) is_there: &'s dyn Fn(usize, &str) -> bool,
    /// Links that were left out, because nothing is there.
    pub(super) dangling: usize,
}

/// The columns of a table, by field id.
pub(super) struct Columns {
    by_id: HashMap<String, Column>,
    /// `createdTime` is moved with the fields that show it.
    created: How,
    nobody: Vec<&'static str>,
}

impl Columns {
    /// `before`: the structure whose choices still have their own names.
    pub(super) fn new(
        before: &HashMap<String, Vec<(String, String)>>,
        structure: &Structure,
        table: usize,
        masks: &Masks,
        masker: &Masker,
    ) -> Self {
        let fields = &structure.tables[table].fields;
        let hidden = |kind: &str| {
            fields
                .iter()
                .filter(|field| field.kind == kind)
                .map(|field| masks.how(&field.id))
                .find(|how| *how != How::Keep)
        };
        let keys = [("createdBy", "createdBy"), ("lastModifiedBy", "modifiedBy")];
        let nobody =
            keys.into_iter().filter(|(kind, _)| hidden(kind) == Some(How::Blank)).map(|(_, key)| key);
        Self {
            created: hidden("createdTime").unwrap_or(How::Keep),
            nobody: nobody.collect(),
            by_id: fields
                .iter()
                .map(|field| (field.id.clone(), Column::new(before, structure, field, masks, masker)))
                .collect(),
        }
    }

    /// When a record was created, as the seed tells it.
    pub(super) fn created(&self, time: &str, masker: &Masker) -> String {
        match (self.created, time.parse::<Timestamp>()) {
            (How::Keep, _) | (_, Err(_)) => time.to_owned(),
            (How::Blank, Ok(_)) => "2000-01-01T00:00:00.000Z".to_owned(),
            (_, Ok(time)) => masker.instant(time).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        }
    }

    /// `history` of a record: that nobody made or changed it, where that is hidden.
    pub(super) fn history(&self) -> Option<Value> {
        let history: Map<String, Value> =
            self.nobody.iter().map(|key| ((*key).to_owned(), Value::Null)).collect();
        (!history.is_empty()).then_some(Value::Object(history))
    }

    /// The cells of a record.
    pub(super) fn cells(
        &mut self,
        cells: &Map<String, Value>,
        shared: &mut Shared<'_>,
    ) -> Map<String, Value> {
        let mut written = Map::new();
        for (id, value) in cells {
            let Some(column) = self.by_id.get_mut(id) else { continue };
            if let Some(value) = column.cell(value, shared) {
                written.insert(id.clone(), value);
            }
        }
        // An unticked box is not there, and may have to be.
        for column in self.by_id.values().filter(|column| column.kind == "checkbox" && column.is_inverted) {
            if cells.get(&column.id) != Some(&Value::Bool(true)) {
                written.insert(column.id.clone(), true.into());
            }
        }
        written
    }

    /// Looks through the cells of a record for choices that the metadata did not have.
    pub(super) fn learn(&mut self, cells: &Map<String, Value>, shared: &mut Shared<'_>) {
        for (id, value) in cells {
            let Some(column) = self.by_id.get_mut(id) else { continue };
            if matches!(column.kind.as_str(), "singleSelect" | "multipleSelects") {
                column.cell(value, shared);
            }
        }
    }

    /// What [`Self::learn`] has found, by field.
    pub(super) fn new_choices(&self) -> impl Iterator<Item = (&str, &[String])> {
        let columns = self.by_id.values().filter(|column| !column.new_choices.is_empty());
        columns.map(|column| (column.id.as_str(), column.new_choices.as_slice()))
    }
}

impl Column {
    fn new(
        before: &HashMap<String, Vec<(String, String)>>,
        structure: &Structure,
        field: &Field,
        masks: &Masks,
        masker: &Masker,
    ) -> Self {
        let how = masks.how(&field.id);
        let names: HashMap<&str, &str> = field
            .option("choices")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|choice| Some((choice.get("id")?.as_str()?, choice.get("name")?.as_str()?)))
            .collect();
        let own = before.get(&field.id).into_iter().flatten();
        let choices =
            own.map(|(id, name)| (name.clone(), names.get(id.as_str()).map(|name| (*name).to_owned())));
        Self {
            id: field.id.clone(),
            kind: field.kind.clone(),
            how,
            is_tainted: masks.is_tainted(&field.id),
            is_as_seeded: field.is_as_seeded(),
            is_cut: masks.is_cut(&field.id, field.option("inverseLinkFieldId").and_then(Value::as_str)),
            linked: structure.linked(field),
            choices: choices.collect(),
            new_choices: Vec::new(),
            most: field.option("max").and_then(Value::as_u64).unwrap_or(5),
            is_inverted: matches!(how, How::Hash | How::Fake) && masker.is_inverted(&field.id),
        }
    }

    /// `None`: nothing stands there.
    fn cell(&mut self, value: &Value, shared: &mut Shared<'_>) -> Option<Value> {
        let how = self.how;
        match self.kind.as_str() {
            // The emulator computes them.
            "multipleLookupValues" | "count" | "createdTime" => None,
            "formula" if !self.is_as_seeded => None,
            "formula" | "rollup" | "button" | "aiText" => match (how, self.is_tainted) {
                (How::Blank, _) => None,
                (_, true) => Some(shared.masker.json(value)),
                (_, false) => Some(value.clone()),
            },
            "multipleRecordLinks" => self.links(value, shared),
            "createdBy" | "lastModifiedBy" | "singleCollaborator" => self.person(value, shared),
            "multipleCollaborators" => {
                let people = value.as_array()?.iter().filter_map(|person| self.person(person, shared));
                Some(people.collect::<Vec<_>>().into()).filter(|people: &Value| people != &json!([]))
            }
            "autoNumber" => Some(value.clone()).filter(|_| how == How::Keep),
            "checkbox" => {
                Some(value.clone()).filter(|_| how == How::Keep || (how != How::Blank && !self.is_inverted))
            }
            "singleSelect" => self.choice(value.as_str()?, shared).map(Value::from),
            "multipleSelects" => {
                let names = value.as_array()?.iter().filter_map(Value::as_str);
                let names: Vec<_> = names.filter_map(|name| self.choice(name, shared)).collect();
                (!names.is_empty()).then(|| names.into())
            }
            "externalSyncSource" if how != How::Keep => {
                let name = value.as_str()?;
                self.choice(name, shared).map(Value::from)
            }
            "multipleAttachments" => self.attachments(value, shared),
            "barcode" => {
                let text = shared.masker.text(how, value.get("text")?.as_str()?)?;
                let mut barcode = json!({"text": text});
                if let Some(kind) = value.get("type") {
                    barcode["type"] = kind.clone();
                }
                Some(barcode)
            }
            _ if how == How::Keep => Some(value.clone()),
            _ if how == How::Blank => None,
            "rating" => Some(shared.masker.of_scale(value.as_u64()?, self.most).into()),
            "number" | "percent" | "currency" | "duration" => {
                Some(shared.masker.json_number(value.as_number()?))
            }
            "date" | "dateTime" | "lastModifiedTime" => Some(shared.masker.time(value.as_str()?).into()),
            _ => match value {
                Value::String(text) => shared.masker.text(how, text).map(Value::from),
                other => Some(shared.masker.json(other)),
            },
        }
    }

    /// Links to records that are there, each once.
    fn links(&self, value: &Value, shared: &mut Shared<'_>) -> Option<Value> {
        let linked = self.linked.filter(|_| !self.is_cut)?;
        let mut seen = HashSet::new();
        let mut kept = Vec::new();
        for link in value.as_array()? {
            let id = link.as_str().or_else(|| link.get("id")?.as_str())?;
            match (shared.is_there)(linked, id) {
                true if seen.insert(id) => kept.push(id),
                true => {}
                false => shared.dangling += 1,
            }
        }
        (!kept.is_empty()).then(|| kept.into())
    }

    fn person(&self, value: &Value, shared: &mut Shared<'_>) -> Option<Value> {
        match self.how {
            How::Keep => shared.people.note(value),
            How::Blank => None,
            How::Hash | How::Fake => {
                let made = shared.masker.person(value.as_object()?);
                shared.people.note(&made)
            }
        }
    }

    fn choice(&mut self, name: &str, shared: &mut Shared<'_>) -> Option<String> {
        if let Some(known) = self.choices.get(name) {
            return known.clone();
        }
        let new = shared.masker.text(self.how, name);
        self.new_choices.extend(new.clone());
        self.choices.insert(name.to_owned(), new.clone());
        new
    }

    fn attachments(&self, value: &Value, shared: &mut Shared<'_>) -> Option<Value> {
        let files =
            value.as_array()?.iter().filter_map(Value::as_object).filter(|file| file.contains_key("url"));
        let files: Vec<Value> = match self.how {
            How::Blank => return None,
            How::Keep => files.cloned().map(Value::Object).collect(),
            How::Hash | How::Fake => files.map(|file| shared.masker.attachment(file)).collect(),
        };
        (!files.is_empty()).then(|| files.into())
    }
}
