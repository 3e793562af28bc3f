use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tracing::debug;

use super::{PREFIX, RedisStore};
use crate::Cache;
use crate::time::millis;

/// Longest value kept: one that takes longer to fetch than Redis should be busy with one client.
const LONGEST: usize = 1 << 20;

#[async_trait]
impl Cache for RedisStore {
    async fn get(&self, key: &str) -> Option<Bytes> {
        let found: Result<Option<Vec<u8>>, _> =
            self.link.call("read from the cache", redis::cmd("GET").arg(name(key))).await;
        match found {
            Ok(value) => value.map(Bytes::from),
            Err(error) => {
                debug!("a read from the shared cache is taken for a miss: {error}");
                None
            }
        }
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) {
        let ttl = millis(ttl);
        let command = if value.len() > LONGEST || ttl == 0 {
            redis::cmd("DEL").arg(name(key)).take()
        } else {
            redis::cmd("SET").arg(name(key)).arg(&value[..]).arg("PX").arg(ttl).take()
        };
        let put: Result<(), _> = self.link.call("write to the cache", &command).await;
        if let Err(error) = put {
            debug!("a value is not kept in the shared cache: {error}");
        }
    }
}

fn name(key: &str) -> String {
    format!("{PREFIX}cache:{key}")
}
