//! The body of a call that is passed on: held if it is short, so that it can be sent again; streamed if it is long.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use airtable_api::full_body;
use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

use crate::upstream::{Trouble, outbound_body};

/// Up to here a body is held. Ten records rarely need more.
const HELD: usize = 1 << 20;

/// A request's body.
pub(crate) struct Payload(Form);

enum Form {
    Held(Bytes),
    /// What was read already, and the rest.
    Streamed(Bytes, Body),
    /// A streamed body that was sent.
    Gone,
}

impl Payload {
    /// A body that is there.
    pub(crate) fn held(bytes: Bytes) -> Self {
        Self(Form::Held(bytes))
    }

    /// Reads the beginning of a body, or all of it if it is short.
    pub(crate) async fn read(mut body: Body) -> Result<Self, Trouble> {
        let mut first = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Trouble::Payload(Arc::new(error)))?;
            let Ok(data) = frame.into_data() else { continue };
            first.extend_from_slice(&data);
            if first.len() > HELD {
                return Ok(Self(Form::Streamed(first.freeze(), body)));
            }
        }
        Ok(Self::held(first.freeze()))
    }

    /// Whether it can be sent (again).
    pub(crate) fn can_repeat(&self) -> bool {
        matches!(self.0, Form::Held(_))
    }

    /// The body to send.
    pub(crate) fn send(&mut self) -> airtable_api::Body {
        match std::mem::replace(&mut self.0, Form::Gone) {
            Form::Held(bytes) => {
                self.0 = Form::Held(bytes.clone());
                full_body(bytes)
            }
            Form::Streamed(first, rest) => outbound_body(Body::new(Joined { first: Some(first), rest })),
            Form::Gone => full_body(Bytes::new()),
        }
    }
}

/// What was read already, then the rest. Tells its length where the client did, so that it travels framed as it came.
struct Joined {
    first: Option<Bytes>,
    rest: Body,
}

impl HttpBody for Joined {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, |first| first.len() as u64);
        match self.rest.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(first + rest),
            None => SizeHint::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_short_body_can_be_sent_again() {
        let mut payload = Payload::read(Body::from("{}")).await.unwrap();
        for _ in 0..2 {
            assert!(payload.can_repeat());
            assert_eq!(payload.send().collect().await.unwrap().to_bytes(), "{}");
        }
    }

    #[tokio::test]
    async fn a_long_body_streams_once_and_whole() {
        let chunk = Bytes::from(vec![b'x'; 700_000]);
        let chunks = futures_util::stream::iter(vec![chunk; 3].into_iter().map(Ok::<_, std::io::Error>));
        let mut payload = Payload::read(Body::from_stream(chunks)).await.unwrap();
        assert!(!payload.can_repeat());
        assert_eq!(payload.send().collect().await.unwrap().to_bytes().len(), 2_100_000);
    }
}
