//! What the gateway did since it started, for `/stats`. The same is measured on `/metrics`, in more detail.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::directives::{CacheStatus, Source};

/// Counters since the start.
#[derive(Default)]
pub(crate) struct Stats {
    reads: AtomicU64,
    writes: AtomicU64,
    hits: AtomicU64,
    stale: AtomicU64,
    collapsed: AtomicU64,
    sent: AtomicU64,
    retried: AtomicU64,
    too_many: AtomicU64,
    waited_ms: AtomicU64,
}

/// A look at the counters.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct StatsReport {
    /// Reads asked of the gateway.
    pub reads: u64,
    /// Writes asked of the gateway.
    pub writes: u64,
    /// Reads answered from the cache.
    pub cache_hits: u64,
    /// Reads answered from the cache past their time.
    pub cache_stale: u64,
    /// Reads that shared another one's call.
    pub collapsed: u64,
    /// Calls made to Airtable.
    pub airtable_calls: u64,
    /// Calls to Airtable that the cache and sharing saved.
    pub airtable_calls_saved: u64,
    /// Calls made again after a failure.
    pub retries: u64,
    /// Times that Airtable said "too many calls".
    pub airtable_429s: u64,
    /// Time spent waiting for Airtable's limits, all callers together.
    pub waited_ms: u64,
}

impl Stats {
    pub(crate) fn read(&self, status: &CacheStatus) {
        add(&self.reads);
        match status.source {
            Source::Hit => add(&self.hits),
            Source::StaleWhileRevalidate | Source::StaleIfError => add(&self.stale),
            _ if status.collapsed => add(&self.collapsed),
            _ => {}
        }
    }

    pub(crate) fn write(&self) {
        add(&self.writes);
    }

    pub(crate) fn sent(&self) {
        add(&self.sent);
    }

    pub(crate) fn retried(&self) {
        add(&self.retried);
    }

    pub(crate) fn too_many(&self) {
        add(&self.too_many);
    }

    pub(crate) fn waited(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.waited_ms.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn report(&self) -> StatsReport {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (hits, stale, collapsed) = (get(&self.hits), get(&self.stale), get(&self.collapsed));
        StatsReport {
            reads: get(&self.reads),
            writes: get(&self.writes),
            cache_hits: hits,
            cache_stale: stale,
            collapsed,
            airtable_calls: get(&self.sent),
            airtable_calls_saved: hits + stale + collapsed,
            retries: get(&self.retried),
            airtable_429s: get(&self.too_many),
            waited_ms: get(&self.waited_ms),
        }
    }
}

/// Says what the gateway's metrics mean.
pub(crate) fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!("airtable_requests_total", "Calls made to Airtable, by operation and outcome");
    describe_histogram!(
        "airtable_request_duration_seconds",
        Unit::Seconds,
        "Time from a call to its answer's head"
    );
    describe_histogram!(
        "airtable_slot_wait_seconds",
        Unit::Seconds,
        "Time that calls waited for Airtable's limits"
    );
    describe_counter!("airtable_429_total", "Times that Airtable said \"too many calls\": should stay 0");
    describe_gauge!("airtable_cooldown_active", "Bases on which everybody waits after a 429");
    describe_gauge!("queue_depth", "Calls waiting for Airtable's limits");
    describe_counter!("cache_requests_total", "Cacheable reads, by what became of them");
    describe_gauge!(
        "cache_bypassed",
        "1 while the counters behind the cache cannot be read, so that it is not used"
    );
    describe_counter!("retries_total", "Calls made again after a failure");
    describe_counter!(
        "retry_budget_exhausted_total",
        "Failures not repeated because too much was repeated already"
    );
    describe_counter!("circuit_transitions_total", "Breakers that opened or closed");
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
