//! How many calls are under way for one key. The tools' server refuses a key that has too many; here they wait instead.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Half of what the server allows: there may be another process like this one.
const MOST: usize = 32;

/// Keys beyond which those without a call under way are forgotten.
const MOST_KEYS: usize = 1024;

/// Slots by key. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Slots(Arc<Mutex<HashMap<Arc<str>, Arc<Semaphore>>>>);

impl Slots {
    /// A slot, in turn; it is free again when it is dropped.
    pub(super) async fn take(&self, key: &Arc<str>) -> OwnedSemaphorePermit {
        let slots = {
            let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if keys.len() >= MOST_KEYS {
                keys.retain(|_, slots| slots.available_permits() < MOST);
            }
            keys.entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(MOST))).clone()
        };
        slots.acquire_owned().await.expect("slots are never closed")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_has_all_slots_waits_and_others_do_not() {
        let (slots, ada, bob) = (Slots::default(), Arc::from("ada"), Arc::from("bob"));
        let mut taken = Vec::new();
        for _ in 0..MOST {
            taken.push(slots.take(&ada).await);
        }
        assert!(timeout(Duration::from_secs(1), slots.take(&ada)).await.is_err());
        drop(slots.take(&bob).await);
        taken.pop();
        assert!(timeout(Duration::from_secs(1), slots.take(&ada)).await.is_ok());
    }
}
