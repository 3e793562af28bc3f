//! Slots that all processes share, in Redis: what a call needs beside its turn in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use storage::{SharedSlot, SharedSlots, StorageError, Take};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use super::limits::{BASE_SLOTS, OWNER_SLOTS};
use super::{Ask, Lane};

/// Longest time between two looks: slots may come back unused, and Redis may come up.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// How long Redis is not asked after it refused to give slots, such as when its memory is full.
const MISTRUST: Duration = Duration::from_secs(5);

/// Lanes remembered before idle ones are forgotten.
const FORGET_ABOVE: usize = 1_024;

/// The way to the shared slots.
pub(super) struct Replicas {
    slots: SharedSlots,
    /// In each process one call at a time looks for a slot of a lane, so that they keep their order.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    mistrusted_until: Mutex<Option<Instant>>,
}

/// Whose count is to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Redis', which was lost so many times before; `None`: it was not there yet, and calls wait for it.
    Together(Option<u64>),
    /// Our own, of our part of the limits.
    Alone,
}

/// Why there are no shared slots.
pub(super) enum Refused {
    /// Not before the deadline; maybe after this time.
    Late(Duration),
    /// Redis cannot tell.
    Lost,
}

impl Replicas {
    pub(super) fn new(slots: SharedSlots) -> Self {
        Self { slots, turns: Mutex::default(), mistrusted_until: Mutex::new(None) }
    }

    /// Whose count is to be believed now.
    pub(super) fn mode(&self) -> Mode {
        let mistrusted = *self.mistrusted_until.lock().unwrap_or_else(PoisonError::into_inner);
        match self.slots.losses() {
            None => Mode::Together(None),
            Some(_) if !self.slots.is_reachable() => Mode::Alone,
            Some(_) if mistrusted.is_some_and(|until| Instant::now() < until) => Mode::Alone,
            Some(losses) => Mode::Together(Some(losses)),
        }
    }

    /// Takes the slots that a call needs: of its base, and of the token's owner.
    pub(super) async fn reserve(&self, ask: &Ask, deadline: Instant) -> Result<Vec<SharedSlot>, Refused> {
        let mut slots = Vec::with_capacity(2);
        // What was taken already is given back if the rest is not to be had.
        if let Lane::Base(base) = &ask.lane {
            slots.push(self.take(&format!("base:{base}"), BASE_SLOTS, deadline).await?);
        }
        slots.push(self.take(&format!("owner:{}", ask.owner), OWNER_SLOTS, deadline).await?);
        Ok(slots)
    }

    async fn take(&self, lane: &str, count: usize, deadline: Instant) -> Result<SharedSlot, Refused> {
        let turn = self.turn(lane);
        let late = |_| Refused::Late(Duration::ZERO);
        let _turn = timeout_at(deadline, turn.lock()).await.map_err(late)?;
        loop {
            let wait = match self.slots.take(lane, count).await {
                Ok(Take::Taken(slot)) => return Ok(slot),
                Ok(Take::Wait(wait)) => wait,
                Ok(Take::Paused(wait)) if Instant::now() + wait >= deadline => {
                    return Err(Refused::Late(wait));
                }
                Ok(Take::Paused(wait)) => wait,
                Err(StorageError::Unavailable { .. }) if self.slots.losses().is_none() => LONGEST_WAIT,
                Err(error) => {
                    if self.slots.is_reachable() {
                        self.mistrust(&error);
                    }
                    return Err(Refused::Lost);
                }
            };
            timeout_at(deadline, sleep(wait.min(LONGEST_WAIT))).await.map_err(late)?;
        }
    }

    fn mistrust(&self, error: &StorageError) {
        tracing::warn!("Redis gives no slots: {}", service_kit::error::chain(error));
        let until = Instant::now() + MISTRUST;
        *self.mistrusted_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    fn turn(&self, lane: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() > FORGET_ABOVE {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        turns.entry(lane.to_owned()).or_default().clone()
    }
}
