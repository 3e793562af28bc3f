//! Spans, sent to a collector by OTLP over HTTP (protobuf). Source: <https://opentelemetry.io/docs/specs/otlp/>.
//!
//! Off unless a collector is set. Only spans travel, with the attributes that we give them: no log lines, no source
//! places. Other services' sampling decisions are followed; traces that begin here are all recorded.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use opentelemetry::trace::{
    SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient as CollectorClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use secrecy::ExposeSecret as _;
use tokio::runtime::Handle;
use tracing::{Level, Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::config::{Reader, Secret};
use crate::outbound::{HttpClient, OutboundError, full, http_client};

/// What a collector answers is short; this bounds what a wrong address can make us read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Of one batch, its repetitions included.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Where spans are sent.
#[derive(Clone, Debug)]
pub(super) struct Collector {
    /// Ends in `/v1/traces`.
    traces: Uri,
    headers: Option<Secret>,
}

/// The text is not the address of a collector.
#[derive(Debug, thiserror::Error)]
#[error("must be an http or https address without user and query, such as http://127.0.0.1:4318")]
pub(super) struct NotACollector;

struct Endpoint(Uri);

impl Collector {
    /// Reads `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_EXPORTER_OTLP_HEADERS` (`name=value,…`, percent-encoded, a secret).
    pub(super) fn read(settings: &mut Reader<'_>) -> Option<Self> {
        let endpoint = settings.optional::<Endpoint>("OTEL_EXPORTER_OTLP_ENDPOINT");
        let headers = settings.optional_secret("OTEL_EXPORTER_OTLP_HEADERS");
        endpoint.map(|Endpoint(traces)| Self { traces, headers })
    }

    /// The layer that makes spans of ours into spans of the collector's. Must be called within a tokio runtime.
    pub(super) fn layer<S>(&self, service: &'static str) -> Result<impl Layer<S> + use<S>, CannotSend>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let client = RuntimeClient { client: http_client(&self.traces)?, runtime: Handle::current() };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(self.traces.to_string())
            .with_timeout(EXPORT_TIMEOUT)
            .with_headers(self.header_map())
            .build()
            .map_err(|error| CannotSend::Exporter(error.into()))?;
        let resource = Resource::builder()
            .with_service_name(service)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        let tracer = provider.tracer("pyairtable");
        // The first provider of a process stays; `init` calls this once.
        let _ = PROVIDER.set(provider);
        Ok(tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_sent)))
    }

    fn header_map(&self) -> HashMap<String, String> {
        let Some(headers) = &self.headers else { return HashMap::new() };
        let text = headers.current();
        let pairs = text.expose_secret().split(',').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
    }
}

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum CannotSend {
    #[error(transparent)]
    Client(#[from] OutboundError),
    #[error(transparent)]
    Exporter(Box<dyn std::error::Error + Send + Sync>),
}

/// Our own spans, and no events: those are the log's, where credentials are taken out of them.
fn is_sent(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && *metadata.level() <= Level::INFO && !metadata.target().starts_with(super::CHATTY)
}

impl FromStr for Endpoint {
    type Err = NotACollector;

    fn from_str(text: &str) -> Result<Self, NotACollector> {
        let given: Uri = text.parse().map_err(|_| NotACollector)?;
        let is_http = matches!(given.scheme_str(), Some("http" | "https"));
        let authority = given.authority().filter(|authority| !authority.as_str().contains('@'));
        if !is_http || authority.is_none() || given.query().is_some() {
            return Err(NotACollector);
        }
        format!("{}/v1/traces", text.trim_end_matches('/')).parse().map(Self).map_err(|_| NotACollector)
    }
}

/// The ids under which the collector will know this span, whose parent may stand in a `traceparent`. `None` while no
/// collector is set. The span must be new.
pub(super) fn adopt(
    span: &Span,
    parent: Option<(u128, u64, bool)>,
    state: Option<&str>,
) -> Option<(u128, u64, bool)> {
    PROVIDER.get()?;
    if let Some((trace_id, span_id, sampled)) = parent {
        let flags = if sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let state = state.and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
        let (trace_id, span_id) = (TraceId::from(trace_id), SpanId::from(span_id));
        let context = SpanContext::new(trace_id, span_id, flags, true, state);
        // Fails only for a span that nobody records.
        let _ = span.set_parent(Context::new().with_remote_span_context(context));
    }
    ids(span)
}

/// The ids of the innermost span around this code; `None` if there is none that the collector hears of.
pub(super) fn current_ids() -> Option<(u128, u64, bool)> {
    PROVIDER.get()?;
    ids(&Span::current())
}

fn ids(span: &Span) -> Option<(u128, u64, bool)> {
    let context = span.context();
    let ids = context.span().span_context().clone();
    let number = |id: SpanId| u64::from_be_bytes(id.to_bytes());
    ids.is_valid()
        .then(|| (u128::from_be_bytes(ids.trace_id().to_bytes()), number(ids.span_id()), ids.is_sampled()))
}

/// Names a request's span by what is known at its end.
pub(crate) fn finish(span: &Span, method: &str, route: &str, status: Option<StatusCode>) {
    if PROVIDER.get().is_none() {
        return;
    }
    let context = span.context();
    let span = context.span();
    span.update_name(format!("{method} {route}"));
    span.set_attribute(KeyValue::new("http.request.method", method.to_owned()));
    span.set_attribute(KeyValue::new("http.route", route.to_owned()));
    if let Some(status) = status {
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_server_error() {
            span.set_status(Status::error(""));
        }
    }
}

/// Sends what is waiting, for a few seconds at most.
pub(crate) async fn flush() {
    if let Some(provider) = PROVIDER.get() {
        // It blocks, and its requests are sent by this runtime.
        let flushed = tokio::task::spawn_blocking(|| provider.force_flush()).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!("the last spans could not be sent: {error}");
        }
    }
}

/// Our HTTP client, for the exporter: that has a thread of its own, outside of the runtime that the client needs.
#[derive(Debug)]
struct RuntimeClient {
    client: HttpClient,
    runtime: Handle,
}

#[async_trait]
impl CollectorClient for RuntimeClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = async move {
            let answered = client.request(request.map(full)).await?;
            let (head, body) = answered.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        // The clock is the runtime's, too: on the exporter's thread there is none, and its end would end all exports.
        self.runtime.spawn(async move { tokio::time::timeout(EXPORT_TIMEOUT, sent).await? }).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_an_address_to_which_the_path_is_added() {
        for (text, traces) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://collector.example/otlp/", "https://collector.example/otlp/v1/traces"),
        ] {
            assert_eq!(text.parse::<Endpoint>().ok().unwrap().0, traces);
        }
        for text in ["", "127.0.0.1:4318", "ftp://a", "http://user:secret@host", "http://host/?a=b"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
