#![doc = include_str!("../README.md")]

mod cache;
mod error;
mod generations;
mod keys;
mod sqlite;

pub use cache::{Cache, CacheUsage, MemoryCache};
pub use error::StorageError;
pub use generations::{Generations, MemoryGenerations};
pub use keys::{ApiKeyRecord, ApiKeyStore};
pub use sqlite::SqliteStore;
