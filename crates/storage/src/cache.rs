use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use moka::Expiry;

/// What moka, the two reference counts and the map's slots cost per entry beside key and value, roughly measured.
const ENTRY_OVERHEAD_BYTES: usize = 256;

/// Keeps bytes for a while. May forget any of them at any time, and may fail: a failing cache misses.
#[async_trait]
pub trait Cache: Send + Sync {
    /// The value, if it is there and its life is not over.
    async fn get(&self, key: &str) -> Option<Bytes>;

    /// Keeps `value` for at most `ttl`, in place of what was there. A value that does not fit is not kept.
    ///
    /// The memory behind `value` stays alive as long as the entry: hand in a copy, not a slice of a larger buffer.
    async fn put(&self, key: &str, value: Bytes, ttl: Duration);
}

/// How full a cache is; figures may lag behind by a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUsage {
    pub entries: u64,
    /// Keys, values and an estimate of the bookkeeping.
    pub bytes: u64,
    /// The limit. 0: the cache is switched off.
    pub max_bytes: u64,
}

/// A cache in this process, bounded by bytes; what is used least goes first.
pub struct MemoryCache {
    entries: moka::sync::Cache<Arc<str>, Entry>,
    max_bytes: u64,
}

#[derive(Clone)]
struct Entry {
    value: Bytes,
    ttl: Duration,
}

impl MemoryCache {
    /// `max_bytes` counts keys, values and bookkeeping; 0 keeps nothing.
    pub fn new(max_bytes: u64) -> Self {
        let entries = moka::sync::Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &Arc<str>, entry: &Entry| weight(key, &entry.value))
            .expire_after(PerEntry)
            .build();
        Self { entries, max_bytes }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.entries.invalidate_all();
        self.entries.run_pending_tasks();
    }

    /// How full it is.
    pub fn usage(&self) -> CacheUsage {
        self.entries.run_pending_tasks();
        CacheUsage {
            entries: self.entries.entry_count(),
            bytes: self.entries.weighted_size(),
            max_bytes: self.max_bytes,
        }
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Option<Bytes> {
        self.entries.get(key).map(|entry| entry.value)
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) {
        // Checked here because moka would evict others before it finds that the newcomer can never fit.
        if u64::from(weight(key, &value)) > self.max_bytes || ttl.is_zero() {
            self.entries.invalidate(key);
            return;
        }
        self.entries.insert(Arc::from(key), Entry { value, ttl });
    }
}

fn weight(key: &str, value: &Bytes) -> u32 {
    u32::try_from(key.len() + value.len() + ENTRY_OVERHEAD_BYTES).unwrap_or(u32::MAX)
}

/// Each entry lives as long as it was put in for.
struct PerEntry;

impl Expiry<Arc<str>, Entry> for PerEntry {
    fn expire_after_create(&self, _: &Arc<str>, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.ttl)
    }

    fn expire_after_update(
        &self,
        _: &Arc<str>,
        entry: &Entry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.ttl)
    }
}
