//! Which state of Airtable's data a stored answer belongs to. A write makes everything older unreachable with one
//! increment; nothing is searched or deleted.

use std::sync::Arc;

use airtable_api::BaseId;
use storage::Generations;

use crate::call::{Call, Operation};

/// Raised by calls whose effect nobody can tell.
const EVERYTHING: &str = "all";

/// Raised when bases come or go.
const BASES: &str = "bases";

/// The counters behind the cache. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Versions(Arc<dyn Generations>);

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
        Self(generations)
    }

    /// The state that a read begun now will see, at least. `None` while the counters cannot be read: then nothing may be
    /// taken from the cache or put into it.
    pub(crate) async fn seen(&self, base: Option<&BaseId>) -> Option<Seen> {
        let own = base.map_or_else(|| BASES.to_owned(), base_scope);
        Some(Seen { everything: self.current(EVERYTHING).await?, own: self.current(&own).await? })
    }

    /// The state of a base's names.
    pub(crate) async fn schema_seen(&self, base: &BaseId) -> Option<Seen> {
        Some(Seen {
            everything: self.current(EVERYTHING).await?,
            own: self.current(&schema_scope(base)).await?,
        })
    }

    /// Makes answers from before unreachable.
    pub(crate) async fn raise(&self, effects: &Effects) {
        for scope in &effects.0 {
            if let Err(error) = self.0.raise(scope).await {
                // Reads cannot read the counter either, and go past the cache.
                tracing::warn!("a counter of the cache cannot be raised: {error}");
            }
        }
    }

    async fn current(&self, scope: &str) -> Option<u64> {
        self.0.current(scope).await.inspect_err(|error| tracing::warn!("the cache is bypassed: {error}")).ok()
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
            let before = versions.seen(Some(&base)).await;
            versions.raise(&Effects::of(&call)).await;
            let writes = !call.is_safe
                && !call.is_cacheable()
                && ![Operation::WriteWebhooks, Operation::CreateBase].contains(operation);
            assert_eq!(before != versions.seen(Some(&base)).await, writes, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn a_new_base_shows_in_the_list_of_bases() {
        let versions = Versions::new(Arc::new(MemoryGenerations::new()));
        let before = versions.seen(None).await;
        versions.raise(&Effects::of(&classify("POST", "/v0/meta/bases"))).await;
        assert_ne!(before, versions.seen(None).await);
    }
}
