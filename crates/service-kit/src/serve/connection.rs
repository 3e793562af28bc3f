use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::ConnectInfo;
use axum::response::Response;
use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tower::ServiceExt as _;
use tracing::debug;

use super::watched::{BusyGuard, Due, Watch, WatchedStream};
use super::{Limits, Shutdown, set_options};

/// Serves one connection to its end.
pub(super) async fn run(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    shutdown: Shutdown,
) {
    set_options(&stream);
    let watch = Watch::new();
    let io = TokioIo::new(WatchedStream::new(stream, watch.clone()));
    let requests = watch.clone();
    let service = service_fn(move |request| answer(request, router.clone(), requests.clone(), peer));
    let connection = hyper::server::conn::http1::Builder::new()
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.head_bytes)
        .max_headers(limits.max_headers)
        .header_read_timeout(None) // would also end idle connections; `Watch` tells the two apart
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let mut time = pin!(TimeLimit::new(watch, limits));
    let mut is_finishing = false;
    loop {
        tokio::select! {
            biased; // the connection first: what it does decides what time it has
            result = connection.as_mut() => {
                if let Err(error) = result {
                    debug!("a connection ended early: {error}");
                }
                return;
            }
            due = time.as_mut() => match due {
                Due::Finish(_) if !is_finishing => {
                    connection.as_mut().graceful_shutdown();
                    is_finishing = true;
                }
                _ => return,
            },
            () = shutdown.requested(), if !is_finishing => {
                connection.as_mut().graceful_shutdown();
                is_finishing = true;
            }
            () = shutdown.cut_requested() => return,
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    router: Router,
    watch: Arc<Watch>,
    peer: SocketAddr,
) -> Result<Response<Tracked<Body>>, Infallible> {
    let (guard, ambiguous) = watch.begin();
    let mut request = request.map(|body| Body::new(Tracked { body, _guard: guard.clone() }));
    request.extensions_mut().insert(ConnectInfo(peer));
    if let Some(ambiguous) = ambiguous {
        request.extensions_mut().insert(ambiguous);
    }
    let response = router.oneshot(request).await?;
    Ok(response.map(|body| Tracked { body, _guard: guard }))
}

/// A body that keeps its connection busy while it exists.
struct Tracked<B> {
    body: B,
    _guard: BusyGuard,
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Tracked<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Resolves when the connection's time is over.
struct TimeLimit {
    watch: Arc<Watch>,
    limits: Limits,
    due: Due,
    alarm: Pin<Box<Sleep>>,
}

impl TimeLimit {
    fn new(watch: Arc<Watch>, limits: Limits) -> Self {
        Self { watch, limits, due: Due::Never, alarm: Box::pin(tokio::time::sleep_until(Instant::now())) }
    }
}

impl Future for TimeLimit {
    type Output = Due;

    // Polled whenever the connection is, as they share a task; so a change of the limit is seen right after it happened.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Due> {
        let this = &mut *self;
        let due = this.watch.due(&this.limits);
        if due != this.due {
            this.due = due;
            if let Due::Close(at) | Due::Finish(at) = due {
                this.alarm.as_mut().reset(at);
            }
        }
        match due {
            Due::Never => Poll::Pending,
            Due::Close(_) | Due::Finish(_) => this.alarm.as_mut().poll(cx).map(|()| due),
        }
    }
}
