use std::fmt::{self, Debug, Write as _};
use std::io::Write as _;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::LogFormat;
use super::redact::redact;

/// Writes one line per event: its message and fields, and those of the spans around it, outermost first.
///
/// Every line passes the redactor, so that a credential that slips into a message does not reach the log.
pub(super) struct LineLayer {
    service: &'static str,
    format: LogFormat,
}

/// A span's fields, kept with the span.
struct SpanFields(Map<String, Value>);

impl LineLayer {
    pub(super) fn new(service: &'static str, format: LogFormat) -> Self {
        Self { service, format }
    }

    fn write(&self, line: String) {
        let mut line = redact(line);
        line.push('\n');
        // Nobody can be told that the log cannot be written.
        let _ = match self.format {
            LogFormat::Text => std::io::stderr().lock().write_all(line.as_bytes()),
            LogFormat::Json => std::io::stdout().lock().write_all(line.as_bytes()),
        };
    }
}

impl<S> Layer<S> for LineLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Collect::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(SpanFields(fields.0));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(SpanFields(fields)) = span.extensions_mut().get_mut() {
            let mut more = Collect::default();
            values.record(&mut more);
            fields.extend(more.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Map::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(SpanFields(of_span)) = span.extensions().get() {
                fields.extend(of_span.clone());
            }
        }
        let mut own = Collect(fields);
        event.record(&mut own);
        let mut fields = own.0;
        let message = match fields.shift_remove("message") {
            Some(Value::String(message)) => message,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let metadata = event.metadata();
        let service = match fields.shift_remove("service") {
            Some(Value::String(service)) => service,
            _ => self.service.to_owned(),
        };
        let now = jiff::Timestamp::now();
        self.write(match self.format {
            LogFormat::Json => json(now, *metadata.level(), service, metadata.target(), message, fields),
            LogFormat::Text => text(now, *metadata.level(), &service, &message, &fields),
        });
    }
}

fn json(
    now: jiff::Timestamp,
    level: Level,
    service: String,
    target: &str,
    message: String,
    fields: Map<String, Value>,
) -> String {
    let mut line = Map::with_capacity(fields.len() + 6);
    line.insert("timestamp".to_owned(), format!("{now:.3}").into());
    line.insert("level".to_owned(), level.as_str().into());
    line.insert("service".to_owned(), service.into());
    line.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
    line.insert("target".to_owned(), target.into());
    line.insert("message".to_owned(), message.into());
    line.extend(fields);
    Value::Object(line).to_string()
}

fn text(
    now: jiff::Timestamp,
    level: Level,
    service: &str,
    message: &str,
    fields: &Map<String, Value>,
) -> String {
    let mut line = format!("{now:.3} {level:>5} {service}: ");
    push_printable(&mut line, message);
    for (name, value) in fields {
        // People have no use for these: the access line's message says the same, and ids of spans are for tools.
        let is_said =
            matches!(name.as_str(), "trace_id" | "span_id" | "method" | "route" | "status" | "duration_ms");
        if is_said || name.starts_with("gen_ai.") {
            continue;
        }
        let _ = write!(line, " {name}=");
        match value {
            Value::String(text) => push_printable(&mut line, text),
            other => {
                let _ = write!(line, "{other}");
            }
        }
    }
    line
}

/// Control characters are escaped: a value must not start a line of its own or steer a terminal.
fn push_printable(line: &mut String, text: &str) {
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
}

#[derive(Default)]
struct Collect(Map<String, Value>);

impl Collect {
    fn put(&mut self, field: &Field, value: Value) {
        // These steer how a span is sent to a collector.
        if !field.name().starts_with("otel.") {
            self.0.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Collect {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string().into());
    }
}

impl Debug for LineLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineLayer").field("service", &self.service).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    #[test]
    fn a_json_line_is_one_object_on_one_line() {
        let now: jiff::Timestamp = "2026-11-24T23:18:00.1Z".parse().unwrap();
        let more = fields(json!({"request_id": "a", "status": 200}));
        let line = json(now, Level::INFO, "s".to_owned(), "t", "two\nlines".to_owned(), more);
        assert!(!line.contains('\n'));
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["timestamp"], "2026-11-24T23:18:00.100Z");
        assert_eq!((&read["message"], &read["status"]), (&json!("two\nlines"), &json!(200)));
    }

    #[test]
    fn a_text_line_escapes_what_would_steer_a_terminal() {
        let now: jiff::Timestamp = "2026-11-24T23:18:00Z".parse().unwrap();
        let more = fields(json!({"table": "a\u{1b}[2Jb"}));
        let line = text(now, Level::WARN, "s", "one\ntwo", &more);
        assert_eq!(line, "2026-11-24T23:18:00.000Z  WARN s: one\\ntwo table=a\\u{1b}[2Jb");
    }
}
