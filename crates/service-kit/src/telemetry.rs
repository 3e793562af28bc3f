//! Logs, metrics and trace context.

mod lines;
pub mod metrics;
mod process;
mod redact;
pub mod trace_context;

use std::str::FromStr;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::Reader;
use lines::LineLayer;

/// How much is logged, and for whom.
#[derive(Clone, Debug)]
pub struct LogSettings {
    pub level: LogLevel,
    pub format: LogFormat,
    /// Spans are asked for by a collector's address, which this version cannot send to.
    spans_wanted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, on standard error.
    Text,
    /// For machines: one JSON object a line, on standard output.
    Json,
}

/// A level for everything, and others for single targets: `info,airtable_gateway=debug`.
#[derive(Clone, Debug)]
pub struct LogLevel(Targets);

/// The text is not a list of levels.
#[derive(Debug, thiserror::Error)]
#[error("must be error, warn, info, debug, trace or off, or a list such as info,airtable_gateway=debug")]
pub struct UnknownLevel;

/// The text is neither `text` nor `json`.
#[derive(Debug, thiserror::Error)]
#[error("must be text or json")]
pub struct UnknownFormat;

impl LogSettings {
    /// Reads `LOG_LEVEL` (a level, or `target=level` pairs; default `info`), `LOG_FORMAT` (default `text`) and
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn read(settings: &mut Reader<'_>) -> Option<Self> {
        let level = settings.optional::<LogLevel>("LOG_LEVEL");
        let format = settings.optional::<LogFormat>("LOG_FORMAT");
        let collector = settings.optional::<String>("OTEL_EXPORTER_OTLP_ENDPOINT");
        Some(Self {
            level: level.unwrap_or_else(|| LogLevel(Targets::new().with_default(LevelFilter::INFO))),
            format: format.unwrap_or(LogFormat::Text),
            spans_wanted: collector.is_some(),
        })
    }
}

impl FromStr for LogLevel {
    type Err = UnknownLevel;

    // Not `Targets`' own parser: it takes a mistyped level for a target and then logs nothing else.
    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        let mut targets = Targets::new().with_default(LevelFilter::INFO);
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            targets = match part.split_once('=') {
                Some((target, level)) => targets.with_target(target.trim(), level_of(level.trim())?),
                None => targets.with_default(level_of(part)?),
            };
        }
        Ok(Self(targets))
    }
}

fn level_of(text: &str) -> Result<LevelFilter, UnknownLevel> {
    text.parse().map_err(|_| UnknownLevel)
}

impl FromStr for LogFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text.to_ascii_lowercase().as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat),
        }
    }
}

/// Sets up the process's logs and metrics. The first call counts; later ones, as in tests, do nothing.
///
/// `service` is what lines outside of any request are from.
pub fn init(service: &'static str, settings: &LogSettings) {
    metrics::handle();
    let lines = LineLayer::new(service, settings.format).with_filter(settings.level.0.clone());
    if tracing_subscriber::registry().with(lines).try_init().is_ok() && settings.spans_wanted {
        tracing::warn!(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this version sends no spans; trace ids are in the log lines"
        );
    }
}
