//! One flight per key: callers who want the same thing at the same time share one upstream read.
//!
//! A flight waits for its slot in the queue of whoever began it. Who has a shorter queue does not have to wait in a longer
//! one: after a moment, it stands in its own as well, and takes what comes first.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use service_kit::telemetry::trace_context;
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};
use tracing::Instrument as _;

use crate::pacing::Turn;

/// How long somebody else's flight is given to leave the queue.
const PATIENCE: Duration = Duration::from_millis(200);

/// A running flight that can be waited for by many. When the last of them drops it, the work is aborted.
pub(crate) struct Flight<T: Clone> {
    /// The shared work; `None`: it was lost to a bug.
    pub landed: Shared<BoxFuture<'static, Option<T>>>,
    /// How far it has come.
    pub progress: Arc<Progress>,
    /// Somebody else had begun it.
    pub collapsed: bool,
}

/// What a waiter may want to know of work in progress.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    sent: AtomicBool,
}

impl Progress {
    /// Whether the request to Airtable is on its way.
    pub(crate) fn set_sent(&self, sent: bool) {
        self.sent.store(sent, Ordering::Relaxed);
    }

    /// Whether it is, or still waits for its turn.
    pub(crate) fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }
}

/// The flights under way.
pub(crate) struct Flights<T: Clone> {
    entries: Arc<Mutex<Entries<T>>>,
}

struct Entries<T: Clone> {
    by_key: HashMap<String, Entry<T>>,
    last: u64,
}

struct Entry<T: Clone> {
    number: u64,
    landed: WeakShared<BoxFuture<'static, Option<T>>>,
    progress: Arc<Progress>,
    turn: Turn,
}

/// A flight that somebody else began.
struct Ahead<T: Clone> {
    landed: Shared<BoxFuture<'static, Option<T>>>,
    progress: Arc<Progress>,
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// No flights.
    pub(crate) fn new() -> Self {
        Self { entries: Arc::new(Mutex::new(Entries { by_key: HashMap::new(), last: 0 })) }
    }

    /// Joins the flight of this key, or one of its `twin`, or begins one with the future that `begin` makes. `turn` is
    /// whose turn it takes.
    pub(crate) fn join<F>(
        &self,
        key: &str,
        twin: Option<&str>,
        turn: Turn,
        begin: impl FnOnce(Arc<Progress>) -> F,
    ) -> Flight<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut entries = lock(&self.entries);
        let mut ahead = None;
        for key in [Some(key), twin].into_iter().flatten() {
            let Some(entry) = entries.by_key.get(key) else { continue };
            let Some(landed) = entry.landed.upgrade() else { continue };
            let progress = entry.progress.clone();
            if entry.turn == turn || progress.is_sent() {
                return Flight { landed, progress, collapsed: true };
            }
            ahead = Some(Ahead { landed, progress });
        }
        let begin = |progress: Arc<Progress>| {
            let own = begin(progress.clone());
            async move {
                match ahead {
                    Some(ahead) => ahead.or(own, &progress).await,
                    None => own.await,
                }
            }
        };
        entries.last += 1;
        let number = entries.last;
        let leaving = Leaving { entries: self.entries.clone(), key: key.to_owned(), number };
        let mut flight = self.alone(begin, leaving);
        flight.collapsed = false;
        let landed = flight.landed.downgrade().expect("it has not been polled yet");
        let entry = Entry { number, landed, progress: flight.progress.clone(), turn };
        entries.by_key.insert(key.to_owned(), entry);
        flight
    }

    /// Begins a flight that nobody else can join.
    pub(crate) fn fresh<F>(&self, begin: impl FnOnce(Arc<Progress>) -> F) -> Flight<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.alone(begin, ())
    }

    /// Flights under way.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        lock(&self.entries).by_key.len()
    }

    fn alone<F, G>(&self, begin: impl FnOnce(Arc<Progress>) -> F, guard: G) -> Flight<T>
    where
        F: Future<Output = T> + Send + 'static,
        G: Send + 'static,
    {
        let progress = Arc::<Progress>::default();
        let work = begin(progress.clone());
        let work = async move {
            let _guard = guard;
            work.await
        };
        let task = Task(tokio::spawn(trace_context::carry(work).in_current_span()));
        Flight { landed: task.boxed().shared(), progress, collapsed: false }
    }
}

impl<T: Clone> Ahead<T> {
    /// What lands first: the flight ahead, or our own, which is begun if the other does not leave the queue soon.
    async fn or(self, own: impl Future<Output = T>, progress: &Progress) -> T {
        if let Ok(Some(landed)) = timeout(PATIENCE, self.landed.clone()).await {
            return landed;
        }
        if self.progress.is_sent() {
            progress.set_sent(true);
            if let Some(landed) = self.landed.clone().await {
                return landed;
            }
            progress.set_sent(false);
        }
        tokio::select! {
            biased;
            Some(landed) = self.landed => landed,
            landed = own => landed,
        }
    }
}

fn lock<T: Clone>(entries: &Mutex<Entries<T>>) -> MutexGuard<'_, Entries<T>> {
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the flight off the list when its work ends, or is dropped.
struct Leaving<T: Clone> {
    entries: Arc<Mutex<Entries<T>>>,
    key: String,
    number: u64,
}

impl<T: Clone> Drop for Leaving<T> {
    fn drop(&mut self) {
        let mut entries = lock(&self.entries);
        if entries.by_key.get(&self.key).is_some_and(|entry| entry.number == self.number) {
            entries.by_key.remove(&self.key);
        }
    }
}

/// A task that is aborted when nobody waits for it any more. It runs by itself, so that no waiter has to poll it for the
/// others.
struct Task<T>(JoinHandle<T>);

impl<T> Future for Task<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::oneshot;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::pacing::Class;

    fn turn(principal: &str) -> Turn {
        Turn { principal: principal.into(), class: Class::Interactive }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_in_somebody_elses_long_queue() {
        let flights = Flights::new();
        let queued = |_| async {
            sleep(Duration::from_secs(100)).await;
            "late"
        };
        let begun = Instant::now();
        let first = flights.join("k", None, turn("flood"), queued);
        let quick = flights.join("k", None, turn("modest"), |_| async {
            sleep(Duration::from_secs(1)).await;
            "early"
        });
        assert!(!quick.collapsed);
        assert_eq!(quick.landed.await, Some("early"));
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert_eq!(first.landed.await, Some("late"));
        // And the other way round: who began first may well come first.
        let first = flights.join("k", None, turn("quick"), |_| async {
            sleep(Duration::from_secs(1)).await;
            "early"
        });
        let second = flights.join("k", None, turn("flood"), queued);
        assert_eq!((second.landed.await, first.landed.await), (Some("early"), Some("early")));
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flight_that_is_off_is_shared_by_all() {
        let flights = Flights::new();
        let off = |progress: Arc<Progress>| async move {
            sleep(Duration::from_millis(50)).await;
            progress.set_sent(true);
            sleep(Duration::from_secs(5)).await;
            1
        };
        let first = flights.join("k", None, turn("a"), off);
        let second = flights.join("k", None, turn("b"), |_| async { panic!("it is not needed") });
        sleep(Duration::from_secs(1)).await;
        assert!(second.progress.is_sent());
        let third = flights.join("k", None, turn("c"), |_| async { panic!("nor is this") });
        assert!(third.collapsed);
        assert_eq!(
            (first.landed.await, second.landed.await, third.landed.await),
            (Some(1), Some(1), Some(1))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn callers_of_one_key_share_one_flight() {
        let flights = Flights::new();
        let begun = Arc::new(AtomicUsize::new(0));
        let join = || {
            let begun = begun.clone();
            flights.join("k", None, turn("p"), |_| async move {
                sleep(Duration::from_secs(1)).await;
                begun.fetch_add(1, Ordering::Relaxed)
            })
        };
        let (a, b) = (join(), join());
        assert!(!a.collapsed && b.collapsed);
        assert_eq!((a.landed.await, b.landed.await), (Some(0), Some(0)));
        assert_eq!(join().landed.await, Some(1), "the next one flies anew");
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_who_leaves_does_not_take_the_flight_with_it() {
        let flights = Flights::new();
        let slow = |_| async {
            sleep(Duration::from_secs(1)).await;
            7
        };
        let leader = tokio::spawn(flights.join("k", None, turn("p"), slow).landed);
        tokio::task::yield_now().await;
        let follower = flights.join("other", Some("k"), turn("p"), slow);
        leader.abort();
        assert_eq!(follower.landed.await, Some(7));
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_last_waiter_has_gone_the_work_is_aborted() {
        let flights = Flights::new();
        let (alive, dropped) = oneshot::channel::<()>();
        let flight = flights.join("k", None, turn("p"), |_| async move {
            let _alive = alive;
            sleep(Duration::from_secs(1_000)).await;
        });
        tokio::task::yield_now().await;
        drop(flight);
        assert!(dropped.await.is_err());
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test]
    async fn work_that_panics_lands_as_nothing() {
        let flights = Flights::<u8>::new();
        assert_eq!(flights.join("k", None, turn("p"), |_| async { panic!("on purpose") }).landed.await, None);
    }
}
