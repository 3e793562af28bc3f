mod address;
mod batch;
mod cache;
mod generations;
mod link;
mod slots;

use std::sync::Arc;

pub use address::{InvalidRedisAddress, RedisAddress};
pub use slots::{SharedSlot, SharedSlots, Take};

use crate::StorageError;
use link::Link;

/// Before every key, so that we can share a server with others.
const PREFIX: &str = "pya:";

/// What replicas share, in a Redis server. Nothing durable.
///
/// Cloning is cheap. There is one connection for everything; when it is lost, calls fail at once until it is there again.
#[derive(Clone)]
pub struct RedisStore {
    link: Arc<Link>,
    trust: Arc<generations::Trust>,
    batch: Arc<batch::Batch>,
}

impl RedisStore {
    /// A store that has not been reached yet: before [`RedisStore::connect`] has succeeded, all calls fail with
    /// `StorageError::Unavailable`.
    pub fn new(address: &RedisAddress) -> Result<Self, StorageError> {
        Ok(Self { link: Arc::new(Link::new(address)?), trust: Arc::default(), batch: Arc::default() })
    }

    /// Connects. From then on the store connects again by itself whenever the connection is lost.
    pub async fn connect(&self) -> Result<(), StorageError> {
        self.link.connect().await?;
        slots::begin(&self.link).await;
        Ok(())
    }

    /// Connects with this address from now on; the connection that is open stays.
    pub fn move_to(&self, address: &RedisAddress) -> Result<(), StorageError> {
        self.link.move_to(address)
    }

    /// Asks the server for an answer; for health.
    pub async fn ping(&self) -> Result<(), StorageError> {
        self.link.call("ask Redis", &redis::cmd("PING")).await
    }
}
