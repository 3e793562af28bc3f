//! The whole state as a seed, and a seed in the place of the whole state.

use std::io::{self, BufWriter, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::Frame;
use serde_json::{Value, json};
use service_kit::edge::Subtree;
use service_kit::{ApiError, ErrorCode};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::apart;
use crate::airtable::emulator::Emulator;
use crate::airtable::seed::{Seed, SeedError};

/// Bytes that are written down before they are sent.
const CHUNK: usize = 64 << 10;

/// Chunks that wait for a slow reader.
const WAITING: usize = 4;

/// A snapshot may be large.
pub(in crate::airtable) const SUBTREE: Subtree = Subtree {
    prefix: "/__emulator/snapshot",
    body_limit: 4 << 30,
    deadline: Duration::from_secs(300),
    ..Subtree::OWN
};

/// Everything as a seed: users, tokens (but the one of whoever runs the emulator), limits, bases with structure and records. Put back, it gives the same again, byte for byte
#[utoipa::path(get, path = "/__emulator/snapshot", tag = "emulator", responses(
    (status = 200, description = "A seed, as `--seed` reads it, of one moment; each record on a line of its own",
     content_type = "application/json")
))]
pub(super) async fn take(State(emulator): State<Emulator>) -> Result<Response, ApiError> {
    let seed = apart(move || emulator.snapshot()).await?;
    let (chunks, body) = mpsc::channel(WAITING);
    let end = chunks.clone();
    // Ends when all is written, or when nobody reads any more.
    spawn_blocking(move || {
        let mut out = BufWriter::with_capacity(CHUNK, Chunks(chunks));
        if seed.write_json(&mut out).and_then(|()| out.flush()).is_ok() {
            let _ = end.blocking_send(None);
        }
    });
    let mut response = Response::new(Body::new(Written(body)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Puts a seed in the place of everything, also in the file of `--data`. A bad one is refused with all its problems, and changes nothing. Counters and rate windows begin anew; clock, faults and request log stay
#[utoipa::path(put, path = "/__emulator/snapshot", tag = "emulator", request_body(content = String, content_type = "application/json"),
    responses(
        (status = 200, description = "Done: how many bases and records there are now", content_type = "application/json"),
        (status = 422, description = "Not a seed: `errors` with the path of each problem as `pointer`", content_type = "application/problem+json")
    )
)]
pub(super) async fn restore(State(emulator): State<Emulator>, body: Bytes) -> Result<Json<Value>, ApiError> {
    let restored = apart(move || {
        let seed = Seed::from_json(&body)?;
        drop(body);
        let counts = json!({"restored": true, "bases": seed.bases().count(), "records": seed.record_count()});
        Ok::<_, SeedError>((counts, emulator.restore(seed)))
    });
    match restored.await? {
        Ok((counts, pending)) => {
            if let Some(pending) = pending
                && !pending.done().await
            {
                let why = "the snapshot could not be written to the file of bases";
                return Err(ApiError::new(ErrorCode::Internal, why));
            }
            Ok(Json(counts))
        }
        Err(error) => Err(refused(&error)),
    }
}

/// A problem document with every problem of the seed, each with its path.
fn refused(error: &SeedError) -> ApiError {
    let count = error.problems().len();
    let told = format!("the snapshot has {count} problem(s), and nothing was changed");
    error.problems().iter().fold(ApiError::new(ErrorCode::InvalidRequest, told), |answer, problem| {
        answer.field(problem.path.clone(), "invalid_seed", problem.message.clone())
    })
}

/// Where a snapshot is written to, on a thread that may wait.
struct Chunks(mpsc::Sender<Option<Bytes>>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Some(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was written, as a body. Only `None` is its end: without it, it was cut off.
struct Written(mpsc::Receiver<Option<Bytes>>);

impl http_body::Body for Written {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|received| match received {
            Some(Some(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(None) => None,
            None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        })
    }
}
