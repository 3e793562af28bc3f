use std::sync::Arc;
use std::time::Instant;

use axum::response::Response;
use http::{Method, StatusCode};
use metrics::{counter, gauge, histogram};
use tracing::{Span, debug, error, info};

use super::RouteLabel;
use crate::error::ApiError;
use crate::telemetry::otlp;

/// Stands for every path without a route, so that nobody can grow the number of metric series.
const NO_ROUTE: &str = "(none)";

/// One request's line in the log and its metrics, written when it ends; also when its client goes away before.
pub(super) struct Access {
    service: &'static str,
    method: &'static str,
    route: Arc<str>,
    started: Instant,
    span: Span,
    is_over: bool,
}

impl Access {
    pub(super) fn begin(
        service: &'static str,
        method: &Method,
        route: Option<Arc<str>>,
        started: Instant,
        span: Span,
    ) -> Self {
        gauge!("http_server_active_requests", "service" => service).increment(1);
        let route = route.unwrap_or_else(|| NO_ROUTE.into());
        Self { service, method: bounded(method), route, started, span, is_over: false }
    }

    /// Writes the line: the only one about this request's outcome. 5xx are errors, with all causes.
    pub(super) fn end(mut self, response: &Response, error: Option<&ApiError>) {
        self.is_over = true;
        if let Some(RouteLabel(label)) = response.extensions().get() {
            self.route = label.as_ref().into();
        }
        let (method, route) = (self.method, &*self.route);
        let status = response.status();
        let elapsed = self.started.elapsed();
        histogram!(
            "http_server_request_duration_seconds",
            "service" => self.service, "method" => method, "route" => route.to_owned(), "status_class" => class(status),
        )
        .record(elapsed);

        otlp::finish(&self.span, method, route, Some(status));
        let _in_span = self.span.enter();
        let duration_ms = (elapsed.as_secs_f64() * 1e5).round() / 1e2;
        let code = error.map(|error| error.code().as_str());
        let cause = error.map(ApiError::chain);
        let status = status.as_u16();
        macro_rules! line {
            ($level:ident) => {
                $level!(
                    method,
                    route,
                    status,
                    duration_ms,
                    error.r#type = code,
                    error = cause,
                    "{method} {route} {status} {duration_ms} ms"
                )
            };
        }
        match (status, route) {
            (500.., _) => line!(error),
            // Probes and scrapes come every few seconds and say nothing.
            (..400, "/health" | "/ready" | "/metrics") => line!(debug),
            _ => line!(info),
        }
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        gauge!("http_server_active_requests", "service" => self.service).decrement(1);
        if self.is_over {
            return;
        }
        counter!("http_server_client_aborts_total", "service" => self.service).increment(1);
        let (method, route) = (self.method, &*self.route);
        let duration_ms = (self.started.elapsed().as_secs_f64() * 1e5).round() / 1e2;
        otlp::finish(&self.span, method, route, None);
        let _in_span = self.span.enter();
        info!(method, route, duration_ms, "{method} {route}: the client went away after {duration_ms} ms");
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

/// Methods are the client's text; metrics know the registered ones only.
fn bounded(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}
