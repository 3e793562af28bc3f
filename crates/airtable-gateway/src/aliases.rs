//! Which table a name means, so that a read by name and a read by id share their answer.
//!
//! Learnt from the base's schema, per token: one that may not read the schema learns nothing, and its names and ids are
//! simply kept apart. A table that is renamed by somebody else is noticed within [`LIFE`].

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use airtable_api::wire::Schema;
use airtable_api::{BaseId, TableId};
use tokio::time::{Duration, Instant};

use crate::versions::Seen;

/// How long names are believed.
const LIFE: Duration = Duration::from_secs(300);

/// Bases remembered; beyond that all are forgotten and learnt again.
const MOST: usize = 2_048;

/// The names of tables.
#[derive(Default)]
pub(crate) struct Aliases(Mutex<Entries>);

type Entries = HashMap<(String, BaseId), Entry>;

struct Entry {
    seen: Seen,
    at: Instant,
    /// `None`: not known yet, or not to be known.
    tables: Option<Tables>,
}

#[derive(Default)]
struct Tables {
    exact: HashMap<String, TableId>,
    /// Lower-cased. Airtable's names are unique without regard to case.
    folded: HashMap<String, TableId>,
}

/// What is known about a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// It means this table.
    Known(TableId),
    /// No table has it, or nobody can tell.
    Unknown,
    /// The schema should be read; this caller is the one to do it.
    Learn,
}

impl Aliases {
    /// What `name` means to this token, in the state `seen` of the base's schema.
    pub(crate) fn look_up(&self, scope: &str, base: &BaseId, name: &str, seen: Seen) -> Lookup {
        let mut entries = self.lock();
        let key = (scope.to_owned(), base.clone());
        match entries.get(&key) {
            Some(entry) if entry.holds(seen) => entry
                .tables
                .as_ref()
                .and_then(|tables| tables.find(name))
                .map_or(Lookup::Unknown, Lookup::Known),
            _ => {
                remember(&mut entries, key, Entry { seen, at: Instant::now(), tables: None });
                Lookup::Learn
            }
        }
    }

    /// The name of a table, as far as it is known; asking causes no learning.
    pub(crate) fn name_of(&self, scope: &str, base: &BaseId, id: &TableId, seen: Seen) -> Option<String> {
        let entries = self.lock();
        let entry = entries.get(&(scope.to_owned(), base.clone())).filter(|entry| entry.holds(seen))?;
        let mut names = entry.tables.as_ref()?.exact.iter();
        names.find(|(_, table)| *table == id).map(|(name, _)| name.clone())
    }

    /// Forgets what was learnt: a name turned out to mean nothing any more.
    pub(crate) fn forget(&self, scope: &str, base: &BaseId) {
        self.lock().remove(&(scope.to_owned(), base.clone()));
    }

    /// Learns from a schema that was read in the state `seen`.
    pub(crate) fn learn(&self, scope: &str, base: &BaseId, schema: &Schema, seen: Seen) {
        let mut tables = Tables::default();
        for table in &schema.tables {
            tables.exact.insert(table.name.clone(), table.id.clone());
            tables.folded.insert(table.name.to_lowercase(), table.id.clone());
        }
        let entry = Entry { seen, at: Instant::now(), tables: Some(tables) };
        remember(&mut self.lock(), (scope.to_owned(), base.clone()), entry);
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remember(entries: &mut Entries, key: (String, BaseId), entry: Entry) {
    if entries.len() >= MOST && !entries.contains_key(&key) {
        entries.clear();
    }
    entries.insert(key, entry);
}

impl Entry {
    fn holds(&self, seen: Seen) -> bool {
        self.seen == seen && self.at.elapsed() < LIFE
    }
}

impl Tables {
    fn find(&self, name: &str) -> Option<TableId> {
        self.exact.get(name).or_else(|| self.folded.get(&name.to_lowercase())).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(name: &str) -> Schema {
        let text = format!(
            r#"{{"tables":[{{"id":"tblAAAAAAAAAAAAAA","name":"{name}","primaryFieldId":"f","fields":[],"views":[]}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_learnt_once_and_per_token() {
        let aliases = Aliases::default();
        let base = BaseId::parse("appAAAAAAAAAAAAAA").unwrap();
        let seen = Seen { everything: 1, own: 1 };
        assert_eq!(aliases.look_up("t", &base, "Tasks", seen), Lookup::Learn);
        assert_eq!(aliases.look_up("t", &base, "Tasks", seen), Lookup::Unknown, "somebody is learning");
        aliases.learn("t", &base, &schema("Tasks"), seen);
        let table = TableId::parse("tblAAAAAAAAAAAAAA").unwrap();
        assert_eq!(aliases.look_up("t", &base, "Tasks", seen), Lookup::Known(table.clone()));
        assert_eq!(aliases.look_up("t", &base, "TASKS", seen), Lookup::Known(table));
        assert_eq!(aliases.look_up("t", &base, "Other", seen), Lookup::Unknown);
        assert_eq!(aliases.look_up("other", &base, "Tasks", seen), Lookup::Learn);
    }

    #[tokio::test(start_paused = true)]
    async fn an_id_leads_back_to_the_name_while_that_is_believed() {
        let aliases = Aliases::default();
        let base = BaseId::parse("appAAAAAAAAAAAAAA").unwrap();
        let table = TableId::parse("tblAAAAAAAAAAAAAA").unwrap();
        let seen = Seen { everything: 1, own: 1 };
        assert_eq!(aliases.name_of("t", &base, &table, seen), None);
        assert_eq!(
            aliases.look_up("t", &base, "Tasks", seen),
            Lookup::Learn,
            "asking for an id learns nothing"
        );
        aliases.learn("t", &base, &schema("Tasks"), seen);
        assert_eq!(aliases.name_of("t", &base, &table, seen).as_deref(), Some("Tasks"));
        assert_eq!(aliases.name_of("other", &base, &table, seen), None);
        assert_eq!(aliases.name_of("t", &base, &table, Seen { own: 2, ..seen }), None);
        tokio::time::advance(LIFE).await;
        assert_eq!(aliases.name_of("t", &base, &table, seen), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_remembered_bases_is_bounded_however_they_are_learnt() {
        let aliases = Aliases::default();
        let base = BaseId::parse("appAAAAAAAAAAAAAA").unwrap();
        let seen = Seen { everything: 1, own: 1 };
        for token in 0..3 * MOST {
            aliases.learn(&format!("t{token}"), &base, &schema("Tasks"), seen);
        }
        assert!(aliases.lock().len() <= MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_forgotten_when_the_schema_changes_or_time_passes() {
        let aliases = Aliases::default();
        let base = BaseId::parse("appAAAAAAAAAAAAAA").unwrap();
        let seen = Seen { everything: 1, own: 1 };
        aliases.learn("t", &base, &schema("Tasks"), seen);
        assert_eq!(aliases.look_up("t", &base, "Tasks", Seen { own: 2, ..seen }), Lookup::Learn);
        aliases.learn("t", &base, &schema("Tasks"), seen);
        tokio::time::advance(LIFE).await;
        assert_eq!(aliases.look_up("t", &base, "Tasks", seen), Lookup::Learn);
    }
}
