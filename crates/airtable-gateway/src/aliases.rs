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
pub(crate) struct Aliases(Mutex<HashMap<(String, BaseId), Entry>>);

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
            Some(entry) if entry.seen == seen && entry.at.elapsed() < LIFE => entry
                .tables
                .as_ref()
                .and_then(|tables| tables.find(name))
                .map_or(Lookup::Unknown, Lookup::Known),
            _ => {
                if entries.len() >= MOST {
                    entries.clear();
                }
                entries.insert(key, Entry { seen, at: Instant::now(), tables: None });
                Lookup::Learn
            }
        }
    }

    /// Learns from a schema that was read in the state `seen`.
    pub(crate) fn learn(&self, scope: &str, base: &BaseId, schema: &Schema, seen: Seen) {
        let mut tables = Tables::default();
        for table in &schema.tables {
            tables.exact.insert(table.name.clone(), table.id.clone());
            tables.folded.insert(table.name.to_lowercase(), table.id.clone());
        }
        let entry = Entry { seen, at: Instant::now(), tables: Some(tables) };
        self.lock().insert((scope.to_owned(), base.clone()), entry);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, BaseId), Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
