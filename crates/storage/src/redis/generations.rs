//! Counters in Redis that never go back, although Redis may forget.
//!
//! Counters are times in microseconds by Redis' clock, moved on by one where raised within the same microsecond: so a
//! counter that was forgotten, or set back by a Redis that lost its latest writes, is beyond all its former values once it
//! is raised or made anew.
//!
//! Beside each scope's own counter there is one of all scopes together, the *era*; a scope's value is the larger of both.
//! Whoever lost the connection raises the era before it trusts a counter again: meanwhile Redis may have been set back,
//! and raises of its own or of others may have been lost.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use redis::Script;

use super::{PREFIX, RedisStore};
use crate::{Generations, StorageError};

/// Attempts at reading counters without losing the connection between raising the era and reading.
const ATTEMPTS: u32 = 3;

/// Whether counters may be believed.
#[derive(Default)]
pub(super) struct Trust {
    /// Raises that failed although the connection held, such as when Redis' memory is full.
    failed: AtomicU64,
    /// How many losses and failures there had been when the era was raised, and one; 0: it was not raised yet.
    settled: AtomicU64,
}

/// KEYS: counters to raise, the era first. ARGV[1]: how many of them, from the first, are only made if they are missing.
static RAISE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local values, era = {}, 0
        for i, key in ipairs(KEYS) do
            local value = tonumber(redis.call('GET', key) or 0)
            if i > tonumber(ARGV[1]) or value == 0 then
                value = math.max(value + 1, now, era + 1)
                redis.call('SET', key, string.format('%.0f', value))
            end
            if i == 1 then era = value end
            values[i] = string.format('%.0f', value)
        end
        return values
        ",
    )
});

#[async_trait]
impl Generations for RedisStore {
    async fn current_of(&self, scopes: &[&str]) -> Result<Vec<u64>, StorageError> {
        self.batch.ask(self, scopes).await
    }

    async fn raise_all(&self, scopes: &[&str]) -> Result<Vec<u64>, StorageError> {
        let raised = match self.settle(self.doubts()).await {
            Ok(()) => self.change(&keys(scopes), 1).await,
            Err(error) => Err(error),
        };
        if raised.is_err() {
            // Before anything is read again, the era is raised instead.
            self.trust.failed.fetch_add(1, Ordering::AcqRel);
        }
        Ok(beyond_era(&raised?))
    }
}

impl RedisStore {
    pub(super) async fn read_counters(&self, scopes: &[&str]) -> Result<Vec<u64>, StorageError> {
        let keys = keys(scopes);
        for _ in 0..ATTEMPTS {
            let doubts = self.doubts();
            self.settle(doubts).await?;
            let found: Vec<Option<u64>> =
                self.link.call("read counters", redis::cmd("MGET").arg(&keys)).await?;
            let values = match found.into_iter().collect() {
                Some(values) => values,
                None => self.change(&keys, keys.len()).await?,
            };
            if self.doubts() == doubts {
                return Ok(beyond_era(&values));
            }
        }
        Err(StorageError::Unavailable { what: "Redis" })
    }

    /// How many reasons there were so far not to believe what was read before, and one.
    fn doubts(&self) -> u64 {
        self.link.losses() + self.trust.failed.load(Ordering::Acquire) + 1
    }

    /// Sees to it that the era was raised since there were so many doubts.
    async fn settle(&self, doubts: u64) -> Result<(), StorageError> {
        if self.trust.settled.load(Ordering::Acquire) < doubts {
            self.change(&keys(&[]), 0).await?;
            self.trust.settled.fetch_max(doubts, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Raises the counters but the first `kept`, which are made if they are missing. The first is the era.
    async fn change(&self, keys: &[String], kept: usize) -> Result<Vec<u64>, StorageError> {
        let mut script = RAISE.arg(kept);
        for key in keys {
            script.key(key);
        }
        self.link.run("raise counters", &script).await
    }
}

/// The era's key, and those of the scopes: in one slot of a cluster, so that they can be read together.
fn keys(scopes: &[&str]) -> Vec<String> {
    let own = scopes.iter().map(|scope| format!("{PREFIX}{{gen}}:in:{scope}"));
    std::iter::once(format!("{PREFIX}{{gen}}:era")).chain(own).collect()
}

fn beyond_era(values: &[u64]) -> Vec<u64> {
    let (era, own) = values.split_first().map_or((0, values), |(era, own)| (*era, own));
    own.iter().map(|value| era.max(*value)).collect()
}
