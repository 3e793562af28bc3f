//! Logs, metrics and trace context.

mod lines;
pub mod metrics;
pub(crate) mod otlp;
mod process;
mod redact;
pub mod trace_context;

use std::str::FromStr;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::Reader;
use lines::LineLayer;
use otlp::Collector;

/// A library that has several lines to say about each request; it says them if it is asked by name.
pub(crate) const CHATTY: &str = "rmcp";

/// How much is logged, and for whom.
#[derive(Clone, Debug)]
pub struct LogSettings {
    pub level: LogLevel,
    pub format: LogFormat,
    /// Where spans go; nowhere unless a collector is set.
    collector: Option<Collector>,
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
    /// Reads `LOG_LEVEL` (a level, or `target=level` pairs; default `info`), `LOG_FORMAT` (default `text`),
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_EXPORTER_OTLP_HEADERS`.
    pub fn read(settings: &mut Reader<'_>) -> Option<Self> {
        let level = settings.optional::<LogLevel>("LOG_LEVEL");
        let format = settings.optional::<LogFormat>("LOG_FORMAT");
        let collector = Collector::read(settings);
        Some(Self {
            level: level
                .unwrap_or_else(|| LogLevel::new(Targets::new().with_default(LevelFilter::INFO), false)),
            format: format.unwrap_or(LogFormat::Text),
            collector,
        })
    }
}

impl FromStr for LogLevel {
    type Err = UnknownLevel;

    // Not `Targets`' own parser: it takes a mistyped level for a target and then logs nothing else.
    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        let mut targets = Targets::new().with_default(LevelFilter::INFO);
        let mut names_chatty = false;
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            targets = match part.split_once('=') {
                Some((target, level)) => {
                    names_chatty |= target.trim() == CHATTY;
                    targets.with_target(target.trim(), level_of(level.trim())?)
                }
                None => targets.with_default(level_of(part)?),
            };
        }
        Ok(Self::new(targets, names_chatty))
    }
}

impl LogLevel {
    fn new(targets: Targets, names_chatty: bool) -> Self {
        let default = targets.default_level().unwrap_or(LevelFilter::OFF);
        Self(if names_chatty { targets } else { targets.with_target(CHATTY, default.min(LevelFilter::WARN)) })
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

/// Sets up the process's logs, metrics and spans. The first call counts; later ones, as in tests, do nothing. A collector
/// needs a tokio runtime around the call.
///
/// `service` is what lines outside of any request are from.
pub fn init(service: &'static str, settings: &LogSettings) {
    metrics::handle();
    let lines = LineLayer::new(service, settings.format).with_filter(settings.level.0.clone());
    let spans = settings.collector.as_ref().map(|collector| collector.layer(service)).transpose();
    let (spans, problem) = match spans {
        Ok(spans) => (spans, None),
        Err(problem) => (None, Some(problem)),
    };
    let is_first = tracing_subscriber::registry().with(spans).with(lines).try_init().is_ok();
    if let (true, Some(problem)) = (is_first, problem) {
        // A service without traces is better than none.
        tracing::error!("spans are not sent: {problem}");
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_chatty_library_says_its_lines_only_if_it_is_asked_by_name() {
        for (setting, level, expected) in [
            ("info", Level::INFO, false),
            ("debug", Level::WARN, true),
            ("error", Level::WARN, false),
            ("info,rmcp=debug", Level::DEBUG, true),
        ] {
            let LogLevel(targets) = setting.parse().unwrap();
            assert_eq!(targets.would_enable("rmcp::service", &level), expected, "{setting} {level}");
        }
        let LogLevel(targets) = "info".parse().unwrap();
        assert!(targets.would_enable("mcp_server", &Level::INFO));
    }
}
