//! Answers on their way out: server-sent events, a growing list, or one object; complete, slow, or broken on purpose.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body::{Frame, SizeHint};
use serde_json::Value;
use tokio::time::{Sleep, sleep};

use super::log::OpenEntry;
use super::reply::{Cut, End, Reply};

/// In which form chunks are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Form {
    /// One object, whole.
    Single,
    /// `alt=sse`.
    Events,
    /// A list that grows.
    List,
}

/// What happens next with a body.
#[derive(Debug, PartialEq)]
enum Step {
    Wait(Duration),
    Write(Bytes),
    /// What was written goes out before anything else happens.
    Flush,
    /// The connection breaks.
    Break,
}

/// Writes chunks in a form, as the reply says they are to be delivered.
pub(super) fn respond(
    chunks: &[Value],
    reply: &Reply,
    form: Form,
    chunk_delay: Duration,
    entry: OpenEntry,
) -> Response<Body> {
    let steps = plan(chunks, reply, form, chunk_delay);
    let has_length = form == Form::Single && steps.iter().all(|step| matches!(step, Step::Write(_)));
    let delivery = Delivery { steps, pause: None, entry: Some(entry), has_length };
    let mut response = Response::new(Body::new(delivery));
    let kind = match form {
        Form::Events => "text/event-stream",
        Form::Single | Form::List => "application/json; charset=UTF-8",
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn plan(chunks: &[Value], reply: &Reply, form: Form, chunk_delay: Duration) -> VecDeque<Step> {
    let delay = reply.chunk_delay.unwrap_or(chunk_delay);
    let mut steps = VecDeque::new();
    let write = |steps: &mut VecDeque<Step>, text: &[u8]| {
        let size = reply.split_bytes.unwrap_or(usize::MAX).max(1);
        for piece in text.chunks(size) {
            steps.push_back(Step::Write(Bytes::copy_from_slice(piece)));
            if size != usize::MAX {
                steps.push_back(Step::Flush);
            }
        }
    };
    for (number, chunk) in chunks.iter().enumerate() {
        match &reply.end {
            End::Cut { after_chunks, how } if *after_chunks == number => {
                match how {
                    Cut::Connection => steps.extend([Step::Flush, Step::Break]),
                    Cut::InsideChunk => {
                        let text = framed(chunk, form, number);
                        write(&mut steps, &text[..inside(&text)]);
                        steps.extend([Step::Flush, Step::Break]);
                    }
                    Cut::Body => {}
                }
                return steps;
            }
            End::Fail { after_chunks, error } if *after_chunks == number => {
                write(&mut steps, &framed(&error.body(), form, number));
                write(&mut steps, closing(form));
                return steps;
            }
            End::Hang { after_chunks, time } if *after_chunks == number => steps.push_back(Step::Wait(*time)),
            _ => {}
        }
        if number > 0 && !delay.is_zero() {
            steps.push_back(Step::Wait(delay));
        }
        write(&mut steps, &framed(chunk, form, number));
    }
    match &reply.end {
        // More chunks than there are: after the last one, and without the end of the list.
        End::Cut { how: Cut::Connection | Cut::InsideChunk, .. } => {
            steps.extend([Step::Flush, Step::Break]);
        }
        End::Fail { error, .. } => {
            write(&mut steps, &framed(&error.body(), form, chunks.len()));
            write(&mut steps, closing(form));
        }
        _ => write(&mut steps, closing(form)),
    }
    steps
}

fn framed(chunk: &Value, form: Form, number: usize) -> Vec<u8> {
    match form {
        Form::Events => format!("data: {chunk}\r\n\r\n"),
        Form::List if number == 0 => format!("[{chunk:#}"),
        Form::List => format!(",\r\n{chunk:#}"),
        Form::Single => format!("{chunk:#}\n"),
    }
    .into_bytes()
}

fn closing(form: Form) -> &'static [u8] {
    if form == Form::List { b"]" } else { b"" }
}

/// A place in the middle of a character of several bytes, else in the middle of the text.
fn inside(text: &[u8]) -> usize {
    text.iter().position(|byte| byte & 0b1100_0000 == 0b1000_0000).unwrap_or(text.len() / 2)
}

/// A body that follows its steps. Dropped before its end, it tells the log that the client left.
struct Delivery {
    steps: VecDeque<Step>,
    pause: Option<Pin<Box<Sleep>>>,
    entry: Option<OpenEntry>,
    /// The whole length is told beforehand.
    has_length: bool,
}

impl Delivery {
    fn done(&mut self) {
        if let Some(entry) = self.entry.take() {
            entry.delivered();
        }
    }
}

impl HttpBody for Delivery {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match self.steps.pop_front() {
                Some(Step::Wait(time)) => self.pause = Some(Box::pin(sleep(time))),
                Some(Step::Write(bytes)) => {
                    if self.steps.is_empty() {
                        self.done();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Flush) => {
                    // The server writes out what it has whenever there is nothing to take.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Break) => {
                    self.done();
                    return Poll::Ready(Some(Err(io::Error::other("the answer is cut on purpose"))));
                }
                None => {
                    self.done();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.pause.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = |step: &Step| match step {
            Step::Write(bytes) => bytes.len() as u64,
            Step::Wait(_) | Step::Flush | Step::Break => 0,
        };
        if self.has_length {
            SizeHint::with_exact(self.steps.iter().map(length).sum())
        } else {
            SizeHint::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::errors::GeminiError;
    use super::*;

    fn written(reply: &Reply, form: Form) -> (String, bool) {
        let chunks = [json!({"n": 1}), json!({"n": "zwölf"})];
        let steps = plan(&chunks, reply, form, Duration::ZERO);
        let mut bytes = Vec::new();
        let mut broken = false;
        for step in steps {
            match step {
                Step::Write(piece) => bytes.extend_from_slice(&piece),
                Step::Break => broken = true,
                Step::Wait(_) | Step::Flush => {}
            }
        }
        (String::from_utf8_lossy(&bytes).into_owned(), broken)
    }

    #[test]
    fn events_are_framed_as_google_does() {
        assert_eq!(
            written(&Reply::default(), Form::Events),
            ("data: {\"n\":1}\r\n\r\ndata: {\"n\":\"zwölf\"}\r\n\r\n".to_owned(), false)
        );
        let (list, _) = written(&Reply::default(), Form::List);
        assert_eq!(serde_json::from_str::<Value>(&list).unwrap(), json!([{"n": 1}, {"n": "zwölf"}]));
    }

    #[test]
    fn a_cut_comes_where_it_was_asked_for() {
        let cut = |after_chunks, how| Reply { end: End::Cut { after_chunks, how }, ..Reply::default() };
        let first = "data: {\"n\":1}\r\n\r\n";
        assert_eq!(written(&cut(1, Cut::Connection), Form::Events), (first.to_owned(), true));
        assert_eq!(written(&cut(1, Cut::Body), Form::Events), (first.to_owned(), false));
        let (inside, broken) = written(&cut(1, Cut::InsideChunk), Form::Events);
        assert!(broken && inside.ends_with('\u{fffd}'), "{inside}");
        assert_eq!(written(&cut(0, Cut::Connection), Form::Events), (String::new(), true));
    }

    #[test]
    fn an_error_in_the_stream_has_error_as_its_first_key() {
        let end = End::Fail { after_chunks: 1, error: GeminiError::overloaded() };
        let (text, broken) = written(&Reply { end, ..Reply::default() }, Form::Events);
        assert!(!broken && text.contains("\r\n\r\ndata: {\"error\":{\"code\":503,"), "{text}");
    }
}
