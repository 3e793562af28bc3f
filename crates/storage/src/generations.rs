use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::StorageError;

/// Scopes remembered before the oldest knowledge is given up; about 100 bytes each.
const MAX_SCOPES: usize = 100_000;

/// One counter per scope, which only grows. A cache key that holds the scope's current value is out of reach once it is raised.
///
/// A counter that is missing starts from the store's clock in microseconds, never from 0: a store that lost its counters
/// thus does not hand out a value it handed out before. A counter may also grow without having been raised.
#[async_trait]
pub trait Generations: Send + Sync {
    /// The counters' values, in the order of the scopes; creates those that are missing. Asks the store once.
    async fn current_of(&self, scopes: &[&str]) -> Result<Vec<u64>, StorageError>;

    /// Raises the counters and returns their new values, each larger than every value returned for its scope before.
    ///
    /// If it fails, the counters may have been raised or not; they are raised for whoever reads them once they can be
    /// read again through this store.
    async fn raise_all(&self, scopes: &[&str]) -> Result<Vec<u64>, StorageError>;
}

/// Counters in this process.
pub struct MemoryGenerations {
    counters: Mutex<Counters>,
    clock_us: Arc<dyn Fn() -> u64 + Send + Sync>,
    max_scopes: usize,
}

#[derive(Default)]
struct Counters {
    by_scope: HashMap<String, u64>,
    /// Above every value ever returned: what a forgotten counter must start beyond, whatever the clock says.
    floor: u64,
}

impl MemoryGenerations {
    pub fn new() -> Self {
        Self::with_clock(MAX_SCOPES, Arc::new(system_clock_us))
    }

    fn with_clock(max_scopes: usize, clock_us: Arc<dyn Fn() -> u64 + Send + Sync>) -> Self {
        Self { counters: Mutex::default(), clock_us, max_scopes }
    }

    fn with_counter(&self, scope: &str, change: impl Fn(u64) -> u64) -> u64 {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let next = match counters.by_scope.get_mut(scope) {
            Some(counter) => {
                *counter = change(*counter);
                *counter
            }
            None => {
                if counters.by_scope.len() >= self.max_scopes {
                    counters.by_scope.clear();
                }
                let start = (self.clock_us)().max(counters.floor);
                counters.by_scope.insert(scope.to_owned(), start);
                start
            }
        };
        counters.floor = counters.floor.max(next + 1);
        next
    }
}

impl Default for MemoryGenerations {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Generations for MemoryGenerations {
    async fn current_of(&self, scopes: &[&str]) -> Result<Vec<u64>, StorageError> {
        Ok(scopes.iter().map(|scope| self.with_counter(scope, |counter| counter)).collect())
    }

    async fn raise_all(&self, scopes: &[&str]) -> Result<Vec<u64>, StorageError> {
        Ok(scopes.iter().map(|scope| self.with_counter(scope, |counter| counter + 1)).collect())
    }
}

fn system_clock_us() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_forgotten_counter_starts_beyond_all_values_even_when_the_clock_went_back() {
        let clock = Arc::new(Mutex::new(1_000_000_u64));
        let now = clock.clone();
        let generations = MemoryGenerations::with_clock(2, Arc::new(move || *now.lock().unwrap()));

        let first = generations.current_of(&["a"]).await.unwrap()[0];
        assert_eq!(first, 1_000_000);
        let raised = generations.raise_all(&["a"]).await.unwrap()[0];
        *clock.lock().unwrap() = 5;
        for other in ["b", "c", "d"] {
            generations.current_of(&[other]).await.unwrap(); // more scopes than are remembered
        }

        assert!(generations.current_of(&["a"]).await.unwrap()[0] > raised);
    }

    #[tokio::test]
    async fn the_number_of_remembered_scopes_is_bounded() {
        let generations = MemoryGenerations::with_clock(10, Arc::new(|| 1));
        for n in 0..1_000 {
            generations.current_of(&[&format!("app{n}")]).await.unwrap();
        }
        assert!(generations.counters.lock().unwrap().by_scope.len() <= 10);
    }
}
