//! Reaching stores in other processes for the first time.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use storage::StorageError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, info};

use crate::error::chain;
use crate::serve::Shutdown;

/// How long stores that cannot be reached are waited for: they may be starting, too.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How long one attempt may take; a change of the schema takes a while.
const ATTEMPT: Duration = Duration::from_secs(60);

/// Between two attempts.
const TRY_EVERY: Duration = Duration::from_millis(500);

type Attempt = Pin<Box<dyn Future<Output = Result<(), StorageError>> + Send>>;

/// A store that has to be reached.
pub(super) struct Part {
    name: String,
    reach: Box<dyn Fn() -> Attempt + Send + Sync>,
}

/// A configured store could not be reached.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotStarted(Arc<str>);

/// How far it has come. Cheap to clone.
#[derive(Clone)]
pub(super) struct Start(watch::Receiver<State>);

#[derive(Clone)]
enum State {
    Waiting,
    Finished,
    Failed(NotStarted),
}

impl Part {
    /// `place` goes into the log.
    pub(super) fn new<F>(
        kind: &str,
        place: &impl Display,
        reach: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), StorageError>> + Send + 'static,
    {
        Self { name: format!("{kind} at {place}"), reach: Box::new(move || Box::pin(reach())) }
    }
}

impl Start {
    /// Reaches all parts in the background. If one cannot be reached in time, `shutdown` fails.
    pub(super) fn of(parts: Vec<Part>, shutdown: Shutdown) -> Self {
        let (state, watched) =
            watch::channel(if parts.is_empty() { State::Finished } else { State::Waiting });
        if !parts.is_empty() {
            tokio::spawn(async move {
                let deadline = Instant::now() + PATIENCE;
                let reached = async {
                    for part in parts {
                        reach(part, deadline).await?;
                    }
                    Ok(())
                };
                let outcome: Result<(), NotStarted> = tokio::select! {
                    outcome = reached => outcome,
                    () = shutdown.requested() => return, // nobody wants them any more
                };
                let _ = state.send(outcome.clone().map_or_else(State::Failed, |()| State::Finished));
                if let Err(NotStarted(reason)) = outcome {
                    error!("{reason}");
                    shutdown.fail(&*reason);
                }
            });
        }
        Self(watched)
    }

    /// For a health check.
    pub(super) fn is_finished(&self) -> Result<(), NotStarted> {
        match &*self.0.borrow() {
            State::Finished => Ok(()),
            State::Waiting => Err(NotStarted("stores are still being reached".into())),
            State::Failed(error) => Err(error.clone()),
        }
    }

    pub(super) async fn finished(&self) -> Result<(), NotStarted> {
        let mut watched = self.0.clone();
        match watched.wait_for(|state| !matches!(state, State::Waiting)).await.as_deref() {
            Ok(State::Finished) => Ok(()),
            Ok(State::Failed(error)) => Err(error.clone()),
            Ok(State::Waiting) | Err(_) => Err(NotStarted("the process stops".into())),
        }
    }
}

async fn reach(part: Part, deadline: Instant) -> Result<(), NotStarted> {
    let mut waited = false;
    loop {
        let (cause, is_final) = match timeout(ATTEMPT, (part.reach)()).await {
            Ok(Ok(())) => {
                info!("{} is there", part.name);
                return Ok(());
            }
            // What a newer version wrote does not get older.
            Ok(Err(error)) => (chain(&error), matches!(error, StorageError::TooNew { .. })),
            Err(_) => ("it does not answer".to_owned(), false),
        };
        if is_final || Instant::now() >= deadline {
            return Err(NotStarted(format!("{} cannot be used: {cause}", part.name).into()));
        }
        if !std::mem::replace(&mut waited, true) {
            info!("waiting for {}: {cause}", part.name);
        }
        sleep(TRY_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Can be reached at the given attempt; 0: never.
    fn part(name: &'static str, succeeds_at: u32) -> Part {
        let attempts = AtomicU32::new(0);
        Part::new("Store", &name, move || {
            let succeeds = attempts.fetch_add(1, Ordering::Relaxed) + 1 == succeeds_at;
            async move { if succeeds { Ok(()) } else { Err(StorageError::Unavailable { what: "it" }) } }
        })
    }

    #[tokio::test(start_paused = true)]
    async fn stores_that_come_a_little_later_are_waited_for() {
        let (begun, shutdown) = (Instant::now(), Shutdown::manual());
        let start = Start::of(vec![part("a:1", 1), part("b:1", 5)], shutdown.clone());
        assert!(start.is_finished().is_err());
        start.finished().await.unwrap();
        assert!(start.is_finished().is_ok() && !shutdown.is_requested());
        assert_eq!(begun.elapsed(), 4 * TRY_EVERY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_come_ends_the_process_with_its_name() {
        let (begun, shutdown) = (Instant::now(), Shutdown::manual());
        let start = Start::of(vec![part("a:1", 1), part("b:1", 0)], shutdown.clone());
        let error = start.finished().await.unwrap_err().to_string();
        assert_eq!(error, "Store at b:1 cannot be used: it is out of reach");
        assert_eq!(begun.elapsed(), PATIENCE);
        assert!(shutdown.is_requested());
        assert_eq!(shutdown.failure(), Some(&*error));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_is_not_waited_for_longer() {
        let shutdown = Shutdown::manual();
        let hangs = Part::new("Store", &"a:1", std::future::pending);
        assert!(Start::of(vec![hangs], shutdown).finished().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_is_told_to_stop_waits_no_longer() {
        let shutdown = Shutdown::manual();
        let start = Start::of(vec![part("a:1", 0)], shutdown.clone());
        shutdown.request();
        assert!(start.finished().await.is_err());
        assert_eq!(shutdown.failure(), None);
    }

    #[tokio::test]
    async fn without_stores_elsewhere_there_is_nothing_to_wait_for() {
        assert!(Start::of(Vec::new(), Shutdown::manual()).is_finished().is_ok());
    }
}
