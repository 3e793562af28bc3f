//! Where answers are kept: in this process, and in a cache that replicas share.
//!
//! Both are asked with keys that hold the generations of the moment, so neither can give what a write has made old.

use std::sync::Arc;
use std::time::SystemTime;

use storage::{Cache, CacheUsage, MemoryCache};

use crate::answer::Answer;

/// The caches, nearest first.
pub(crate) struct Tiers {
    process: MemoryCache,
    shared: Option<Arc<dyn Cache>>,
}

impl Tiers {
    /// `max_bytes` is for the cache in this process; 0: nothing is kept anywhere.
    pub(crate) fn new(max_bytes: u64, shared: Option<Arc<dyn Cache>>) -> Self {
        Self { process: MemoryCache::new(max_bytes), shared: shared.filter(|_| max_bytes > 0) }
    }

    /// Whether anything is ever kept.
    pub(crate) fn keep(&self) -> bool {
        self.usage().max_bytes > 0
    }

    /// The youngest answer under `key`, or under its `twin` if that is younger. The shared cache is asked only if this
    /// process has no fresh one.
    pub(crate) async fn get(&self, key: &str, twin: Option<&str>, now: SystemTime) -> Option<Answer> {
        let own = younger(&self.process, key, twin, now).await;
        let Some(shared) = &self.shared else { return own };
        if own.as_ref().is_some_and(|own| own.age(now) < own.life.fresh) {
            return own;
        }
        let found = younger(&**shared, key, twin, now).await;
        let result = if found.is_some() { "hit" } else { "miss" };
        metrics::counter!("cache_requests_total", "tier" => "shared", "result" => result).increment(1);
        let found = found.filter(|found| own.as_ref().is_none_or(|own| own.received < found.received));
        if let Some(found) = &found {
            keep(&self.process, key, found, now).await;
        }
        found.or(own)
    }

    /// Keeps an answer for as long as it is of any use.
    pub(crate) async fn put(&self, key: &str, answer: &Answer) {
        let (encoded, life) = (answer.encode(), answer.life.total());
        self.process.put(key, encoded.clone(), life).await;
        if let Some(shared) = &self.shared {
            shared.put(key, encoded, life).await;
        }
    }

    /// Frees the memory of this process. What replicas share is out of reach, and goes with its time.
    pub(crate) fn clear(&self) {
        self.process.clear();
    }

    /// How full the cache of this process is.
    pub(crate) fn usage(&self) -> CacheUsage {
        self.process.usage()
    }
}

/// The younger of two. That there is no table of a name says nothing about an id.
async fn younger(cache: &dyn Cache, key: &str, twin: Option<&str>, now: SystemTime) -> Option<Answer> {
    let kept = cache.get(key).await.and_then(Answer::decode);
    let Some(twin) = twin else { return kept };
    let other = cache.get(twin).await.and_then(Answer::decode);
    let other = other
        .filter(|other| other.status.is_success())
        .filter(|other| kept.as_ref().is_none_or(|kept| kept.received < other.received));
    if let Some(other) = &other {
        // From now on also for those who write the name in another way.
        keep(cache, key, other, now).await;
    }
    other.or(kept)
}

async fn keep(cache: &dyn Cache, key: &str, answer: &Answer, now: SystemTime) {
    let left = answer.life.total().saturating_sub(answer.age(now));
    cache.put(key, answer.encode(), left).await;
}
