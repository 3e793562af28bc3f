#![doc = include_str!("../README.md")]

mod cache;
mod claims;
mod error;
mod generations;
mod json;
mod keys;
mod postgres;
mod redis;
mod sessions;
mod sqlite;
mod time;
mod usage;

pub use cache::{Cache, CacheUsage, MemoryCache};
pub use claims::Claims;
pub use error::StorageError;
pub use generations::{Generations, MemoryGenerations};
pub use keys::{ApiKeyRecord, ApiKeyStore};
pub use postgres::{InvalidPostgresAddress, PostgresAddress, PostgresStore};
pub use redis::{InvalidRedisAddress, RedisAddress, RedisStore, SharedSlot, SharedSlots, Take};
pub use sessions::{EventRecord, Lease, NewEvent, SessionRecord, SessionStore};
pub use sqlite::SqliteStore;
pub use usage::{UsageFilter, UsageRecord, UsageTotals};
