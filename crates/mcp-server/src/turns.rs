//! How many calls one caller may have under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Calls of one key at the same time. Beyond what any client of ours opens; a model in a loop must not starve the others.
const MOST: usize = 64;

/// Counts calls under way by their caller. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<Arc<str>, usize>>>);

/// One call under way; over when dropped.
pub(crate) struct Turn {
    turns: Turns,
    caller: Arc<str>,
}

impl Turns {
    /// A turn for this caller; `None` if it has too many.
    pub(crate) fn take(&self, caller: &Arc<str>) -> Option<Turn> {
        let mut counts = self.counts();
        let count = counts.entry(caller.clone()).or_insert(0);
        if *count >= MOST {
            return None;
        }
        *count += 1;
        Some(Turn { turns: self.clone(), caller: caller.clone() })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut counts = self.turns.counts();
        match counts.get_mut(&self.caller) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_a_bounded_number_of_turns_and_others_their_own() {
        let (turns, ada, bob) = (Turns::default(), Arc::from("ada"), Arc::from("bob"));
        let mut taken: Vec<Turn> = (0..MOST).map(|_| turns.take(&ada).unwrap()).collect();
        assert!(turns.take(&ada).is_none());
        assert!(turns.take(&bob).is_some());
        taken.pop();
        assert!(turns.take(&ada).is_some());
        drop(taken);
        assert!(turns.counts().is_empty(), "nothing is kept of callers without calls");
    }
}
