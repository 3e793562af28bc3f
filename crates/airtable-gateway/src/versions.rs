//! Which state of Airtable's data a stored answer belongs to. A write makes everything older unreachable with one
//! increment; nothing is searched or deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use airtable_api::BaseId;
use storage::{Generations, StorageError};

use crate::call::{Call, Operation};

/// Raised by calls whose effect nobody can tell.
const EVERYTHING: &str = "all";

/// Raised when bases come or go.
const BASES: &str = "bases";

/// The counters behind the cache. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Versions(Arc<Inner>);

struct Inner {
    generations: Arc<dyn Generations>,
    /// The counters could not be read the last time.
    is_blind: AtomicBool,
}

/// The state that a read saw before it was sent, of all that matters to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    /// Of what it reads.
    pub data: Seen,
    /// Of the base's names.
    pub names: Seen,
}

/// What a read saw before it was sent; part of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub everything: u64,
    /// Of the base; of the list of bases for calls without one.
    pub own: u64,
}

/// What a write changes, as far as reads are concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Effects(Vec<String>);

impl Effects {
    /// Everything in a base: a write in one table changes lookups in another.
    pub(crate) fn on_base(base: &BaseId) -> Self {
        Self(vec![base_scope(base)])
    }

    /// A base and the names in it.
    pub(crate) fn on_schema(base: &BaseId) -> Self {
        Self(vec![schema_scope(base), base_scope(base)])
    }

    /// Everything that is stored.
    pub(crate) fn on_everything() -> Self {
        Self(vec![EVERYTHING.to_owned()])
    }

    /// The effects of a call; reads have none.
    pub(crate) fn of(call: &Call) -> Self {
        use Operation as O;
        if call.is_safe || call.is_cacheable() {
            return Self::default();
        }
        match (&call.base, call.operation) {
            (_, O::WriteWebhooks) => Self::default(),
            (_, O::CreateBase) => Self(vec![BASES.to_owned()]),
            (Some(base), O::DeleteBase) => {
                let mut effects = Self::on_schema(base);
                effects.0.push(BASES.to_owned());
                effects
            }
            (Some(base), O::WriteSchema | O::DeleteView | O::SyncCsv) => Self::on_schema(base),
            (Some(base), _) => Self::on_base(base),
            // Not understood: anything may have changed.
            (None, _) => Self::on_everything(),
        }
    }
}

impl Versions {
    /// Over these counters.
    pub(crate) fn new(generations: Arc<dyn Generations>) -> Self {
        Self(Arc::new(Inner { generations, is_blind: AtomicBool::new(false) }))
    }

    /// The state that a read begun now will see, at least. `None` while the counters cannot be read: then nothing may be
    /// taken from the cache or put into it.
    pub(crate) async fn view(&self, base: Option<&BaseId>) -> Option<View> {
        let (own, names) = match base {
            Some(base) => (base_scope(base), schema_scope(base)),
            None => (BASES.to_owned(), BASES.to_owned()),
        };
        match self.0.generations.current_of(&[EVERYTHING, &own, &names]).await {
            Ok(values) => {
                self.see(None);
                let [everything, own, names] = values.try_into().ok()?;
                Some(View { data: Seen { everything, own }, names: Seen { everything, own: names } })
            }
            Err(error) => {
                self.see(Some(&error));
                None
            }
        }
    }

    /// Makes answers from before unreachable.
    ///
    /// If the counters cannot be raised now, they cannot be read either until that is made good: until then, reads go
    /// past the cache.
    pub(crate) async fn raise(&self, effects: &Effects) {
        let scopes: Vec<_> = effects.0.iter().map(String::as_str).collect();
        if !scopes.is_empty()
            && let Err(error) = self.0.generations.raise_all(&scopes).await
        {
            self.see(Some(&error));
        }
    }

    /// Tells of changes, not of every read.
    fn see(&self, trouble: Option<&StorageError>) {
        if self.0.is_blind.load(Ordering::Relaxed) == trouble.is_some() {
            return;
        }
        self.0.is_blind.store(trouble.is_some(), Ordering::Relaxed);
        metrics::gauge!("cache_bypassed").set(if trouble.is_some() { 1.0 } else { 0.0 });
        match trouble {
            Some(error) => tracing::warn!("the cache is bypassed: {error}"),
            None => tracing::info!("the cache is used again"),
        }
    }
}

fn base_scope(base: &BaseId) -> String {
    format!("base:{base}")
}

fn schema_scope(base: &BaseId) -> String {
    format!("schema:{base}")
}

#[cfg(test)]
mod tests {
    use storage::MemoryGenerations;

    use super::*;
    use crate::call::tests::{EXAMPLES, classify};

    #[tokio::test]
    async fn every_write_changes_what_reads_of_its_base_see() {
        for (method, path, operation) in EXAMPLES {
            let call = classify(method, path);
            let base = BaseId::parse("appAAAAAAAAAAAAAA").unwrap();
            let versions = Versions::new(Arc::new(MemoryGenerations::new()));
            let before = versions.view(Some(&base)).await;
            versions.raise(&Effects::of(&call)).await;
            let writes = !call.is_safe
                && !call.is_cacheable()
                && ![Operation::WriteWebhooks, Operation::CreateBase].contains(operation);
            assert_eq!(before != versions.view(Some(&base)).await, writes, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn a_new_base_shows_in_the_list_of_bases() {
        let versions = Versions::new(Arc::new(MemoryGenerations::new()));
        let before = versions.view(None).await;
        versions.raise(&Effects::of(&classify("POST", "/v0/meta/bases"))).await;
        assert_ne!(before, versions.view(None).await);
    }
}
