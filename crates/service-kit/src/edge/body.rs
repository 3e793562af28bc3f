use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, Sleep};

/// How long a client may take between two pieces of a body.
const IDLE: Duration = Duration::from_secs(10);

/// What is read and thrown away of a body that nobody wants any more. A client that is still sending does not see an early
/// answer; closing on it makes it report a broken connection instead of our error.
const DRAIN_BYTES: u64 = 64 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(30);

/// How a body broke its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyProblem {
    TooLarge,
    TooSlow,
}

/// Tells the edge how reading a body went; the handler that reads it sees a read error only.
#[derive(Clone, Default)]
pub(super) struct Outcome(Arc<AtomicU8>);

impl Outcome {
    pub(super) fn set(&self, problem: BodyProblem) {
        let code = match problem {
            BodyProblem::TooLarge => 1,
            BodyProblem::TooSlow => 2,
        };
        self.0.store(code, Ordering::Release);
    }

    pub(super) fn problem(&self) -> Option<BodyProblem> {
        match self.0.load(Ordering::Acquire) {
            1 => Some(BodyProblem::TooLarge),
            2 => Some(BodyProblem::TooSlow),
            _ => None,
        }
    }
}

/// A body with a limit in size and a limit to its pauses; what is left of it when it is dropped is drained.
pub(super) struct GuardedBody {
    body: Option<Body>,
    /// Bytes that may still come.
    left: usize,
    pause: Option<Pin<Box<Sleep>>>,
    /// The client does not send before the first read, and there was none.
    is_withheld: bool,
    outcome: Outcome,
}

#[derive(Debug, thiserror::Error)]
#[error("the body is too large")]
struct TooLarge;

#[derive(Debug, thiserror::Error)]
#[error("the body did not arrive in time")]
struct TooSlow;

impl GuardedBody {
    pub(super) fn wrap(body: Body, limit: usize, is_withheld: bool, outcome: Outcome) -> Body {
        if body.is_end_stream() {
            return body;
        }
        Body::new(Self { body: Some(body), left: limit, pause: None, is_withheld, outcome })
    }

    fn fail<E>(&mut self, problem: BodyProblem, error: E) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        self.outcome.set(problem);
        Poll::Ready(Some(Err(axum::Error::new(error))))
    }
}

impl HttpBody for GuardedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        this.is_withheld = false;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.pause = None;
                let length = frame.data_ref().map_or(0, Bytes::len);
                if length > this.left {
                    // The handler sees a failed read; the edge answers 413.
                    return this.fail(BodyProblem::TooLarge, TooLarge);
                }
                this.left -= length;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(end) => {
                this.body = None;
                Poll::Ready(end)
            }
            Poll::Pending => {
                let pause = this.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(IDLE)));
                match pause.as_mut().poll(cx) {
                    Poll::Ready(()) => {
                        this.body = None; // a client this slow is not waited for again
                        this.fail(BodyProblem::TooSlow, TooSlow)
                    }
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for GuardedBody {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream() && !self.is_withheld) else {
            return;
        };
        // More than this is not worth reading to deliver an error message.
        if body.size_hint().lower() > DRAIN_BYTES {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(drain(body));
        }
    }
}

async fn drain(mut body: Body) {
    let end = Instant::now() + DRAIN_TIME;
    let mut left = DRAIN_BYTES;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout_at(end, body.frame()).await {
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
