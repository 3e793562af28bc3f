//! Answers that are not what they should be.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::time::{Interval, MissedTickBehavior, Sleep, interval, sleep};

/// How often a slow answer goes on.
const STEP: Duration = Duration::from_millis(50);

/// What stands in the place of an answer sometimes: a proxy's page, JSON of another shape, no JSON at all.
const RUBBISH: [(&str, &[u8]); 6] = [
    (
        "text/html",
        b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>",
    ),
    ("application/json", b"null"),
    ("application/json", b"[]"),
    ("application/json", b"{\"records\": {\"id\": 7}}"),
    ("application/json", b""),
    ("application/json", b"\xff\xfe{\"records\":\x00"),
];

pub(super) fn cut_off() -> Response<Body> {
    Response::new(Body::new(Ending { first: None, pause: None }))
}

/// The first half of an answer, then the end of the connection.
pub(super) async fn truncated(response: Response<Body>) -> Response<Body> {
    let (mut parts, whole) = collected(response).await;
    parts.headers.remove(header::CONTENT_LENGTH);
    let first = Some(whole.slice(..whole.len() / 2)).filter(|first| !first.is_empty());
    let pause = first.is_some().then(|| Box::pin(sleep(STEP)));
    Response::from_parts(parts, Body::new(Ending { first, pause }))
}

/// A success that is none.
pub(super) fn rubbish() -> Response<Body> {
    let (content_type, body) = RUBBISH[rand::random_range(0..RUBBISH.len())];
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The answer, so many bytes a second.
pub(super) async fn slow(response: Response<Body>, bytes_per_second: u32) -> Response<Body> {
    let (parts, left) = collected(response).await;
    let step = (f64::from(bytes_per_second) * STEP.as_secs_f64()).ceil().max(1.0);
    // A step has one byte at least.
    let mut pace = interval(Duration::from_secs_f64(step / f64::from(bytes_per_second)));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Response::from_parts(parts, Body::new(Trickle { left, step: step as usize, pace }))
}

async fn collected(response: Response<Body>) -> (http::response::Parts, Bytes) {
    let (parts, body) = response.into_parts();
    (parts, body.collect().await.map(|body| body.to_bytes()).unwrap_or_default())
}

/// Some bytes, then the end of the connection.
struct Ending {
    first: Option<Bytes>,
    /// Between them, so that the bytes are sent: what is cut off at once takes them with it.
    pause: Option<Pin<Box<Sleep>>>,
}

impl http_body::Body for Ending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(bytes) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
        }
        let cut = io::Error::new(io::ErrorKind::ConnectionAborted, "cut, as it was asked for");
        Poll::Ready(Some(Err(cut)))
    }
}

/// A body that comes a little at a time.
struct Trickle {
    left: Bytes,
    step: usize,
    pace: Interval,
}

impl http_body::Body for Trickle {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        ready!(self.pace.poll_tick(context));
        let step = self.step.min(self.left.len());
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(step)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.left.len() as u64)
    }
}
