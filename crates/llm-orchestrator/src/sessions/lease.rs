//! One run per session at a time, in this process and in all that share its store.

use std::time::Duration;

use service_kit::{ApiError, ErrorCode};
use storage::{Lease, StorageError};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use super::{Sessions, holder, no_such_session};

/// How long a session stays taken after its process died.
const TTL: Duration = Duration::from_secs(10);
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// Long enough that a live holder renews at least once meanwhile, with time to spare.
const LOOK_EVERY: Duration = Duration::from_secs(4);

/// The right to work on a session. Renewed until it is given back; the guard ends the renewal also if it is dropped, and
/// then the store forgets the right by itself.
pub(crate) struct Held {
    sessions: Sessions,
    id: String,
    lost: CancellationToken,
    _renewal: DropGuard,
    _here: Here,
}

/// The mark that a session has a run in this process.
struct Here {
    sessions: Sessions,
    id: String,
}

impl Held {
    /// 409 if the session has a run already. What a dead process left is waited out.
    pub(super) async fn take(sessions: &Sessions, id: &str, run: &str) -> Result<Self, ApiError> {
        let here = Here::enter(sessions, id, run)?;
        let mut before: Option<(Instant, Duration)> = None;
        // A right that nobody renews is over within its time; a live holder is noticed at the second look.
        loop {
            match sessions.store.lease(id, &sessions.holder, TTL).await {
                Ok(Lease::Held) => break,
                Ok(Lease::Busy { holder, .. }) if holder::is_gone(&holder) => {
                    sessions.store.release(id, &holder).await?;
                }
                Ok(Lease::Busy { remaining, .. }) => {
                    let is_renewed = before.is_some_and(|(asked, left)| {
                        remaining + asked.elapsed() > left + Duration::from_millis(500)
                    });
                    if is_renewed {
                        return Err(busy());
                    }
                    before = Some((Instant::now(), remaining));
                    sleep(remaining.min(LOOK_EVERY) + Duration::from_millis(20)).await;
                }
                Err(StorageError::Missing { .. }) => return Err(no_such_session()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self::renewed(here))
    }

    /// For a session that is not made yet; [`renew_once`] has to follow.
    pub(super) fn of_draft(sessions: &Sessions, id: &str, run: &str) -> Result<Self, ApiError> {
        Here::enter(sessions, id, run).map(Self::renewed)
    }

    fn renewed(here: Here) -> Self {
        let (stop, lost) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(renew(here.sessions.clone(), here.id.clone(), stop.clone(), lost.clone()));
        Self {
            sessions: here.sessions.clone(),
            id: here.id.clone(),
            lost,
            _renewal: stop.drop_guard(),
            _here: here,
        }
    }

    /// Ends once the right is somebody else's.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    pub(crate) async fn give_back(self) {
        let Self { sessions, id, _renewal, _here, .. } = self;
        drop(_renewal);
        if let Err(error) = sessions.store.release(&id, &sessions.holder).await {
            warn!("a session's lease was not given back, so it lasts for its time: {error}");
        }
    }
}

/// Takes the lease of a session that was made a moment ago, whose id nobody else knows yet.
pub(super) async fn renew_once(sessions: &Sessions, id: &str) -> Result<(), StorageError> {
    sessions.store.lease(id, &sessions.holder, TTL).await.map(drop)
}

async fn renew(sessions: Sessions, id: String, stop: CancellationToken, lost: CancellationToken) {
    loop {
        tokio::select! {
            () = sleep(RENEW_EVERY) => {}
            () = stop.cancelled() => return,
        }
        match sessions.store.lease(&id, &sessions.holder, TTL).await {
            Ok(Lease::Held) => {}
            Ok(Lease::Busy { .. }) => {
                lost.cancel();
                return;
            }
            // Deleted, or not made yet: what is appended will tell.
            Err(StorageError::Missing { .. }) => {}
            // What is appended meanwhile fails if somebody else took over, so nothing is done twice.
            Err(error) => warn!("a session's lease was not renewed: {error}"),
        }
    }
}

impl Here {
    fn enter(sessions: &Sessions, id: &str, run: &str) -> Result<Self, ApiError> {
        let mut running = sessions.running();
        if running.contains_key(id) {
            return Err(busy());
        }
        running.insert(id.to_owned(), run.to_owned());
        Ok(Self { sessions: sessions.clone(), id: id.to_owned() })
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.sessions.running().remove(&self.id);
    }
}

/// Not to be repeated by a client on its own: the answer under way may take minutes.
fn busy() -> ApiError {
    ApiError::new(
        ErrorCode::Conflict,
        "this session is answering another message; wait for its end, or use another session",
    )
    .openai("conflict_error", "session_busy")
    .retryable(false)
}
