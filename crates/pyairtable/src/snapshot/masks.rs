//! What becomes of each field of a base: by the rules that were given, and by what it would show of others.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde_json::{Map, Value, json};

use super::dependencies::{self, Clear};
use super::mask::Masker;
use super::rules::{How, Place, Rule};
use super::structure::{Field, Structure};

/// Fields by their ids.
pub(super) struct Masks {
    how: HashMap<String, How>,
    /// Those that a rule names by itself.
    named: HashSet<String>,
    tainted: HashSet<String>,
    /// What choices are called instead, by their ids; `None`: they are left out.
    choices: HashMap<String, Option<String>>,
}

impl Masks {
    pub(super) fn new(structure: &Structure, rules: &HashMap<Place, Rule>) -> Self {
        let id = |place: Place| structure.field(place).id.clone();
        let masked = rules.iter().filter(|(_, rule)| rule.how != How::Keep);
        let masked: HashMap<Place, How> = masked.map(|(place, rule)| (*place, rule.how)).collect();
        let named = masked.keys().filter(|place| rules[*place].names_it);
        Self {
            named: named.map(|place| id(*place)).collect(),
            tainted: dependencies::tainted(structure, &masked).into_iter().map(id).collect(),
            how: masked.into_iter().map(|(place, how)| (id(place), how)).collect(),
            choices: HashMap::new(),
        }
    }

    /// Whether anything is masked at all.
    pub(super) fn is_any(&self) -> bool {
        !self.how.is_empty()
    }

    /// How many fields there are that are masked: not those of `shown`.
    pub(super) fn count(&self, shown: &[Shown]) -> usize {
        self.how.len() - shown.len()
    }

    /// Fields that are to be masked, and show what they did all the same: as others do, which are not masked.
    pub(super) fn shown(&self, structure: &Structure) -> Vec<Shown> {
        let name =
            |place: Place| format!("{}.{}", structure.tables[place.0].name, structure.field(place).name);
        let is_masked = |field: &Field| self.how(&field.id) != How::Keep;
        let is_cut = |field: &Field| {
            self.is_cut(&field.id, field.option("inverseLinkFieldId").and_then(Value::as_str))
        };
        let masked = structure.places().filter(|place| is_masked(structure.field(*place)));
        let shown = masked.filter_map(|place| {
            let clear = dependencies::in_clear(structure, place, is_masked, is_cut)?;
            Some(Shown {
                is_named: self.named.contains(&structure.field(place).id),
                field: name(place),
                of: match clear {
                    Clear::Of(fields) => fields.into_iter().map(name).collect(),
                    Clear::ByItself => Vec::new(),
                },
            })
        });
        shown.collect()
    }

    /// What the rules say of a field.
    pub(super) fn how(&self, field: &str) -> How {
        self.how.get(field).copied().unwrap_or(How::Keep)
    }

    /// Whether a field is masked, or shows something that is.
    pub(super) fn is_tainted(&self, field: &str) -> bool {
        self.tainted.contains(field)
    }

    /// Whether a link field is emptied: its other side must be, too.
    pub(super) fn is_cut(&self, field: &str, inverse: Option<&str>) -> bool {
        self.how(field) == How::Blank || inverse.is_some_and(|inverse| self.how(inverse) == How::Blank)
    }

    /// Masks the names of choices, wherever the metadata repeats them.
    pub(super) fn mask_choices(&mut self, structure: &mut Structure, masker: &mut Masker) {
        for table in &structure.tables {
            for field in &table.fields {
                let how = self.how(&field.id);
                let choices = field.option("choices").and_then(Value::as_array).into_iter().flatten();
                for choice in choices.filter(|_| how != How::Keep) {
                    let text = |key: &str| choice.get(key).and_then(Value::as_str);
                    if let (Some(id), Some(name)) = (text("id"), text("name")) {
                        self.choices.insert(id.to_owned(), masker.text(how, name));
                    }
                }
            }
        }
        for field in structure.tables.iter_mut().flat_map(|table| &mut table.fields) {
            let is_tainted = self.is_tainted(&field.id);
            if let Some(options) = &mut field.options {
                self.rename_choices(options, is_tainted, masker);
            }
        }
    }

    fn rename_choices(&self, value: &mut Value, is_tainted: bool, masker: &mut Masker) {
        match value {
            Value::Object(object) => {
                if let Some(Value::Array(choices)) = object.get_mut("choices") {
                    choices.retain_mut(|choice| self.rename(choice, is_tainted, masker));
                }
                object.values_mut().for_each(|value| self.rename_choices(value, is_tainted, masker));
            }
            Value::Array(items) => {
                items.iter_mut().for_each(|item| self.rename_choices(item, is_tainted, masker))
            }
            _ => {}
        }
    }

    /// `false`: it is left out.
    fn rename(&self, choice: &mut Value, is_tainted: bool, masker: &mut Masker) -> bool {
        let text = |key: &str| choice.get(key).and_then(Value::as_str);
        let new = match text("id").and_then(|id| self.choices.get(id)) {
            Some(new) => new.clone(),
            None if is_tainted => text("name").and_then(|name| masker.text(How::Fake, name)),
            None => return true,
        };
        if let (Some(object), Some(name)) = (choice.as_object_mut(), &new) {
            object.insert("name".to_owned(), name.clone().into());
        }
        new.is_some()
    }
}

/// A field that its mask does not hide.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// A rule names it, and nothing but it.
    pub(super) is_named: bool,
    field: String,
    /// What it shows; none if it is computed from no field.
    of: Vec<String>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, of, .. } = self;
        write!(f, "{field} cannot be masked by itself: it shows ")?;
        match of.is_empty() {
            true => write!(f, "what no mask changes"),
            false => write!(f, "{}, kept as it is", of.join(", ")),
        }
    }
}

/// People who stand in what is written, each once.
#[derive(Default)]
pub(super) struct People {
    known: HashMap<String, usize>,
    list: Vec<Map<String, Value>>,
}

impl People {
    /// Notes a person, and gives what stands for him in a seed: his id.
    pub(super) fn note(&mut self, person: &Value) -> Option<Value> {
        let text = |key: &str| person.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let id =
            text("id").filter(|id| id.len() == 17 && (id.starts_with("usr") || id.starts_with("ugp")))?;
        let at = *self.known.entry(id.to_owned()).or_insert_with(|| {
            self.list.push(Map::from_iter([("id".to_owned(), id.into())]));
            self.list.len() - 1
        });
        for key in ["email", "name"] {
            if let Some(value) = text(key) {
                self.list[at].entry(key).or_insert_with(|| value.into());
            }
        }
        Some(json!({"id": id}))
    }

    /// The list of a seed.
    pub(super) fn into_json(self) -> Value {
        self.list.into_iter().map(Value::Object).collect()
    }
}
