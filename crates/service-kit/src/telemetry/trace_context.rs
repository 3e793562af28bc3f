//! W3C Trace Context: taken from a request, given to the calls made for it. Source: <https://www.w3.org/TR/trace-context/>.

use std::fmt::{self, Display};
use std::future::Future;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use tracing::Span;

use super::otlp;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

tokio::task_local! {
    static CURRENT: Arc<Current>;
}

/// What a request's work may know of the request without being handed it.
#[derive(Clone, Debug)]
pub struct Current {
    pub request_id: Arc<str>,
    pub trace: TraceContext,
    /// When the answer must be there.
    pub deadline: Instant,
}

/// A place in a distributed trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    sampled: bool,
    state: Option<HeaderValue>,
}

impl TraceContext {
    /// The place of this request's own span: a child of what the headers name, or the first of a new trace.
    pub(crate) fn of_request(headers: &HeaderMap, span: &Span) -> Self {
        let parent = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()).and_then(parse);
        let state = parent.and_then(|_| headers.get(TRACESTATE).cloned());
        let state_text = state.as_ref().and_then(|state| state.to_str().ok());
        if let Some((trace_id, span_id, sampled)) = otlp::adopt(span, parent, state_text) {
            return Self { trace_id, span_id, sampled, state };
        }
        match parent {
            Some((trace_id, _, sampled)) => Self { trace_id, span_id: random_span_id(), sampled, state },
            None => Self {
                trace_id: uuid::Uuid::new_v4().as_u128(),
                span_id: random_span_id(),
                sampled: true,
                state: None,
            },
        }
    }

    /// 32 hexadecimal digits.
    pub fn trace_id(&self) -> impl Display {
        Hex::<32>(self.trace_id)
    }

    /// 16 hexadecimal digits.
    pub fn span_id(&self) -> impl Display {
        Hex::<16>(u128::from(self.span_id))
    }
}

/// The request that this task works for; `None` outside of requests and in tasks that were spawned without [`carry`].
pub fn current() -> Option<Arc<Current>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Adds the current request's `traceparent` and `tracestate` to the headers of an outgoing call.
pub fn inject(headers: &mut HeaderMap) {
    let Some(current) = current() else { return };
    let mut trace = current.trace.clone();
    // A span within the request is the nearer parent.
    if let Some((trace_id, span_id, sampled)) = otlp::current_ids().filter(|ids| ids.0 == trace.trace_id) {
        trace = TraceContext { trace_id, span_id, sampled, ..trace };
    }
    let flags = u8::from(trace.sampled);
    let value = format!("00-{}-{}-{flags:02x}", trace.trace_id(), trace.span_id());
    headers
        .insert(TRACEPARENT, HeaderValue::from_str(&value).expect("digits and dashes are header characters"));
    match trace.state {
        Some(state) => headers.insert(TRACESTATE, state),
        None => headers.remove(TRACESTATE),
    };
}

/// Makes a future that is about to be spawned part of the current request.
pub fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let current = current();
    async move {
        match current {
            Some(current) => CURRENT.scope(current, work).await,
            None => work.await,
        }
    }
}

/// Runs work as part of a request that was noted earlier by [`current`], on whatever task.
pub async fn enter<F: Future>(current: Arc<Current>, work: F) -> F::Output {
    CURRENT.scope(current, work).await
}

/// Trace id, span id and sampled flag of a `traceparent`; `None` if it is malformed.
fn parse(value: &str) -> Option<(u128, u64, bool)> {
    let mut parts = value.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let well_formed = is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    // Later versions may append parts; this one has exactly four.
    if !well_formed || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
    let span_id = u64::from_str_radix(parent, 16).ok().filter(|id| *id != 0)?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some((trace_id, span_id, flags & 1 == 1))
}

fn random_span_id() -> u64 {
    // The low half of a version 4 UUID has 62 random bits; zero, which is no id, is as good as impossible.
    (uuid::Uuid::new_v4().as_u128() as u64).max(1)
}

struct Hex<const DIGITS: usize>(u128);

impl<const DIGITS: usize> Display for Hex<DIGITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_static(value))])
    }

    fn request(trace: TraceContext) -> Arc<Current> {
        let deadline = Instant::now() + Duration::from_secs(1);
        Arc::new(Current { request_id: "id".into(), trace, deadline })
    }

    #[tokio::test]
    async fn a_trace_goes_on_with_a_span_of_our_own() {
        let mut given = headers(PARENT);
        given.insert(TRACESTATE, HeaderValue::from_static("a=1"));
        let trace = TraceContext::of_request(&given, &Span::none());
        let out = enter(request(trace), async {
            let mut out = HeaderMap::new();
            inject(&mut out);
            out
        })
        .await;
        let value = out[TRACEPARENT].to_str().unwrap();
        assert!(
            value.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && value.ends_with("-01"),
            "{value}"
        );
        assert!(!value.contains("b7ad6b7169203331"));
        assert_eq!(out[TRACESTATE], "a=1");
    }

    #[test]
    fn a_malformed_parent_starts_a_new_trace() {
        for value in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(parse(value), None, "{value}");
        }
        let one = TraceContext::of_request(&headers("junk"), &Span::none());
        let two = TraceContext::of_request(&headers("junk"), &Span::none());
        assert_ne!(one.trace_id, two.trace_id);
        assert_eq!(one.trace_id().to_string().len(), 32);
        assert_eq!(one.span_id().to_string().len(), 16);
    }

    #[tokio::test]
    async fn a_spawned_task_is_part_of_the_request_if_it_is_carried() {
        let trace = TraceContext::of_request(&headers(PARENT), &Span::none());
        enter(request(trace), async {
            assert!(tokio::spawn(async { current().is_none() }).await.unwrap());
            assert!(tokio::spawn(carry(async { current().is_some() })).await.unwrap());
        })
        .await;
    }
}
